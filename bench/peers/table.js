// The medians as one table: a row a figure, a column a peer, each with its ratio to dueq.
import os from 'node:os';

const rows = [
    ['enqueue, tasks/s', 'enqueue_per_s'],
    ['enqueue, server us/task', 'enqueue_us'],
    ['bytes of server memory/task', 'bytes'],
    ['process, tasks/s', 'process_per_s'],
    ['process, server us/task', 'process_us'],
    ['late, p50 ms', 'late_p50_ms'],
    ['late, p99 ms', 'late_p99_ms'],
    ['late, max ms', 'late_max_ms'],
    ['early, %', 'early_percent'],
    ['delivered again, %', 'twice_percent'],
    ['burst, drained in s', 'burst_s'],
    ['idle, commands/s', 'idle_commands_per_s'],
    ['enqueue us, 1,000 waiting', 'enqueue_us_few'],
    ['enqueue us, MAX waiting', 'enqueue_us_many'],
    ['process us, 1,000 waiting', 'process_us_few'],
    ['process us, MAX waiting', 'process_us_many'],
];

function written(value) {
    const size = Math.abs(value);
    if (size >= 1000) return Math.round(value).toLocaleString('en');
    return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.0005 || size === 0 ? 2 : 4);
}

function cell(result, base, key) {
    const value = result[key] ?? null;
    const other = base?.[key] ?? null;
    if (value === null) return '-';
    if (result === base || other === null || !(other > 0) || !(value > 0)) return written(value);
    return `${written(value)} (${(value / other).toPrecision(2).replace(/e.*/, '')}x)`;
}

// Ratios of a thousand and more are written out.
function fullCell(result, base, key) {
    const ratio = (result[key] ?? 0) / (base?.[key] || NaN);
    if (result !== base && ratio >= 100) return `${written(result[key])} (${Math.round(ratio)}x)`;
    return cell(result, base, key);
}

export function printTable(results, options) {
    const base = results.find((result) => result.peer === 'dueq');
    const shown = rows.filter(([, key]) => results.some((result) => (result[key] ?? null) !== null));
    const lines = [['', ...results.map((r) => r.peer)], ['version', ...results.map((r) => r.version)]];
    for (const [title, key] of shown)
        lines.push([title.replace('MAX', options.max.toLocaleString('en')),
            ...results.map((result) => fullCell(result, base, key))]);
    const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => line[i].length)));
    const servers = [...new Set(results.map((r) => r.server))].join(', ');
    console.log(`${servers}; ${os.cpus().length} processors, Node ${process.versions.node}; ` +
        `${options.tasks.toLocaleString('en')} tasks of 100 bytes, no persistence; medians of ` +
        `${options.runs}; (x) against dueq\n`);
    for (const line of lines)
        console.log(line.map((text, i) => (i === 0 ? text.padEnd(widths[i]) : text.padStart(widths[i])))
            .join('  ').trimEnd());
}

export function printJson(results) {
    for (const result of results) console.log(JSON.stringify(result));
}
