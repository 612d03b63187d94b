/** Pages that native sockets receive into: one pool per thread, so that an idle connection holds none. */
import { bufferCounters } from '../bytes/buffer-counters.js';
import { allocatePage } from '../bytes/pages.js';

export { allocatePage };

/** Bytes of a page. */
export const PAGE_BYTES = 64 * 1024;
/** Pages kept for the next ones. */
const MOST_FREE = 16;

const free: Buffer[] = [];

export function leasePage(): Buffer {
  const page = free.pop();
  if (page !== undefined) return page;
  bufferCounters.pooledBytes += PAGE_BYTES;
  return allocatePage(PAGE_BYTES);
}

export function returnPage(page: Buffer): void {
  if (free.length < MOST_FREE) free.push(page);
  else bufferCounters.pooledBytes -= PAGE_BYTES;
}
