/**
 * Reads the lines of a file in one way, in a process of its own: node reader.mjs <way> <file>
 *
 * Prints one line of JSON: how many lines, their length, a checksum of their first characters, and the time it took.
 */
import { createReadStream } from 'node:fs';
import { argv, cpuUsage, stdout } from 'node:process';
import { createInterface } from 'node:readline';
import { framed, lines, openFileStream } from 'miniproto';
import split2 from 'split2';
import { Tally } from '../../bench/harness/tally.mjs';

/** Bytes. Somebody's minified bundle is one line. */
const MAX_LINE = 64 << 20;

const open = async (path) => framed(await openFileStream(path), lines({ maxLength: MAX_LINE }));

/** @type {Record<string, (path: string, tally: Tally) => Promise<void>>} */
const WAYS = {
  async batches(path, tally) {
    for await (const batch of (await open(path)).batches()) {
      for (const line of batch.values()) tally.text(line);
    }
  },
  async forAwait(path, tally) {
    for await (const line of await open(path)) tally.text(line);
  },
  async readline(path, tally) {
    const reader = createInterface({ input: createReadStream(path), crlfDelay: Infinity });
    reader.on('line', (line) => tally.text(line));
    await new Promise((resolve) => reader.once('close', resolve));
  },
  async split2(path, tally) {
    const stream = createReadStream(path).pipe(split2());
    stream.on('data', (line) => tally.text(line));
    await new Promise((resolve, reject) => stream.once('end', resolve).once('error', reject));
  },
};

const [way, path] = argv.slice(2);
const tally = new Tally();
const cpuBefore = cpuUsage();
const before = performance.now();
await WAYS[way](path, tally);
const wallMs = performance.now() - before;
const { user, system } = cpuUsage(cpuBefore);
stdout.write(`${JSON.stringify({ ...tally.answer, wallMs, cpuMs: (user + system) / 1000 })}\n`);
