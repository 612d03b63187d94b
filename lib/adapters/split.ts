/**
 * `miniproto/split`: takes the place of split2 4.x without a change in the caller's code, and is several times faster.
 *
 *     import split from 'miniproto/split';            const split = require('miniproto/split');
 *     createReadStream('log').pipe(split()).on('data', (line) => …)
 *
 * This file resolves the arguments, in all the forms that split2 takes; the work is in split-stream.ts. What is the
 * same on purpose, peculiarities included: `maxLength` counts UTF-16 units and bounds only what is left of a line at
 * the end of a chunk; with `skipOverflow` a line that is still too long when the input ends is given; '' at the end of
 * the input is not given; a mapper's `undefined` is dropped and its `null` ends the stream.
 */
import type { TransformOptions } from 'node:stream';
import { type Mapper, type Matcher, SplitStream } from './split-stream.js';

export type { Mapper, Matcher, SplitStream } from './split-stream.js';

export interface SplitOptions extends TransformOptions {
  /** UTF-16 units that an unfinished line may have when a chunk ends. Default: no limit. */
  maxLength?: number | undefined;
  /** Longer lines are dropped. Default false: they are an error, "maximum buffer reached". */
  skipOverflow?: boolean | undefined;
}

const DEFAULT_MATCHER = /\r?\n/;

/**
 * Makes a Transform: text in, as bytes or strings in any pieces; lines out, one a 'data' event.
 * @param matcher what ends a line: a string, a RegExp, or an object with Symbol.split. Default /\r?\n/. Strings, and
 * the RegExps /\n/, /\r\n/ and /\r?\n/, are looked for in the bytes; everything else costs a decode and a split.
 * @param mapper is given each line, and gives what to push.
 * @param options also everything that a Transform takes, except `transform`, `flush`, `destroy`, `autoDestroy` and
 * `readableObjectMode`, which are set here.
 * @example
 * source.pipe(split(JSON.parse)).on('data', (event) => console.log(event.id));
 */
export function split(options?: SplitOptions): SplitStream;
export function split(mapper: Mapper, options?: SplitOptions): SplitStream;
export function split(matcher: Matcher | null | undefined, options: SplitOptions): SplitStream;
export function split(
  matcher: Matcher | null | undefined,
  mapper?: Mapper | null,
  options?: SplitOptions | null,
): SplitStream;
export function split(...args: readonly unknown[]): SplitStream {
  const { matcher, mapper, options } = resolve(args);
  return new SplitStream(matcher, mapper, { ...options });
}

/** The types, for whoever has required the function and nothing else. */
// biome-ignore lint/style/noNamespace: programs write `split.SplitOptions`.
export declare namespace split {
  type Mapper = import('./split-stream.js').Mapper;
  type Matcher = import('./split-stream.js').Matcher;
  type SplitOptions = import('./split.js').SplitOptions;
  type SplitStream = import('./split-stream.js').SplitStream;
}

interface Resolved {
  matcher: Matcher;
  mapper: Mapper | undefined;
  options: SplitOptions | undefined;
}

/** Which argument is which depends on how many there are. Three of them are taken as they stand, unchecked. */
function resolve(args: readonly unknown[]): Resolved {
  const [first, second, third] = args;
  const matcher = (first || DEFAULT_MATCHER) as Matcher;
  if (args.length === 1 && isOptions(first)) return { matcher: DEFAULT_MATCHER, mapper: undefined, options: first };
  if (args.length <= 2 && typeof first === 'function') {
    return { matcher: DEFAULT_MATCHER, mapper: first as Mapper, options: second as SplitOptions | undefined };
  }
  if (args.length === 2 && second && typeof second === 'object') return { matcher, mapper: undefined, options: second };
  return { matcher, mapper: (second || undefined) as Mapper | undefined, options: third as SplitOptions | undefined };
}

function isOptions(value: unknown): value is SplitOptions {
  if (typeof value !== 'object' || value === null || value instanceof RegExp) return false;
  return !(value as { [Symbol.split]?: unknown })[Symbol.split];
}

// biome-ignore lint/style/noDefaultExport: split2's users import a default.
export default split;
// `require` gives the function itself: Node takes an export of this name as what a module of CommonJS would be.
export { split as 'module.exports' };
