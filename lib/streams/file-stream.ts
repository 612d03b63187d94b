/**
 * A byte stream that reads a file, ahead of its reader and into memory that it uses again.
 *
 * fs.createReadStream makes a new 64 KiB buffer for every read and passes it through a Readable; this keeps two pages,
 * one being filled by the thread pool while the other is being decoded. It only reads: writes are refused.
 */

import type { PathLike } from 'node:fs';
import { close as closeFile, open as openFile, read as readFile } from 'node:fs';
import { promisify } from 'node:util';
import { checkInteger, checkObject } from '../arguments.js';
import { allocatePage } from '../bytes/pages.js';
import { UsageError } from '../errors.js';
import { BaseStream } from './base-stream.js';

/** Bytes of a page: large enough that a read's fixed cost is small, small enough for the second-level cache. */
const PAGE_SIZE = 256 * 1024;
const PAGE_COUNT = 2;

/** What part of a file is read, and how much at a time. */
export interface FileStreamOptions {
  /** Bytes read at a time. Default 256 KiB; two such pages are held while the file is open. */
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
  /** A page that has been read and waits for the reader, and its size. */
  #full: Buffer | undefined;
  #fullSize = 0;
  #reading = false;
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
    this.#readAhead();
  }

  get pendingOutput(): number {
    return 0;
  }

  protected override mayPull(): boolean {
    return this.#full !== undefined;
  }

  protected pull(): void {
    const page = this.#full;
    if (page === undefined) return this.#readAhead();
    this.#full = undefined;
    if (this.#fullSize === 0) {
      this.inputEnded();
      this.#close();
      return;
    }
    this.input.append(page.subarray(0, this.#fullSize), () => this.#recycle(page));
    this.#readAhead();
  }

  #recycle(page: Buffer): void {
    if (this.#free.length < PAGE_COUNT) this.#free.push(page);
    if (!this.ended) this.#readAhead();
  }

  #readAhead(): void {
    if (this.#reading || this.#full !== undefined || this.#closed || this.ended) return;
    const page = this.#free.pop() ?? allocatePage(this.#pageSize);
    const size = Math.min(page.length, this.#end - this.#position);
    this.#reading = true;
    // A FIFO or a terminal has no positions; a file read from its beginning does not need them.
    const position = this.#seekable ? this.#position : null;
    readFile(this.#descriptor, page, 0, size, position, (error, count) => {
      this.#reading = false;
      if (this.#closed) return this.#release();
      if (error !== null) return this.#failed(error);
      this.#position += count;
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
