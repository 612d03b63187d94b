/**
 * Masks short payloads where they were copied to: a page of an output queue. RFC 6455 §5.3
 *
 * It goes a word at a time through a view that is made once for a page, of which hundreds of payloads come to lie on. So it
 * needs neither a view nor a call into the addon for each, which is most of what masking a short payload costs.
 */
import { endianness } from 'node:os';
import { native } from '../native.js';

/** Bytes from which a call into the addon costs less than masking here; measured on x64 with Node 20. */
export const LONG_FROM = 192;
/** Words hold the key in wire order on a little-endian machine only. */
const WORDS_WORK = endianness() === 'LE';

let known: Buffer | undefined;
/** Of the page that is known. */
let words: Int32Array = new Int32Array();

/** Masks page[from, to) in place. @param key four bytes in wire order, read as a little-endian u32. */
export function maskShort(page: Buffer, from: number, to: number, key: number): void {
  if (page !== known && !know(page)) return void native().mask(page, from, to, key, 0);
  let rest = key;
  let i = from;
  for (; i < to && (i & 3) !== 0; i++) {
    page[i]! ^= rest;
    rest = (rest >>> 8) | (rest << 24);
  }
  // A variable of the module would be read again for each word.
  const view = words;
  const last = to >>> 2;
  for (let word = i >>> 2; word < last; word++, i += 4) view[word]! ^= rest;
  for (; i < to; i++, rest >>>= 8) page[i]! ^= rest;
}

/** @returns false where there are no words to be had. */
function know(page: Buffer): boolean {
  if (!WORDS_WORK || (page.byteOffset & 3) !== 0) return false;
  known = page;
  words = new Int32Array(page.buffer, page.byteOffset, page.length >>> 2);
  return true;
}
