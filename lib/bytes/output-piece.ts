/**
 * A piece of an output queue: bytes that leave one behind the other, in a page, in a block, or where their owner has them.
 */
import { countCopy } from './buffer-counters.js';
import type { OutputPage } from './output-pages.js';
import { byteLengthOf } from './view.js';

/** Does what is left to do to page[from, to), which is about to leave. */
export type Finish = (page: Buffer, from: number, to: number) => void;

export interface Piece {
  bytes: Buffer;
  start: number;
  end: number;
  /** The whole length that `bytes` had when it was queued by reference, to notice a detached or resized payload. */
  expected: number;
  /** True when the memory is somebody else's after the turn. */
  lent: boolean;
  /** Called when the last byte has left: a block that is held until then. */
  drop?: (() => void) | undefined;
  /** The page that `bytes` are, where it is one. */
  page?: OutputPage | undefined;
  /** See `fillUnfinished`; and up to where it was called. */
  finish?: Finish | undefined;
  finished?: number;
}

/** True when the piece's memory was transferred or has changed its size. Not by `length`: see `checkAttached`. */
export function isGone(piece: Piece): boolean {
  return byteLengthOf(piece.bytes) !== piece.expected;
}

/** What was added since the last time is finished. */
export function finish(piece: Piece): void {
  if (piece.finish === undefined || piece.finished === piece.end) return;
  piece.finish(piece.bytes, piece.finished!, piece.end);
  piece.finished = piece.end;
}

/** Gives a piece memory of its own. */
export function keep(piece: Piece): void {
  finish(piece);
  piece.finish = undefined;
  countCopy(piece.end - piece.start);
  piece.bytes = Buffer.from(piece.bytes.subarray(piece.start, piece.end));
  piece.page?.free(piece.end - piece.start);
  piece.page = undefined;
  piece.end -= piece.start;
  piece.start = 0;
  piece.expected = piece.bytes.length;
  piece.lent = false;
}
