/**
 * Memory of our own that others may get to see: pages of input and output.
 *
 * A view of a page shows the page through its `.buffer`. Whoever transferred that to a worker would pull the memory
 * away under every other user of the page, so pages are marked untransferable, as Node marks its own Buffer pool.
 */
import { markAsUntransferable } from 'node:worker_threads';

const pages = new WeakSet<ArrayBufferLike>();

/** True for memory of a page, which may be written again although somebody holds a view of it. */
export function isPage(memory: ArrayBufferLike): boolean {
  return pages.has(memory);
}

/** Makes a page of `size` bytes, not zeroed, in memory of its own. */
export function allocatePage(size: number): Buffer {
  const page = Buffer.allocUnsafeSlow(size);
  markAsUntransferable(page.buffer);
  pages.add(page.buffer);
  return page;
}
