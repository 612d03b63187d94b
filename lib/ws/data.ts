/** What can be sent, made into a string or bytes in the way of `ws`. */
import { Buffer } from 'node:buffer';
import { bytesOf } from '../websocket/outbound.js';

/** What `send` takes. */
export type BufferLike =
  | string
  | number
  | ArrayBufferView
  | ArrayBuffer
  | SharedArrayBuffer
  | Blob
  // biome-ignore lint/suspicious/noExplicitAny: as in the types of `ws`, so that a RawData can be sent on.
  | readonly any[]
  | { valueOf(): ArrayBuffer | SharedArrayBuffer | Uint8Array | readonly number[] | string }
  | { [Symbol.toPrimitive](hint: string): string };

/** A Blob, of this realm or another. */
export function isBlob(data: unknown): data is Blob {
  if (typeof data !== 'object' || data === null) return false;
  const { arrayBuffer, [Symbol.toStringTag]: tag } = data as { arrayBuffer?: unknown; [Symbol.toStringTag]?: string };
  return typeof arrayBuffer === 'function' && (tag === 'Blob' || tag === 'File');
}

/** @returns a string as it is, everything else as bytes; nothing as no bytes. @throws what `Buffer.from` throws */
export function toData(data: unknown): string | Buffer {
  if (typeof data === 'string' || data instanceof Buffer) return data;
  if (typeof data === 'number') return data.toString();
  if (!data) return EMPTY;
  return toBytes(data);
}

/** The same, always bytes. */
export function toBytes(data: unknown): Buffer {
  if (data instanceof Uint8Array || ArrayBuffer.isView(data)) return bytesOf(data);
  if (data instanceof ArrayBuffer) return Buffer.from(data);
  if (typeof data === 'number') return Buffer.from(data.toString());
  return data ? Buffer.from(data as Uint8Array) : EMPTY;
}

const EMPTY = Buffer.alloc(0);
