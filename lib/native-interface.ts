/**
 * What the addon and the reference both give: one interface, two implementations, the same bytes out.
 *
 * Ranges are half open, [from, to), and are indices into the array that is passed. Arguments were checked by the
 * caller; the addon checks types and bounds again and throws ERR_INVALID_ARG_TYPE or ERR_OUT_OF_RANGE instead of
 * reading elsewhere. Nothing here keeps a reference to an array after the call, rings excepted: a ring owns its memory.
 */

/** Raised, with that of binding/layout.h, when what a call takes, answers or means changes. */
export const NATIVE_INTERFACE = 2;

/** Byte search. Every form answers an index into `bytes`, or -1. */
export interface ScanKernels {
  /** First `byte` in [from, to). */
  indexOfByte(bytes: Uint8Array, from: number, to: number, byte: number): number;
  /** First of any of three bytes in [from, to); for two, repeat one. */
  indexOfAny(bytes: Uint8Array, from: number, to: number, a: number, b: number, c: number): number;
  /** First place in [from, to) where the whole sequence lies; the sequence has 1 to 256 bytes. */
  indexOfSequence(bytes: Uint8Array, from: number, to: number, sequence: Uint8Array): number;
  /**
   * Writes the index of every `byte` in [from, to) to `positions` until that is full.
   * @returns the count written; negated minus one (`-count - 1`) when a byte over 0x7f lies in the range looked at,
   * which is [from, to), or [from, last position] when `positions` was filled up.
   */
  indexAll(bytes: Uint8Array, from: number, to: number, byte: number, positions: Int32Array): number;
}

/** XOR with a 4-byte key that repeats: WebSocket masking, RFC 6455 §5.3. */
export interface MaskKernels {
  /**
   * Masks [from, to) in place. `key` is the four key bytes in wire order read as a little-endian u32; `phase`
   * (0 to 3) is the key byte that the first byte meets.
   * @returns the phase for the byte after `to`.
   */
  mask(bytes: Uint8Array, from: number, to: number, key: number, phase: number): number;
  /** Masks source [from, to) into target at `at`, in one pass. Source and target must not overlap. Same answer. */
  maskCopy(
    source: Uint8Array,
    from: number,
    to: number,
    target: Uint8Array,
    at: number,
    key: number,
    phase: number,
  ): number;
  /**
   * Masks the payloads of WebSocket frames in bytes[from, to), one behind the other, each by the key in its header.
   * @returns where it ended: `to`, where all of them are whole and masked.
   */
  maskFrames(bytes: Uint8Array, from: number, to: number): number;
}

/** Text of many records at once. */
export interface TextKernels {
  /**
   * Decodes the UTF-8 payloads of `rowCount` rows of a table, one behind the other, to little-endian UTF-16. What is no
   * UTF-8 becomes U+FFFD per maximal subpart (https://encoding.spec.whatwg.org/#utf-8-decoder).
   * @param units room for two bytes per payload byte, at an even address.
   * @param ends gets, for each row, where its units end; and behind them the index (0 = firstRow) of the first row that
   * is not valid UTF-8, or -1. At least rowCount + 1 words.
   * @returns the count of units.
   */
  decodeUtf8Rows(
    bytes: Uint8Array,
    table: Int32Array,
    firstRow: number,
    rowCount: number,
    units: Uint8Array,
    ends: Int32Array,
  ): number;

  /**
   * Writes the payloads as V8's serialization of an array of strings, for `v8.Deserializer` to make all at once, each in
   * memory of its own.
   * @param latin1 1: a byte is a character; 0: the payloads are UTF-8, replaced where they are not.
   * @param target at an even address; 32 bytes, and for each row 8 and two per payload byte.
   * @returns the bytes written; negated when a row is not valid UTF-8.
   */
  serializeTexts(
    bytes: Uint8Array,
    table: Int32Array,
    firstRow: number,
    rowCount: number,
    latin1: 0 | 1,
    target: Uint8Array,
  ): number;

  /**
   * Checks [from, to) to be UTF-8, from where an earlier piece of the text left off.
   * @param state 0 at the text's beginning, else what the piece before answered.
   * @returns the state for the next piece, 1 to 7 inside a character, 0 between two, where a text may end; -1 where a
   * byte cannot be there.
   */
  validateUtf8(bytes: Uint8Array, from: number, to: number, state: number): number;
}

/** `tryReadFile` would have to wait. */
export const FILE_WOULD_BLOCK = -1;
/** `tryReadFile` cannot tell without waiting, here or for this file. */
export const FILE_CANNOT_TRY = -2;

/** Files. */
export interface FileKernels {
  /**
   * Reads into bytes[from, to) what needs no waiting: what lies in the system's cache (Linux, preadv2(2), RWF_NOWAIT).
   * @param position where in the file, or -1 for the descriptor's own position.
   * @returns the count, 0 at the end; FILE_WOULD_BLOCK; FILE_CANNOT_TRY, also where the read would fail.
   */
  tryReadFile(descriptor: number, bytes: Uint8Array, from: number, to: number, position: number): number;
}

/** Cuts a span into records. Keeps no state of its own: that is in the table's header, see frame-table.ts. */
export interface Framer {
  /**
   * Frames bytes[from, to) into `table`, at most `maxRows` rows and what fits. Reads H_SEARCHED, H_OVERFLOW and
   * H_FINAL, writes every header word that is marked "out". Only a WebSocket framer changes the bytes.
   * @returns the count of rows.
   */
  frame(bytes: Uint8Array, from: number, to: number, table: Int32Array, maxRows: number): number;
}

/** How a separator framer cuts. */
export interface SeparatorFraming {
  /** 1 to 16 separators of 1 to 256 bytes. At one place the longest wins; between places, the first. */
  readonly separators: readonly Uint8Array[];
  /** Leaves the separator in the payload. */
  readonly keep: boolean;
  /**
   * 'plain': only the separators count. 'strip-cr': a CR right before the separator (which must be LF) is part of the
   * separator. 'strict-crlf': the separator must be CRLF, and a CR or LF on its own is BARE_CR or BARE_LF.
   */
  readonly newline: 'plain' | 'strip-cr' | 'strict-crlf';
  /** Largest payload, without its separator; 0 to 2^30. */
  readonly maxLength: number;
  /**
   * What a longer payload gets. 'error': RECORD_TOO_LARGE. 'skip': it is dropped whole. 'pieces': rows of exactly
   * maxLength bytes with FLAG_PIECE, then a last row of 1 to maxLength bytes with FLAG_LAST_PIECE (maxLength >= 1).
   */
  readonly overflow: 'error' | 'skip' | 'pieces';
  /**
   * What the bytes after the last separator get when H_FINAL is set. 'give': a row with FLAG_UNTERMINATED.
   * 'refuse': UNEXPECTED_EOF. 'drop': consumed without a row. No bytes give no row.
   */
  readonly tail: 'give' | 'refuse' | 'drop';
}

/** How a length framer cuts: `offset` bytes, the length field, the payload, the trailer. */
export interface LengthFraming {
  /** 'big' and 'little': an unsigned integer of `lengthBytes` (1 to 8). 'varint': unsigned LEB128. 'decimal': ASCII digits. */
  readonly encoding: 'big' | 'little' | 'varint' | 'decimal';
  /** Width of the length field, or for 'varint' and 'decimal' the most bytes (digits) it may have. */
  readonly lengthBytes: number;
  /** 'decimal': the byte that ends the digits. Otherwise 0. */
  readonly terminator: number;
  /** Bytes before the length field. */
  readonly offset: number;
  /** Added to the length that was read to get the number of bytes between the length field and the trailer. */
  readonly adjustment: number;
  /** 'strip': the payload starts behind the length field. 'keep': it starts at the record's start. The trailer never belongs to it. */
  readonly header: 'strip' | 'keep';
  /** The byte that must follow the payload, or -1 for none. */
  readonly trailer: number;
  /** Largest count of bytes between length field and trailer; 0 to 2^30. */
  readonly maxLength: number;
}

/**
 * How a WebSocket framer cuts (RFC 6455 §5.2), one row per frame. R_OFFSET and R_LENGTH are the unmasked payload.
 *
 * It writes to the bytes. For a server the payload of a whole frame is unmasked and moved forward, so that each of a
 * call's frames stands there as a server would send it, headers without mask included, one behind the other:
 *
 *     | header | key | payload | header | key | payload |      as received
 *     | header | payload | header | payload |                  R_OFFSET less the header's 2, 4 or 10 bytes is a frame
 *
 * A front frame that is not whole keeps its place and header. Of text, and of more than 64 KiB, what is there is done
 * already: unmasked in place, checked, and counted in H_SEARCHED; it is not moved later. A client's bytes are only read.
 * A frame at fault is left as it came.
 */
export interface WebSocketFraming {
  /** Who receives: a 'server' takes masked frames, a 'client' others. */
  readonly role: 'server' | 'client';
  /** Largest payload of a data frame; 0 to 2^30. Control frames have 125 bytes at most. */
  readonly maxLength: number;
  /** RSV1 may be set on a data message's first frame (RFC 7692 §6). */
  readonly compression: boolean;
  /** Text that is not compressed must be UTF-8, and is refused where it stops to be. */
  readonly utf8: boolean;
}

/** A growing ring of bytes: capacity in powers of two, memory of its own. */
export interface Ring {
  /** Bytes stored. */
  readonly length: number;
  /** Bytes of memory held now; 0 when empty and released. */
  readonly capacity: number;
  /** Copies bytes[from, to) in, growing up to the maximum. @returns the count taken, less than asked when full. */
  write(bytes: Uint8Array, from: number, to: number): number;
  /** Copies up to to - from stored bytes out and removes them. @returns the count. */
  read(target: Uint8Array, from: number, to: number): number;
  /** The stored bytes as zero, one or two views, oldest first; valid until the next call on this ring. */
  spans(): Uint8Array[];
  /** Removes the oldest `count` bytes, at most `length`. An emptied ring gives its memory back. */
  consume(count: number): void;
}

export interface RingOptions {
  /** Memory taken at the first write; a power of two. */
  readonly minCapacity: number;
  /** Bytes that can be stored at most; any count from 1 to 2^30. The memory is the next power of two. */
  readonly maxCapacity: number;
}

/** Everything native. */
export interface NativeInterface extends ScanKernels, MaskKernels, TextKernels, FileKernels {
  createSeparatorFramer(framing: SeparatorFraming): Framer;
  createLengthFramer(framing: LengthFraming): Framer;
  /** Records of `size` bytes, 1 to 2^30. At the final end a shorter rest is UNEXPECTED_EOF. */
  createFixedFramer(size: number): Framer;
  /** Stops behind a close frame. At the final end a part of a frame is UNEXPECTED_EOF. */
  createWebSocketFramer(framing: WebSocketFraming): Framer;
  createRing(options: RingOptions): Ring;
  /** Instruction sets that this processor runs, best first: 'avx2', 'sse2', 'neon', 'scalar'. The reference has ['typescript']. */
  kernels(): readonly string[];
  /** The instruction set in use. */
  kernel(): string;
  /** Forces an instruction set from `kernels()`, for tests and benches; process-wide, harmless to results. */
  selectKernel(name: string): void;
}
