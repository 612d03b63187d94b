/**
 * The table that a framer fills: the one shape that native code, the reference and the readers share.
 *
 * A table is an `Int32Array`: a header of HEADER_WORDS words, then rows of ROW_WORDS words. Offsets are indices into
 * the span of bytes that was framed; counts are bytes. The header carries what an incremental framer has to remember
 * between two calls, so framers themselves keep no state: native and reference code may take turns on one stream,
 * and one framer serves any number of streams.
 *
 * native/framing/frame_table.h is the same table in C++; a test compares the two.
 */

/** Words before the first row. One cache line. */
export const HEADER_WORDS = 16;
/** Words of a row. */
export const ROW_WORDS = 4;

/** Out: rows written. */
export const H_ROWS = 0;
/** Out: bytes from `from` that are done with: complete records and skipped bytes. The next record starts there. */
export const H_CONSUMED = 1;
/** Out: bytes, counted from the next record's start, that make another try worthwhile; 0 = unknown, any more may do. */
export const H_NEED = 2;
/**
 * In and out: bytes of the record at the front already searched; 0 <= searched <= bytes after H_CONSUMED. Of a WebSocket
 * frame, bytes of its payload that are unmasked and checked.
 */
export const H_SEARCHED = 3;
/** Out: why the framer stopped, one of FRAME_MORE, FRAME_FULL, FRAME_ERROR. */
export const H_STATUS = 4;
/** Out: which FrameFault, where H_STATUS is FRAME_ERROR; the faulty record starts at H_CONSUMED. */
export const H_FAULT = 5;
/** Out: 1 when every byte of [from, from + H_CONSUMED) is below 0x80, else 0. */
export const H_ASCII = 6;
/**
 * In and out: what the front of the input is: OVERFLOW_NONE, OVERFLOW_SKIPPING or OVERFLOW_PIECES; of WebSocket frames
 * the message that is unfinished, WS_*. 0 = nothing is unfinished but perhaps a record whose start is in the input.
 */
export const H_OVERFLOW = 7;
/** Out: the value at fault (a declared length, an unexpected byte, an index), low 32 bits and high 32 bits. */
export const H_DETAIL_LOW = 8;
export const H_DETAIL_HIGH = 9;
/** In: 1 when no byte will follow this span, so that "maybe more" is decided as "no". */
export const H_FINAL = 10;
/** Out: records dropped whole under the 'skip' policy in this call. */
export const H_SKIPPED = 11;

/** The span ends before the next record does. */
export const FRAME_MORE = 0;
/** The table is full, or as many rows as were asked for are there. */
export const FRAME_FULL = 1;
/** The next record is at fault; the rows before it are good. */
export const FRAME_ERROR = 2;

export const OVERFLOW_NONE = 0;
/** Bytes are dropped until a separator has passed. */
export const OVERFLOW_SKIPPING = 1;
/** Pieces of an overlong record have been given; its end has not. */
export const OVERFLOW_PIECES = 2;

/** H_OVERFLOW of WebSocket frames: which message the next data frame continues; 0 = none. */
export const WS_OPEN_MASK = 3;
export const WS_OPEN_TEXT = 1;
export const WS_OPEN_BINARY = 2;
/** That message is compressed, so its bytes are no text yet. */
export const WS_OPEN_COMPRESSED = 4;
/** Where the UTF-8 decoder stands (0 = between characters) at H_SEARCHED, or where the last fragment ended. */
export const WS_UTF8_SHIFT = 4;
export const WS_UTF8_MASK = 0xff;
/** What was searched of the front frame has a byte over 0x7f. */
export const WS_NOT_ASCII = 0x1000;

/** Row: where the payload starts, an index into the span. */
export const R_OFFSET = 0;
/** Row: the payload's length. */
export const R_LENGTH = 1;
/** Row: the index after the record's last byte, separator and trailer included. */
export const R_END = 2;
/** Row: flags, below; bits 8 and up: index of the separator that ended the record, or a WebSocket frame's first byte. */
export const R_FLAGS = 3;

/** The row is a piece of a record that was too long, and more of it follows. */
export const FLAG_PIECE = 1;
/** The row is the last piece of a record that was too long. */
export const FLAG_LAST_PIECE = 2;
/** The record was ended by the end of the stream, not by a separator. */
export const FLAG_UNTERMINATED = 4;
export const SEPARATOR_SHIFT = 8;
/** Bits 8 to 15 are the WebSocket frame's first byte as it was received: FIN, reserved bits, opcode. */
export const WS_FIRST_SHIFT = 8;
/** The row is a whole text message, was checked to be UTF-8, and every byte of it is below 0x80. */
export const WS_FLAG_ASCII = 0x10000;

/** What a framer can find wrong. The order is part of the table's format. */
export const FrameFault = {
  NONE: 0,
  /** The payload is longer than maxLength. Detail: its length as far as known. */
  RECORD_TOO_LARGE: 1,
  /** The length does not fit in 2^53 - 1, or overflows with its adjustment. Detail: 0. */
  LENGTH_OVERFLOW: 2,
  /** The length is negative once adjusted. Detail: the raw length. */
  LENGTH_NEGATIVE: 3,
  /** A varint has a last byte of zero, a decimal number a leading zero. Detail: bytes of the length field. */
  LENGTH_OVERLONG: 4,
  /** The length field is longer than maxLengthBytes. Detail: maxLengthBytes. */
  LENGTH_TOO_LONG: 5,
  /** A byte of a decimal length is no digit. Detail: that byte. */
  LENGTH_NOT_DIGIT: 6,
  /** The byte after the payload is not the trailer. Detail: that byte. */
  TRAILER_MISSING: 7,
  /** Strict CRLF: a CR without LF after it. Detail: index of the byte from the record's start. */
  BARE_CR: 8,
  /** Strict CRLF: a LF without CR before it. Detail: index of the byte from the record's start. */
  BARE_LF: 9,
  /** The stream ended inside a record. Detail: bytes that are there. */
  UNEXPECTED_EOF: 10,
  /** Reserved bits that nothing was agreed for. Detail: the frame's first byte. */
  WS_RESERVED_BITS: 11,
  /** Detail: the opcode. */
  WS_RESERVED_OPCODE: 12,
  /** A client sent a frame without mask. */
  WS_MASK_MISSING: 13,
  /** A server sent a masked frame. */
  WS_MASK_UNEXPECTED: 14,
  /** A control frame without FIN. Detail: the opcode. */
  WS_CONTROL_FRAGMENTED: 15,
  /** A control frame of more than 125 bytes. Detail: the length's first byte, 126 or 127. */
  WS_CONTROL_TOO_LONG: 16,
  /** A length in more bytes than it takes. Detail: the length. */
  WS_LENGTH_NOT_MINIMAL: 17,
  /** A continuation where no message is open. */
  WS_CONTINUATION_UNEXPECTED: 18,
  /** A new message where another is open. Detail: the opcode. */
  WS_CONTINUATION_EXPECTED: 19,
  /** Text, or the reason of a close frame. Detail: index in the payload of the byte that cannot be there, or its end. */
  WS_INVALID_UTF8: 20,
  /** A close frame of one byte. Detail: 1. */
  WS_CLOSE_LENGTH: 21,
  /** Detail: the close code, which nobody may send. */
  WS_CLOSE_CODE: 22,
} as const;

export type FrameFault = (typeof FrameFault)[keyof typeof FrameFault];

/** Makes a table with room for `rowCount` rows. */
export function createFrameTable(rowCount: number): Int32Array {
  return new Int32Array(HEADER_WORDS + rowCount * ROW_WORDS);
}
