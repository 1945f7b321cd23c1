// The plain recipe: a ZSET whose score is the due time, the payload its member, and a lock with a time
// limit for each item that is worked on. Kinder than it is usually written: the score is in
// milliseconds, pushes are variadic, ten workers share the work, and a lock is left to its time limit:
// given back at once, it goes to a worker that read the item before it was removed, which does it again.
import { setTimeout as sleep } from 'node:timers/promises';

import { need, pieces, versionOf } from './need.js';

const { Redis } = need('ioredis');
const BULK = 1000;
const PAGE = 10;
const WORKERS = 10;
const POLL_MS = 100;
const LOCK_MS = 10000;

async function workOn(redis, item, handle) {
    if (await redis.set(`lock:${item}`, '1', 'PX', LOCK_MS, 'NX') !== 'OK') return;
    handle(item);
    await redis.zrem('due', item);
}

export default {
    version: `ioredis ${versionOf('ioredis')}`,

    async connect(port) {
        const producer = new Redis(port, '127.0.0.1');
        return {
            async push(tasks) {
                for (const some of pieces(tasks, BULK))
                    await producer.zadd('due', ...some.flatMap((t) => [t.dueMs, t.payload]));
            },
            async work(handle, workers = WORKERS) {
                let stopping = false;
                const loop = async () => {
                    const redis = new Redis(port, '127.0.0.1');
                    while (!stopping) {
                        const items =
                            await redis.zrangebyscore('due', 0, Date.now(), 'LIMIT', 0, PAGE);
                        if (items.length === 0) await sleep(POLL_MS);
                        for (const item of items) await workOn(redis, item, handle);
                    }
                    redis.disconnect();
                };
                const ended = Promise.all(Array.from({ length: workers }, loop));
                return async () => {
                    stopping = true;
                    await ended;
                };
            },
        };
    },
};
