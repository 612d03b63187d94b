/**
 * A message that is inflated in pieces: input as it comes, output as there is room.
 *
 * Whoever reads decides how far it goes. A kilobyte of input may stand for a megabyte of output; what nobody has read is
 * not inflated yet, and takes no memory but the input's.
 */
import { type MessagePart, PART_END, PART_MORE } from '../../deflate-interface.js';
import { UsageError } from '../../errors.js';
import type { PieceInflater } from '../compressor.js';
import { enterScratch, inflateScratch, leaveScratch } from './scratch.js';

/** `DeflateInterface.inflate` of one message. */
export type InflateStep = (
  bytes: Uint8Array,
  from: number,
  to: number,
  part: MessagePart,
  target: Uint8Array,
  targetFrom: number,
  targetTo: number,
) => number;

const NOTHING = new Uint8Array(0);

export class InflatedPieces implements PieceInflater {
  readonly #step: InflateStep;
  /** What was written and not inflated yet; borrowed. */
  #bytes: Uint8Array = NOTHING;
  #from = 0;
  #to = 0;
  #part: MessagePart = PART_MORE;
  #state: 'needs input' | 'has input' | 'ended' = 'needs input';

  /** Internal: `MessageDeflate.beginInflate` makes it. */
  constructor(step: InflateStep) {
    this.#step = step;
  }

  /** True when everything that was written has been read. */
  get needsInput(): boolean {
    return this.#state === 'needs input';
  }

  /** True when the whole message has been read. */
  get ended(): boolean {
    return this.#state === 'ended';
  }

  /** Bytes of input that are still needed: until it is 0 they must stay as they are. */
  get pendingInput(): number {
    return this.#to - this.#from;
  }

  /**
   * Gives the payload of a frame, or a part of it. Only while `needsInput`. Borrowed: see `pendingInput`.
   * @throws UsageError ERR_RECORD_UNFINISHED when what was written before has not been read.
   */
  write(bytes: Uint8Array, { final }: { final: boolean }): void {
    if (!this.needsInput) throw new UsageError('ERR_RECORD_UNFINISHED', { protocol: 'websocket' });
    this.#bytes = bytes;
    this.#from = 0;
    this.#to = bytes.length;
    this.#part = final ? PART_END : PART_MORE;
    this.#state = 'has input';
  }

  /**
   * Inflates up to `most` bytes of what was written.
   * @returns memory of its own; empty once all that was written has been read.
   * @throws what `readInto` throws.
   */
  read(most: number): Buffer {
    enterScratch();
    try {
      const scratch = inflateScratch();
      return Buffer.from(scratch.subarray(0, this.readInto(scratch, 0, Math.min(most, scratch.length))));
    } finally {
      leaveScratch();
    }
  }

  /**
   * Inflates as much as there is room for in target[from, to), at least a byte.
   * @returns bytes written; fewer than there was room for means that input is needed, or that the message has ended.
   * @throws LimitError ERR_MESSAGE_TOO_LARGE; ProtocolError ERR_INVALID_DEFLATE; TransportError ERR_DEFLATE_MEMORY
   */
  readInto(target: Uint8Array, from: number, to: number): number {
    if (this.#state !== 'has input') return 0;
    const answer = this.#step(this.#bytes, this.#from, this.#to, this.#part, target, from, to);
    if (answer < 0) {
      this.#from += -1 - answer;
      return to - from;
    }
    this.#bytes = NOTHING;
    this.#from = 0;
    this.#to = 0;
    this.#state = this.#part === PART_END ? 'ended' : 'needs input';
    return answer;
  }
}
