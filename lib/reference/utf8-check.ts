/**
 * Is it UTF-8? In plain TypeScript: the twin of native/text/utf8_check.
 *
 * A machine of eight states, so that a text may be checked in pieces that end inside of characters. What may come next
 * is a range of bytes in each state: the well-formed sequences of the Unicode Standard, table 3-7, where E0, ED, F0 and
 * F4 narrow the byte after them. Node's own check says yes sooner, of what is long and ends between characters; where it
 * says no, the machine finds out where, and in which state.
 */
import { isUtf8 } from 'node:buffer';
import type { TextKernels } from '../native-interface.js';

/** State 0 is between characters; 1 to 3 want so many continuation bytes; 4 to 7 are behind E0, ED, F0 and F4. */
const LEAST = Uint8Array.of(0, 0x80, 0x80, 0x80, 0xa0, 0x80, 0x90, 0x80);
const MOST = Uint8Array.of(0, 0xbf, 0xbf, 0xbf, 0xbf, 0x9f, 0xbf, 0x8f);
const NEXT = Uint8Array.of(0, 0, 1, 2, 1, 1, 2, 2);
const INVALID = 8;
/** Bytes. Up to here the machine is through before Node's check is called. */
const SHORT = 64;
const AFTER_LEAD = Uint8Array.from({ length: 256 }, (_, lead) => stateAfter(lead));

function stateAfter(lead: number): number {
  if (lead < 0x80) return 0;
  if (lead < 0xc2) return INVALID;
  if (lead < 0xe0) return 1;
  if (lead < 0xf0) return lead === 0xe0 ? 4 : lead === 0xed ? 5 : 2;
  if (lead > 0xf4) return INVALID;
  return lead === 0xf0 ? 6 : lead === 0xf4 ? 7 : 3;
}

/** @returns the state behind the range, or `~index` of the byte that cannot be there. */
export function checkUtf8(bytes: Uint8Array, from: number, to: number, state: number): number {
  if (state === 0 && to - from > SHORT && isUtf8(bytes.subarray(from, to))) return 0;
  let at = state;
  for (let i = from; i < to; i++) {
    const byte = bytes[i];
    if (at === 0) {
      if (byte < 0x80) continue;
      at = AFTER_LEAD[byte];
      if (at === INVALID) return ~i;
    } else {
      if (byte < LEAST[at] || byte > MOST[at]) return ~i;
      at = NEXT[at];
    }
  }
  return at;
}

export const validateUtf8: TextKernels['validateUtf8'] = (bytes, from, to, state) =>
  Math.max(checkUtf8(bytes, from, to, state), -1);
