/** What the buffers of this thread have given out and had to copy, and what their pools hold. */
export const bufferCounters = {
  /** Records that framed streams have given out. */
  records: 0,
  /** Times that bytes were moved because their memory was needed elsewhere. */
  copies: 0,
  copiedBytes: 0,
  /** Bytes of pages and blocks, in use or free. */
  pooledBytes: 0,
};

/** Notes one copy. */
export function countCopy(byteCount: number): void {
  bufferCounters.copies++;
  bufferCounters.copiedBytes += byteCount;
}
