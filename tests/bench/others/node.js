// node.js - /home and /login on Node's own http module.
//
//     node node.js PORT
'use strict';
const http = require('http');
const crypto = require('crypto');

const sessions = new Map();

function reply(res, status, body, fields = {}) {
  const text = JSON.stringify(body);
  const type = { 'Content-Type': 'application/json', 'Content-Length': text.length };
  res.writeHead(status, { ...type, ...fields });
  res.end(text);
}

function home(req, res) {
  const found = /session_id=([^;]*)/.exec(req.headers.cookie || '');
  const name = found && sessions.get(found[1]);
  if (name) reply(res, 200, { message: 'Hello, ' + name });
  else reply(res, 401, { error: "I can't let you do that" });
}

function login(res, body) {
  const sent = JSON.parse(body);
  if (sent.username !== 'foo' || sent.password !== 'foo')
    return reply(res, 401, { error: 'Invalid username or password' });
  const id = crypto.randomBytes(20).toString('hex');
  sessions.set(id, 'foo');
  reply(res, 200, { message: 'Logged in', session_id: id },
        { 'Set-Cookie': `session_id=${id}; Path=/` });
}

const server = http.createServer((req, res) => {
  if (req.url === '/home') return home(req, res);
  let body = '';
  req.on('data', (piece) => { body += piece; });
  req.on('end', () => login(res, body));
});
server.keepAliveTimeout = 0;
server.listen(Number(process.argv[2]), '127.0.0.1');
