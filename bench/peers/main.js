// Measures every peer by every measurement, some runs of each, each run in a process of its own
// against a server of its own; then the medians make a table. What is measured is in measure.js.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { atEnd, findServer, startServer } from './servers.js';
import { printJson, printTable } from './table.js';

const names = ['dueq', 'bullmq', 'bee-queue', 'rsmq', 'beanstalkd', 'recipe'];
const measurements = ['enqueue', 'process', 'lateness', 'burst', 'idle', 'scale'];

function fail(text, status = 2) {
    process.stderr.write(`bench/peers/run: ${text}\n`);
    process.exit(status);
}

function readOptions() {
    const text = (preset) => ({ type: 'string', default: preset });
    let given;
    try {
        given = parseArgs({
            options: {
                tasks: text('50000'), runs: text('3'), seconds: text('10'), workers: text('50'),
                max: text('1000000'), only: text(names.join()), measure: text(measurements.join()),
                server: text(''), json: { type: 'boolean', default: false },
            },
        }).values;
    } catch (error) {
        fail(`${error.message}; see --help`);
    }
    for (const key of ['tasks', 'runs', 'seconds', 'workers', 'max']) {
        given[key] = /^[1-9][0-9]{0,7}$/.test(given[key]) ? Number(given[key]) :
            fail(`--${key}: "${given[key]}" is not a number from 1 to 99999999`);
    }
    for (const [key, known] of [['only', names], ['measure', measurements]]) {
        given[key] = given[key].split(',');
        const unknown = given[key].find((word) => !known.includes(word));
        if (unknown !== undefined) fail(`--${key}: "${unknown}" is none of ${known.join(', ')}`);
    }
    return given;
}

// One run of one measurement; resolves to its figures, an object of numbers.
async function measureOnce(peer, measurement, options) {
    const server = await startServer(peer === 'beanstalkd' ? 'beanstalkd' : 'redis', options.server);
    const job = { peer, measurement, port: server.port, pid: server.pid, ...options };
    const path = fileURLToPath(new URL('./measure.js', import.meta.url));
    const child = spawn(process.execPath, [path, JSON.stringify(job)],
        { stdio: ['ignore', 'pipe', 'inherit'] });
    const undo = atEnd(() => child.kill('SIGKILL'));
    let output = '';
    child.stdout.on('data', (bytes) => { output += bytes; });
    const code = await new Promise((resolve) => { child.on('close', resolve); });
    undo();
    await server.stop();
    if (code !== 0) throw new Error(`${peer}, ${measurement}: ended with status ${code}`);
    return JSON.parse(output);
}

function median(numbers) {
    const sorted = numbers.filter((n) => n !== null).sort((a, b) => a - b);
    if (sorted.length === 0) return null;
    return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

// Of several runs' figures the medians; what is text is the same in all.
function combine(runs) {
    const keys = new Set(runs.flatMap((run) => Object.keys(run)));
    return Object.fromEntries([...keys].map((key) => {
        const values = runs.map((run) => run[key] ?? null);
        return [key, typeof values[0] === 'string' ? values[0] : median(values)];
    }));
}

async function measurePeer(peer, options) {
    const figures = {};
    for (const measurement of options.measure) {
        const runs = [];
        for (let run = 1; run <= options.runs; run++) {
            if (process.stderr.isTTY)
                process.stderr.write(`\r\x1b[K${peer}: ${measurement}, run ${run} of ${options.runs}`);
            runs.push(await measureOnce(peer, measurement, options));
        }
        Object.assign(figures, combine(runs));
    }
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
    return { peer, ...figures };
}

const options = readOptions();
if (process.env.BEANSTALKD === '') options.only = options.only.filter((peer) => peer !== 'beanstalkd');
options.server = findServer(options.server) ?? fail('no redis-server and no valkey-server is found');
const results = [];
try {
    for (const peer of options.only) results.push(await measurePeer(peer, options));
} catch (error) {
    fail(error.message, 1);
}
if (options.json) printJson(results);
else printTable(results, options);
