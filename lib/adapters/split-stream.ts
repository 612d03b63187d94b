/**
 * The Transform behind `miniproto/split`.
 *
 * A cutter turns chunks into lines; this class maps them, gives them out and watches the length of the unfinished one.
 * A line is pushed as any Transform would; but once a push has gone straight to a 'data' listener, the following lines
 * of the chunk are emitted without asking the stream's machinery again, as long as nobody paused, destroyed or left.
 */
import { Transform, type TransformCallback, type TransformOptions } from 'node:stream';
import { ByteCutter } from './byte-cutter.js';
import { type LineCutter, type LineSink, type Matcher, TextCutter } from './text-cutter.js';

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
    const outlet = new Outlet(this);
    this.#cut(chunk, outlet);
    if (outlet.failed) return callback(outlet.failure as Error);
    this.overflow = this.#cutter.rest.length > (this.maxLength as number);
    if (this.overflow && !this.skipOverflow) callback(new Error('maximum buffer reached'));
    else callback();
  }

  override _flush(callback: TransformCallback): void {
    const outlet = new Outlet(this);
    const rest = this.#cutter.end();
    if (rest !== '') outlet.give(rest);
    if (outlet.failed) callback(outlet.failure as Error);
    else callback();
  }

  #cut(chunk: unknown, outlet: Outlet): void {
    let cutter = this.#cutter;
    if (cutter instanceof ByteCutter && !Buffer.isBuffer(chunk)) {
      // A writable side in object mode, or with decodeStrings off, gives strings as they are.
      cutter = new TextCutter(this.matcher, cutter);
      this.#cutter = cutter;
    }
    if (!this.overflow) cutter.cut(chunk as Buffer, outlet);
    else if (cutter.cutAfterRest(chunk as Buffer, outlet)) this.overflow = false;
  }
}

/** Maps the lines of one chunk and gives them out. What a mapper or a listener throws ends the giving and is kept. */
class Outlet implements LineSink {
  readonly #stream: SplitStream;
  /** The push before went through the machinery, so the next line may be emitted without it. */
  #pushed = false;
  failed = false;
  failure: unknown;

  constructor(stream: SplitStream) {
    this.#stream = stream;
  }

  give(line: string): void {
    if (this.failed) return;
    const stream = this.#stream;
    try {
      const value = stream.mapper === identity ? line : stream.mapper(line);
      if (value === undefined) return;
      if (this.#pushed && value !== null && isListening(stream) && stream.emit('data', value)) return;
      stream.push(value);
      this.#pushed = value !== null && stream.readableEncoding === null;
    } catch (error) {
      this.failed = true;
      this.failure = error;
    }
  }
}

/** True when a push would be handed to the 'data' listeners at once. Pre: the push before it was tried. */
function isListening(stream: SplitStream): boolean {
  return stream.readableFlowing === true && stream.readableLength === 0 && !stream.destroyed;
}

function identity(line: string): string {
  return line;
}
