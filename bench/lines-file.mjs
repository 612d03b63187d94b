/**
 * Question: how fast do the lines of a file become strings?
 *
 * Unit: lines per second of processor time (user and system, all threads of the process).
 * Sizes: 200 MB of ASCII log, 100 MB of each other kind; see harness/text-files.mjs for the texts. The file is in the
 * page cache. Adverse cases: 31 KB lines, 8-byte lines, non-ASCII throughout.
 * Rivals: readline (for await and 'line'), split2, readFile and split. Every contestant counts lines, adds their
 * lengths and looks at their first character. `detached` gives strings that do not share the memory of their chunk;
 * the strings of readline, split2 and split() share theirs, as ours do by default. And the bound, for what is ASCII: what
 * V8 takes to read pages, make one string of each and split it (harness/latin1-lines.mjs).
 */
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { framed, lines, openFileStream } from 'miniproto';
import split2 from 'split2';
import { eachLineOfFile } from './harness/latin1-lines.mjs';
import { Tally } from './harness/tally.mjs';
import { textFile } from './harness/text-files.mjs';

/** @param {string} path */
async function open(path, options = {}) {
  return framed(await openFileStream(path), lines(options));
}

async function values({ path }, options) {
  const tally = new Tally();
  for await (const batch of (await open(path, options)).batches()) {
    for (const line of batch.values()) tally.text(line);
  }
  return tally.answer;
}

async function cursors({ path }) {
  const tally = new Tally();
  for await (const batch of (await open(path)).batches()) {
    for (const record of batch) tally.text(record.text());
  }
  return tally.answer;
}

async function forAwait({ path }) {
  const tally = new Tally();
  for await (const line of await open(path)) tally.text(line);
  return tally.answer;
}

async function push({ path }) {
  const tally = new Tally();
  await (await open(path)).onRecord((record) => tally.text(record.text()));
  return tally.answer;
}

async function readlineForAwait({ path }) {
  const tally = new Tally();
  const reader = createInterface({ input: createReadStream(path), crlfDelay: Infinity });
  for await (const line of reader) tally.text(line);
  return tally.answer;
}

async function readlineEvents({ path }) {
  const tally = new Tally();
  const reader = createInterface({ input: createReadStream(path), crlfDelay: Infinity });
  reader.on('line', (line) => tally.text(line));
  await new Promise((resolve) => reader.once('close', resolve));
  return tally.answer;
}

async function split2Events({ path }) {
  const tally = new Tally();
  const stream = createReadStream(path).pipe(split2());
  stream.on('data', (line) => tally.text(line));
  await new Promise((resolve, reject) => stream.once('end', resolve).once('error', reject));
  return tally.answer;
}

async function readFileSplit({ path, kind }) {
  const tally = new Tally();
  const list = (await readFile(path, 'utf8')).split(kind === 'crlf' ? '\r\n' : '\n');
  if (list.at(-1) === '') list.pop();
  for (const line of list) tally.text(line);
  return tally.answer;
}

function latin1Split({ path, kind }) {
  const tally = new Tally();
  eachLineOfFile(path, kind === 'crlf' ? '\r\n' : '\n', (line) => tally.text(line));
  return tally.answer;
}

const ASCII = ['ascii'];
/** Texts without a byte that latin1 takes for another character. */
const ONE_BYTE = ['ascii', 'long', 'short', 'crlf'];

export const bench = {
  name: 'lines-file',
  question: 'How fast do the lines of a file become strings?',
  unit: 'lines',
  rounds: 5,
  inputs: {
    ascii: { bytes: 200e6, quick: 40e6 },
    mixed: { bytes: 100e6, quick: 20e6 },
    cyrillic: { bytes: 100e6, quick: 20e6 },
    long: { bytes: 100e6, quick: 20e6 },
    short: { bytes: 50e6, quick: 10e6 },
    crlf: { bytes: 100e6, quick: 20e6 },
  },
  cases: [
    { name: 'batches().values()', ours: true, run: values },
    { name: 'cursor.text()', ours: true, run: cursors },
    { name: 'values(), detached', ours: true, run: (input) => values(input, { detached: true }) },
    { name: 'for await', ours: true, run: forAwait },
    { name: 'onRecord', ours: true, run: push, inputs: ASCII },
    { name: "readline 'line'", run: readlineEvents },
    { name: 'readline for await', run: readlineForAwait },
    { name: 'split2', run: split2Events },
    { name: 'readFile + split', run: readFileSplit },
    { name: 'by hand, latin1 split', run: latin1Split, inputs: ONE_BYTE },
  ],
  targets: [
    { input: 'ascii', ours: 'batches().values()', rival: "readline 'line'", atLeast: 6 },
    { input: 'ascii', ours: 'batches().values()', rival: 'readline for await', atLeast: 6 },
    { input: 'ascii', ours: 'batches().values()', rival: 'split2', atLeast: 6 },
    { input: 'ascii', ours: 'values(), detached', rival: "readline 'line'", atLeast: 2.5 },
    { input: 'ascii', ours: 'values(), detached', rival: 'split2', atLeast: 2.5 },
    { input: 'mixed', ours: 'batches().values()', rival: "readline 'line'", atLeast: 2.5 },
    { input: 'mixed', ours: 'batches().values()', rival: 'split2', atLeast: 2.5 },
    { input: 'cyrillic', ours: 'batches().values()', rival: "readline 'line'", atLeast: 2.5 },
    { input: 'cyrillic', ours: 'batches().values()', rival: 'split2', atLeast: 2.5 },
  ],
  /** @param {string} kind @param {number} bytes */
  prepare: (kind, bytes) => ({ kind, ...textFile(kind, bytes) }),
};
