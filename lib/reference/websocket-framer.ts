/**
 * WebSocket frames in TypeScript: the twin of native/framing/websocket.
 *
 *     | FIN RSV opcode | MASK length | 0, 2 or 8 bytes of length | 0 or 4 bytes of key | payload |
 *
 * What is wrong with a frame is found as soon as the byte that decides is there, in the order of the bytes. A frame at
 * fault is left, or made again, as it came, with the state in which it was met: trying again finds the same. What is
 * written where is said at WebSocketFraming in lib/native-interface.ts. RFC 6455 §5.
 */
import { checkBoolean, checkInteger, checkOneOf } from '../arguments.js';
import {
  FRAME_ERROR,
  FRAME_FULL,
  FRAME_MORE,
  FrameFault,
  H_FINAL,
  H_OVERFLOW,
  H_SEARCHED,
  WS_FIRST_SHIFT,
  WS_FLAG_ASCII,
  WS_NOT_ASCII,
  WS_OPEN_COMPRESSED,
  WS_OPEN_MASK,
  WS_OPEN_TEXT,
  WS_UTF8_SHIFT,
} from '../frame-table.js';
import type { Framer, WebSocketFraming } from '../native-interface.js';
import { mask, maskCopy } from './mask.js';
import { isAsciiRange } from './scan.js';
import { rowLimit, writeHeader, writeRow } from './table.js';
import { checkUtf8 } from './utf8-check.js';
import {
  FAULTY,
  FIN,
  FrameHeader,
  INCOMPLETE,
  OP_CLOSE,
  OP_CONTINUATION,
  OP_TEXT,
  PARSED,
  RSV1,
} from './websocket-header.js';

const LARGEST = 2 ** 30;
/** Bytes. Payloads over it are unmasked as they come, so that the end of one does not mean all the work at once. */
const DONE_AS_IT_COMES = 65536;
/** Bits that the state may have; of the decoder's, eight states. */
const STATE_BITS = WS_OPEN_MASK | WS_OPEN_COMPRESSED | (7 << WS_UTF8_SHIFT) | WS_NOT_ASCII;

export function createWebSocketFramer(framing: WebSocketFraming): Framer {
  checkOneOf('framing.role', framing.role, ['server', 'client']);
  checkInteger('framing.maxLength', framing.maxLength, 0, LARGEST);
  checkBoolean('framing.compression', framing.compression);
  checkBoolean('framing.utf8', framing.utf8);
  return new WebSocketFramer(framing);
}

class WebSocketFramer implements Framer {
  readonly #masked: boolean;
  readonly #utf8: boolean;
  /** The frame at hand, and what is wrong with it. */
  readonly #header: FrameHeader;
  /** The unmasked payload, for checks of a frame that is not to be changed yet. */
  readonly #control = new Uint8Array(125);
  /** H_OVERFLOW, as of the frame at hand. */
  #state = 0;
  /** Bytes of its payload that are done; 0 <= searched <= what is there. */
  #searched = 0;
  /** Where the frame in its compact form goes. */
  #target = 0;
  /** Where its payload is now. */
  #payload = 0;

  constructor(framing: WebSocketFraming) {
    this.#masked = framing.role === 'server';
    this.#utf8 = framing.utf8;
    this.#header = new FrameHeader(framing);
  }

  frame(bytes: Uint8Array, from: number, to: number, table: Int32Array, maxRows: number): number {
    const header = this.#header;
    const limit = rowLimit(table, maxRows);
    let start = from;
    let rows = 0;
    let outcome = PARSED;
    this.#state = table[H_OVERFLOW] & STATE_BITS;
    this.#searched = Math.max(table[H_SEARCHED], 0);
    this.#target = from;
    while (rows < limit) {
      outcome = header.parse(bytes, start, to, this.#state);
      if (outcome === PARSED) outcome = this.#takePayload(bytes, start, to);
      else this.#searched = 0;
      if (outcome !== PARSED) break;
      const end = start + header.size + header.length;
      writeRow(table, rows++, this.#payload, header.length, end, this.#rowFlags());
      start = end;
      this.#searched = 0;
      this.#state = this.#stateAfter();
      // What a peer sends behind its close frame does not count (§5.5.1).
      if (header.opcode === OP_CLOSE) break;
    }
    this.#answer(table, rows, start - from, to - start, outcome);
    return rows;
  }

  /** What the header says of the whole frame is right; looks at as much of its payload as is there. */
  #takePayload(bytes: Uint8Array, start: number, to: number): number {
    const { opcode, length, size } = this.#header;
    const payload = start + size;
    const present = Math.min(to - payload, length);
    this.#searched = Math.min(this.#searched, present);
    this.#payload = payload;
    if (opcode === OP_CLOSE && !this.#checkClose(bytes, payload, present)) return FAULTY;
    if (present === length) return this.#takeWhole(bytes, start);
    if (length > DONE_AS_IT_COMES || this.#isChecked()) return this.#takePart(bytes, present);
    return INCOMPLETE;
  }

  /** Unmasks and checks what is there, in its place. */
  #takePart(bytes: Uint8Array, present: number): number {
    if (present === this.#searched) return INCOMPLETE;
    this.#maskRest(bytes, present);
    if (!this.#checkText(bytes, present)) {
      this.#maskRest(bytes, present);
      return FAULTY;
    }
    this.#searched = present;
    return INCOMPLETE;
  }

  /** Moves the payload to where it belongs, unmasked, and checks it. */
  #takeWhole(bytes: Uint8Array, start: number): number {
    const header = this.#header;
    const { length, plainSize } = header;
    const received = this.#payload;
    if (this.#masked) {
      if (this.#searched > 0) {
        this.#maskRest(bytes, length);
      } else {
        this.#payload = this.#target + plainSize;
        maskCopy(bytes, received, received + length, bytes, this.#payload, header.key, 0);
      }
      header.write(bytes, this.#payload - plainSize, 'plain');
    }
    if (this.#checkText(bytes, length)) {
      this.#target = this.#payload + length;
      return PARSED;
    }
    if (this.#masked) this.#putBack(bytes, start, received);
    return FAULTY;
  }

  /** Makes the frame again as it came. */
  #putBack(bytes: Uint8Array, start: number, received: number): void {
    const { length } = this.#header;
    bytes.copyWithin(received + this.#searched, this.#payload + this.#searched, this.#payload + length);
    this.#payload = received;
    this.#maskRest(bytes, length);
    this.#header.write(bytes, start, 'masked');
  }

  /** Masks, or unmasks, what is not done of the payload's first `length` bytes. */
  #maskRest(bytes: Uint8Array, length: number): void {
    const from = this.#payload + this.#searched;
    if (this.#masked) mask(bytes, from, this.#payload + length, this.#header.key, this.#searched & 3);
  }

  /** Whether the frame's payload is text that can be looked at. */
  #isChecked(): boolean {
    const { opcode, first } = this.#header;
    if (!this.#utf8 || opcode > OP_TEXT) return false;
    if (opcode === OP_TEXT) return (first & RSV1) === 0;
    return (this.#state & (WS_OPEN_MASK | WS_OPEN_COMPRESSED)) === WS_OPEN_TEXT;
  }

  /** Checks what is not done of the unmasked payload's first `present` bytes, and moves the state on. */
  #checkText(bytes: Uint8Array, present: number): boolean {
    if (!this.#isChecked()) return true;
    const { length, first } = this.#header;
    const from = this.#payload + this.#searched;
    const to = this.#payload + present;
    const before = (this.#state >> WS_UTF8_SHIFT) & 7;
    if (before === 0 && isAsciiRange(bytes, from, to)) return true;
    const after = checkUtf8(bytes, from, to, before);
    if (after < 0) return this.#failText(~after - this.#payload);
    if (after > 0 && present === length && (first & FIN) !== 0) return this.#failText(length);
    this.#state = (this.#state & ~(7 << WS_UTF8_SHIFT)) | (after << WS_UTF8_SHIFT) | WS_NOT_ASCII;
    return true;
  }

  #failText(index: number): boolean {
    this.#header.fail(FrameFault.WS_INVALID_UTF8, index);
    return false;
  }

  /** A close frame has no payload, or a code and a reason that is text (§5.5.1). */
  #checkClose(bytes: Uint8Array, payload: number, present: number): boolean {
    if (present < 2) return true;
    const control = this.#control;
    const { key, length } = this.#header;
    maskCopy(bytes, payload, payload + present, control, 0, key, 0);
    const code = control[0] * 256 + control[1];
    if (!isCloseCode(code)) {
      this.#header.fail(FrameFault.WS_CLOSE_CODE, code);
      return false;
    }
    if (!this.#utf8) return true;
    const state = checkUtf8(control, 2, present, 0);
    if (state < 0) return this.#failText(~state);
    return state === 0 || present < length ? true : this.#failText(length);
  }

  #rowFlags(): number {
    const { first } = this.#header;
    const isAsciiText = first === (FIN | OP_TEXT) && this.#utf8 && (this.#state & WS_NOT_ASCII) === 0;
    return (first << WS_FIRST_SHIFT) | (isAsciiText ? WS_FLAG_ASCII : 0);
  }

  /** The state behind a frame. Control frames stand between the frames of a message and leave it open (§5.4). */
  #stateAfter(): number {
    const { opcode, first } = this.#header;
    const state = this.#state;
    if (opcode >= OP_CLOSE) return state;
    if ((first & FIN) !== 0) return 0;
    const decoder = state & (7 << WS_UTF8_SHIFT);
    if (opcode === OP_CONTINUATION) return decoder | (state & (WS_OPEN_MASK | WS_OPEN_COMPRESSED));
    return decoder | opcode | ((first & RSV1) === 0 ? 0 : WS_OPEN_COMPRESSED);
  }

  /** Writes the table's header. The state is told even with a fault, so that the same is found again. */
  #answer(table: Int32Array, rows: number, consumed: number, rest: number, outcome: number): void {
    const { fault, detail, need } = this.#header;
    const final = table[H_FINAL] !== 0;
    if (outcome === PARSED) writeHeader(table, rows, consumed, FRAME_FULL);
    else if (outcome === FAULTY) writeHeader(table, rows, consumed, FRAME_ERROR, fault, detail);
    else if (!final) writeHeader(table, rows, consumed, FRAME_MORE, FrameFault.NONE, 0, need);
    else if (rest === 0) writeHeader(table, rows, consumed, FRAME_MORE);
    else writeHeader(table, rows, consumed, FRAME_ERROR, FrameFault.UNEXPECTED_EOF, rest);
    table[H_SEARCHED] = this.#searched;
    table[H_OVERFLOW] = this.#state;
  }
}

/** Codes that may be received (§7.4 and IANA's registry); 1004 to 1006 and 1015 are never sent. */
function isCloseCode(code: number): boolean {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}
