/**
 * Memory for large records that whoever gets them keeps: from the system's allocator, and the collector's to free.
 *
 * The collector frees it by tens of megabytes at once. An allocator that gives all of it back to the system each time has
 * the next records fault their pages in anew, which costs more than receiving them. That of glibc learns from what is
 * freed how much to keep: so it is shown something as large as what the collector lets pile up, once. Not a byte of it is
 * touched, so that it takes no memory. See mallopt(3), M_MMAP_THRESHOLD; other allocators take no notice.
 */
import { Buffer } from 'node:buffer';

/** Bytes. What glibc keeps to begin with. */
const LARGE = 128 * 1024;
/** Bytes. glibc keeps twice as much from then on: V8 collects before so much has piled up. */
const SHOWN = 24 * 1024 * 1024;

let shown = false;

/** Makes memory of `size` bytes, not zeroed, that is not used again. Small sizes come from Node's pool. */
export function allocateKept(size: number): Buffer {
  if (size < SMALL) return Buffer.allocUnsafe(size);
  if (size >= LARGE && !shown) {
    shown = true;
    Buffer.allocUnsafeSlow(SHOWN);
  }
  return Buffer.allocUnsafeSlow(size);
}

/** Bytes. Pieces below this come from Node's pool; larger ones must not pin it. */
const SMALL = 4096;
