/**
 * The forms in which a delimited record can be given out: bytes, a latin1 string, a UTF-8 string, valid UTF-8 only.
 *
 * Bytes are owned: small ones are copied, so that ten bytes do not keep a 64 KiB chunk alive; large ones may be a view
 * of a chunk that nobody writes to again.
 */
import { isUtf8 } from 'node:buffer';
import { checkOneOf } from '../arguments.js';
import { viewOf } from '../bytes/view.js';
import { ProtocolError, UsageError } from '../errors.js';
import type { Memory, TextForm } from './codec.js';

/** How records are given out. 'utf8' puts U+FFFD where bytes are no UTF-8; 'utf8-strict' throws ERR_INVALID_UTF8. */
export type RecordEncoding = 'buffer' | 'latin1' | 'utf8' | 'utf8-strict';

/** The record type of an encoding. */
export type Decoded<E extends RecordEncoding> = E extends 'buffer' ? Buffer : string;

export function checkEncoding(value: unknown): asserts value is RecordEncoding {
  checkOneOf('options.encoding', value, ['buffer', 'latin1', 'utf8', 'utf8-strict']);
}

/** Characters that latin1 does not have. Node cuts them to their low byte, which may well be a separator. */
const NOT_LATIN1 = /[\u0100-\uffff]/;

/** String.prototype.isWellFormed of ES2024; in Node since 20. */
interface WellFormed {
  isWellFormed(): boolean;
}

/** How strings are written where records are given out in `encoding`. */
export function writtenAs(encoding: RecordEncoding): 'utf8' | 'latin1' {
  return encoding === 'latin1' ? 'latin1' : 'utf8';
}

/**
 * Refuses text that would arrive as another. A lone surrogate has no UTF-8; only 'utf8-strict' refuses it, the others
 * write U+FFFD, as they read it for bytes that are no UTF-8.
 * @throws UsageError ERR_RECORD_NOT_ENCODABLE
 */
export function checkText(text: string, encoding: RecordEncoding, protocol: string): void {
  if (encoding === 'latin1' && NOT_LATIN1.test(text)) {
    const message = 'the text has characters that latin1 does not have';
    throw new UsageError('ERR_RECORD_NOT_ENCODABLE', { protocol, message });
  }
  if (encoding === 'utf8-strict' && !(text as unknown as WellFormed).isWellFormed()) {
    const message = 'the text has a lone surrogate, which UTF-8 does not have';
    throw new UsageError('ERR_RECORD_NOT_ENCODABLE', { protocol, message });
  }
}

/** Bytes. From here on a record may be a view of its chunk, if it also is a good part of it. */
export const VIEW_FROM = 4096;

/** Node's own decoders, without the checks of `toString`. They are documented since Node 22 and present in all before. */
export interface SliceBuffer extends Buffer {
  latin1Slice(from: number, to: number): string;
  utf8Slice(from: number, to: number): string;
}

/** Bytes [from, to) as memory of the user's own. */
export function ownedBytes(bytes: Buffer, from: number, to: number, memory: Memory): Buffer {
  const size = to - from;
  if (memory === 'owned') return viewOf(bytes, from, to);
  // A view may keep alive at most four times its size.
  if (memory === 'kept' && size >= VIEW_FROM && size * 4 >= bytes.buffer.byteLength) return bytes.subarray(from, to);
  const owned = size < VIEW_FROM ? Buffer.allocUnsafe(size) : Buffer.allocUnsafeSlow(size);
  bytes.copy(owned, 0, from, to);
  return owned;
}

/** The text form of an encoding; undefined for bytes. */
export function textFormOf(encoding: RecordEncoding): TextForm | undefined {
  return encoding === 'buffer' ? undefined : encoding;
}

type RecordMaker<T> = (bytes: Buffer, from: number, to: number, memory: Memory, offset: number) => T;

/** Makes the function that gives a record its form. */
export function recordMaker<E extends RecordEncoding>(encoding: E, protocol: string): RecordMaker<Decoded<E>> {
  const makers: Record<RecordEncoding, RecordMaker<Buffer | string>> = {
    buffer: ownedBytes,
    latin1: (bytes, from, to) => (bytes as SliceBuffer).latin1Slice(from, to),
    utf8: (bytes, from, to) => (bytes as SliceBuffer).utf8Slice(from, to),
    'utf8-strict': (bytes, from, to, _memory, offset) => {
      if (!isUtf8(bytes.subarray(from, to))) throw new ProtocolError('ERR_INVALID_UTF8', { protocol, offset });
      return (bytes as SliceBuffer).utf8Slice(from, to);
    },
  };
  return makers[encoding] as RecordMaker<Decoded<E>>;
}
