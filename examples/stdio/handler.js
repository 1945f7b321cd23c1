#!/usr/bin/env node
// A handler that stays up: puts messages into an outbox, as many at a time as --window says.
//
//     dueq work mail --stdio --window 8 -- examples/stdio/handler.js OUTBOX
//
// A task's payload is JSON, {"to": "ada@example.org", "text": "..."}; the message becomes a file in
// the folder OUTBOX that is named by the task's id. A task may come twice, so doing it twice must do
// no harm: the second time the same file is written again.
'use strict';

const fs = require('node:fs/promises');
const path = require('node:path');
const readline = require('node:readline');

const outbox = process.argv[2];
const NAME_LEN_MAX = 200; // of a file; file systems take some 50 more
const atWork = new Map(); // receipt -> what stops the work when the lease is lost

class Hopeless extends Error {} // never to be mended by trying again

// One line a task. Only this may write to stdout: console.log() elsewhere would break the protocol.
function answer(task, result, more = {}) {
  process.stdout.write(JSON.stringify({ receipt: task.receipt, result, ...more }) + '\n');
}

function render(task) {
  let message;
  try {
    message = JSON.parse(task.payload);
  } catch {
    throw new Hopeless('the payload is no JSON');
  }
  const { to, text } = message ?? {};
  if (typeof to !== 'string' || typeof text !== 'string') {
    throw new Hopeless('a message has "to" and "text"');
  }
  if (!/^[^\s@\p{Cc}]+@[^\s@\p{Cc}]+$/u.test(to)) throw new Hopeless(`no such address: ${to}`);
  return `To: ${to}\n\n${text}\n`;
}

// It begins with "task-", so that ".." is an id as any other.
function fileName(task) {
  const name = `task-${encodeURIComponent(task.id ?? task.id_base64)}`;
  if (name.length > NAME_LEN_MAX) throw new Hopeless('the id is too long for the name of a file');
  return name;
}

// All or nothing: a reader of the outbox never sees half a message.
async function put(name, text, signal) {
  const file = path.join(outbox, name);
  await fs.writeFile(`${file}.tmp`, text, { signal });
  await fs.rename(`${file}.tmp`, file);
}

async function handle(task) {
  const lost = new AbortController();
  atWork.set(task.receipt, lost);
  try {
    await put(fileName(task), render(task), lost.signal);
    answer(task, 'done');
  } catch (error) {
    if (lost.signal.aborted) answer(task, 'release'); // somebody else has it: any answer will do
    else if (error instanceof Hopeless) answer(task, 'dead', { error: error.message });
    else answer(task, 'retry', { delay: '10s', error: error.message });
  } finally {
    atWork.delete(task.receipt);
  }
}

// When stdin ends, Node ends once what is at work is finished.
readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const message = JSON.parse(line);
  if ('lost' in message) atWork.get(message.lost)?.abort();
  else handle(message);
});
