/**
 * Compression of messages as permessage-deflate has it (RFC 7692 §7.2): the addon `miniproto_deflate`, or
 * lib/reference/deflate.ts.
 *
 * A context is one connection's: what was sent and received before, as far as the next message may refer to it. It is
 * a number, and has to be closed. A message goes through one call, or through several: as its pieces come, and as room
 * for its output is found. Nothing is written beyond the target, and no more kept than the histories, so that a bomb
 * gets no further than its reader takes it.
 */

/** Raised, with that of binding/layout.h, when what a call takes, answers or means changes. */
export const DEFLATE_INTERFACE = 1;

/** More of the message; output may be held back. */
export const PART_MORE = 0;
/** More of the message; everything so far becomes readable for the peer. To inflate it is the same as PART_MORE. */
export const PART_FLUSH = 1;
/** The message ends with these bytes. */
export const PART_END = 2;
export type MessagePart = typeof PART_MORE | typeof PART_FLUSH | typeof PART_END;

/** The context borrows a stream for each message and keeps the peer's window: less memory. */
export const INFLATER_SHARED = 0;
/** The context keeps a stream: less time, where many connections take turns. */
export const INFLATER_OWN = 1;
/** Bytes that an inflater of its own takes beside the window. */
export const INFLATER_BYTES = 12 * 1024;
export type InflaterKind = typeof INFLATER_SHARED | typeof INFLATER_OWN;

/** Bytes by which `deflate` falls short of a full target: they may be the tail, which messages go without. */
export const DEFLATE_HELD = 4;
/** Bytes. The least target for `deflate`. */
export const DEFLATE_LEAST_ROOM = 16;

/** What inflating and deflating keep at the moment, in this thread. */
export interface DeflateCounters {
  /** Open contexts. */
  readonly contexts: number;
  /** Streams of zlib's that wait to be used again. */
  readonly idleDeflaters: number;
  readonly idleInflaters: number;
  /** Memory of streams and histories. */
  readonly bytes: number;
}

export interface DeflateInterface {
  /**
   * Opens a context; no memory is taken before its first message.
   * @param level 0 to 9
   * @param windowBits of what is sent, 9 to 15
   * @param memLevel 1 to 9
   * @param ownHistory bytes of what was sent that are kept: 0 without context takeover, else a power of two
   * @param peerHistory the same of what was received: the peer's whole window
   * @param inflater whose stream inflates; the reference has no streams
   */
  openContext(
    level: number,
    windowBits: number,
    memLevel: number,
    ownHistory: number,
    peerHistory: number,
    inflater: InflaterKind,
  ): number;
  /** Closes a context, in the middle of a message too. */
  closeContext(id: number): void;
  /** What is compressed from now on refers to nothing before. Only between messages. */
  forgetSent(id: number): void;
  /**
   * Compresses bytes of a message into target[targetFrom, targetTo), at least DEFLATE_LEAST_ROOM of them.
   * @returns the bytes written, all input being taken; or -1 minus the bytes taken: then all of the target but
   *   DEFLATE_HELD bytes was written, and the call has to be repeated with the rest of the input, even if that is nothing
   * @throws an Error with the code Z_MEM_ERROR; the context can then only be closed
   */
  deflate(
    id: number,
    bytes: Uint8Array,
    from: number,
    to: number,
    part: MessagePart,
    target: Uint8Array,
    targetFrom: number,
    targetTo: number,
  ): number;
  /**
   * Decompresses bytes of a message into target[targetFrom, targetTo), at least one byte.
   * @returns the bytes written, all input being taken; or -1 minus the bytes taken: then the whole target was written,
   *   and the call has to be repeated with the rest of the input, even if that is nothing
   * @throws an Error with the code Z_DATA_ERROR or Z_MEM_ERROR; the context can then only be closed
   */
  inflate(
    id: number,
    bytes: Uint8Array,
    from: number,
    to: number,
    part: MessagePart,
    target: Uint8Array,
    targetFrom: number,
    targetTo: number,
  ): number;
  counters(): DeflateCounters;
  /** For tests: lets so many more allocations succeed and then none; -1 lets all. The reference has none that can fail. */
  failAllocations(after: number): void;
}
