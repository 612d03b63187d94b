/**
 * Pages that the output queues of a thread share, each filling on where the last stopped.
 *
 * A page is written again once all that was written to it has left through streams that have said that its memory is free;
 * until then it is warm in the caches, which a new one is not. Bytes of which nobody says so are never written twice:
 * whoever has a piece of them may keep it as long as it likes, and their page is the collector's.
 */
import type { Buffer } from 'node:buffer';
import { allocatePage } from './pages.js';

const PAGE_SIZE = 64 * 1024;
/** Pages kept for later: a megabyte. */
const MOST_FREE = 16;

/** Node's own encoders, without what `write` does to find one. They are documented since Node 22 and present in all before. */
export interface WriteBuffer extends Buffer {
  utf8Write(text: string, at: number, most: number): number;
  latin1Write(text: string, at: number, most: number): number;
}

export class OutputPage {
  readonly bytes: WriteBuffer;
  /** First free byte. */
  end = 0;
  /** Bytes that were written and not said to be free. */
  #held = 0;

  constructor(size: number) {
    this.bytes = allocatePage(size) as WriteBuffer;
  }

  /** Takes the next `size` bytes. Pre: there is room for them. @returns where they begin. */
  claim(size: number): number {
    const at = this.end;
    this.end += size;
    this.#held += size;
    return at;
  }

  /** So many bytes of those that were claimed are nobody's any more. Pre: 0 < size. */
  free(size: number): void {
    this.#held -= size;
    if (this.#held > 0) return;
    this.end = 0;
    if (this !== page) this.#keep();
    // A large one that is never full would be kept for good.
    else if (this.bytes.length > PAGE_SIZE) page = free.pop() ?? NO_PAGE;
  }

  /** Another one is filled from now on. */
  leave(): void {
    if (this.#held === 0) this.#keep();
  }

  #keep(): void {
    if (this.bytes.length === PAGE_SIZE && free.length < MOST_FREE) free.push(this);
  }
}

const free: OutputPage[] = [];
const NO_PAGE = new OutputPage(0);

/** The page that is being filled. */
export let page: OutputPage = NO_PAGE;

/** Makes `page` one with room for `size` bytes. */
export function makeRoom(size: number): void {
  if (page.bytes.length - page.end >= size) return;
  page.leave();
  page = (size <= PAGE_SIZE ? free.pop() : undefined) ?? new OutputPage(Math.max(PAGE_SIZE, size));
}
