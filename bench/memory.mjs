/**
 * Question: does memory stay flat over a long stream, and what does a slow reader hold?
 *
 * Unit: megabytes of resident memory (RSS), of array buffers, and of what is alive after a full collection. Sizes: 10 GB
 * through lines and through u32 lengths, from a Readable that gives the same chunk again and again; `--quick` takes 2 GB.
 * Two things are judged. What is alive at the end may exceed what was alive after the first gigabyte by 1 MB: a leak of
 * one byte for each record of 64 would be 140. And RSS has to be at a plateau: from the first gigabyte on it may exceed
 * the level by 16 MB. V8 doubles its young generation when enough survives, a step of 20 MB that comes when it comes
 * (here at 3 GB, with nothing more alive than before), so the cases run with that at its final size from the start.
 *
 * The slow reader takes one record of 1 KiB every millisecond from a stream that never ends: what lies in its input may
 * not exceed the high mark (64 KiB) plus a chunk and a record.
 */
import { spawnSync } from 'node:child_process';
import { argv, env, execPath, memoryUsage, stdout } from 'node:process';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { framed, lengthPrefixed, lines, nativeInfo } from 'miniproto';
import { digits, short, table } from './harness/stats.mjs';

const MB = 1e6;
const FULL_BYTES = 10e9;
const QUICK_BYTES = 2e9;
/** Bytes in which the heap finds its size. */
const LEVEL_BYTES = 1e9;
const SAMPLE_EVERY = 64 * MB;
const MAY_GROW_MB = 16;
const MAY_LIVE_MB = 1;
/** V8's default for the largest young generation, taken from the start. */
const V8_FLAGS = ['--expose-gc', '--min-semi-space-size=16', '--max-semi-space-size=16'];
const CHUNK = 64 * 1024;
const HIGH_MARK = 64 * 1024;
const RECORD = 1024;

/** @param {Buffer} chunk whole records, so that it can be repeated @param {number} bytes */
function repeating(chunk, bytes) {
  let left = Math.round(bytes / chunk.length);
  return new Readable({
    read() {
      this.push(left-- > 0 ? chunk : null);
    },
  });
}

const line = `${'x'.repeat(84)}\n`;
const lineChunk = Buffer.from(line.repeat(Math.floor(CHUNK / line.length)));
const lengthRecord = Buffer.concat([Buffer.of(0, 0, 0, 64), Buffer.alloc(64, 1)]);
const lengthChunk = Buffer.concat(Array(Math.floor(CHUNK / lengthRecord.length)).fill(lengthRecord));

const CASES = {
  'lines, values()': (bytes) => through(framed(repeating(lineChunk, bytes), lines()), 85),
  'lines, for await': (bytes) => forAwait(framed(repeating(lineChunk, bytes), lines()), 85),
  'u32 lengths, values()': (bytes) => through(framed(repeating(lengthChunk, bytes), lengthPrefixed()), 68),
  'a slow reader': (bytes) => slowReader(bytes >= FULL_BYTES ? 5_000 : 1_000),
};

/** RSS and array buffers in megabytes, over the stream. */
class Curve {
  #next = SAMPLE_EVERY;
  samples = [];
  /** Megabytes alive after the first gigabyte. */
  #levelMb;

  at(bytes) {
    if (bytes < this.#next) return;
    this.#next += SAMPLE_EVERY;
    const { rss, arrayBuffers, heapUsed } = memoryUsage();
    this.samples.push({ rss: rss / MB, arrayBuffers: arrayBuffers / MB, heap: heapUsed / MB });
    if (bytes >= LEVEL_BYTES) this.#levelMb ??= aliveMb();
  }

  result(bytes, records) {
    const early = this.samples.slice(0, Math.round(LEVEL_BYTES / SAMPLE_EVERY));
    const late = this.samples.slice(early.length);
    const most = (list, field) => Math.max(...list.map((sample) => sample[field]));
    const grownMb = most(late, 'rss') - most(early, 'rss');
    const grownAliveMb = aliveMb() - this.#levelMb;
    const parts = {
      aliveMb: this.#levelMb,
      grownAliveMb,
      earlyRssMb: most(early, 'rss'),
      mostRssMb: most(late, 'rss'),
      lastRssMb: this.samples.at(-1).rss,
    };
    return {
      bytes,
      records,
      ...parts,
      grownMb,
      mostArrayBuffersMb: most(this.samples, 'arrayBuffers'),
      flat: grownMb <= MAY_GROW_MB && grownAliveMb <= MAY_LIVE_MB,
    };
  }
}

/** What a full collection leaves; the second one takes what the first one has finalized. */
function aliveMb() {
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, arrayBuffers } = memoryUsage();
  return (heapUsed + arrayBuffers) / MB;
}

async function through(stream, recordBytes) {
  const curve = new Curve();
  let records = 0;
  for await (const batch of stream.batches()) {
    records += batch.values().length;
    curve.at(records * recordBytes);
  }
  return curve.result(records * recordBytes, records);
}

async function forAwait(stream, recordBytes) {
  const curve = new Curve();
  let records = 0;
  for await (const _line of stream) if ((++records & 0xffff) === 0) curve.at(records * recordBytes);
  return curve.result(records * recordBytes, records);
}

async function slowReader(milliseconds) {
  const record = Buffer.alloc(RECORD + 4, 1);
  record.writeUInt32BE(RECORD);
  const chunk = Buffer.concat(Array(16).fill(record));
  const source = repeating(chunk, Number.MAX_SAFE_INTEGER);
  const stream = framed(source, lengthPrefixed());
  let [most, mostBelow, records] = [0, 0, 0];
  for (const end = performance.now() + milliseconds; performance.now() < end; records++) {
    await stream.read();
    await sleep(1);
    most = Math.max(most, stream.stream.input.length);
    mostBelow = Math.max(mostBelow, source.readableLength);
  }
  stream.destroy();
  const allowed = HIGH_MARK + chunk.length + RECORD + 4;
  return { records, mostHeldBytes: most, allowedBytes: allowed, heldBySource: mostBelow, flat: most <= allowed };
}

export const bench = {
  question: 'Does memory stay flat over a long stream, and what does a slow reader hold?',
  unit: 'megabytes',
  run({ quick, only, progress }) {
    const bytes = quick ? QUICK_BYTES : FULL_BYTES;
    const results = [];
    for (const name of Object.keys(CASES)) {
      if (only.length > 0 && !only.includes(name)) continue;
      progress(`memory: ${name}`);
      results.push({ name, ...runCase(name, bytes) });
    }
    return { results, text: tablesOf(results) };
  },
};

function runCase(name, bytes) {
  const run = spawnSync(execPath, [...V8_FLAGS, fileURLToPath(import.meta.url), name, String(bytes)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...env, MINIPROTO_NATIVE: nativeInfo().implementation === 'addon' ? 'required' : 'off' },
  });
  if (run.status !== 0) throw new Error(`memory, ${name}: ended with ${run.status}`);
  return JSON.parse(run.stdout);
}

function tablesOf(results) {
  const mb = (value) => `${digits(value)} MB`;
  const streams = results.filter((result) => result.bytes !== undefined);
  const rows = streams.map((result) => [
    result.name,
    `${short(result.bytes)}B`,
    mb(result.earlyRssMb),
    mb(result.mostRssMb),
    mb(result.lastRssMb),
    mb(result.mostArrayBuffersMb),
    mb(result.aliveMb),
    `${result.grownAliveMb < 0 ? '-' : '+'}${mb(Math.abs(result.grownAliveMb))}`,
    result.flat ? 'flat' : 'GROWS',
  ]);
  const head = [
    '',
    'read',
    'RSS, first GB',
    'RSS, highest after',
    'RSS, last',
    'array buffers',
    'alive at 1 GB',
    'at the end',
    '',
  ];
  const slow = results.find((result) => result.mostHeldBytes !== undefined);
  const verdict =
    slow &&
    `\n  A slow reader holds at most ${slow.mostHeldBytes} bytes, allowed are ${slow.allowedBytes}: ${slow.flat ? 'kept' : 'BROKEN'}; its source holds ${slow.heldBySource}.`;
  return `\n${streams.length > 0 ? table([head, ...rows]) : ''}${verdict ?? ''}`;
}

// The case itself, in a process of its own: node memory.mjs <case> <bytes>
if (argv[1] === fileURLToPath(import.meta.url)) {
  const [name, bytes] = argv.slice(2);
  stdout.write(JSON.stringify(await CASES[name](Number(bytes))));
}
