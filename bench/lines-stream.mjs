/**
 * Question: how fast do lines come out of a Node stream, a file stream or a child's pipe?
 *
 * Unit: lines per second of processor time of the reading process (what writes the pipe, `cat`, is not counted).
 * Sizes: 200 MB of ASCII log from fs.createReadStream and from a pipe; 100 MB of mixed UTF-8; 100 MB as bytes.
 * Adverse: a Transform that gives the text on in chunks of 100 bytes, so that most chunks end no line.
 * Rivals, over the very same stream: readline (for await and 'line'), split2; where lines are wanted as bytes,
 * binary-split (which drops empty lines; this log has none). All of ours reads through a DuplexStream, but for the pipe
 * that is adopted: a child's is a Unix socket. And the bound, for what is ASCII: a chunk becomes one string, which is split
 * (harness/latin1-lines.mjs).
 */
import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Transform } from 'node:stream';
import binarySplit from 'binary-split';
import { adopt, framed, lines } from 'miniproto';
import split2 from 'split2';
import { eachLineOfStream } from './harness/latin1-lines.mjs';
import { Tally } from './harness/tally.mjs';
import { textFile } from './harness/text-files.mjs';

const SMALL_CHUNK = 100;

/** @type {Record<string, (path: string) => import('node:stream').Readable>} */
const SOURCES = {
  file: (path) => createReadStream(path),
  pipe: (path) => spawn('cat', [path], { stdio: ['ignore', 'pipe', 'inherit'] }).stdout,
  crumbs: (path) => createReadStream(path).pipe(new Transform({ transform: crumble })),
};

function crumble(chunk, _encoding, done) {
  for (let at = 0; at < chunk.length; at += SMALL_CHUNK) this.push(chunk.subarray(at, at + SMALL_CHUNK));
  done();
}

async function values({ stream }, options) {
  const tally = new Tally();
  for await (const batch of framed(stream(), lines(options)).batches()) {
    for (const line of batch.values()) tally.text(line);
  }
  return tally.answer;
}

async function adopted({ stream }) {
  return values({ stream: () => adopt(stream()) });
}

async function cursors({ stream }) {
  const tally = new Tally();
  for await (const batch of framed(stream(), lines()).batches()) {
    for (const record of batch) tally.text(record.text());
  }
  return tally.answer;
}

async function forAwait({ stream }) {
  const tally = new Tally();
  for await (const line of framed(stream(), lines())) tally.text(line);
  return tally.answer;
}

async function readlineEvents({ stream }) {
  const tally = new Tally();
  const reader = createInterface({ input: stream(), crlfDelay: Infinity });
  reader.on('line', (line) => tally.text(line));
  await new Promise((resolve) => reader.once('close', resolve));
  return tally.answer;
}

async function readlineForAwait({ stream }) {
  const tally = new Tally();
  for await (const line of createInterface({ input: stream(), crlfDelay: Infinity })) tally.text(line);
  return tally.answer;
}

async function split2Events({ stream }) {
  const tally = new Tally();
  await drain(stream().pipe(split2()), (line) => tally.text(line));
  return tally.answer;
}

async function byteValues({ stream }) {
  const tally = new Tally();
  for await (const batch of framed(stream(), lines({ encoding: 'buffer' })).batches()) {
    for (const line of batch.values()) tally.bytes(line);
  }
  return tally.answer;
}

async function byteCursors({ stream }) {
  const tally = new Tally();
  for await (const batch of framed(stream(), lines({ encoding: 'buffer' })).batches()) {
    for (const record of batch) tally.fields(record.length, record.byteAt(0) ?? 0);
  }
  return tally.answer;
}

async function binarySplitEvents({ stream }) {
  const tally = new Tally();
  await drain(stream().pipe(binarySplit('\n')), (line) => tally.bytes(line));
  return tally.answer;
}

async function latin1Split({ stream }) {
  const tally = new Tally();
  await eachLineOfStream(stream(), (line) => tally.text(line));
  return tally.answer;
}

function drain(stream, take) {
  stream.on('data', take);
  return new Promise((resolve, reject) => stream.once('end', resolve).once('error', reject));
}

const INPUTS = {
  'file stream': { bytes: 200e6, quick: 40e6, kind: 'ascii', source: 'file' },
  pipe: { bytes: 200e6, quick: 40e6, kind: 'ascii', source: 'pipe' },
  'mixed UTF-8': { bytes: 100e6, quick: 20e6, kind: 'mixed', source: 'file' },
  bytes: { bytes: 100e6, quick: 20e6, kind: 'ascii', source: 'file' },
  '100-byte chunks': { bytes: 20e6, quick: 4e6, kind: 'ascii', source: 'crumbs' },
};
const TEXT = ['file stream', 'pipe', 'mixed UTF-8', '100-byte chunks'];
/** Texts without a byte that latin1 takes for another character, in chunks that hold lines. */
const ONE_BYTE = ['file stream', 'pipe'];
const BYTES = ['bytes'];

export const bench = {
  name: 'lines-stream',
  question: 'How fast do lines come out of a Node stream?',
  unit: 'lines',
  rounds: 5,
  inputs: INPUTS,
  cases: [
    { name: 'batches().values()', ours: true, run: values, inputs: TEXT },
    { name: 'values(), adopted', ours: true, run: adopted, inputs: ['pipe'] },
    { name: 'cursor.text()', ours: true, run: cursors, inputs: TEXT },
    { name: 'values(), detached', ours: true, run: (input) => values(input, { detached: true }), inputs: TEXT },
    { name: 'for await', ours: true, run: forAwait, inputs: TEXT },
    { name: "readline 'line'", run: readlineEvents, inputs: TEXT },
    { name: 'readline for await', run: readlineForAwait, inputs: TEXT },
    { name: 'split2', run: split2Events, inputs: TEXT },
    { name: 'by hand, latin1 split', run: latin1Split, inputs: ONE_BYTE },
    { name: 'values() of bytes', ours: true, run: byteValues, inputs: BYTES },
    { name: 'cursor over bytes', ours: true, run: byteCursors, inputs: BYTES },
    { name: 'binary-split', run: binarySplitEvents, inputs: BYTES },
  ],
  targets: [
    ...['file stream', 'pipe'].flatMap((input) =>
      ["readline 'line'", 'readline for await', 'split2'].map((rival) => ({
        input,
        ours: 'batches().values()',
        rival,
        atLeast: 3,
      })),
    ),
    { input: '100-byte chunks', ours: 'batches().values()', rival: 'split2', atLeast: 1 },
    { input: 'bytes', ours: 'values() of bytes', rival: 'binary-split', atLeast: 1 },
  ],
  /** @param {keyof INPUTS} name @param {number} bytes */
  prepare(name, bytes) {
    const { kind, source } = INPUTS[name];
    const file = textFile(kind, bytes);
    return { ...file, stream: () => SOURCES[source](file.path) };
  },
};
