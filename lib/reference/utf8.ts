/**
 * UTF-8 to UTF-16 for the rows of a frame table, in plain TypeScript: the twin of native/text/utf8.cc.
 *
 * The decoder of the WHATWG Encoding Standard (https://encoding.spec.whatwg.org/#utf-8-decoder), written as one step
 * per character: what is no UTF-8 becomes U+FFFD per maximal subpart.
 */
import { HEADER_WORDS, R_LENGTH, R_OFFSET, ROW_WORDS } from '../frame-table.js';
import type { TextKernels } from '../native-interface.js';

const REPLACEMENT = 0xfffd;

/** What `decodeCharacter` found: how many bytes, and whether they were a character. Filled instead of allocated. */
let size = 0;
let valid = true;

export const decodeUtf8Rows: TextKernels['decodeUtf8Rows'] = (bytes, table, firstRow, rowCount, units, ends) => {
  let out = 0;
  let malformed = -1;
  for (let row = 0; row < rowCount; row++) {
    const words = HEADER_WORDS + (firstRow + row) * ROW_WORDS;
    let at = table[words + R_OFFSET];
    const end = at + table[words + R_LENGTH];
    while (at < end) {
      const byte = bytes[at];
      const point = byte < 0x80 ? byte : decodeCharacter(bytes, at, end);
      at += byte < 0x80 ? 1 : size;
      if (byte >= 0x80 && !valid && malformed < 0) malformed = row;
      if (point < 0x10000) {
        out = writeUnit(units, out, point);
      } else {
        out = writeUnit(units, out, 0xd7c0 + (point >> 10));
        out = writeUnit(units, out, 0xdc00 + (point & 0x3ff));
      }
    }
    ends[row] = out >> 1;
  }
  ends[rowCount] = malformed;
  return out >> 1;
};

function writeUnit(units: Uint8Array, at: number, unit: number): number {
  units[at] = unit & 0xff;
  units[at + 1] = unit >> 8;
  return at + 2;
}

/** Decodes one character that is not ASCII, of bytes[at, end). Sets `size` and `valid`. */
function decodeCharacter(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at];
  const length = lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 1;
  // E0 and F0 must not be overlong, ED must not be a surrogate, F4 must not pass U+10FFFF.
  let least = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  let most = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  let point = lead & (0x7f >> length);
  valid = length > 1;
  for (size = 1; size < length; size++) {
    const byte = at + size < end ? bytes[at + size] : 0;
    if (byte < least || byte > most) {
      valid = false;
      return REPLACEMENT;
    }
    point = (point << 6) | (byte & 0x3f);
    least = 0x80;
    most = 0xbf;
  }
  return valid ? point : REPLACEMENT;
}
