// dueq, by its own benchmark: batches of 1,000 pushed by one connection; worked on by one worker.
import { execFileSync } from 'node:child_process';

function bench(job, ...words) {
    const url = `redis://127.0.0.1:${job.port}`;
    const out = execFileSync(process.env.DUEQ, ['--json', '--url', url, 'bench', ...words, '--runs', '1'],
        { maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'inherit'] });
    return out.toString().trim().split('\n').map((line) => JSON.parse(line));
}

const measurements = {
    enqueue(job) {
        const [far] = bench(job, 'memory', '--batch', '1000', '--tasks', `${job.tasks}`);
        return {
            enqueue_per_s: far.tasks_per_s, enqueue_us: far.server_us_per_task,
            bytes: far.bytes_per_task,
        };
    },
    process(job) {
        const [work] = bench(job, 'work', '--worker', '--tasks', `${job.tasks}`);
        return { process_per_s: work.tasks_per_s, process_us: work.server_us_per_task };
    },
    lateness(job) {
        const count = Math.min(job.tasks, 500 * job.seconds);
        const [late] = bench(job, 'lateness', '--tasks', `${count}`, '--seconds', `${job.seconds}`);
        return {
            late_p50_ms: late.p50_us / 1000, late_p99_ms: late.p99_us / 1000,
            late_max_ms: late.max_us / 1000, early_percent: late.early * 100 / count,
            twice_percent: late.again * 100 / count,
        };
    },
    burst(job) {
        const [burst] = bench(job, 'burst', '--tasks', `${job.tasks}`);
        return { burst_s: burst.drain_s };
    },
    idle(job) {
        const [idle] = bench(job, 'idle', '--workers', `${job.workers}`, '--seconds', `${job.seconds}`);
        return { idle_commands_per_s: idle.commands_per_s };
    },
    scale(job) {
        const tasks = Math.min(job.tasks, 50000);
        const levels = bench(job, 'scale', '--max', `${job.max}`, '--tasks', `${tasks}`);
        const [few, many] = [levels[0], levels[levels.length - 1]];
        return {
            enqueue_us_few: few.push_server_us_per_task, enqueue_us_many: many.push_server_us_per_task,
            process_us_few: few.work_server_us_per_task, process_us_many: many.work_server_us_per_task,
        };
    },
};

export default {
    version: execFileSync(process.env.DUEQ, ['--version']).toString().trim().replace(/^dueq /, ''),
    measure: async (job) => measurements[job.measurement](job),
};
