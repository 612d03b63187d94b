/** Wrong arguments of the public interface: Node's own codes, thrown at the call, in words that name the argument. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { inspect } from 'node:util';
import {
  fixed,
  framed,
  jsonLines,
  lengthPrefixed,
  lines,
  mapped,
  memoryPair,
  netstring,
  openFileStream,
  separated,
} from '../dist/index.js';

/** Calls that the types forbid. */
type Call = (wrong: never) => unknown;

const OBJECTS: Record<string, Call> = {
  lines: (wrong) => lines(wrong),
  separated: (wrong) => separated(',', wrong),
  lengthPrefixed: (wrong) => lengthPrefixed(wrong),
  netstring: (wrong) => netstring(wrong),
  jsonLines: (wrong) => jsonLines(wrong),
  memoryPair: (wrong) => memoryPair(wrong),
  openFileStream: (wrong) => openFileStream('package.json', wrong),
  framed: (wrong) => framed(new PassThrough(), lines(), wrong),
};

const TEXT = { decode: String, encode: String };

const CASES: readonly [string, Call, unknown, string, RegExp][] = [
  [
    'source of framed',
    (wrong) => framed(wrong, lines()),
    'x',
    'ERR_INVALID_ARG_TYPE',
    /^The "source" argument must be a/,
  ],
  [
    'codec of framed',
    (wrong) => framed(new PassThrough(), wrong),
    lines,
    'ERR_INVALID_ARG_TYPE',
    /^The "codec" arg.*function lines$/,
  ],
  [
    'encoding',
    (encoding) => lines({ encoding }),
    'utf-8',
    'ERR_INVALID_ARG_VALUE',
    /'options.encoding' must be one of: 'buffer'/,
  ],
  ['newline', (newline) => lines({ newline }), '\n', 'ERR_INVALID_ARG_VALUE', /'options.newline'/],
  [
    'maxLength',
    (maxLength) => lines({ maxLength }),
    '5',
    'ERR_INVALID_ARG_TYPE',
    /"options.maxLength" property must be of type number/,
  ],
  ['maxLength', (maxLength) => lines({ maxLength }), -1, 'ERR_OUT_OF_RANGE', /"options.maxLength"/],
  ['separators', (wrong) => separated(wrong), 5, 'ERR_INVALID_ARG_TYPE', /"separators"/],
  ['separators', (wrong) => separated(wrong), [], 'ERR_OUT_OF_RANGE', /"separators.length"/],
  ['an empty separator', (wrong) => separated(wrong), '', 'ERR_OUT_OF_RANGE', /"separator.length"/],
  ['bytes', (bytes) => lengthPrefixed({ bytes }), 9, 'ERR_INVALID_ARG_VALUE', /'options.bytes' must be one of: 1, 2,/],
  ['prefix', (prefix) => lengthPrefixed({ prefix }), 'a', 'ERR_INVALID_ARG_TYPE', /"options.prefix"/],
  ['size', (wrong) => fixed(wrong), 0, 'ERR_OUT_OF_RANGE', /"size"/],
  ['reviver', (reviver) => jsonLines({ reviver }), 5, 'ERR_INVALID_ARG_TYPE', /"options.reviver"/],
  ['decode', (decode) => mapped(lines(), { decode, encode: String }), 5, 'ERR_INVALID_ARG_TYPE', /"mapping.decode"/],
  [
    'codec of mapped',
    (codec) => mapped(codec, TEXT),
    null,
    'ERR_INVALID_ARG_TYPE',
    /^The "codec" argument must be a codec/,
  ],
  [
    'codec of mapped',
    (codec) => mapped(codec, TEXT),
    {},
    'ERR_INVALID_ARG_TYPE',
    /^The "codec" argument must be a codec/,
  ],
  ['mapping', (mapping) => mapped(lines(), mapping), null, 'ERR_INVALID_ARG_TYPE', /"mapping.decode"/],
  ['capacity', (capacity) => memoryPair({ capacity }), 0, 'ERR_OUT_OF_RANGE', /"options.capacity"/],
  ['capacity', (capacity) => memoryPair({ capacity }), null, 'ERR_INVALID_ARG_TYPE', /"options.capacity"/],
  ['capacity', (capacity) => memoryPair({ capacity }), [1], 'ERR_INVALID_ARG_TYPE', /"options.capacity"/],
  ['atLeast', (atLeast) => memoryPair()[0].tryFill(atLeast), Number.NaN, 'ERR_OUT_OF_RANGE', /"atLeast"/],
  ['atLeast', (atLeast) => memoryPair()[0].tryFill(atLeast), 1.5, 'ERR_OUT_OF_RANGE', /"atLeast"/],
  ['atLeast', (atLeast) => memoryPair()[0].tryFill(atLeast), -5, 'ERR_OUT_OF_RANGE', /"atLeast"/],
  ['atLeast', (atLeast) => memoryPair()[0].tryFill(atLeast), 'abc', 'ERR_INVALID_ARG_TYPE', /"atLeast"/],
  ['options of ready', (wrong) => memoryPair()[0].ready('read', wrong), null, 'ERR_INVALID_ARG_TYPE', /"options"/],
  ['options of close', (wrong) => memoryPair()[0].close(wrong), null, 'ERR_INVALID_ARG_TYPE', /"options"/],
  ['signal of close', (signal) => memoryPair()[0].close({ signal }), 5, 'ERR_INVALID_ARG_TYPE', /"options.signal"/],
  ['direction', (wrong) => framed(memoryPair()[0], lines()).ready(wrong), 'in', 'ERR_INVALID_ARG_VALUE', /'direction'/],
  [
    'signal',
    (signal) => framed(memoryPair()[0], lines()).read({ signal }),
    5,
    'ERR_INVALID_ARG_TYPE',
    /"options.signal"/,
  ],
  ['handler', (wrong) => framed(memoryPair()[0], lines()).onRecord(wrong), 5, 'ERR_INVALID_ARG_TYPE', /"handler"/],
];

describe('arguments', () => {
  for (const [name, call] of Object.entries(OBJECTS)) {
    for (const wrong of [null, 5, 'x', []]) {
      it(`${name} refuses ${JSON.stringify(wrong)} as options`, () =>
        refuses(call, wrong, 'ERR_INVALID_ARG_TYPE', /^The "options" argument must be of type object/));
    }
  }

  for (const [name, call, wrong, code, message] of CASES) {
    it(`${name}: ${typeof wrong === 'function' ? 'a function' : inspect(wrong)} is ${code}`, () =>
      refuses(call, wrong, code, message));
  }

  for (const [name, codec] of Object.entries({
    lines: lines(),
    separated: separated(','),
    lengthPrefixed: lengthPrefixed(),
  })) {
    for (const wrong of [undefined, null, 5, {}]) {
      it(`${name} refuses to write ${String(wrong)}, and names what it takes`, async () => {
        const [one, other] = memoryPair();
        const message = /^The "record" argument must be of type string or an instance of Buffer or Uint8Array/;
        await refuses((record) => framed(one, codec as never).write(record), wrong, 'ERR_INVALID_ARG_TYPE', message);
        assert.equal(other.tryFill(0), 0);
      });
    }
  }
});

/** The call throws, or its promise rejects. */
async function refuses(call: Call, wrong: unknown, code: string, message: RegExp): Promise<void> {
  await assert.rejects(async () => call(wrong as never), { code, message });
}
