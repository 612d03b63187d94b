/**
 * Reads a descriptor into an input buffer, with pages that are used again.
 *
 * It tries first: what lies in the system's cache is read at once, where its bytes are used, on systems that can say so.
 * The rest is read by the thread pool, one page ahead of the reader. It does not own the descriptor: whoever does calls
 * `stop` and waits for its callback before closing it, because a number that is closed under the thread pool may be
 * another file's by the time it is read.
 */
import { read as readFile } from 'node:fs';
import type { InputBuffer } from '../bytes/input-buffer.js';
import { allocatePage } from '../bytes/pages.js';
import { native } from '../native.js';
import { FILE_CANNOT_TRY } from '../native-interface.js';

/** Bytes of a page: a read's fixed cost is small, and page, table and text stay in the second-level cache. */
export const FILE_PAGE_SIZE = 64 * 1024;
const PAGE_COUNT = 2;
/** Bytes of room in front of a page, for the record that the page before it has begun; less where pages are small. */
const ROOM = 32 * 1024;
/** Pages read without waiting before others get their turn: a megabyte, a fraction of a millisecond. */
const PAGES_AT_ONCE = 16;

/** What is read, and where to. */
export interface FilePart {
  readonly descriptor: number;
  readonly input: InputBuffer;
  readonly pageSize: number;
  /** Where the first read starts; undefined for the descriptor's own position: a FIFO or a terminal has no other. */
  readonly position: number | undefined;
  /** Bytes to read; Infinity for all. */
  readonly length: number;
}

/** Who hears of it. */
export interface FileReader {
  /** So many bytes were read, more than none. They may not be in the input yet. */
  advanced(byteCount: number): void;
  /** A `pull` may get further. */
  wake(): void;
  /** Everything is in the input. */
  ended(): void;
  /** The thread pool could not read; nothing is read any more. */
  failed(error: Error): void;
}

export class FilePages {
  readonly #part: FilePart;
  readonly #reader: FileReader;
  /** Where in a page's memory the page begins. */
  readonly #room: number;
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
  #stopped = false;
  #whenIdle: ((bytes: Buffer | undefined) => void)[] = [];
  /** Where the next read starts. */
  #position: number | undefined;
  /** Bytes that are still to be read; 0 <= left <= length. */
  #left: number;

  constructor(part: FilePart, reader: FileReader) {
    this.#part = part;
    this.#reader = reader;
    this.#room = Math.min(ROOM, part.pageSize >> 1);
    this.#position = part.position;
    this.#left = Math.max(0, part.length);
  }

  /** True when a page waits for the reader. */
  get holdsPage(): boolean {
    return this.#full !== undefined;
  }

  /** Reads until `wanted` bytes are in the input, or nothing more comes now; then a wake is on its way. */
  pull(wanted: number): void {
    while (this.#part.input.length < wanted) {
      if (this.#full !== undefined) this.#takeFull(this.#full);
      else if (this.#stopped || this.#reading || !this.#tryRead()) return;
    }
  }

  /** Whoever waits without having tried must not wait for a read that nobody has started. */
  startReading(): void {
    if (!this.#yielding) this.#readAhead();
  }

  /**
   * Reads no more. `then` is called once the descriptor is not being read, which may be now, with what the last read has
   * brought when nobody has it: memory of the caller's.
   */
  stop(then: (bytes: Buffer | undefined) => void): void {
    this.#stopped = true;
    this.#free = [];
    if (this.#reading) this.#whenIdle.push(then);
    else then(undefined);
  }

  #takeFull(page: Buffer): void {
    this.#full = undefined;
    this.#take(page, this.#fullSize);
    // What the cache did not have once it will not have next time either, so the next page is asked for now.
    if (this.#cannotTry) this.#readAhead();
  }

  #take(page: Buffer, size: number): void {
    if (size > 0) {
      this.#part.input.appendPage(page, this.#room, this.#room + size, () => this.#recycle(page));
      return;
    }
    this.#stopped = true;
    this.#free = [];
    this.#reader.ended();
  }

  /** Reads a page without waiting. @returns false when that is not to be had now: then a wake is on its way. */
  #tryRead(): boolean {
    if (this.#atOnce >= PAGES_AT_ONCE) {
      this.#yield();
      return false;
    }
    if (!this.#cannotTry) {
      const page = this.#page();
      const from = this.#room;
      const count = native().tryReadFile(this.#part.descriptor, page, from, from + this.#size(), this.#position ?? -1);
      if (count >= 0) {
        this.#atOnce++;
        this.#advance(count);
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
      this.#reader.wake();
    });
  }

  #page(): Buffer {
    return this.#free.pop() ?? allocatePage(this.#room + this.#part.pageSize);
  }

  #size(): number {
    return Math.min(this.#part.pageSize, this.#left);
  }

  #advance(count: number): void {
    if (count === 0) return;
    if (this.#position !== undefined) this.#position += count;
    this.#left -= count;
    this.#reader.advanced(count);
  }

  #recycle(page: Buffer): void {
    if (!this.#stopped && this.#free.length < PAGE_COUNT) this.#free.push(page);
  }

  #readAhead(): void {
    if (this.#reading || this.#full !== undefined || this.#stopped) return;
    const page = this.#page();
    this.#reading = true;
    readFile(this.#part.descriptor, page, this.#room, this.#size(), this.#position ?? null, (error, count) => {
      this.#reading = false;
      this.#atOnce = 0;
      if (error === null) this.#advance(count);
      if (this.#stopped) return this.#idle(error === null && count > 0 ? this.#read(page, count) : undefined);
      if (error !== null) return this.#fail(error);
      this.#full = page;
      this.#fullSize = count;
      this.#reader.wake();
    });
  }

  #read(page: Buffer, size: number): Buffer {
    return page.subarray(this.#room, this.#room + size);
  }

  #idle(bytes: Buffer | undefined): void {
    const waiting = this.#whenIdle;
    this.#whenIdle = [];
    for (const then of waiting) then(bytes);
  }

  #fail(error: Error): void {
    this.#stopped = true;
    this.#free = [];
    this.#reader.failed(error);
  }
}
