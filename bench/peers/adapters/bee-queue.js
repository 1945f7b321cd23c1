// bee-queue: jobs saved in bulk, no events, nothing kept; delayed jobs without the second that it
// waits by default to gather them.
import { need, pieces, versionOf } from './need.js';

const Queue = need('bee-queue');
const BULK = 1000;
const CONCURRENCY = 100;

const settings = {
    activateDelayedJobs: true, delayedDebounce: 1, removeOnSuccess: true, storeJobs: false,
    sendEvents: false,
};

function jobOf(queue, { dueMs, payload }) {
    const job = queue.createJob(payload);
    return dueMs > 0 ? job.delayUntil(dueMs) : job;
}

export default {
    version: versionOf('bee-queue'),

    async connect(port) {
        const redis = { host: '127.0.0.1', port };
        // Who only pushes neither works nor raises delayed jobs, but tells who does of new ones.
        const producer = new Queue('q', { ...settings, redis, isWorker: false, getEvents: false,
            activateDelayedJobs: false });
        await producer.ready();
        return {
            async push(tasks) {
                for (const some of pieces(tasks, BULK))
                    await producer.saveAll(some.map((task) => jobOf(producer, task)));
            },
            async work(handle) {
                const worker = new Queue('q', { ...settings, redis });
                await worker.ready();
                worker.process(CONCURRENCY, async (job) => { handle(job.data); });
                return () => worker.close();
            },
        };
    },
};
