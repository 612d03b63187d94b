/**
 * Masks short payloads where they lie: on a page of an output queue, mostly. RFC 6455 §5.3
 *
 * It goes a word at a time through a view that is made once for a page, of which hundreds of payloads come to lie on. So it
 * needs no view for each, which is most of what masking a short payload costs.
 */
import { endianness } from 'node:os';
import { mask } from './mask.js';

/** Words hold the key in wire order on a little-endian machine only. */
const WORDS_WORK = endianness() === 'LE';

let known: Uint8Array | undefined;
/** Of the page that is known. */
let words: Int32Array = new Int32Array();

/** Masks page[from, to) in place. @param key four bytes in wire order, read as a little-endian number. */
export function maskShort(page: Uint8Array, from: number, to: number, key: number): void {
  if (page !== known && !know(page)) return void mask(page, from, to, key, 0);
  let rest = key;
  let i = from;
  for (; i < to && (i & 3) !== 0; i++) {
    page[i] ^= rest;
    rest = (rest >>> 8) | (rest << 24);
  }
  // A variable of the module would be read again for each word.
  const view = words;
  const last = to >>> 2;
  for (let word = i >>> 2; word < last; word++, i += 4) view[word] ^= rest;
  for (; i < to; i++, rest >>>= 8) page[i] ^= rest;
}

/** @returns false where there are no words to be had. */
function know(page: Uint8Array): boolean {
  if (!WORDS_WORK || (page.byteOffset & 3) !== 0) return false;
  known = page;
  words = new Int32Array(page.buffer, page.byteOffset, page.length >>> 2);
  return true;
}
