// beanstalkd, by its protocol on a plain socket: puts in a pipeline; reserves and deletes by the
// hundred. Delays are whole seconds. An idle worker waits in a reserve, which costs nothing.
import net from 'node:net';
import { execFileSync } from 'node:child_process';

import { pieces } from './need.js';

const BULK = 1000;
const BATCH = 100;

// Answers come in the order of the commands: each goes to the oldest that still waits.
function open(port) {
    const waiting = [];
    let rest = Buffer.alloc(0);
    const socket = net.connect(port, '127.0.0.1');

    function next() {
        const end = rest.indexOf('\r\n');
        if (end < 0) return false;
        const words = rest.toString('latin1', 0, end).split(' ');
        let used = end + 2;
        let body = '';
        if (words[0] === 'RESERVED') {
            const len = Number(words[2]);
            if (rest.length < used + len + 2) return false;
            body = rest.toString('latin1', used, used + len);
            used += len + 2;
        }
        rest = rest.subarray(used);
        waiting.shift()({ word: words[0], id: words[1], body });
        return true;
    }
    socket.on('data', (bytes) => {
        rest = rest.length > 0 ? Buffer.concat([rest, bytes]) : bytes;
        while (next());
    });
    return {
        socket,
        // Sends commands in one write; resolves to their answers.
        send(commands) {
            const answers = commands.map(() => new Promise((resolve) => { waiting.push(resolve); }));
            socket.write(commands.join(''));
            return Promise.all(answers);
        },
    };
}

function put({ dueMs, payload }) {
    const now = Date.now();
    const delay = Math.max(0, Math.ceil((dueMs - now) / 1000));
    const body = payload.replace(`:${dueMs}:`, `:${delay > 0 ? now + delay * 1000 : 0}:`);
    return `put 0 ${delay} 60 ${body.length}\r\n${body}\r\n`;
}

// Waits for a first one, then has up to `more` others if they are there.
async function reserve(client, more) {
    const first = await client.send(['reserve\r\n']);
    const others = await client.send(Array(more).fill('reserve-with-timeout 0\r\n'));
    return [...first, ...others].filter(({ word }) => word === 'RESERVED');
}

export default {
    version: /[0-9][0-9.]*/.exec(execFileSync(process.env.BEANSTALKD, ['-v']).toString())[0],
    wholeSeconds: true,

    async connect(port) {
        const producer = open(port);
        return {
            async push(tasks) {
                for (const some of pieces(tasks, BULK)) {
                    const bad = (await producer.send(some.map(put))).find((a) => a.word !== 'INSERTED');
                    if (bad) throw new Error(`put: ${bad.word}`);
                }
            },
            async work(handle) {
                const client = open(port);
                let stopping = false;
                const loop = async () => {
                    // Asks for twice as many as there were the last time: few when they trickle in.
                    for (let more = 1; !stopping;) {
                        const jobs = await reserve(client, more);
                        more = Math.min(BATCH, 2 * jobs.length) - 1;
                        for (const { body } of jobs) handle(body);
                        if (jobs.length > 0)
                            await client.send(jobs.map(({ id }) => `delete ${id}\r\n`));
                    }
                };
                loop();
                // A reserve that waits is ended by the end of its connection.
                return async () => {
                    stopping = true;
                    await new Promise((resolve) => { setImmediate(resolve); });
                    client.socket.end();
                };
            },
        };
    },
};
