// RSMQ: no bulk calls, so a thousand sends and a hundred receives are under way at once. Delays are
// whole seconds. An idle worker asks again every 100 ms: there is nothing that would wake it.
import { setTimeout as sleep } from 'node:timers/promises';

import { need, pieces, versionOf } from './need.js';

const Rsmq = need('rsmq');
const AT_ONCE = 1000;
const CONCURRENCY = 100;
const POLL_MS = 100;

// The due time that a delay of whole seconds comes to is written into the payload.
function messageOf({ dueMs, payload }) {
    const now = Date.now();
    const delay = Math.max(0, Math.ceil((dueMs - now) / 1000));
    const due = delay > 0 ? now + delay * 1000 : 0;
    return { qname: 'q', delay, message: payload.replace(`:${dueMs}:`, `:${due}:`) };
}

export default {
    version: versionOf('rsmq'),
    wholeSeconds: true,

    async connect(port) {
        const rsmq = new Rsmq({ host: '127.0.0.1', port, ns: 'rsmq' });
        try {
            await rsmq.createQueueAsync({ qname: 'q', vt: 60 });
        } catch (error) {
            if (error.name !== 'queueExists') throw error;
        }
        return {
            async push(tasks) {
                for (const some of pieces(tasks, AT_ONCE))
                    await Promise.all(some.map((task) => rsmq.sendMessageAsync(messageOf(task))));
            },
            async work(handle) {
                let stopping = false;
                // The first receiver looks by itself; the others join while there is something.
                const receive = async () => {
                    const found = await rsmq.receiveMessageAsync({ qname: 'q' });
                    if (!found.id) return false;
                    handle(found.message);
                    await rsmq.deleteMessageAsync({ qname: 'q', id: found.id });
                    return true;
                };
                const drain = async () => { while (!stopping && await receive()); };
                const loop = async () => {
                    while (!stopping) {
                        if (await receive())
                            await Promise.all(Array.from({ length: CONCURRENCY }, drain));
                        else await sleep(POLL_MS);
                    }
                };
                const ended = loop();
                return async () => {
                    stopping = true;
                    await ended;
                };
            },
        };
    },
};
