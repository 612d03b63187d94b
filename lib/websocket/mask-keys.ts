/**
 * Mask keys: unpredictable to whoever chose the payload, so from the system's cryptographic source. RFC 6455 §5.3, §10.3
 *
 * Asked for a thousand at a time: a call for each would cost more than the masking.
 */
import { randomFillSync } from 'node:crypto';

/** Gives the next key: four bytes in wire order, read as a little-endian u32. */
export type MaskKeySource = () => number;

/** Signed, since V8 makes an object of a number that needs the 32nd bit, for each message. */
const keys = new Int32Array(1024);
let next = keys.length;

/** The default source. */
export const randomMaskKey: MaskKeySource = () => {
  if (next === keys.length) {
    randomFillSync(keys);
    next = 0;
  }
  return keys[next++]!;
};
