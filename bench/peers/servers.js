// Private servers on free ports of the loopback interface, and what they say they have used: CPU time,
// memory, commands.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

// The path of the wanted program, or of the first that is there; undefined when there is none.
export function findServer(wanted) {
    for (const name of wanted ? [wanted] : ['redis-server', 'valkey-server']) {
        try {
            return execFileSync('sh', ['-c', 'command -v "$1"', 'sh', name]).toString().trim();
        } catch { /* the next one */ }
    }
    return undefined;
}

function freePort() {
    return new Promise((resolve, reject) => {
        const probe = net.createServer();
        probe.on('error', reject);
        probe.listen(0, '127.0.0.1', () => {
            const { port } = probe.address();
            probe.close(() => resolve(port));
        });
    });
}

function isUp(port) {
    return new Promise((resolve) => {
        const socket = net.connect(port, '127.0.0.1');
        socket.on('connect', () => { socket.destroy(); resolve(true); });
        socket.on('error', () => resolve(false));
    });
}

function commandLine(kind, program, port, folder) {
    if (kind === 'beanstalkd')
        return [process.env.BEANSTALKD, ['-l', '127.0.0.1', '-p', String(port)]];
    return [program, ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no',
        '--dir', folder]];
}

// What is to be undone however this process ends.
const undoing = new Set();
process.on('exit', () => { for (const undo of undoing) undo(); });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

// Calls `undo` at the end of this process; returns a function that calls it now instead.
export function atEnd(undo) {
    undoing.add(undo);
    return () => {
        undoing.delete(undo);
        undo();
    };
}

// Starts a server; `stop` ends it and removes its folder.
export async function startServer(kind, program) {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'dueq-peers-'));
    const port = await freePort();
    const [command, words] = commandLine(kind, program, port, folder);
    const child = spawn(command, words, { stdio: 'ignore' });
    const ended = new Promise((resolve) => { child.on('close', resolve); });
    let up = true;
    child.on('error', () => { up = false; });
    child.on('exit', () => { up = false; });
    const undo = atEnd(() => {
        child.kill('SIGKILL');
        rmSync(folder, { recursive: true, force: true });
    });
    while (up && !await isUp(port)) await sleep(5);
    if (!up) throw new Error(`${command} does not start`);
    return {
        port,
        pid: child.pid,
        async stop() {
            undo();
            await ended;
        },
    };
}

// ---- What a server has used so far: { cpuUs, memory, commands, version }

function number(text, field) {
    const found = new RegExp(`^${field}:\\s*([0-9.]+)`, 'm').exec(text);
    return found === null ? 0 : Number(found[1]);
}

// Sends one command and resolves to the answer once it `isWhole`.
function ask(port, command, isWhole) {
    return new Promise((resolve, reject) => {
        const socket = net.connect(port, '127.0.0.1', () => socket.write(command));
        let answer = '';
        socket.on('error', reject);
        socket.on('data', (bytes) => {
            answer += bytes;
            if (!isWhole(answer)) return;
            socket.destroy();
            resolve(answer);
        });
    });
}

// "$LENGTH CRLF ..." and "OK LENGTH CRLF ..." alike.
function isWhole(answer) {
    const head = /^(?:\$|OK )(\d+)\r\n/.exec(answer);
    return head !== null && answer.length >= head[0].length + Number(head[1]) + 2;
}

async function useOfRedis(port) {
    const info = await ask(port, 'INFO\r\n', isWhole);
    const valkey = /^valkey_version:(.*)\r$/m.exec(info);
    const redis = /^redis_version:(.*)\r$/m.exec(info);
    return {
        cpuUs: (number(info, 'used_cpu_user_main_thread') +
            number(info, 'used_cpu_sys_main_thread')) * 1e6,
        memory: number(info, 'used_memory'),
        commands: number(info, 'total_commands_processed'),
        version: valkey ? `Valkey ${valkey[1]}` : `Redis ${redis[1]}`,
    };
}

// Nanoseconds on a processor, where the kernel keeps count; else ticks of 10 ms.
function processCpuUs(pid) {
    try {
        return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1000;
    } catch {
        const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
        return (Number(fields[11]) + Number(fields[12])) * 10000;
    }
}

async function useOfBeanstalkd(port, pid) {
    const stats = await ask(port, 'stats\r\n', isWhole);
    const commands = [...stats.matchAll(/^cmd-(?!stats:)[a-z-]+: (\d+)/gm)];
    return {
        cpuUs: processCpuUs(pid),
        memory: number(readFileSync(`/proc/${pid}/status`, 'utf8'), 'VmRSS') * 1024,
        commands: commands.reduce((sum, found) => sum + Number(found[1]), 0),
        version: `beanstalkd ${/^version: "?([^"\n]*)/m.exec(stats)[1]}`,
    };
}

export function useOf(peer, port, pid) {
    return peer === 'beanstalkd' ? useOfBeanstalkd(port, pid) : useOfRedis(port);
}
