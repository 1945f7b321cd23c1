// The packages that bench/peers/run has installed.
import { createRequire } from 'node:module';
import path from 'node:path';

export const need = createRequire(path.join(process.env.DUEQ_PEERS, 'package.json'));
export const versionOf = (name) => need(path.join(process.env.DUEQ_PEERS, 'node_modules', name,
    'package.json')).version;

// Splits an array into pieces of at most `size`.
export function* pieces(array, size) {
    for (let at = 0; at < array.length; at += size) yield array.slice(at, at + size);
}
