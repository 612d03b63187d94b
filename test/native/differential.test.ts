/**
 * The addon against the reference, word for word: random framings, inputs and cuts, under every instruction set.
 *
 * Both get the same span and the same table; after each call the tables have to be equal in every word, rows that were
 * not written included, and the state in the header goes on to the next call. Alphabets are small, so that separators,
 * length fields and faults are frequent. One chunking is one input delivered in one way to its end or to its fault.
 * MINIPROTO_CHUNKINGS sets how many there are, MINIPROTO_SEED which.
 */
import assert from 'node:assert/strict';
import { env } from 'node:process';
import * as t from '#lib/frame-table';
import { loadAddon, nativeInfo, referenceInterface } from '#lib/native';
import type { Framer, LengthFraming, NativeInterface, SeparatorFraming } from '#lib/native-interface';
import { type Random, SEED, seeded } from '../support/random.js';

const CHUNKINGS = Number(env.MINIPROTO_CHUNKINGS ?? 1_000_000);
/** Chunkings of one input under one framing. */
const CHUNKINGS_PER_INPUT = 20;
const TABLE_ROWS = 6;

type Pair = readonly [addon: Framer, reference: Framer];
type Subject = { readonly framers: Pair; readonly input: Uint8Array; readonly shown: () => string };

const bytesOf = (text: string) => Buffer.from(text, 'latin1');

const SEPARATORS = [
  ['\n'],
  ['\n'],
  ['\0'],
  ['\x80'],
  ['\r\n'],
  ['\r\n'],
  ['\n\n'],
  ['a\n'],
  ['\n', '\r\n'],
  ['\r', '\n', '\r\n'],
  ['\r\n\r\n'],
  ['ab', 'aab'],
  ['aa', 'aaa', 'a\r'],
  ['\n', '\r', 'a', '\xff\r'],
  ['\na\n', '\n'],
  ['--\r\n', '\r\n--'],
].map((set) => set.map(bytesOf));

/** A separator framing over every mode, with limits that are often exceeded. */
function randomSeparatorFraming(random: Random): SeparatorFraming {
  const newline = random.pick(['plain', 'plain', 'strip-cr', 'strict-crlf'] as const);
  const only = newline === 'strip-cr' ? '\n' : '\r\n';
  const overflow = random.pick(['error', 'skip', 'pieces'] as const);
  return {
    separators: newline === 'plain' ? random.pick(SEPARATORS) : [bytesOf(only)],
    keep: random.oneIn(2),
    newline,
    maxLength: random.oneIn(3) ? 1 << 20 : random.between(overflow === 'pieces' ? 1 : 0, random.oneIn(3) ? 70 : 6),
    overflow,
    tail: random.pick(['give', 'refuse', 'drop'] as const),
  };
}

function randomLengthFraming(random: Random): LengthFraming {
  const encoding = random.pick(['big', 'little', 'varint', 'decimal'] as const);
  const fixed = encoding === 'big' || encoding === 'little';
  return {
    encoding,
    lengthBytes: random.between(1, fixed ? 8 : 12),
    terminator: encoding === 'decimal' ? 0x3a : 0,
    offset: random.oneIn(2) ? 0 : random.below(5),
    adjustment: random.pick([0, 0, 1, -1, -3, 5, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER]),
    header: random.pick(['strip', 'keep'] as const),
    trailer: random.oneIn(2) ? -1 : random.pick([0, 0x2c, 0x31]),
    maxLength: random.pick([0, 1, 3, 300, 2 ** 30]),
  };
}

const ALPHABETS = ['\n', '\r\n', '\r\na', '\r\nab-\xff', '\n\x80\0ab', 'abcdefghijklmnopqrstuvwxy\r\n'].map(bytesOf);
const LENGTH_ALPHABETS = ['\0\0\0\0\0\0\x01\x02', '\0\x01\x02\x80\x81\xff', '0123:,', '00119:,x'].map(bytesOf);

/** Mostly a few bytes; at times enough for whole registers, and lines of some length. */
function randomInput(random: Random, alphabets: readonly Uint8Array[]): Uint8Array {
  const input = random.bytes(random.below(random.oneIn(8) ? 300 : 36), random.pick(alphabets));
  if (random.oneIn(4)) input.fill(0x61, random.below(input.length + 1), random.below(input.length + 1));
  return input;
}

/** Delivers the input once, in random pieces, to both framers; throws at the first word that differs. */
class Comparison {
  readonly #tables = [t.createFrameTable(TABLE_ROWS), t.createFrameTable(TABLE_ROWS)] as const;

  run(subject: Subject, random: Random): void {
    const { framers, input } = subject;
    for (const table of this.#tables) table.fill(0);
    const rowCount = random.oneIn(8) ? random.below(3) : random.between(1, TABLE_ROWS + 1);
    // Bytes behind `arrived` are there, but not in the span; some before it are consumed.
    let start = 0;
    let arrived = 0;
    let status: number = t.FRAME_MORE;
    let final = 0;
    for (let calls = 0; calls < 1000; calls++) {
      if (status === t.FRAME_MORE) {
        if (final === 1) return;
        arrived = random.oneIn(3) ? input.length : Math.min(input.length, arrived + random.below(9));
        final = arrived === input.length && random.oneIn(2) ? 1 : 0;
      }
      this.#call(subject, framers, start, arrived, final, rowCount);
      const table = this.#tables[0];
      status = table[t.H_STATUS];
      start += table[t.H_CONSUMED];
      if (status === t.FRAME_ERROR || (rowCount === 0 && calls > 2)) return;
    }
    assert.fail(`no end after 1000 calls: ${subject.shown()}`);
  }

  #call(subject: Subject, [addon, reference]: Pair, from: number, to: number, final: number, rowCount: number): void {
    const [one, other] = this.#tables;
    const searched = one[t.H_SEARCHED];
    one[t.H_FINAL] = final;
    other[t.H_FINAL] = final;
    const rows = addon.frame(subject.input, from, to, one, rowCount);
    const expected = reference.frame(subject.input, from, to, other, rowCount);
    let same = rows === expected;
    for (let word = 0; word < one.length; word++) same = same && one[word] === other[word];
    if (same) return;
    const call = { from, to, final, rowCount, searched, rows, expected };
    assert.deepEqual([...one], [...other], `${subject.shown()}\n${JSON.stringify(call)}`);
    assert.fail(`rows differ: ${subject.shown()}\n${JSON.stringify(call)}`);
  }
}

function separatorSubject(addon: NativeInterface, random: Random): Subject {
  const framing = randomSeparatorFraming(random);
  const input = randomInput(random, ALPHABETS);
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');
  return {
    framers: [addon.createSeparatorFramer(framing), referenceInterface.createSeparatorFramer(framing)],
    input,
    shown: () => JSON.stringify({ ...framing, separators: framing.separators.map(text), input: text(input) }),
  };
}

function lengthSubject(addon: NativeInterface, random: Random): Subject {
  const framing = randomLengthFraming(random);
  const input = randomInput(random, LENGTH_ALPHABETS);
  return {
    framers: [addon.createLengthFramer(framing), referenceInterface.createLengthFramer(framing)],
    input,
    shown: () => JSON.stringify({ ...framing, input: [...input] }),
  };
}

function fixedSubject(addon: NativeInterface, random: Random): Subject {
  const size = random.between(1, 9);
  const input = random.bytes(random.below(60));
  return {
    framers: [addon.createFixedFramer(size), referenceInterface.createFixedFramer(size)],
    input,
    shown: () => JSON.stringify({ size, length: input.length }),
  };
}

describe('addon and reference', () => {
  const addon = loadAddon();
  if (addon === undefined) {
    console.log(`!!! addon and reference are NOT compared: ${nativeInfo().reason}`);
    it('give the same answers');
    return;
  }
  const best = addon.kernel();
  const kernels = addon.kernels();
  after(() => addon.selectKernel(best));

  /** Runs `count` chunkings of subjects, the instruction sets taking turns. */
  const compare = (count: number, make: (addon: NativeInterface, random: Random) => Subject, random: Random) => {
    const comparison = new Comparison();
    let done = 0;
    for (let round = 0; done < count; round++) {
      addon.selectKernel(kernels[round % kernels.length]);
      const subject = make(addon, random);
      for (let i = 0; i < CHUNKINGS_PER_INPUT && done < count; i++, done++) comparison.run(subject, random);
    }
    console.log(`      ${done} chunkings compared, seed ${SEED}, over ${kernels.join(', ')}`);
  };

  seeded('cut alike at separators', (random) => compare(Math.ceil(CHUNKINGS * 0.7), separatorSubject, random));
  seeded('cut alike by lengths', (random) => compare(Math.ceil(CHUNKINGS * 0.28), lengthSubject, random));
  seeded('cut alike by a fixed size', (random) => compare(Math.ceil(CHUNKINGS * 0.02), fixedSubject, random));

  seeded('take turns on one stream', (random) => {
    for (let round = 0; round < 20_000; round++) {
      const { framers, input, shown } = separatorSubject(addon, random);
      const [alone, turns] = [t.createFrameTable(TABLE_ROWS), t.createFrameTable(TABLE_ROWS)];
      let start = 0;
      let arrived = 0;
      while (alone[t.H_STATUS] !== t.FRAME_ERROR && arrived < input.length) {
        if (alone[t.H_STATUS] === t.FRAME_MORE) arrived = Math.min(input.length, arrived + 1 + random.below(9));
        framers[1].frame(input, start, arrived, alone, TABLE_ROWS);
        random.pick(framers).frame(input, start, arrived, turns, TABLE_ROWS);
        assert.deepEqual(turns, alone, shown());
        start += alone[t.H_CONSUMED];
      }
    }
  });

  seeded('cut long spans alike, whole and in a table of many rows', (random) => {
    const tables = [t.createFrameTable(3000), t.createFrameTable(3000)] as const;
    for (let round = 0; round < 3000; round++) {
      addon.selectKernel(kernels[round % kernels.length]);
      const framing = randomSeparatorFraming(random);
      const alphabet = random.pick([...ALPHABETS, bytesOf(`${'x'.repeat(random.below(200))}\r\n`)]);
      const input = random.bytes(random.below(8000), alphabet);
      const from = random.below(Math.min(80, input.length + 1));
      const maxRows = random.oneIn(2) ? 3000 : random.below(200);
      for (const table of tables) table.fill(0);
      tables[0][t.H_FINAL] = tables[1][t.H_FINAL] = random.below(2);
      const length = input.length;
      addon.createSeparatorFramer(framing).frame(input, from, length, tables[0], maxRows);
      referenceInterface.createSeparatorFramer(framing).frame(input, from, length, tables[1], maxRows);
      assert.deepEqual(tables[0], tables[1], JSON.stringify({ ...framing, from, length, maxRows, round }));
    }
  });

  seeded('search, index and mask alike', (random) => {
    for (let round = 0; round < 40_000; round++) {
      addon.selectKernel(kernels[round % kernels.length]);
      compareKernels(addon, random);
    }
  });
});

/** One random range through every kernel of both. */
function compareKernels(addon: NativeInterface, random: Random): void {
  const bytes = randomInput(random, ALPHABETS);
  const from = random.below(bytes.length + 1);
  const to = random.between(from, bytes.length);
  const [a, b, c] = random.bytes(3, ALPHABETS[3]);
  const sequence = random.bytes(random.between(1, 5), ALPHABETS[2]);
  const room = random.below(30);
  const [key, phase] = [random.next(), random.below(4)];
  const answers = [addon, referenceInterface].map((native) => {
    const positions = new Int32Array(room);
    const copy = bytes.slice();
    const target = new Uint8Array(bytes.length + 3);
    const frames = bytes.slice();
    return [
      native.indexOfByte(bytes, from, to, a),
      native.indexOfAny(bytes, from, to, a, b, c),
      native.indexOfSequence(bytes, from, to, sequence),
      native.indexAll(bytes, from, to, a, positions),
      native.mask(copy, from, to, key, phase),
      native.maskCopy(bytes, from, to, target, 3, key, phase),
      native.maskFrames(frames, from, to),
      [...positions].join(),
      Buffer.from(copy).toString('hex'),
      Buffer.from(target).toString('hex'),
      Buffer.from(frames).toString('hex'),
    ];
  });
  for (const [index, answer] of answers[0].entries()) {
    assert.equal(answer, answers[1][index], JSON.stringify({ index, bytes: [...bytes], from, to, a, b, c, room }));
  }
}
