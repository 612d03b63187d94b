/** Options of detection, and their checks. */
import {
  checkFunction,
  checkInteger,
  checkObject,
  checkOneOf,
  checkSignal,
  invalidArgType,
  invalidArgValue,
} from '../arguments.js';
import { DETECT_SILENCE_MS, DETECT_TIMEOUT_MS, LARGEST_MAX_LENGTH, MAX_DETECT_BYTES } from '../limits.js';
import type { KnownProtocol } from './detected.js';

/**
 * Looks at the first bytes, all that are here, at least one. Pure: it is asked again with more of the same bytes.
 * Lifetime: the bytes are a view until it returns.
 * @returns true: it is this protocol; false: it is not; a number: so many bytes, from the first, are needed to tell.
 */
export type OwnDetector = (bytes: Buffer) => boolean | number;

/** What is looked for, and how far. */
export interface DetectOptions<Name extends string = never> {
  /** Which of the protocols known here are looked for. Default: all. */
  protocols?: readonly KnownProtocol[];
  /** Detectors of one's own, by name: asked before the others, in this order. */
  own?: Readonly<Record<Name, OwnDetector>>;
  /** 'whole' (default) reads a ClientHello to its end, for the names in it; 'none' is content to know that it is TLS. */
  clientHello?: 'whole' | 'none';
  /** Bytes that are looked at before what is still undecided counts as something else. Default 16 KiB. */
  maxBytes?: number;
}

/** How `detectProtocol` looks. */
export interface DetectBytesOptions<Name extends string = never> extends DetectOptions<Name> {
  /** True: no more bytes will come, so it has to decide. Default false. */
  ended?: boolean;
}

/** How `detect` looks, and for how long. */
export interface DetectStreamOptions<Name extends string = never> extends DetectOptions<Name> {
  /** Milliseconds for a peer to have said what it speaks. Default 5000. */
  timeoutMs?: number;
  /**
   * What becomes of a peer that says nothing: 'error' (default) is ERR_DETECT_TIMEOUT; 'default' is for protocols in
   * which the server speaks first.
   */
  silent?: 'default' | 'error';
  /** Milliseconds until that. Default: 1000 with `silent: 'default'`, else `timeoutMs`. */
  silentMs?: number;
  /** What becomes of bytes that are of no protocol looked for: 'default' (default), or 'error', ERR_DETECT_UNKNOWN. */
  rest?: 'default' | 'error';
  /** Ends the wait with its reason. Nothing is lost by it. */
  signal?: AbortSignal | undefined;
}

/** What a detector needs, checked. */
export interface DetectRules {
  readonly protocols: ReadonlySet<KnownProtocol>;
  readonly own: readonly (readonly [name: string, detector: OwnDetector])[];
  readonly clientHello: 'whole' | 'none';
  readonly maxBytes: number;
}

/** How long one waits, checked. */
export interface DetectTimes {
  readonly timeoutMs: number;
  readonly silent: 'default' | 'error';
  /** 0 <= silentMs <= timeoutMs */
  readonly silentMs: number;
}

/** All that are known, in the order in which they are asked. */
export const KNOWN_PROTOCOLS: readonly KnownProtocol[] = ['proxy', 'tls', 'http2', 'socks', 'websocket', 'http1'];

/** Milliseconds. Timers count no further. */
const LONGEST_MS = 2 ** 31 - 1;

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function checkDetectOptions(options: DetectOptions<string>): DetectRules {
  checkObject('options', options);
  const { protocols = KNOWN_PROTOCOLS, own = {}, clientHello = 'whole', maxBytes = MAX_DETECT_BYTES } = options;
  if (!Array.isArray(protocols)) throw invalidArgType('options.protocols', 'an array', protocols);
  for (const protocol of protocols) checkOneOf('options.protocols', protocol, KNOWN_PROTOCOLS);
  checkObject('options.own', own);
  for (const [name, detector] of Object.entries(own)) checkOwn(name, detector);
  checkOneOf('options.clientHello', clientHello, ['whole', 'none']);
  checkInteger('options.maxBytes', maxBytes, 1, LARGEST_MAX_LENGTH);
  return { protocols: new Set(protocols), own: Object.entries(own), clientHello, maxBytes };
}

function checkOwn(name: string, detector: unknown): void {
  checkFunction(`options.own.${name}`, detector);
  if (name === 'default' || KNOWN_PROTOCOLS.includes(name as KnownProtocol)) {
    throw invalidArgValue('options.own', name, 'has a name that is taken');
  }
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function checkDetectTimes(options: DetectStreamOptions<string>): DetectTimes {
  const { timeoutMs = DETECT_TIMEOUT_MS, silent = 'error', rest = 'default', signal } = options;
  checkInteger('options.timeoutMs', timeoutMs, 1, LONGEST_MS);
  checkOneOf('options.silent', silent, ['default', 'error']);
  checkOneOf('options.rest', rest, ['default', 'error']);
  const { silentMs = silent === 'default' ? DETECT_SILENCE_MS : timeoutMs } = options;
  checkInteger('options.silentMs', silentMs, 0, LONGEST_MS);
  checkSignal('options.signal', signal);
  return { timeoutMs, silent, silentMs: Math.min(silentMs, timeoutMs) };
}
