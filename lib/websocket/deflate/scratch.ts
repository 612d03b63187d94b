/**
 * Memory of the thread for what was deflated last, and for what was inflated last. Two pieces, since an echo deflates
 * what was inflated. They are pages, since whoever borrows a message sees them: what is sent of one is copied.
 */
import { allocatePage } from '../../bytes/pages.js';

/** Bytes. Most messages fit, in either direction; longer ones get memory of their own. */
export const SCRATCH = 64 * 1024;
/** Scratches that are kept for those who look at inflated messages one within the other; few do. */
const MOST_NESTED = 4;

let forDeflate: Buffer | undefined;
const forInflate: Buffer[] = [];
/** Those who may be looking at what was inflated: a handler may read from other connections. */
let nesting = 0;

export function deflateScratch(): Buffer {
  forDeflate ??= allocatePage(SCRATCH);
  return forDeflate;
}

export function inflateScratch(): Buffer {
  if (nesting >= MOST_NESTED) return Buffer.allocUnsafeSlow(SCRATCH);
  // `ArrayBuffer.prototype.transfer` takes away even what cannot be transferred to another thread.
  if (forInflate[nesting]?.length !== SCRATCH) forInflate[nesting] = allocatePage(SCRATCH);
  return forInflate[nesting]!;
}

/** What is inflated from here to `leaveScratch` leaves alone what was inflated before. */
export function enterScratch(): void {
  nesting++;
}

export function leaveScratch(): void {
  nesting--;
}
