#!/usr/bin/env node
// A handler for tasks that dueq posts: stores each payload in a file of its own.
//
//     export DUEQ_HTTP_SECRET=...
//     node handler.js DIR PORT                             # 0: any free port
//     dueq work QUEUE --http http://127.0.0.1:PORT/
//
// 200 the task is done; 503 come back later (while DIR/paused exists); 410 it never will be (it is
// empty, or its id too long for the name of a file). Anything else is tried again too, after dueq's
// own backoff.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');

const secret = process.env.DUEQ_HTTP_SECRET;
const [folder, port] = process.argv.slice(2);
const AGE_MAX_S = 300; // of a request: an older one may be a recording
const BODY_LEN_MAX = 64 * 1024 * 1024;
const NAME_LEN_MAX = 200; // of a file; file systems take some 50 more

if (!secret || !port) {
    console.error('usage: DUEQ_HTTP_SECRET=... node handler.js DIR PORT');
    process.exit(2);
}

// Whether the request comes from a worker that knows the secret, and is not an old one.
function isSigned(headers, body) {
    const [, seconds, said] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(headers['dueq-signature']) ?? [];
    if (!said || Math.abs(Date.now() / 1000 - Number(seconds)) > AGE_MAX_S) return false;
    const names = ['dueq-queue', 'dueq-id', 'dueq-attempt', 'dueq-token'];
    const mac = crypto.createHmac('sha256', secret);
    for (const line of [seconds, ...names.map((name) => headers[name])]) mac.update(`${line}\n`);
    return crypto.timingSafeEqual(mac.update(body).digest(), Buffer.from(said, 'hex'));
}

// It begins with "task-", so that ".." is an id as any other.
function fileName(id) {
    return `task-${id.replaceAll('/', '%2F')}`;
}

// The work. A task may come twice, so it is such that doing it twice does no harm.
async function store(name, body) {
    const file = path.join(folder, name);
    const part = `${file}.${crypto.randomUUID()}.part`;
    await fs.promises.writeFile(part, body, { flag: 'wx' });
    await fs.promises.rename(part, file);
}

async function readBody(request) {
    const pieces = [];
    let length = 0;
    for await (const piece of request) {
        length += piece.length;
        if (length > BODY_LEN_MAX) return null;
        pieces.push(piece);
    }
    return Buffer.concat(pieces);
}

function answer(response, status, text, headers = {}) {
    response.writeHead(status, { 'Content-Length': Buffer.byteLength(text), ...headers });
    response.end(text);
}

async function handle(request, response) {
    const body = await readBody(request);
    const name = fileName(request.headers['dueq-id'] ?? '');
    if (body === null) {
        answer(response, 413, 'the payload is too large', { Connection: 'close' });
    } else if (!isSigned(request.headers, body)) {
        answer(response, 401, 'the signature is missing, wrong or old');
    } else if (fs.existsSync(path.join(folder, 'paused'))) {
        answer(response, 503, 'paused', { 'Retry-After': 60 });
    } else if (body.length === 0) {
        answer(response, 410, 'the payload is empty');
    } else if (name.length > NAME_LEN_MAX) {
        answer(response, 410, 'the id is too long for the name of a file');
    } else {
        await store(name, body);
        answer(response, 200, 'stored');
    }
}

const server = http.createServer((request, response) => {
    handle(request, response).catch((error) => {
        console.error(error);
        if (!response.headersSent) answer(response, 500, error.message);
    });
});
server.listen(Number(port), '127.0.0.1', () => {
    console.log(`listening on 127.0.0.1:${server.address().port}`);
});
