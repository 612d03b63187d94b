/**
 * The header of a WebSocket frame, in TypeScript: the twin of native/framing/websocket_header.
 *
 *     byte 0      FIN 0x80, RSV1 0x40, RSV2 0x20, RSV3 0x10, opcode
 *     byte 1      MASK 0x80, length or 126 (two more bytes) or 127 (eight more bytes)
 *     last four   the key, where MASK is set
 *
 * Rules are checked in the order in which their bytes arrive, and each as soon as they do. RFC 6455 §5.2.
 */
import { FrameFault, WS_OPEN_MASK } from '../frame-table.js';
import type { WebSocketFraming } from '../native-interface.js';

/** What a try at a frame answers. */
export const PARSED = 0;
export const INCOMPLETE = 1;
export const FAULTY = 2;

export const OP_CONTINUATION = 0;
export const OP_TEXT = 1;
const OP_BINARY = 2;
const CONTROL = 0x08;
export const OP_CLOSE = 8;
const OP_PONG = 10;

export const FIN = 0x80;
export const RSV1 = 0x40;
const RESERVED_BITS = 0x70;
const MASK = 0x80;
const LONGEST_CONTROL = 125;

export class FrameHeader {
  readonly #masked: boolean;
  readonly #maxLength: number;
  readonly #compression: boolean;
  first = 0;
  opcode = 0;
  length = 0;
  /** Bytes of the header, key included. */
  size = 0;
  /** The key's four bytes, read as a little-endian number; 0 where there is none. */
  key = 0;
  /** INCOMPLETE, or a payload that is: bytes from the frame's start that the next try wants. */
  need = 0;
  /** FAULTY: which fault, and the value at fault. */
  fault: FrameFault = FrameFault.NONE;
  detail = 0;

  constructor(framing: WebSocketFraming) {
    this.#masked = framing.role === 'server';
    this.#maxLength = framing.maxLength;
    this.#compression = framing.compression;
  }

  /** Parses bytes[start, to). `state` says which message is open. */
  parse(bytes: Uint8Array, start: number, to: number, state: number): number {
    const present = to - start;
    this.need = 2;
    if (present === 0) return INCOMPLETE;
    this.first = bytes[start];
    this.opcode = this.first & 0x0f;
    if (!this.#checkFirst((state & WS_OPEN_MASK) !== 0)) return FAULTY;
    if (present === 1) return INCOMPLETE;
    const second = bytes[start + 1];
    if (!this.#checkSecond(second)) return FAULTY;
    this.length = second & 0x7f;
    const more = this.length < 126 ? 0 : this.length === 126 ? 2 : 8;
    if (more > 0) {
      const outcome = this.#parseLength(bytes, start + 2, Math.min(more, present - 2), more);
      if (outcome !== PARSED) return outcome;
    }
    if (this.length > this.#maxLength && this.opcode < CONTROL) {
      return this.fail(FrameFault.RECORD_TOO_LARGE, this.length);
    }
    this.size = 2 + more + (this.#masked ? 4 : 0);
    this.need = this.size + this.length;
    if (present < this.size) return INCOMPLETE;
    const at = start + this.size;
    this.key = this.#masked ? bytes[at - 4] | (bytes[at - 3] << 8) | (bytes[at - 2] << 16) | (bytes[at - 1] << 24) : 0;
    return PARSED;
  }

  #checkFirst(isOpen: boolean): boolean {
    const { first, opcode } = this;
    const isData = opcode === OP_TEXT || opcode === OP_BINARY;
    const agreed = this.#compression && isData ? RSV1 : 0;
    if ((first & RESERVED_BITS & ~agreed) !== 0) this.fail(FrameFault.WS_RESERVED_BITS, first);
    else if ((opcode > OP_BINARY && opcode < OP_CLOSE) || opcode > OP_PONG) {
      this.fail(FrameFault.WS_RESERVED_OPCODE, opcode);
    } else if (opcode >= CONTROL && (first & FIN) === 0) this.fail(FrameFault.WS_CONTROL_FRAGMENTED, opcode);
    else if (opcode === OP_CONTINUATION && !isOpen) this.fail(FrameFault.WS_CONTINUATION_UNEXPECTED, 0);
    else if (isData && isOpen) this.fail(FrameFault.WS_CONTINUATION_EXPECTED, opcode);
    else return true;
    return false;
  }

  #checkSecond(second: number): boolean {
    const length = second & 0x7f;
    const isMasked = (second & MASK) !== 0;
    if (isMasked !== this.#masked) {
      this.fail(isMasked ? FrameFault.WS_MASK_UNEXPECTED : FrameFault.WS_MASK_MISSING, 0);
    } else if (this.opcode >= CONTROL && length > LONGEST_CONTROL) this.fail(FrameFault.WS_CONTROL_TOO_LONG, length);
    else if (this.opcode === OP_CLOSE && length === 1) this.fail(FrameFault.WS_CLOSE_LENGTH, 1);
    else return true;
    return false;
  }

  /** Reads a length of `more` bytes, of which `present` are there. What is too large may be so from its first bytes. */
  #parseLength(bytes: Uint8Array, at: number, present: number, more: number): number {
    let length = 0;
    // A double: over 2^53 low bits are lost, but it stays over 2^53.
    for (let i = 0; i < more; i++) length = length * 256 + (i < present ? bytes[at + i] : 0);
    if (length > Number.MAX_SAFE_INTEGER) return this.fail(FrameFault.LENGTH_OVERFLOW, 0);
    if (present < more) {
      this.need = 2 + more;
      return INCOMPLETE;
    }
    if (length < (more === 2 ? 126 : 65536)) return this.fail(FrameFault.WS_LENGTH_NOT_MINIMAL, length);
    this.length = length;
    return PARSED;
  }

  /** Bytes of the header without key. */
  get plainSize(): number {
    return this.#masked ? this.size - 4 : this.size;
  }

  /** Writes the header, as it came or as one that knows no key. */
  write(bytes: Uint8Array, start: number, form: 'masked' | 'plain'): void {
    const bit = form === 'masked' ? MASK : 0;
    const more = this.plainSize - 2;
    let rest = this.length;
    for (let i = start + 1 + more; i > start + 1; i--) {
      bytes[i] = rest & 0xff;
      rest = Math.floor(rest / 256);
    }
    bytes[start] = this.first;
    bytes[start + 1] = bit | (more === 0 ? this.length : more === 2 ? 126 : 127);
    if (form === 'plain') return;
    for (let i = 0; i < 4; i++) bytes[start + 2 + more + i] = this.key >>> (8 * i);
  }

  /** @returns FAULTY */
  fail(fault: FrameFault, detail: number): number {
    this.fault = fault;
    this.detail = detail;
    return FAULTY;
  }
}
