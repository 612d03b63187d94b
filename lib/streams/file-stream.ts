/**
 * A byte stream that reads a file into memory that it uses again.
 *
 * fs.createReadStream makes a new 64 KiB buffer for every read and passes it through a Readable. This tries first: what
 * lies in the system's cache is read at once, where its bytes are used, on systems that can say so. The rest is read by
 * the thread pool, one page ahead of the reader. It only reads: writes are refused.
 */
import type { PathLike } from 'node:fs';
import { close as closeFile, open as openFile, read as readFile } from 'node:fs';
import { promisify } from 'node:util';
import { checkInteger, checkObject } from '../arguments.js';
import { allocatePage } from '../bytes/pages.js';
import { UsageError } from '../errors.js';
import { native } from '../native.js';
import { FILE_CANNOT_TRY } from '../native-interface.js';
import { BaseStream } from './base-stream.js';

/** Bytes of a page: a read's fixed cost is small, and page, table and text stay in the second-level cache. */
const PAGE_SIZE = 64 * 1024;
const PAGE_COUNT = 2;
/** Pages read without waiting before others get their turn: a megabyte, a fraction of a millisecond. */
const PAGES_AT_ONCE = 16;

/** What part of a file is read, and how much at a time. */
export interface FileStreamOptions {
  /** Bytes read at a time. Default 64 KiB; two such pages are held while the file is open. */
  pageSize?: number;
  /** First byte to read. Default 0. */
  start?: number;
  /** After the last byte to read. Default: the file's end. */
  end?: number;
}

const open = promisify(openFile);

/**
 * Opens a file for reading as a byte stream.
 * @throws what `fs.open` throws, ENOENT for example.
 */
export async function openFileStream(path: PathLike, options: FileStreamOptions = {}): Promise<FileStream> {
  checkObject('options', options);
  const { pageSize = PAGE_SIZE, start = 0, end = Number.MAX_SAFE_INTEGER } = options;
  checkInteger('options.pageSize', pageSize, 1, 2 ** 30);
  checkInteger('options.start', start, 0);
  checkInteger('options.end', end, start);
  return new FileStream(await open(path, 'r'), pageSize, start, end);
}

/** What `openFileStream` opens. It only reads. */
export class FileStream extends BaseStream {
  readonly #pageSize: number;
  readonly #descriptor: number;
  #free: Buffer[] = [];
  /** A page that the thread pool has read and that waits for the reader, and its size. */
  #full: Buffer | undefined;
  #fullSize = 0;
  /** The thread pool is reading. */
  #reading = false;
  /** A wake for the reader is on its way. */
  #yielding = false;
  /** Pages that were read without waiting since somebody else had a turn. */
  #atOnce = 0;
  /** The system cannot read without waiting, or not this file. */
  #cannotTry = false;
  #closed = false;
  /** Where the next read starts. */
  #position: number;
  readonly #end: number;
  readonly #seekable: boolean;

  /** Internal: use `openFileStream`. */
  constructor(descriptor: number, pageSize: number, start: number, end: number) {
    super({ readHighWaterMark: pageSize });
    this.#descriptor = descriptor;
    this.#pageSize = pageSize;
    this.#position = start;
    this.#seekable = start > 0;
    this.#end = end;
  }

  get pendingOutput(): number {
    return 0;
  }

  protected override mayPull(): boolean {
    return this.#full !== undefined;
  }

  override ready(...args: Parameters<BaseStream['ready']>): Promise<void> {
    // Whoever waits without having tried must not wait for a read that nobody has started.
    if (args[0] === 'read' && !this.#yielding) this.#readAhead();
    return super.ready(...args);
  }

  protected pull(wanted: number): void {
    while (this.input.length < wanted && !this.#closed) {
      if (this.#full !== undefined) this.#takeFull(this.#full);
      else if (this.#reading || !this.#tryRead()) return;
    }
  }

  #takeFull(page: Buffer): void {
    this.#full = undefined;
    this.#take(page, this.#fullSize);
    // What the cache did not have once it will not have next time either, so the next page is asked for now.
    if (!this.#closed && this.#cannotTry) this.#readAhead();
  }

  #take(page: Buffer, size: number): void {
    if (size === 0) {
      this.inputEnded();
      this.#close();
      return;
    }
    this.#position += size;
    this.input.append(page.subarray(0, size), () => this.#recycle(page));
  }

  /** Reads a page without waiting. @returns false when that is not to be had now: then a wake is on its way. */
  #tryRead(): boolean {
    if (this.#atOnce >= PAGES_AT_ONCE) {
      this.#yield();
      return false;
    }
    if (!this.#cannotTry) {
      const page = this.#page();
      const count = native().tryReadFile(this.#descriptor, page, 0, this.#size(), this.#from(-1));
      if (count >= 0) {
        this.#atOnce++;
        this.#take(page, count);
        return true;
      }
      this.#recycle(page);
      this.#cannotTry = count === FILE_CANNOT_TRY;
    }
    this.#readAhead();
    return false;
  }

  /** A cached file could be read forever without anybody else having a turn. */
  #yield(): void {
    if (this.#yielding) return;
    this.#yielding = true;
    setImmediate(() => {
      this.#yielding = false;
      this.#atOnce = 0;
      this.wakeReaders();
    });
  }

  #page(): Buffer {
    return this.#free.pop() ?? allocatePage(this.#pageSize);
  }

  #size(): number {
    return Math.min(this.#pageSize, this.#end - this.#position);
  }

  /** A FIFO or a terminal has no positions; a file read from its beginning does not need them. */
  #from<T>(none: T): number | T {
    return this.#seekable ? this.#position : none;
  }

  #recycle(page: Buffer): void {
    if (!this.#closed && this.#free.length < PAGE_COUNT) this.#free.push(page);
  }

  #readAhead(): void {
    if (this.#reading || this.#full !== undefined || this.#closed || this.ended) return;
    const page = this.#page();
    this.#reading = true;
    readFile(this.#descriptor, page, 0, this.#size(), this.#from(null), (error, count) => {
      this.#reading = false;
      this.#atOnce = 0;
      if (this.#closed) return this.#release();
      if (error !== null) return this.#failed(error);
      this.#full = page;
      this.#fullSize = count;
      this.wakeReaders();
    });
  }

  #failed(error: Error): void {
    this.fail(error);
    this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#free = [];
    if (!this.#reading) this.#release();
  }

  /** Gives the descriptor back; not while a read of the thread pool uses it. */
  #release(): void {
    closeFile(this.#descriptor, () => {
      // A file that was only read has nothing to lose by a failing close.
    });
  }

  protected override hasWritableSide(): boolean {
    return false;
  }

  protected push(): number {
    throw new UsageError('ERR_STREAM_ENDED', { message: 'a FileStream only reads' });
  }

  protected blocked(): boolean {
    return false;
  }

  protected flushed(): boolean {
    return true;
  }

  protected endOutput(): Promise<void> {
    return Promise.resolve();
  }

  protected abandon(): void {
    this.#close();
  }
}
