/** What `perMessageDeflate` says, in the words of our own deflate. RFC 7692 */
import type { ZlibOptions } from 'node:zlib';
import type { DeflateOptions } from '../websocket/deflate/options.js';

/** Options of a deflate stream, as in the types of `ws`. */
interface DeflateStreamOptions {
  level?: number | undefined;
  memLevel?: number | undefined;
  flush?: number | undefined;
  finishFlush?: number | undefined;
  chunkSize?: number | undefined;
  windowBits?: number | undefined;
  strategy?: number | undefined;
  dictionary?: Buffer | Buffer[] | DataView | undefined;
  info?: boolean | undefined;
}

/** Options of permessage-deflate. */
export interface PerMessageDeflateOptions {
  serverNoContextTakeover?: boolean | undefined;
  clientNoContextTakeover?: boolean | undefined;
  /** 8 to 15. */
  serverMaxWindowBits?: number | undefined;
  /** 8 to 15. */
  clientMaxWindowBits?: number | undefined;
  /** `level` and `memLevel` count; the others are ignored. */
  zlibDeflateOptions?: DeflateStreamOptions | undefined;
  /** Is ignored: there is nothing to tune. */
  zlibInflateOptions?: ZlibOptions | undefined;
  /** Bytes from which messages are compressed where no context is kept; Infinity for none. Default 1024. */
  threshold?: number | undefined;
  /** Is ignored: nothing is compressed concurrently. */
  concurrencyLimit?: number | undefined;
}

/** Bytes. Room for the largest window of both sides. */
const BOTH_WINDOWS = 64 * 1024;
/** zlib's Z_DEFAULT_COMPRESSION. */
const DEFAULT_LEVEL = 6;

/** @returns undefined where nothing is to be compressed. */
export function deflateOptionsFor(given: boolean | PerMessageDeflateOptions | undefined): DeflateOptions | undefined {
  if (!given) return undefined;
  const options = given === true ? {} : given;
  const { serverNoContextTakeover, clientNoContextTakeover, threshold, zlibDeflateOptions = {} } = options;
  const { level, memLevel } = zlibDeflateOptions;
  return {
    memory: BOTH_WINDOWS,
    ...(level === undefined ? {} : { level: level < 0 ? DEFAULT_LEVEL : level }),
    ...(memLevel === undefined ? {} : { memLevel }),
    ...(threshold === undefined ? {} : { threshold: Math.min(threshold, Number.MAX_SAFE_INTEGER) }),
    ...(serverNoContextTakeover === undefined ? {} : { serverNoContextTakeover }),
    ...(clientNoContextTakeover === undefined ? {} : { clientNoContextTakeover }),
    ...bits('serverMaxWindowBits', options.serverMaxWindowBits),
    ...bits('clientMaxWindowBits', options.clientMaxWindowBits),
  };
}

/** `true` and `false` are about what is offered, which is decided here by what fits. */
function bits(
  name: 'serverMaxWindowBits' | 'clientMaxWindowBits',
  value: number | boolean | undefined,
): DeflateOptions {
  return typeof value === 'number' ? { [name]: value } : {};
}
