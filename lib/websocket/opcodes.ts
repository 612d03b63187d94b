/** The first byte of a frame. RFC 6455 §5.2 */
export const FIN = 0x80;
/** Set on the first frame of a deflated message. RFC 7692 §6 */
export const RSV1 = 0x40;
export const OPCODE_MASK = 0x0f;

export const OP_CONTINUATION = 0x0;
export const OP_TEXT = 0x1;
export const OP_BINARY = 0x2;
/** From here on opcodes are control frames. */
export const OP_CLOSE = 0x8;
export const OP_PING = 0x9;
export const OP_PONG = 0xa;

/** Bytes. The largest payload of a control frame. RFC 6455 §5.5 */
export const LONGEST_CONTROL = 125;

/** Bytes of an unmasked header for a payload of `length`. RFC 6455 §5.2 */
export function headerSize(length: number): number {
  return length < 126 ? 2 : length < 65536 ? 4 : 10;
}

/** The first byte of a fragment. */
export function fragmentByte(
  { isFirst, isLast }: { isFirst: boolean; isLast: boolean },
  { binary, compressed }: { binary: boolean; compressed: boolean },
): number {
  const opcode = isFirst ? (binary ? OP_BINARY : OP_TEXT) | (compressed ? RSV1 : 0) : OP_CONTINUATION;
  return opcode | (isLast ? FIN : 0);
}
