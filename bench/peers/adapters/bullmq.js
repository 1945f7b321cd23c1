// BullMQ: jobs in bulk, one worker with many at a time, jobs removed when they are done.
import { need, pieces, versionOf } from './need.js';

const { Queue, Worker } = need('bullmq');
const BULK = 1000;
const CONCURRENCY = 100;

function jobOf({ dueMs, payload }) {
    const timestamp = Date.now();
    const delay = Math.max(0, dueMs - timestamp);
    return { name: 't', data: payload, opts: { timestamp, delay, removeOnComplete: true } };
}

export default {
    version: versionOf('bullmq'),

    async connect(port) {
        const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null };
        const queue = new Queue('q', { connection });
        await queue.waitUntilReady();
        return {
            async push(tasks) {
                for (const some of pieces(tasks, BULK)) await queue.addBulk(some.map(jobOf));
            },
            async work(handle) {
                const worker = new Worker('q', async (job) => { handle(job.data); },
                    { connection, concurrency: CONCURRENCY });
                await worker.waitUntilReady();
                return () => worker.close();
            },
        };
    },
};
