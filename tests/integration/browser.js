// browser.js - tests what a browser does with the cookie, and what pages of other origins can do.
//
//     node browser.js PORT LOG CHROMIUM FOLDER
//
// PORT is that of the server, LOG its log file, FOLDER an empty folder for the browser. Chromium is
// controlled with the DevTools protocol through pipes: JSON texts, each with a NUL at its end, that it
// reads from descriptor 3 and writes to 4. The server has no pages, so any of its responses is used as
// a page of its origin; pages of other origins are empty, and come from a server in this file.
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

const waiting = new Map(); // functions that wait for a response or an event
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
    const response = await_message(id);
    browser.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return response;
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
    // Does something that loads a page. Returns its status and text.
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
            async (response) => [response.status, JSON.parse(await response.text()).message])`),
    };
}

// ---- The tests ----

const login = JSON.stringify({ username: 'foo', password: 'foo' });
const greeting = '{"message": "Hello, foo"}';

// The requests and their status, such as "GET /home 200". Browsers request icons at any time.
function logged() {
    return fs.readFileSync(log, 'latin1').trimEnd().split('\n')
        .map((line) => line.replace(/.*"(.*) HTTP\/1.1" (\d+) .*/, '$1 $2'))
        .filter((line) => !line.includes('favicon'));
}

// What a page's script may do at another origin: what it sees, and the request that is logged, shortly
// after the response.
async function reach(tab, url, options) {
    const before = logged().length;
    const seen = await tab.run(`fetch('${url}', { credentials: 'include', ...${JSON.stringify(options)} })
        .then((response) => response.status, (error) => error.name)`);
    for (let i = 0; i < 100 && logged().length === before; i++)
        await new Promise((done) => setTimeout(done, 50));
    return [seen, ...logged().slice(before)];
}

async function own_pages(tab, site) {
    const [status, text] = await tab.visit(`${site}/home`);
    check('A browser without a login shows the 401', [status, JSON.parse(text).error],
        [401, "I can't let you do that"]);
    check('A wrong password is refused',
        await tab.fetch('POST', '/login', '{"username": "foo", "password": "fo"}'), [401, null]);
    check('A page of the site logs in', await tab.fetch('POST', '/login', login), [200, 'Logged in']);
    check('Its scripts cannot read the cookie', await tab.run('document.cookie'), '');
    check('The browser keeps it until it is closed, for the whole site, with SameSite=Lax',
        (await tab.cookies(site)).map((c) => [c.name, c.value.length, c.path, c.httpOnly, c.session, c.sameSite]),
        [['session_id', 40, '/', true, true, 'Lax']]);
    check('The page is greeted', await tab.fetch('GET', '/home'), [200, 'Hello, foo']);
    check('So is a user who opens /home', await tab.visit(`${site}/home`), [200, greeting]);
    check('A hundred requests at once are all greeted', await tab.run(`Promise.all(
        Array.from({ length: 100 }, () => fetch('/home').then((response) => response.status))).then(
        (all) => all.filter((status) => status === 200).length)`), 100);
}

async function other_pages(tab, site, other, far) {
    await tab.visit(other);
    check('A post from a page of another origin is refused',
        await reach(tab, `${site}/logout`, { method: 'POST' }), ['TypeError', 'POST /logout 403']);
    const headers = { 'Content-Type': 'application/json' };
    check('It gets no permission to post JSON',
        await reach(tab, `${site}/login`, { method: 'POST', body: login, headers }),
        ['TypeError', 'OPTIONS /login 200']);
    check('Its scripts cannot read a response', (await reach(tab, `${site}/home`, {}))[0], 'TypeError');
    const [status, text] = await tab.load(() => tab.run(`document.body.innerHTML =
        '<form method="post" enctype="text/plain" action="${site}/logout"><input name="x"></form>';
        document.forms[0].submit()`));
    check('A form in it is refused', [status, JSON.parse(text).error],
        [403, 'This request comes from a page of another origin']);
    await tab.visit(far);
    check('The cookie is not sent with a request of a page of another site',
        await reach(tab, `${site}/home`, {}), ['TypeError', 'GET /home 401']);
    await tab.visit(other);
    check('A user who follows a link from there is greeted: the session is valid',
        await tab.load(() => tab.run(`location.href = '${site}/home'`)), [200, greeting]);
}

async function leaving(tab, site) {
    await tab.visit(`${site}/home`);
    await tab.visit(`${site}/elsewhere`);
    check('A page of the site logs out', await tab.fetch('POST', '/logout', ''), [200, 'logged out']);
    check('The browser forgets the cookie', await tab.cookies(site), []);
    check('The page is not greeted any more', await tab.fetch('GET', '/home'), [401, null]);
    const [status] = await tab.load(() => tab.run('history.back()'));
    check('Going back does not show the greeting again', status, 401);
}

async function main() {
    const others = http.createServer((request, response) => {
        response.setHeader('Content-Type', 'text/html');
        response.end('<title>another page</title><body></body>');
    });
    await new Promise((done) => others.listen(0, '127.0.0.1', done));
    const other_port = others.address().port;
    const tab = await open_tab();

    for (const [site, other, far] of [
        // Chromium sends Sec-Fetch-Site to loopback addresses. Another port is another origin of
        // the same site, another name is another site.
        ['127.0.0.1', '127.0.0.1', 'localhost'],
        // It sends none to a name without TLS; there, only Origin is sent.
        ['site.test', 'other.test', 'far.test'],
    ]) {
        await own_pages(tab, `http://${site}:${port}`);
        await other_pages(tab, `http://${site}:${port}`, `http://${other}:${other_port}`,
            `http://${far}:${other_port}`);
        await leaving(tab, `http://${site}:${port}`);
    }
}

const overdue = new Promise((_, late) => {
    setTimeout(late, 60000, new Error('no response for a minute')).unref();
    browser.on('error', late);
});

Promise.race([main(), overdue]).catch(
    (error) => check('The browser can be driven', error.message, ''),
).finally(() => {
    console.log(`${passed} passed, ${failed} failed`);
    browser.on('exit', () => process.exit(failed > 0 ? 1 : 0));
    browser.kill();
});
