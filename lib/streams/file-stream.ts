/**
 * A byte stream that reads a file into memory that it uses again.
 *
 * fs.createReadStream makes a new 64 KiB buffer for every read and passes it through a Readable; this reads pages, see
 * file-pages.ts. It only reads: writes are refused. It closes the descriptor at the end, at a failure, and when it is
 * destroyed.
 */
import type { PathLike } from 'node:fs';
import { close as closeFile, open as openFile } from 'node:fs';
import { promisify } from 'node:util';
import { checkInteger, checkObject } from '../arguments.js';
import { UsageError } from '../errors.js';
import { BaseStream } from './base-stream.js';
import { FILE_PAGE_SIZE, FilePages } from './file-pages.js';

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
  const { pageSize = FILE_PAGE_SIZE, start = 0, end = Number.MAX_SAFE_INTEGER } = options;
  checkInteger('options.pageSize', pageSize, 1, 2 ** 30);
  checkInteger('options.start', start, 0);
  checkInteger('options.end', end, start);
  return new FileStream(await open(path, 'r'), pageSize, start, end);
}

/** What `openFileStream` opens. It only reads. */
export class FileStream extends BaseStream {
  readonly #descriptor: number;
  readonly #pages: FilePages;
  #closed = false;

  /** Internal: use `openFileStream`. */
  constructor(descriptor: number, pageSize: number, start: number, end: number) {
    super({ readHighWaterMark: pageSize });
    this.#descriptor = descriptor;
    // A FIFO or a terminal has no positions; a file read from its beginning does not need them.
    const part = { descriptor, pageSize, input: this.input, position: start > 0 ? start : undefined };
    this.#pages = new FilePages(
      { ...part, length: end - start },
      {
        advanced: ignore,
        wake: () => this.wakeReaders(),
        ended: () => this.#end(),
        failed: (error) => this.#fail(error),
      },
    );
  }

  get pendingOutput(): number {
    return 0;
  }

  protected override mayPull(): boolean {
    return this.#pages.holdsPage;
  }

  override ready(...args: Parameters<BaseStream['ready']>): Promise<void> {
    if (args[0] === 'read') this.#pages.startReading();
    return super.ready(...args);
  }

  protected pull(wanted: number): void {
    this.#pages.pull(wanted);
  }

  #end(): void {
    this.inputEnded();
    this.#close();
  }

  #fail(error: Error): void {
    this.fail(error);
    this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#pages.stop(() => {
      closeFile(this.#descriptor, () => {
        // A file that was only read has nothing to lose by a failing close.
      });
    });
  }

  override get readsOnly(): boolean {
    return true;
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

function ignore(): void {
  // How far the file was read: nobody asks.
}
