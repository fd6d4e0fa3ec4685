// browser.js - what a browser does with the cookie, and what pages of other origins can do.
//
//     node browser.js PORT LOG CHROMIUM FOLDER
//
// PORT is where the server listens, LOG the file it logs to, FOLDER an empty one for the browser.
// Chromium is driven by the DevTools protocol through pipes: JSON texts, each with a NUL at its
// end, in at its descriptor 3 and out at 4. The server has no pages, so any of its answers serves
// as a page of its origin; pages of other origins are empty, and come from a server in here.
'use strict';
const { spawn } = require('child_process');
const fs = require('fs');
const http = require('http');

const [port, log, chromium, folder] = process.argv.slice(2);
let passed = 0, failed = 0;

function check(sentence, actual, expected) {
    const [got, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
    if (got === wanted) {
        passed++;
    } else {
        failed++;
        console.log(`FAIL ${sentence}\n     got  ${got}\n     want ${wanted}`);
    }
}

// ---- The browser ----

const browser = spawn(chromium, [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--disable-dev-shm-usage', '--remote-debugging-pipe', `--user-data-dir=${folder}`,
    '--host-resolver-rules=MAP *.test 127.0.0.1', 'about:blank',
], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });

const waiting = new Map(); // what an answer, or an event, is awaited by
let calls = 0;

function receive(text) {
    const message = JSON.parse(text);
    const key = message.id || message.method;
    const done = waiting.get(key);
    waiting.delete(key);
    if (done) done(message.error ? Promise.reject(new Error(text)) : message.result);
}

function await_message(key) {
    return new Promise((done) => waiting.set(key, done));
}

function send(method, params = {}, sessionId = undefined) {
    const id = ++calls;
    const answer = await_message(id);
    browser.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return answer;
}

let unread = '';
browser.stdio[4].on('data', (data) => {
    const texts = (unread + data).split('\0');
    unread = texts.pop();
    texts.forEach(receive);
});

async function open_tab() {
    const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
    const tell = (method, params) => send(method, params, sessionId);
    await tell('Page.enable');
    const run = async (script) => {
        const params = { expression: script, awaitPromise: true, returnByValue: true };
        const { result, exceptionDetails } = await tell('Runtime.evaluate', params);
        if (exceptionDetails) throw new Error(exceptionDetails.exception.description);
        return result.value;
    };
    // Does what loads a page, and says its status and text.
    const load = async (action) => {
        const loaded = await_message('Page.loadEventFired');
        await action();
        await loaded;
        return run('[performance.getEntriesByType("navigation")[0].responseStatus,'
            + ' document.body.innerText]');
    };
    return {
        run, load,
        visit: (url) => load(() => tell('Page.navigate', { url })),
        cookies: async (url) => (await tell('Network.getCookies', { urls: [url] })).cookies,
        fetch: (method, path, body) => run(`fetch(${JSON.stringify(path)}, {
            method: '${method}', body: ${JSON.stringify(body)} }).then(
            async (answer) => [answer.status, JSON.parse(await answer.text()).message])`),
        // From a page of another origin: all that its script sees is that there was no answer.
        reach: (url, options) => run(`fetch('${url}',
            { credentials: 'include', ...${JSON.stringify(options)} }).then(
            (answer) => answer.status, (error) => error.name)`),
    };
}

// ---- What is promised ----

const login = JSON.stringify({ username: 'foo', password: 'foo' });
const greeting = '{"message": "Hello, foo"}';

// What the server has answered, "GET /home 200" and so on. Browsers ask for icons when they like.
function logged() {
    return fs.readFileSync(log, 'latin1').trimEnd().split('\n')
        .map((line) => line.replace(/.*"(.*) HTTP\/1.1" (\d+) .*/, '$1 $2'))
        .filter((line) => !line.includes('favicon'));
}

// What it answers while `action` is done. The log comes a moment after the answer.
async function logged_in(action) {
    const before = logged().length;
    await action();
    for (let i = 0; i < 100 && logged().length === before; i++)
        await new Promise((done) => setTimeout(done, 50));
    return logged().slice(before);
}

async function own_pages(tab, site) {
    const [status, text] = await tab.visit(`${site}/home`);
    check('A browser shows the answer to who is not logged in', [status, JSON.parse(text).error],
        [401, "I can't let you do that"]);
    check('A wrong password is refused',
        await tab.fetch('POST', '/login', '{"username": "foo", "password": "fo"}'), [401, null]);
    check('A page of the site logs in', await tab.fetch('POST', '/login', login),
        [200, 'Logged in']);
    check('Its scripts cannot read the cookie', await tab.run('document.cookie'), '');
    const cookies = await tab.cookies(site);
    check('The browser keeps it until it is closed, for the whole site, as Lax',
        cookies.map((c) => [c.name, c.value.length, c.path, c.httpOnly, c.session, c.sameSite]),
        [['session_id', 40, '/', true, true, 'Lax']]);
    check('The page is greeted', await tab.fetch('GET', '/home'), [200, 'Hello, foo']);
    check('So is who goes to /home', await tab.visit(`${site}/home`), [200, greeting]);
    check('A hundred requests at once are all greeted', await tab.run(`Promise.all(
        Array.from({ length: 100 }, () => fetch('/home').then((answer) => answer.status))).then(
        (all) => all.filter((status) => status === 200).length)`), 100);
}

async function other_pages(tab, site, other, far) {
    const form = (page) => tab.load(() => tab.run(`document.body.innerHTML =
        '<form method="post" enctype="text/plain" action="${page}"><input name="x"></form>';
        document.forms[0].submit()`));

    await tab.visit(other);
    check('A post from a page of another origin is refused', await logged_in(() =>
        tab.reach(`${site}/logout`, { method: 'POST' })), ['POST /logout 403']);
    check('It gets no permission to post JSON', await logged_in(() =>
        tab.reach(`${site}/login`, { method: 'POST', body: login,
            headers: { 'Content-Type': 'application/json' } })), ['OPTIONS /login 200']);
    check('Its scripts read no answer', await tab.reach(`${site}/home`, {}), 'TypeError');
    await tab.visit(other);
    const [status, text] = await form(`${site}/logout`);
    check('A form in it is refused', [status, JSON.parse(text).error],
        [403, 'This request comes from a page of another site']);
    await tab.visit(far);
    check('The cookie does not go along when a page of another site asks', await logged_in(() =>
        tab.reach(`${site}/home`, {})), ['GET /home 401']);
    await tab.visit(other);
    check('Who follows a link from there is greeted: the session lives',
        await tab.load(() => tab.run(`location.href = '${site}/home'`)), [200, greeting]);
}

async function leaving(tab, site) {
    await tab.visit(`${site}/home`);
    await tab.visit(`${site}/elsewhere`);
    check('A page of the site logs out', await tab.fetch('POST', '/logout', ''),
        [200, 'logged out']);
    check('The browser forgets the cookie', await tab.cookies(site), []);
    check('The page is greeted no more', await tab.fetch('GET', '/home'), [401, null]);
    const [status] = await tab.load(() => tab.run('history.back()'));
    check('Going back does not show the greeting again', status, 401);
}

async function main() {
    const others = http.createServer((request, answer) => {
        answer.setHeader('Content-Type', 'text/html');
        answer.end('<title>another page</title><body></body>');
    });
    await new Promise((done) => others.listen(0, '127.0.0.1', done));
    const other_port = others.address().port;
    const tab = await open_tab();

    for (const [site, other, far] of [
        // Chromium sends Sec-Fetch-Site to addresses of this machine. Another port is another
        // origin of the same site, another name is another site.
        ['127.0.0.1', '127.0.0.1', 'localhost'],
        // It sends none to a name without TLS: there, Origin must do.
        ['site.test', 'other.test', 'far.test'],
    ]) {
        await own_pages(tab, `http://${site}:${port}`);
        await other_pages(tab, `http://${site}:${port}`, `http://${other}:${other_port}`,
            `http://${far}:${other_port}`);
        await leaving(tab, `http://${site}:${port}`);
    }
}

const overdue = new Promise((_, late) => {
    setTimeout(late, 60000, new Error('no answer for a minute')).unref();
    browser.on('error', late);
});

Promise.race([main(), overdue]).catch(
    (error) => check('The browser can be driven', error.message, ''),
).finally(() => {
    console.log(`${passed} passed, ${failed} failed`);
    browser.on('exit', () => process.exit(failed > 0 ? 1 : 0));
    browser.kill();
});
