/**
 * Matchers that stand for one string, and the framer that finds it.
 *
 * Which they are is decided with care, since what is found in bytes has to be what String.prototype.split finds in the
 * text: a RegExp that somebody has changed, or a string that bytes cannot express, is none of them.
 */
import { separatorFramer } from '../codecs/framers.js';
import { LARGEST_MAX_LENGTH } from '../limits.js';
import type { Framer } from '../native-interface.js';
import type { Matcher } from './text-cutter.js';

/** Bytes of the longest separator that a framer takes. */
const LONGEST_SEPARATOR = 256;

export interface PlainSeparator {
  readonly text: string;
  /** A CR before the separator belongs to it. */
  readonly stripsCr: boolean;
}

/** The RegExps that are strings in disguise, by their source. */
const REGEXPS: ReadonlyMap<string, PlainSeparator> = new Map([
  ['\\r?\\n', { text: '\n', stripsCr: true }],
  ['\\n', { text: '\n', stripsCr: false }],
  ['\\r\\n', { text: '\r\n', stripsCr: false }],
]);

/** The string that a matcher stands for; undefined where it does not stand for one. */
export function plainSeparator(matcher: Matcher): PlainSeparator | undefined {
  if (typeof matcher !== 'string') return isPlainRegExp(matcher) ? REGEXPS.get(matcher.source) : undefined;
  const size = Buffer.byteLength(matcher);
  if (size === 0 || size > LONGEST_SEPARATOR || !hasBytes(matcher)) return undefined;
  return { text: matcher, stripsCr: false };
}

/** A RegExp as the language made it: one that somebody changed may split as it likes. */
function isPlainRegExp(matcher: Matcher): matcher is RegExp {
  return (
    matcher instanceof RegExp &&
    Object.getPrototypeOf(matcher) === RegExp.prototype &&
    Reflect.ownKeys(matcher).length === 1
  );
}

/** False with half a surrogate pair, which has no bytes, and with U+FFFD, which is also what bytes that are no UTF-8 become. */
function hasBytes(text: string): boolean {
  return !text.includes('\ufffd') && Buffer.from(text).toString() === text;
}

export function framerFor({ text, stripsCr }: PlainSeparator): Framer {
  return separatorFramer({
    separators: [Buffer.from(text)],
    keep: false,
    newline: stripsCr ? 'strip-cr' : 'plain',
    // A chunk this large is no string any more.
    maxLength: LARGEST_MAX_LENGTH,
    overflow: 'error',
    tail: 'drop',
  });
}
