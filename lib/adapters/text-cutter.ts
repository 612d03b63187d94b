/**
 * Lines cut in text: the way that works for every matcher.
 *
 * Each chunk is decoded, put behind the unfinished line and split, since a RegExp may match across chunks; so a line of
 * many chunks is searched many times. byte-cutter.ts is the way that does not, for matchers that are plain strings.
 */
import { StringDecoder } from 'node:string_decoder';

/** What can end a line: a string, a RegExp, anything that String.prototype.split takes. */
export type Matcher = string | RegExp | { [Symbol.split](text: string, limit?: number): string[] };

/** Turns chunks into lines. */
export interface LineCutter {
  /** The unfinished line, as far as its characters are complete. */
  readonly rest: string;
  /** The lines that `chunk` ends. */
  cut(chunk: Buffer): readonly string[];
  /**
   * The lines after the one that is unfinished, whose end is looked for in `chunk` alone.
   * @returns undefined when it is not there: the chunk is dropped, and `rest` stays as it is.
   */
  cutAfterRest(chunk: Buffer): readonly string[] | undefined;
  /** No more chunks: the unfinished line with what there is of its last character. */
  end(): string;
}

/** A cutter that can be taken over from: its unfinished line, and the bytes of its incomplete last character. */
export interface Predecessor {
  readonly rest: string;
  readonly incomplete: Buffer;
}

export class TextCutter implements LineCutter {
  readonly #matcher: Matcher;
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';

  constructor(matcher: Matcher, predecessor?: Predecessor) {
    this.#matcher = matcher;
    if (predecessor === undefined) return;
    this.#rest = predecessor.rest;
    this.#decoder.write(predecessor.incomplete);
  }

  get rest(): string {
    return this.#rest;
  }

  cut(chunk: Buffer): readonly string[] {
    const lines = this.#split(this.#rest + this.#decoder.write(chunk));
    this.#rest = lines.pop()!;
    return lines;
  }

  cutAfterRest(chunk: Buffer): readonly string[] | undefined {
    const lines = this.#split(this.#decoder.write(chunk));
    if (lines.length === 1) return undefined;
    lines.shift();
    this.#rest = lines.pop()!;
    return lines;
  }

  end(): string {
    this.#rest += this.#decoder.end();
    return this.#rest;
  }

  #split(text: string): string[] {
    return text.split(this.#matcher as RegExp);
  }
}
