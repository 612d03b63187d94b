/**
 * The Transform behind `miniproto/split`.
 *
 * A cutter turns chunks into lines; this class maps them, gives them out and watches the length of the unfinished one.
 * A line is pushed as any Transform would; but once a push has gone straight to a 'data' listener, the following lines
 * of the chunk are emitted without asking the stream's machinery again, as long as nobody paused, destroyed or left.
 */
import { Transform, type TransformCallback, type TransformOptions } from 'node:stream';
import { ByteCutter } from './byte-cutter.js';
import { type LineCutter, type Matcher, TextCutter } from './text-cutter.js';

export type { Matcher } from './text-cutter.js';

/** Makes what is pushed of a line; undefined drops it. */
export type Mapper = (line: string) => unknown;

interface SplitStreamOptions extends TransformOptions {
  maxLength?: number | undefined;
  skipOverflow?: boolean | undefined;
}

export class SplitStream extends Transform {
  readonly matcher: Matcher;
  mapper: Mapper;
  maxLength: number | undefined;
  skipOverflow: boolean;
  /** The unfinished line is longer than maxLength: what comes is dropped up to the next line. */
  overflow = false;
  #cutter: LineCutter;

  /** Internal: use `split`. The options belong to the stream from now on. */
  constructor(matcher: Matcher, mapper: Mapper | undefined, options: SplitStreamOptions) {
    // These are the stream's own; a caller's would take their place.
    for (const name of ['transform', 'flush', 'destroy'] as const) delete options[name];
    super({ ...options, autoDestroy: true, readableObjectMode: true });
    this.matcher = matcher;
    this.mapper = mapper ?? identity;
    this.maxLength = options.maxLength;
    this.skipOverflow = options.skipOverflow || false;
    this.#cutter = ByteCutter.for(matcher) ?? new TextCutter(matcher);
  }

  override _transform(chunk: unknown, _encoding: BufferEncoding, callback: TransformCallback): void {
    const lines = this.#cut(chunk);
    try {
      this.#give(lines);
    } catch (error) {
      callback(error as Error);
      return;
    }
    this.overflow = this.#cutter.rest.length > (this.maxLength as number);
    if (this.overflow && !this.skipOverflow) callback(new Error('maximum buffer reached'));
    else callback();
  }

  override _flush(callback: TransformCallback): void {
    const rest = this.#cutter.end();
    try {
      if (rest !== '') this.#give([rest]);
    } catch (error) {
      callback(error as Error);
      return;
    }
    callback();
  }

  #cut(chunk: unknown): readonly string[] {
    let cutter = this.#cutter;
    if (cutter instanceof ByteCutter && !Buffer.isBuffer(chunk)) {
      // A writable side in object mode, or with decodeStrings off, gives strings as they are.
      cutter = new TextCutter(this.matcher, cutter);
      this.#cutter = cutter;
    }
    if (!this.overflow) return cutter.cut(chunk as Buffer);
    const lines = cutter.cutAfterRest(chunk as Buffer);
    if (lines === undefined) return [];
    this.overflow = false;
    return lines;
  }

  #give(lines: readonly string[]): void {
    const { mapper } = this;
    let direct = false;
    for (const line of lines) {
      const value = mapper === identity ? line : mapper(line);
      if (value === undefined) continue;
      if (direct && value !== null && this.#isListening() && this.emit('data', value)) continue;
      this.push(value);
      direct = value !== null && this.readableEncoding === null;
    }
  }

  /** True when a push would be handed to the 'data' listeners at once. Pre: the push before it was tried. */
  #isListening(): boolean {
    return this.readableFlowing === true && this.readableLength === 0 && !this.destroyed;
  }
}

function identity(line: string): string {
  return line;
}
