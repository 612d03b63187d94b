/**
 * Reads the file of an `fs.ReadStream` in its place.
 *
 * A ReadStream allocates 64 KiB for every read, waits for the thread pool although the bytes lie in the cache, and passes
 * them through a Readable: that is most of what it costs to read lines from one. Where the stream is as
 * `fs.createReadStream` has made it and nobody else looks at it, its descriptor is read as that of a FileStream is. The
 * stream still opens and closes the file, counts in `pos` and `bytesRead`, emits 'open', 'end', 'error' and 'close', and
 * can be destroyed by anybody. To Node it is in the middle of a read, from the first byte to the last:
 *
 *   Node calls `_read`                     the file is open, reading begins; nothing is pushed
 *   end of the file, or of the range       push(null): the rest is between Node and its reader, as ever
 *   a read fails                           given back: Node reads again, meets the error and deals with it
 *   somebody else looks at what it gives   given back
 *   `release()`                            given back
 *   `_destroy`                             put off until the thread pool has done with the descriptor
 *
 * Given back means: from the next byte on the stream reads for itself.
 */
import fs, { ReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import type { InputBuffer } from '../bytes/input-buffer.js';
import { FILE_PAGE_SIZE, FilePages, type FileReader } from './file-pages.js';

/** What this needs of a ReadStream. Not documented in part, so each is looked at before it is used. */
interface FileParts {
  readonly fd: number | null;
  /** Where the next read starts; undefined when the descriptor's own position counts. */
  pos: number | undefined;
  /** The last byte that is read, counted from the file's start, or from the first byte read where there is no `pos`. */
  readonly end: number;
  bytesRead: number;
  _read(size: number): void;
  _destroy(error: Error | null, done: (error?: Error | null) => void): void;
  /** `dataEmitted` is what `readableDidRead` tells. */
  readonly _readableState: { readonly reading?: boolean; readonly ended?: boolean; dataEmitted?: boolean };
}

/** For whom a file is read. */
export interface TakenFileUser {
  readonly input: InputBuffer;
  /** A `pull` may get further. */
  wake(): void;
  /** The stream is about to read for itself again. */
  givenBack(): void;
}

/** Reads the stream's file from now on, or answers undefined where the stream has to do so itself. */
export function takeFile(stream: Readable, user: TakenFileUser): TakenFile | undefined {
  return isUntouched(stream) ? new TakenFile(stream, user) : undefined;
}

export class TakenFile implements FileReader {
  readonly #stream: Readable & FileParts;
  readonly #user: TakenFileUser;
  /** Undefined until the file is open. */
  #pages: FilePages | undefined;
  /** 'ended': all was read, and Node has yet to be asked for what it has, whereupon it emits 'end'. */
  #state: 'taken' | 'ended' | 'over' = 'taken';

  constructor(stream: Readable & FileParts, user: TakenFileUser) {
    this.#stream = stream;
    this.#user = user;
    stream._destroy = (error, done) => this.#whenIdle(() => PROTOTYPE._destroy.call(stream, error, done));
    stream._read = () => this.#begin();
    // Calls `_read` at once where the file is open, and has Node call it later where it is not.
    stream.read(0);
    stream._read = () => {
      this.#begin();
      user.wake();
    };
  }

  /** True when a `pull` gets further. */
  get mayPull(): boolean {
    return this.#state === 'ended' || this.#pages?.holdsPage === true;
  }

  /**
   * Reads until `wanted` bytes are in the input, or nothing more comes now.
   * @returns false when the stream is to be read as any other.
   */
  pull(wanted: number): boolean {
    if (this.#state === 'ended') this.#state = 'over';
    if (this.#state === 'taken' && isLookedAt(this.#stream)) this.giveBack();
    if (this.#state === 'over') return false;
    this.#pages?.pull(wanted);
    return true;
  }

  /** See FilePages. */
  startReading(): void {
    this.#pages?.startReading();
  }

  /** Lets the stream read for itself. What was read already is in the input, what is being read will be pushed. */
  giveBack(): void {
    if (this.#state !== 'taken') return;
    this.#state = 'over';
    if (this.#pages?.holdsPage) this.#pages.pull(this.#user.input.length + 1);
    this.#user.givenBack();
    this.#whenIdle((bytes) => this.#goOn(bytes));
  }

  #begin(): void {
    const { fd: descriptor, pos: position, end, bytesRead } = this.#stream;
    const length = end - (position ?? bytesRead) + 1;
    const part = { descriptor: descriptor!, input: this.#user.input, pageSize: FILE_PAGE_SIZE, position, length };
    this.#pages ??= new FilePages(part, this);
  }

  #whenIdle(then: (bytes: Buffer | undefined) => void): void {
    if (this.#pages === undefined) then(undefined);
    else this.#pages.stop(then);
  }

  /** The stream as it was, with the read that Node believes to be under way. */
  #goOn(bytes: Buffer | undefined): void {
    const stream = this.#stream;
    this.#restore();
    if (this.#pages === undefined || stream.destroyed) return;
    // Copied, because a page cannot be transferred to another thread.
    if (bytes !== undefined) stream.push(Buffer.from(bytes));
    else stream._read(stream.readableHighWaterMark);
  }

  #restore(): void {
    Reflect.deleteProperty(this.#stream, '_read');
    Reflect.deleteProperty(this.#stream, '_destroy');
  }

  /** Internal, see FileReader. */
  advanced(byteCount: number): void {
    const stream = this.#stream;
    if (stream.pos !== undefined) stream.pos += byteCount;
    stream.bytesRead += byteCount;
    stream._readableState.dataEmitted = true;
  }

  /** Internal, see FileReader. */
  wake(): void {
    this.#user.wake();
  }

  /** Internal, see FileReader. */
  ended(): void {
    if (this.#state !== 'taken') return;
    this.#state = 'ended';
    this.#restore();
    this.#stream.push(null);
    // Not 'end' yet: a reader that still has bytes may stop here, and its stream can take them back until then.
    process.nextTick(() => this.#user.wake());
  }

  /** Internal, see FileReader. */
  failed(): void {
    this.giveBack();
  }
}

/** True when others want what the stream gives: a meter, say, is to see the chunks that it listens for. */
function isLookedAt(stream: Readable): boolean {
  if (stream.listenerCount('data') > 0 || stream.listenerCount('readable') > 0) return true;
  return stream.readableLength > 0 || stream.readableEncoding !== null;
}

const PROTOTYPE = ReadStream.prototype as unknown as FileParts;
/** As they were when this was loaded: what a user puts in their place is to be called. */
const GENUINE = { read: fs.read, _read: PROTOTYPE._read, _destroy: PROTOTYPE._destroy };

/** True for a stream that does what `fs.createReadStream` made it for, and has nothing that is anybody's already. */
function isUntouched(stream: Readable): stream is Readable & FileParts {
  return isGenuine(stream) && isIdle(stream as Readable & FileParts);
}

function isGenuine(stream: Readable): boolean {
  if (Object.getPrototypeOf(stream) !== PROTOTYPE) return false;
  // Packages that queue opens put a class of their own in the place of fs.ReadStream.
  if (Object.getPrototypeOf(PROTOTYPE) !== Readable.prototype) return false;
  if (PROTOTYPE._read !== GENUINE._read || PROTOTYPE._destroy !== GENUINE._destroy) return false;
  // `read`, `destroy`, `construct` given as options, and methods that were replaced.
  if (Object.values(stream).some((value) => typeof value === 'function')) return false;
  // Another `fs` given as an option, or the operations of a FileHandle, which wants to count who uses it.
  const key = Object.getOwnPropertySymbols(stream).find((symbol) => symbol.description === 'kFs');
  if (key === undefined || (stream as unknown as Record<symbol, unknown>)[key] !== fs) return false;
  return fs.read === GENUINE.read;
}

function isIdle(stream: Readable & FileParts): boolean {
  const { _readableState: state } = stream;
  if (state.reading !== false || state.ended !== false || stream.destroyed || stream.errored !== null) return false;
  // Whoever wants less at a time gets less at a time.
  if (stream.readableHighWaterMark < FILE_PAGE_SIZE || stream.readableObjectMode) return false;
  return stream.readableFlowing !== true && !isLookedAt(stream);
}
