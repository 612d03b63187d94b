/**
 * The writing side of separators: makes sure that a record arrives as one record.
 *
 * A record may not hold a separator, nor end with bytes that make one together with the separator that follows (CR
 * before LF where CR is stripped, "a" before "aa"), nor begin or end with bytes that make a longer separator of the one
 * written ("b" after "a" where "ab" is one too: an empty line after LF where LF LF is one). With `keep` a record brings its separator along; it is written
 * again as the codec's first.
 */
import { UsageError } from '../errors.js';
import { native } from '../native.js';
import type { SeparatorFraming } from '../native-interface.js';

const CR = 0x0d;
const LF = 0x0a;

export class SeparatorGuard {
  /** What is written after each record. */
  readonly separator: Buffer;
  readonly #name: string;
  /** What ends a record. */
  readonly #ends: readonly Buffer[];
  /** What no record may hold: what ends one, and where CRLF is strict a CR or LF alone. */
  readonly #forbidden: readonly Buffer[];
  readonly #longest: number;
  readonly #keep: boolean;
  /** Separators as strings, where a text can be searched for them without being encoded. */
  readonly #texts: readonly string[] | undefined;
  readonly #stripsCr: boolean;
  /** What must not come right before, and right after, the separator that is written: they would make a longer one. */
  readonly #before: readonly Buffer[];
  readonly #after: readonly Buffer[];

  constructor(name: string, config: SeparatorFraming) {
    this.#name = name;
    const bare = config.newline === 'strict-crlf' ? [Buffer.of(CR), Buffer.of(LF)] : [];
    const given = config.separators.map((separator) => Buffer.from(separator));
    this.separator = given[0]!;
    this.#ends = given;
    this.#forbidden = [...given, ...bare];
    this.#longest = Math.max(...given.map((separator) => separator.length));
    this.#keep = config.keep;
    this.#stripsCr = config.newline === 'strip-cr';
    const around = given.flatMap((longer) => surroundings(longer, this.separator));
    this.#before = around.map(({ before }) => before).filter(({ length }) => length > 0);
    this.#after = around.filter(({ before }) => before.length === 0).map(({ after }) => after);
    const simple = !config.keep && this.#forbidden.every((one) => one.length === 1 && one[0]! < 0x80);
    this.#texts = simple || (config.newline === 'strict-crlf' && !config.keep) ? ['\r', '\n'] : undefined;
    if (simple) this.#texts = this.#forbidden.map((one) => one.toString('latin1'));
  }

  /** @returns the text, checked; undefined when it has to be checked as bytes. @throws ERR_RECORD_CONTAINS_SEPARATOR */
  checkText(text: string): string | undefined {
    if (this.#texts === undefined) return undefined;
    for (const separator of this.#texts) if (text.includes(separator)) throw this.#refusal(text.indexOf(separator));
    if (this.#stripsCr && text.charCodeAt(text.length - 1) === CR) throw this.#refusal(text.length - 1);
    return text;
  }

  /**
   * Checks bytes[from, to).
   * @returns the end of the payload: `to`, or less when the record brought its separator along.
   * @throws UsageError ERR_RECORD_CONTAINS_SEPARATOR
   */
  checkBytes(bytes: Buffer, from: number, to: number): number {
    const end = this.#keep ? to - this.#broughtAlong(bytes, from, to) : to;
    this.checkInside(bytes, from, end);
    if (this.#stripsCr && end > from && bytes[end - 1] === CR) throw this.#refusal(end - 1 - from);
    if (this.#longest > 1) this.#checkSeam(bytes, from, end);
    this.checkStart(bytes, from, end, 'whole');
    for (const before of this.#before) {
      if (endsWith(bytes, from, end, before)) throw this.#refusal(end - before.length - from);
    }
    return end;
  }

  /**
   * Refuses a record that makes a longer separator of the one before it.
   * @param extent 'whole': bytes[from, to) is the record. 'start': more of it follows.
   */
  checkStart(bytes: Buffer, from: number, to: number, extent: 'whole' | 'start'): void {
    for (const after of this.#after) {
      const start = bytes.subarray(from, Math.min(to, from + after.length));
      const seen = extent === 'whole' ? Buffer.concat([start, this.separator]) : start;
      const size = Math.min(seen.length, after.length);
      if (extent === 'start' && size < after.length) continue;
      // What is shorter might still become it, with the records that follow.
      if (seen.compare(after, 0, size, 0, size) === 0) throw this.#refusal(0);
    }
  }

  /** Refuses a separator that lies whole in bytes[from, to). */
  checkInside(bytes: Uint8Array, from: number, to: number): void {
    for (const separator of this.#forbidden) {
      const found = native().indexOfSequence(bytes, from, to, separator);
      if (found >= 0) throw this.#refusal(found - from);
    }
  }

  /** Bytes of the separator at the end of a record that was read with `keep`. */
  #broughtAlong(bytes: Buffer, from: number, to: number): number {
    let longest = 0;
    for (const one of this.#ends) if (endsWith(bytes, from, to, one)) longest = Math.max(longest, one.length);
    if (longest === 1 && this.#stripsCr && to - from >= 2 && bytes[to - 2] === CR) return 2;
    return longest;
  }

  /** Refuses a payload whose last bytes and the separator after it would be cut elsewhere. */
  #checkSeam(bytes: Buffer, from: number, end: number): void {
    const start = Math.max(from, end - this.#longest + 1);
    const seam = Buffer.concat([bytes.subarray(start, end), this.separator]);
    for (const separator of this.#forbidden) {
      const found = seam.indexOf(separator);
      if (found >= 0 && found < end - start) throw this.#refusal(start + found - from);
    }
  }

  #refusal(at: number): UsageError {
    const message = `the record contains a separator, at ${at}`;
    return new UsageError('ERR_RECORD_CONTAINS_SEPARATOR', { protocol: this.#name, message });
  }
}

/** What lies around each place of `inner` in a separator that goes on after it. */
function surroundings(outer: Buffer, inner: Buffer): { before: Buffer; after: Buffer }[] {
  const found: { before: Buffer; after: Buffer }[] = [];
  for (let at = outer.indexOf(inner); at >= 0; at = outer.indexOf(inner, at + 1)) {
    const after = outer.subarray(at + inner.length);
    if (after.length > 0) found.push({ before: outer.subarray(0, at), after });
  }
  return found;
}

function endsWith(bytes: Buffer, from: number, to: number, ending: Buffer): boolean {
  const start = to - ending.length;
  return start >= from && bytes.compare(ending, 0, ending.length, start, to) === 0;
}
