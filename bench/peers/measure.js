// One run of one measurement of one peer, in a process of its own: writes its figures as JSON. An
// adapter says how a peer is used at its best; what is done with it is the same for all and is here.
// dueq is measured by its own program (adapters/dueq.js).
import { setTimeout as sleep } from 'node:timers/promises';

import { useOf } from './servers.js';

const job = JSON.parse(process.argv[2]);
const { peer: name, port, pid } = job;
const { default: adapter } = await import(`./adapters/${name}.js`);

const PAYLOAD_LEN = 100;
const HOUR_MS = 3600000;
const FEW_WAITING = 1000;
const HEAD_START_MS = 2000; // before the first task is due

const nowUs = () => (performance.timeOrigin + performance.now()) * 1000;
const use = () => useOf(name, port, pid);

// A task: its payload carries its number and due time, so that its handler needs nothing else. No two
// have the same: the recipe knows a task by its payload.
let taskCount = 0;
function makeTask(dueMs) {
    return { dueMs, payload: `${taskCount++}:${dueMs}:`.padEnd(PAYLOAD_LEN, 'p') };
}

function makeTasks(count, dueMs) {
    return Array.from({ length: count }, () => makeTask(dueMs()));
}

const far = (count) => makeTasks(count, () => Date.now() + HOUR_MS + Math.floor(Math.random() * HOUR_MS));
const ready = (count) => makeTasks(count, () => 0);

// What `work` costs the server a task, and how many a second.
async function cost(count, work) {
    const before = await use();
    const from = performance.now();
    await work();
    const seconds = (performance.now() - from) / 1000;
    const after = await use();
    return {
        perS: count / seconds,
        us: (after.cpuUs - before.cpuUs) / count,
        bytes: (after.memory - before.memory) / count,
    };
}

// Works until `count` different tasks have been handled; then stops in good order.
async function workOff(peer, count, note = () => {}) {
    const seen = new Set();
    const all = {};
    all.done = new Promise((resolve) => { all.resolve = resolve; });
    const stop = await peer.work((payload) => {
        const atUs = nowUs();
        const [number, dueMs] = payload.split(':', 2).map(Number);
        note(number, dueMs, atUs, seen.has(number));
        seen.add(number);
        if (seen.size === count) all.resolve();
    });
    await all.done;
    await stop();
}

// The p-th percentile of sorted numbers.
const percentile = (sorted, p) => sorted[Math.max(0, Math.ceil(sorted.length * p / 100) - 1)];

// Due times at random within `spanMs`.
function dueWithin(spanMs) {
    const from = Date.now() + HEAD_START_MS;
    return () => from + Math.floor(Math.random() * spanMs);
}

// Where delays are whole seconds from the push on, due times are spread by spreading the pushes.
async function pushSteadily(peer, count, spanMs) {
    const from = Date.now();
    for (let i = 0; i < count; i++) {
        const atMs = from + i * spanMs / count;
        if (atMs > Date.now()) await sleep(atMs - Date.now());
        await peer.push([makeTask(Date.now() + 1000)]);
    }
}

const measurements = {
    async enqueue(peer) {
        const tasks = far(job.tasks);
        const { perS, us, bytes } = await cost(job.tasks, () => peer.push(tasks));
        return { enqueue_per_s: perS, enqueue_us: us, bytes };
    },

    async process(peer) {
        await peer.push(ready(job.tasks));
        const { perS, us } = await cost(job.tasks, () => workOff(peer, job.tasks));
        return { process_per_s: perS, process_us: us };
    },

    async lateness(peer) {
        const count = Math.min(job.tasks, 500 * job.seconds);
        const spanMs = job.seconds * 1000;
        const late = [];
        let twice = 0;
        let early = 0;
        const handled = workOff(peer, count, (number, dueMs, atUs, again) => {
            late.push((atUs - dueMs * 1000) / 1000);
            twice += again;
            early += atUs < dueMs * 1000;
        });
        if (adapter.wholeSeconds) await pushSteadily(peer, count, spanMs);
        else await peer.push(makeTasks(count, dueWithin(spanMs)));
        await handled;
        late.sort((a, b) => a - b);
        return {
            late_p50_ms: percentile(late, 50), late_p99_ms: percentile(late, 99),
            late_max_ms: percentile(late, 100), early_percent: early * 100 / late.length,
            twice_percent: twice * 100 / late.length,
        };
    },

    // All due in one instant, far enough ahead for the push of all. With delays of whole seconds from
    // the push on there is no such instant.
    async burst(peer) {
        if (adapter.wholeSeconds) return {};
        const dueMs = Date.now() + HEAD_START_MS + Math.ceil(job.tasks / 10);
        const handled = workOff(peer, job.tasks);
        await peer.push(makeTasks(job.tasks, () => dueMs));
        await handled;
        return { burst_s: (Date.now() - dueMs) / 1000 };
    },

    async idle(peer) {
        await peer.push(far(10000));
        for (let i = 0; i < job.workers; i++)
            await (await adapter.connect(port)).work(() => {}, 1);
        await sleep(2000);
        const before = await use();
        const from = performance.now();
        await sleep(job.seconds * 1000);
        const after = await use();
        const seconds = (performance.now() - from) / 1000;
        return { idle_commands_per_s: Math.max(0, after.commands - before.commands - 1) / seconds };
    },

    async scale(peer) {
        const figures = {};
        let waiting = 0;
        for (const [key, wanted] of [['few', FEW_WAITING], ['many', job.max]]) {
            const count = Math.min(job.tasks, Math.max(FEW_WAITING, wanted / 10));
            await peer.push(far(wanted - waiting));
            const pushed = await cost(count, () => peer.push(far(count)));
            await peer.push(ready(count));
            const worked = await cost(count, () => workOff(peer, count));
            figures[`enqueue_us_${key}`] = pushed.us;
            figures[`process_us_${key}`] = worked.us;
            waiting = wanted + count;
        }
        return figures;
    },
};

let figures;
if (adapter.measure) {
    figures = await adapter.measure(job);
} else {
    const peer = await adapter.connect(port);
    figures = await measurements[job.measurement](peer);
}
const { version } = await use();
process.stdout.write(JSON.stringify({ version: adapter.version, server: version, ...figures }),
    () => process.exit(0));
