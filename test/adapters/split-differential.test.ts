/**
 * `miniproto/split` beside split2: the same input in the same pieces has to give the same events, whatever the matcher,
 * the mapper and the options are. split2 is what is right here, also where that is odd.
 */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import type { Transform, TransformOptions } from 'node:stream';
import split from '#lib/adapters/split';
import { type Random, seeded } from '../support/random.js';

type Split = (...args: unknown[]) => Transform;

const split2 = createRequire(import.meta.url)('split2') as Split;

interface Case {
  readonly args: readonly unknown[];
  readonly chunks: readonly (Uint8Array | string)[];
  /** How the lines are taken: by 'data', by read(), by `for await`, or by 'data' with a pause after each line. */
  readonly reader: 'data' | 'readable' | 'iterator' | 'pauses';
  /** Destroys the stream when so many lines were seen. */
  readonly destroyAfter?: number;
}

/** Everything that can be seen of a stream from outside, in order. */
async function eventsOf(make: Split, { args, chunks, reader, destroyAfter }: Case): Promise<unknown[]> {
  const stream = make(...args);
  const events: unknown[] = [];
  let lineCount = 0;
  const line = (value: unknown) => {
    events.push(value);
    if (++lineCount === destroyAfter) stream.destroy();
  };
  const closed = new Promise((resolve) => stream.on('close', resolve));
  for (const name of ['end', 'finish', 'prefinish', 'close']) stream.on(name, () => events.push({ event: name }));
  stream.on('error', (error) => events.push({ event: 'error', name: error.name, message: error.message }));
  read(stream, reader, line);
  for (const chunk of chunks) {
    if (stream.destroyed) break;
    try {
      stream.write(chunk);
    } catch (error) {
      // A matcher that finds something in nothing, like /x*/, is too much for split2.
      events.push({ event: 'throw', name: (error as Error).name });
      stream.destroy();
    }
    await new Promise(setImmediate);
  }
  if (!stream.destroyed) stream.end();
  await closed;
  return events;
}

function read(stream: Transform, reader: Case['reader'], line: (value: unknown) => void): void {
  if (reader === 'data') stream.on('data', line);
  if (reader === 'readable') {
    stream.on('readable', () => {
      for (let value: unknown = stream.read(); value !== null; value = stream.read()) line(value);
    });
  }
  if (reader === 'pauses') {
    stream.on('data', (value) => {
      line(value);
      stream.pause();
      setImmediate(() => stream.resume());
    });
  }
  if (reader === 'iterator') {
    (async () => {
      for await (const value of stream) line(value);
    })().catch(() => {
      // 'error' is among the events.
    });
  }
}

async function assertSame(wanted: Case): Promise<void> {
  const [expected, actual] = await Promise.all([eventsOf(split2, wanted), eventsOf(split as Split, wanted)]);
  assert.deepEqual(
    actual,
    expected,
    JSON.stringify(wanted, (_key, value) => (isLeaf(value) ? String(value) : value)),
  );
}

function isLeaf(value: unknown): boolean {
  return typeof value === 'function' || value instanceof RegExp || value instanceof Uint8Array;
}

const UTF8 = ['a', 'b', '~', '\n', '\r\n', '\r', '\n\n', 'é', '烫', '😀', '\ufeff', '\ufffd', 'ab', 'aba', '→', ' '];
/** Bytes that are no UTF-8, or only the beginning of a character. */
const BROKEN = ['80', 'c3', 'e2', 'e286', 'f0', 'f09f', 'f09f98', 'ff', 'c080', 'eda080', 'e08080', 'f4908080', 'f8'];

function textOf(random: Random, length: number, broken: boolean): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; i < length; i++) {
    if (broken && random.oneIn(4)) parts.push(Buffer.from(random.pick(BROKEN), 'hex'));
    else parts.push(Buffer.from(random.pick(UTF8)));
  }
  return Buffer.concat(parts);
}

function cut(random: Random, text: Buffer, most: number): Buffer[] {
  let from = 0;
  return random.cuts(text.length, most).map((to) => {
    const chunk = text.subarray(from, to);
    from = to;
    return chunk;
  });
}

const MATCHERS: readonly unknown[] = [
  undefined,
  '\n',
  '\r\n',
  '~',
  'ab',
  'aba',
  'aa',
  '\n\n',
  '→',
  '烫\n',
  '😀',
  '',
  'é~',
  '\ufffd',
  '\ud83d',
  '\r',
  /\n/,
  /\r\n/,
  /\r?\n/,
  /\r?\n/g,
  /\r?\n/y,
  /\r?\n/u,
  /(\r)?\n/,
  /[~\n]/,
  /\n+/,
  /(?<=a)b/,
  /./,
  /x*/,
  /constructor/,
  { [Symbol.split]: (text: string) => text.split('~') },
  Object.assign(/\n/, { [Symbol.split]: (text: string) => text.split('a') }),
];

const FAILURE = new Error('the mapper has failed');

/** A fresh one for each stream: some count. */
const MAPPERS: readonly (() => unknown)[] = [
  () => undefined,
  () => (line: string) => line.toUpperCase(),
  () => (line: string) => (line === '' ? undefined : line),
  () => (line: string) => ({ line }),
  () => (line: string) => Buffer.from(line),
  () => {
    let left = 7;
    return (line: string) => {
      if (left-- === 0) throw FAILURE;
      return line;
    };
  },
  () => {
    let left = 7;
    return (line: string) => (left-- === 0 ? null : line);
  },
];

interface Options extends TransformOptions {
  maxLength?: number;
  skipOverflow?: boolean;
}

const OPTIONS: readonly (Options | undefined)[] = [
  undefined,
  {},
  { maxLength: 4 },
  { maxLength: 4, skipOverflow: true },
  { maxLength: 0, skipOverflow: true },
  { skipOverflow: true, maxLength: 9, highWaterMark: 1 },
  { highWaterMark: 3 },
  { readableHighWaterMark: 2 },
  { encoding: 'utf8' },
  { objectMode: true },
  { emitClose: false, autoDestroy: false },
  { decodeStrings: false },
];
OPTIONS satisfies readonly unknown[];

function argsOf(matcher: unknown, mapper: unknown, options: unknown): unknown[] {
  return [matcher, mapper, options && { ...(options as object), emitClose: true }];
}

const READERS = ['data', 'readable', 'iterator', 'pauses'] as const;

/** The two sides get mappers of their own, since some of them count. */
async function assertSameWith(random: Random, wanted: Omit<Case, 'args'>, matcher: unknown): Promise<void> {
  const mapper = random.pick(MAPPERS);
  const options = random.pick(OPTIONS);
  const make = (target: Split) => (): Transform => target(...argsOf(matcher, mapper(), options));
  const [expected, actual] = await Promise.all([
    eventsOf(make(split2), { ...wanted, args: [] }),
    eventsOf(make(split as Split), { ...wanted, args: [] }),
  ]);
  const said = [String(matcher), String(mapper), JSON.stringify(options), JSON.stringify(wanted)].join('\n');
  assert.deepEqual(actual, expected, said);
}

describe('split beside split2', () => {
  seeded('gives the same events for random text in random pieces', async (random) => {
    for (let round = 0; round < 3000; round++) {
      const text = textOf(random, random.below(60), random.oneIn(2));
      const chunks = cut(random, text, random.oneIn(3) ? text.length + 1 : 6);
      const destroyAfter = random.oneIn(10) ? { destroyAfter: random.between(1, 10) } : {};
      const wanted = { chunks, reader: random.pick(READERS), ...destroyAfter };
      await assertSameWith(random, wanted, random.pick(MATCHERS));
    }
  });

  seeded('gives the same events for chunks that are framed natively', async (random) => {
    for (let round = 0; round < 60; round++) {
      const text = textOf(random, random.between(2000, 20_000), random.oneIn(3));
      const ascii = random.oneIn(2) ? Buffer.from(text.toString().replace(/[^\0-\x7f]/g, 'x')) : text;
      const wanted = { chunks: cut(random, ascii, 4), reader: random.pick(['data', 'readable'] as const) };
      await assertSameWith(random, wanted, random.pick(MATCHERS));
    }
  });

  seeded('gives the same events for strings that are not decoded', async (random) => {
    for (let round = 0; round < 300; round++) {
      const chunks = cut(random, textOf(random, random.below(40), true), 8).map((chunk) =>
        random.oneIn(2) ? chunk : chunk.toString(),
      );
      const args = [random.pick(MATCHERS), undefined, { decodeStrings: false, maxLength: random.pick([3, 1000]) }];
      await assertSame({ args, chunks, reader: 'data' });
    }
  });

  it('resolves its arguments the same way', async () => {
    const mapper = (line: string) => `${line}!`;
    const options = { maxLength: 100, highWaterMark: 7 };
    const lists: unknown[][] = [
      [],
      [undefined],
      [null],
      [''],
      ['~'],
      [/~/],
      [mapper],
      [options],
      [{}],
      [[]],
      ['~', mapper],
      ['~', options],
      ['~', null],
      ['~', undefined],
      [mapper, options],
      [mapper, undefined],
      [mapper, null],
      [undefined, mapper],
      [null, options],
      [options, mapper],
      [options, undefined],
      [undefined, undefined, options],
      ['~', mapper, options],
      ['~', null, options],
      [null, null, null],
      [mapper, mapper, options],
      [0, mapper],
      [1, mapper],
      [true, mapper],
    ];
    for (const args of lists) {
      const [theirs, ours] = [split2(...args), (split as Split)(...args)] as (Transform & Record<string, unknown>)[];
      for (const key of ['maxLength', 'skipOverflow', 'overflow', 'readableHighWaterMark', 'writableHighWaterMark']) {
        assert.deepEqual(ours[key], theirs[key], key);
      }
      assert.equal(String(ours.matcher), String(theirs.matcher));
      await assertSame({ args, chunks: ['a~b\nc1d\r\n', 'truee[object Object]f'], reader: 'data' });
    }
  });
});
