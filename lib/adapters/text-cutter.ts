/**
 * Lines cut in text: the way that works for every matcher.
 *
 * Each chunk is decoded, put behind the unfinished line and split, since a RegExp may match across chunks; so a line of
 * many chunks is searched many times. byte-cutter.ts is the way that does not, for matchers that are plain strings.
 */
import { StringDecoder } from 'node:string_decoder';

/** What can end a line: a string, a RegExp, anything that String.prototype.split takes. */
export type Matcher = string | RegExp | { [Symbol.split](text: string, limit?: number): string[] };

/** Where lines go. */
export interface LineSink {
  /** Takes a line. Never throws. */
  give(line: string): void;
}

/** Turns chunks into lines. */
export interface LineCutter {
  /** The unfinished line, as far as its characters are complete. */
  readonly rest: string;
  /** Gives the lines that `chunk` ends. */
  cut(chunk: Buffer, sink: LineSink): void;
  /**
   * Gives the lines after the unfinished one, whose end is looked for in `chunk` alone.
   * @returns false when it is not there: the chunk is dropped, and `rest` stays as it is.
   */
  cutAfterRest(chunk: Buffer, sink: LineSink): boolean;
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

  cut(chunk: Buffer, sink: LineSink): void {
    const lines = this.#split(this.#rest + this.#decoder.write(chunk));
    this.#rest = lines.pop()!;
    for (const line of lines) sink.give(line);
  }

  cutAfterRest(chunk: Buffer, sink: LineSink): boolean {
    const lines = this.#split(this.#decoder.write(chunk));
    if (lines.length === 1) return false;
    lines.shift();
    this.#rest = lines.pop()!;
    for (const line of lines) sink.give(line);
    return true;
  }

  end(): string {
    this.#rest += this.#decoder.end();
    return this.#rest;
  }

  #split(text: string): string[] {
    return text.split(this.#matcher as RegExp);
  }
}
