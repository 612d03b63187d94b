/**
 * The writing side of separators: makes sure that a record arrives as one record.
 *
 * A record may not hold a separator, nor end with bytes that make one together with the separator that follows (CR
 * before LF where CR is stripped, "a" before "aa"). With `keep` a record brings its separator along; it is written
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
  readonly #separators: readonly Buffer[];
  readonly #longest: number;
  readonly #keep: boolean;
  /** Separators as strings, where a text can be searched for them without being encoded. */
  readonly #texts: readonly string[] | undefined;
  readonly #stripsCr: boolean;

  constructor(name: string, config: SeparatorFraming) {
    this.#name = name;
    const forbidden = config.newline === 'strict-crlf' ? [Buffer.of(CR), Buffer.of(LF)] : [];
    const given = config.separators.map((separator) => Buffer.from(separator));
    this.separator = given[0]!;
    this.#separators = [...given, ...forbidden];
    this.#longest = Math.max(...given.map((separator) => separator.length));
    this.#keep = config.keep;
    this.#stripsCr = config.newline === 'strip-cr';
    const simple = !config.keep && this.#separators.every((one) => one.length === 1 && one[0]! < 0x80);
    this.#texts = simple || (config.newline === 'strict-crlf' && !config.keep) ? ['\r', '\n'] : undefined;
    if (simple) this.#texts = this.#separators.map((one) => one.toString('latin1'));
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
    return end;
  }

  /** Refuses a separator that lies whole in bytes[from, to). */
  checkInside(bytes: Uint8Array, from: number, to: number): void {
    for (const separator of this.#separators) {
      const found = native().indexOfSequence(bytes, from, to, separator);
      if (found >= 0) throw this.#refusal(found - from);
    }
  }

  /** Bytes of the separator at the end of a record that was read with `keep`. */
  #broughtAlong(bytes: Buffer, from: number, to: number): number {
    let longest = 0;
    for (const { length } of this.#separators.filter((one) => endsWith(bytes, from, to, one))) {
      longest = Math.max(longest, length);
    }
    if (longest === 1 && this.#stripsCr && to - from >= 2 && bytes[to - 2] === CR) return 2;
    return longest;
  }

  /** Refuses a payload whose last bytes and the separator after it would be cut elsewhere. */
  #checkSeam(bytes: Buffer, from: number, end: number): void {
    const start = Math.max(from, end - this.#longest + 1);
    const seam = Buffer.concat([bytes.subarray(start, end), this.separator]);
    for (const separator of this.#separators) {
      const found = seam.indexOf(separator);
      if (found >= 0 && found < end - start) throw this.#refusal(start + found - from);
    }
  }

  #refusal(at: number): UsageError {
    const message = `the record contains a separator, at ${at}`;
    return new UsageError('ERR_RECORD_CONTAINS_SEPARATOR', { protocol: this.#name, message });
  }
}

function endsWith(bytes: Buffer, from: number, to: number, ending: Buffer): boolean {
  const start = to - ending.length;
  return start >= from && bytes.compare(ending, 0, ending.length, start, to) === 0;
}
