/**
 * Question: how fast are length-prefixed records read from a Readable?
 *
 * Unit: records per second of processor time. Sizes: 64-byte records in 64 KiB chunks, 256 MB; adverse: chunks of 100
 * bytes and of 1 byte, records of 1 to 4,000 bytes that lie across chunks, records of 0 to 8 bytes and of 1 MiB.
 * Rivals: length-prefixed-stream (which knows varints only, so it meets ours on varints), it-length-prefixed (varints by
 * default, u32 through its lengthDecoder option) and the loop that everybody writes by hand: concat what is left with
 * the chunk, read the length, take a subarray. And the bound: the least loop on 'data' (harness/record-loop.mjs), which
 * makes nothing for a record. Everyone counts, adds lengths and looks at each record's first byte.
 * The chunks are views of one memory: what making the data costs is the Readable, the same for all.
 */
import { decode as itDecode } from 'it-length-prefixed';
import lps from 'length-prefixed-stream';
import { framed, lengthPrefixed } from 'miniproto';
import { recordInput } from './harness/record-blocks.mjs';
import { eachRecord } from './harness/record-loop.mjs';
import { Tally } from './harness/tally.mjs';

function open({ readable, wire }) {
  return framed(readable(), lengthPrefixed({ bytes: wire.prefix === 'u32' ? 4 : 'varint' }));
}

async function cursors(input) {
  const tally = new Tally();
  for await (const batch of open(input).batches()) {
    for (const record of batch) tally.fields(record.length, record.byteAt(0) ?? 0);
  }
  return tally.answer;
}

async function values(input) {
  const tally = new Tally();
  for await (const batch of open(input).batches()) {
    for (const record of batch.values()) tally.bytes(record);
  }
  return tally.answer;
}

async function forAwait(input) {
  const tally = new Tally();
  for await (const record of open(input)) tally.bytes(record);
  return tally.answer;
}

async function push(input) {
  const tally = new Tally();
  await open(input).onRecord((record) => tally.fields(record.length, record.byteAt(0) ?? 0));
  return tally.answer;
}

async function lengthPrefixedStream({ readable }) {
  const tally = new Tally();
  const stream = readable().pipe(lps.decode());
  stream.on('data', (record) => tally.bytes(record));
  await new Promise((resolve, reject) => stream.once('end', resolve).once('error', reject));
  return tally.answer;
}

/** A list that is too short makes the decoder wait by a RangeError. */
const lengthDecoder = Object.assign((list) => list.getUint32(0), { bytes: 4 });

async function itLengthPrefixed({ readable, wire }) {
  const tally = new Tally();
  const options = wire.prefix === 'u32' ? { lengthDecoder } : {};
  for await (const record of itDecode(readable(), options))
    tally.fields(record.length, record.length > 0 ? record.get(0) : 0);
  return tally.answer;
}

async function handWritten({ readable, wire }) {
  const tally = new Tally();
  const take = wire.prefix === 'u32' ? takeFixed : takeVarints;
  let rest = Buffer.alloc(0);
  const stream = readable();
  stream.on('data', (chunk) => {
    rest = take(rest.length === 0 ? chunk : Buffer.concat([rest, chunk]), tally);
  });
  await new Promise((resolve, reject) => stream.once('end', resolve).once('error', reject));
  return tally.answer;
}

function takeFixed(bytes, tally) {
  let at = 0;
  while (bytes.length - at >= 4) {
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length) break;
    tally.bytes(bytes.subarray(at + 4, end));
    at = end;
  }
  return bytes.subarray(at);
}

function takeVarints(bytes, tally) {
  let at = 0;
  for (;;) {
    let length = 0;
    let index = at;
    for (let shift = 0; index < bytes.length; shift += 7) {
      length |= (bytes[index] & 0x7f) << shift;
      if (bytes[index++] < 0x80) break;
    }
    if (index === at || bytes[index - 1] >= 0x80 || index + length > bytes.length) return bytes.subarray(at);
    tally.bytes(bytes.subarray(index, index + length));
    at = index + length;
  }
}

async function leastLoop({ readable, wire }) {
  const tally = new Tally();
  await eachRecord(readable(), wire.prefix, (length, first) => tally.fields(length, first));
  return tally.answer;
}

const of64 = () => 64;
const KIB64 = 64 * 1024;
const ADVERSE = ['mixed sizes', '100-byte chunks', '1-byte chunks', 'tiny records', '1 MiB records'];

const WIRES = {
  u32: { prefix: 'u32', payload: of64, chunk: KIB64 },
  varint: { prefix: 'varint', payload: of64, chunk: KIB64 },
  'mixed sizes': { prefix: 'u32', payload: (random) => 1 + Math.floor(random() * 4000), chunk: KIB64 },
  '100-byte chunks': { prefix: 'u32', payload: of64, chunk: 100 },
  '1-byte chunks': { prefix: 'u32', payload: of64, chunk: 1 },
  'tiny records': { prefix: 'u32', payload: (random) => Math.floor(random() * 9), chunk: KIB64 },
  '1 MiB records': { prefix: 'u32', payload: () => 1024 * 1024 - 4, chunk: KIB64 },
};

export const bench = {
  name: 'length-stream',
  question: 'How fast are length-prefixed records read from a Readable?',
  unit: 'records',
  rounds: 5,
  inputs: {
    u32: { bytes: 256e6, quick: 64e6 },
    varint: { bytes: 256e6, quick: 64e6 },
    'mixed sizes': { bytes: 512e6, quick: 64e6 },
    '100-byte chunks': { bytes: 32e6, quick: 8e6 },
    '1-byte chunks': { bytes: 1e6, quick: 0.25e6 },
    'tiny records': { bytes: 32e6, quick: 8e6 },
    '1 MiB records': { bytes: 1024e6, quick: 256e6 },
  },
  cases: [
    { name: 'batches(), cursor', ours: true, run: cursors },
    { name: 'batches().values()', ours: true, run: values },
    { name: 'onRecord', ours: true, run: push },
    { name: 'for await', ours: true, run: forAwait },
    { name: 'length-prefixed-stream', run: lengthPrefixedStream, inputs: ['varint'] },
    { name: 'it-length-prefixed', run: itLengthPrefixed },
    { name: 'hand-written loop', run: handWritten },
    { name: 'least loop, by hand', run: leastLoop },
  ],
  targets: [
    { input: 'varint', ours: 'batches(), cursor', rival: 'length-prefixed-stream', atLeast: 10 },
    { input: 'varint', ours: 'batches().values()', rival: 'length-prefixed-stream', atLeast: 10 },
    { input: 'u32', ours: 'batches(), cursor', rival: 'it-length-prefixed', atLeast: 10 },
    { input: 'u32', ours: 'batches().values()', rival: 'it-length-prefixed', atLeast: 10 },
    { input: 'u32', ours: 'batches(), cursor', rival: 'hand-written loop', atLeast: 1.5 },
    { input: 'u32', ours: 'batches().values()', rival: 'hand-written loop', atLeast: 1.5 },
    ...ADVERSE.map((input) => ({ input, ours: 'batches(), cursor', rival: 'hand-written loop', atLeast: 1 })),
  ],
  /** @param {string} name @param {number} bytes */
  prepare: (name, bytes) => recordInput(WIRES[name], bytes),
};
