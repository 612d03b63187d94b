/**
 * Question: what does one record cost in each codec, and what do waiting and switching cost?
 *
 * Unit: nanoseconds per record. Sizes: 1,000 records of 64 bytes in one piece of memory. Decoding is measured over a
 * memory stream that has them all (a batch and its values), against what one writes without a codec: split(), JSON.parse
 * of each line, a loop of readUInt32BE and subarray. Encoding is measured through a framed stream into a memory
 * stream, against a join(), or a Buffer.concat of all. Adverse: one record at a time by `read()`, empty records.
 */
import {
  fixed,
  framed,
  jsonLines,
  lengthPrefixed,
  lines,
  memoryPair,
  NOT_READY,
  netstring,
  separated,
} from 'miniproto';
import { ask } from './harness/micro.mjs';
import { digits, table } from './harness/stats.mjs';

const COUNT = 1000;

const TEXT = 'x'.repeat(64);
const VALUE = { id: 12345, name: 'a name', tags: ['red', 'blue'], ratio: 0.25 };
/** Bytes. All records of a question lie in the stream at once. */
const ROOM = { capacity: 1 << 20, readHighWaterMark: 1 << 20, writeHighWaterMark: 1 << 20 };

const LINES = lines();
const record = Buffer.from(TEXT);
const json = JSON.stringify(VALUE);
const [textLines, noLines] = [Buffer.from(`${TEXT}\n`.repeat(COUNT)), Buffer.from('\n'.repeat(COUNT))];
const withLength = Buffer.concat(Array(COUNT).fill(Buffer.concat([Buffer.of(0, 0, 0, 64), record])));
const withVarint = Buffer.concat(Array(COUNT).fill(Buffer.concat([Buffer.of(64), record])));
const netstrings = Buffer.from(`64:${TEXT},`.repeat(COUNT));
const zeros = Buffer.from(`${TEXT}\0`.repeat(COUNT));
const jsonText = Buffer.from(`${json}\n`.repeat(COUNT));
const blocks = Buffer.from(TEXT.repeat(COUNT));

/** Decodes all of `bytes` as batches of values. */
function decodeAll(bytes, codec) {
  const [near, far] = memoryPair(ROOM);
  const stream = framed(far, codec);
  return () => {
    near.tryWrite(bytes);
    near.tryFlush();
    let count = 0;
    while (count < COUNT) {
      const batch = stream.tryReadBatch();
      if (batch === NOT_READY) throw new Error(`only ${count} records came`);
      count += batch.values().length;
    }
    return count;
  };
}

/** Encodes COUNT records and takes the bytes away at the other end. */
function encodeAll(value, codec) {
  const [near, far] = memoryPair(ROOM);
  const stream = framed(near, codec, ROOM);
  return () => {
    for (let i = 0; i < COUNT; i++) if (stream.tryWrite(value) !== true) throw new Error('no room');
    stream.tryFlush();
    far.tryFill();
    const taken = far.input.length;
    far.input.consume(taken);
    return taken;
  };
}

function loopOfLengths(bytes) {
  const records = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at);
    records.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return records.length;
}

function concatOfLengths() {
  const parts = [];
  for (let i = 0; i < COUNT; i++) {
    const header = Buffer.allocUnsafe(4);
    header.writeUInt32BE(record.length);
    parts.push(header, record);
  }
  return Buffer.concat(parts).length;
}

async function readOneByOne(stream, near, bytes) {
  near.tryWrite(bytes);
  near.tryFlush();
  let count = 0;
  for (; count < COUNT; count++) await stream.read();
  return count;
}

async function iterate(stream, near, bytes) {
  near.tryWrite(bytes);
  near.tryFlush();
  let count = 0;
  for await (const _line of stream) if (++count === COUNT) break;
  return count;
}

function awaiting(how) {
  const [near, far] = memoryPair(ROOM);
  const stream = framed(far, lines());
  return async () => how(stream, near, textLines);
}

async function* textRecords() {
  for (let i = 0; i < COUNT; i++) yield TEXT;
}

/** Reads all records, `feed` of them in the buffer at a time. @param {{ feed: number, next?: () => object }} options */
function switching({ feed, next }) {
  const [near, far] = memoryPair(ROOM);
  let stream = framed(far, lines());
  const some = textLines.subarray(0, feed * (TEXT.length + 1));
  return () => {
    for (let i = 0; i < COUNT; i++) {
      if (i % feed === 0) {
        near.tryWrite(some);
        near.tryFlush();
      }
      if (stream.tryRead() !== TEXT) throw new Error('a record was lost');
      if (next !== undefined) stream = stream.switchTo(next());
    }
    return COUNT;
  };
}

const QUESTIONS = {
  'decode lines': () => ({
    lines: decodeAll(textLines, lines()),
    'lines, bytes': decodeAll(textLines, lines({ encoding: 'buffer' })),
    'lines, utf8-strict': decodeAll(textLines, lines({ encoding: 'utf8-strict' })),
    'separated by NUL': decodeAll(zeros, separated('\0', { encoding: 'utf8' })),
    'toString().split()': () => textLines.toString().split('\n').length - 1,
  }),
  'decode empty lines': () => ({
    lines: decodeAll(noLines, lines()),
    'toString().split()': () => noLines.toString().split('\n').length - 1,
  }),
  'decode JSON lines': () => ({
    jsonLines: decodeAll(jsonText, jsonLines()),
    'split and JSON.parse': () =>
      jsonText
        .toString()
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)).length,
  }),
  'decode lengths': () => ({
    'lengthPrefixed, u32': decodeAll(withLength, lengthPrefixed()),
    'lengthPrefixed, varint': decodeAll(withVarint, lengthPrefixed({ bytes: 'varint' })),
    netstring: decodeAll(netstrings, netstring()),
    fixed: decodeAll(blocks, fixed(64)),
    'loop of subarrays': () => loopOfLengths(withLength),
  }),
  'encode lines': () => ({
    lines: encodeAll(TEXT, lines()),
    'map and join': () => Buffer.from(`${Array(COUNT).fill(TEXT).join('\n')}\n`).length,
    'Buffer.concat': () => Buffer.concat(Array.from({ length: COUNT }, () => Buffer.from(`${TEXT}\n`))).length,
  }),
  'encode JSON lines': () => ({
    jsonLines: encodeAll(VALUE, jsonLines()),
    'JSON.stringify and join': () =>
      Buffer.from(Array.from({ length: COUNT }, () => `${JSON.stringify(VALUE)}\n`).join('')).length,
  }),
  'encode lengths': () => ({
    'lengthPrefixed, u32': encodeAll(record, lengthPrefixed()),
    'Buffer.concat': concatOfLengths,
  }),
  'wait for each record': () => ({
    'await read()': awaiting(readOneByOne),
    'for await': awaiting(iterate),
    'for await over an async generator': async () => {
      let count = 0;
      for await (const _line of textRecords()) count++;
      return count;
    },
  }),
  'switch after each record': () => ({
    'switchTo, one codec, 1 record there': switching({ feed: 1, next: () => LINES }),
    'switchTo, new codecs, 1 record there': switching({ feed: 1, next: () => lines() }),
    'switchTo, one codec, up to 1,000 there': switching({ feed: COUNT, next: () => LINES }),
    'tryRead, up to 1,000 there': switching({ feed: COUNT }),
    'tryRead, 1 record there': switching({ feed: 1 }),
  }),
};

/** The questions that a child process can be asked. */
export function questions() {
  return Object.entries(QUESTIONS).map(([name, make]) => ({
    name,
    get contestants() {
      return make();
    },
  }));
}

export const bench = {
  question: 'What does one record cost in each codec, and what do waiting and switching cost?',
  unit: 'nanoseconds per record, of 1,000',
  run({ quick, only, progress }) {
    const results = [];
    for (const question of Object.keys(QUESTIONS)) {
      if (only.length > 0 && !only.includes(question)) continue;
      progress(`codecs: ${question}`);
      const contestants = ask('codecs', question, { quick }).map(perRecord);
      results.push({ question, contestants });
    }
    return { results, text: results.map(tableOf).join('\n') };
  },
};

function perRecord({ name, nanoseconds, runs }) {
  return { name, nanoseconds: nanoseconds / COUNT, runs: runs.map((one) => one / COUNT) };
}

function tableOf({ question, contestants }) {
  const last = contestants.at(-1).nanoseconds;
  const rows = contestants.map(({ name, nanoseconds }) => [
    name,
    `${digits(nanoseconds)} ns`,
    `${digits(last / nanoseconds)} ×`,
  ]);
  return `\n${table([[question, 'a record', `÷ ${contestants.at(-1).name}`], ...rows])}`;
}
