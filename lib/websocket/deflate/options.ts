/**
 * What a program says about compression, checked, and made into what one side of a connection does with it.
 *
 * A connection with context takeover keeps two histories: what it received, as far as the peer may refer to it, and what
 * it sent, as far as this side refers to it. `memory` says how many bytes these may take; windows are negotiated so that
 * they fit. Streams of zlib's are the thread's, never the connection's, see native/deflate/streams.h.
 */
import { checkBoolean, checkInteger, checkObject, invalidArgType } from '../../arguments.js';
import { INFLATER_BYTES } from '../../deflate-interface.js';
import { DEFLATE_HISTORY, DEFLATE_THRESHOLD } from '../../limits.js';

/** Options of permessage-deflate (RFC 7692). */
export interface DeflateOptions {
  /** How hard to look for repetition: 0 (not at all) to 9. Default: 6, as zlib has it. */
  level?: number;
  /** Memory for each stream of the thread that compresses: 1 to 9. Default: 8. */
  memLevel?: number;
  /** Bytes. Shorter messages are sent as they are, since they hardly get shorter. Default: `DEFLATE_THRESHOLD`. */
  threshold?: number;
  /**
   * What a connection may keep between messages. Default: `'shared'`.
   *
   * - `'shared'`: nothing. No message refers to another (no context takeover, in both directions).
   * - a number: so many bytes, at least 1024. Messages refer to others as far as that reaches: 36,864 keep the peer's
   *   largest window and `history`, 49,152 also save its copying; with less, smaller windows are negotiated.
   * - `'none'`: nothing, and nothing that is sent is compressed. What the peer compresses is still read.
   */
  memory?: 'shared' | 'none' | number;
  /**
   * Bytes. What was sent that a message may refer to, a quarter of `memory` at most. More of it makes messages
   * shorter and each of them dearer, by about 2 µs a KiB unless the connection sent the message before as well. Default:
   * `DEFLATE_HISTORY`.
   */
  history?: number;
  /** The largest window of the server, 8 to 15. Default: what the other side allows, and what `memory` has room for. */
  serverMaxWindowBits?: number;
  /** The largest window of the client, 8 to 15. Default: the same. */
  clientMaxWindowBits?: number;
  /** Whether the server's messages refer to none before; `false` refuses a peer that asks for that. Default: by `memory`. */
  serverNoContextTakeover?: boolean;
  /** Whether the client's messages refer to none before; `false` refuses a peer that asks for that. Default: by `memory`. */
  clientNoContextTakeover?: boolean;
}

/** The options, as one side negotiates and works with them. */
export interface DeflateSettings {
  readonly level: number;
  readonly memLevel: number;
  /** Bytes; Infinity where nothing is compressed. */
  readonly threshold: number;
  /** Bytes of what is sent that are kept: 0, or a power of two. */
  readonly ownHistory: number;
  /** Our window, at most: 8 to 15. */
  readonly ownMaxBits: number;
  /** The peer's messages may refer to as much of what was before: 8 to 15, or 0 for none. */
  readonly peerBits: number;
  /** Whether there is room for a stream that inflates, and needs no copying of the window. */
  readonly ownInflater: boolean;
  /** The peer's window, at most, by the program's own word; undefined where it does not mind. */
  readonly peerMaxBits: number | undefined;
  /** The peer must not ask that our messages refer to none before. */
  readonly insistsOnTakeover: boolean;
}

const LARGEST_BITS = 15;
const LARGEST_WINDOW = 1 << LARGEST_BITS;

/** @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE */
export function deflateSettings(options: DeflateOptions, role: 'server' | 'client'): DeflateSettings {
  checkOptions(options);
  const { level = 6, memLevel = 8, threshold = DEFLATE_THRESHOLD, memory = 'shared' } = options;
  const { serverMaxWindowBits, clientMaxWindowBits, serverNoContextTakeover, clientNoContextTakeover } = options;
  const isServer = role === 'server';
  const ownMaxBits = (isServer ? serverMaxWindowBits : clientMaxWindowBits) ?? LARGEST_BITS;
  const peerMaxBits = isServer ? clientMaxWindowBits : serverMaxWindowBits;
  const ownAlone = isServer ? serverNoContextTakeover : clientNoContextTakeover;
  const peerAlone = isServer ? clientNoContextTakeover : serverNoContextTakeover;
  const { ownHistory, peerBits } = share(memory, options.history ?? DEFLATE_HISTORY, { ownAlone, peerAlone });
  return {
    level,
    memLevel,
    threshold: memory === 'none' ? Number.POSITIVE_INFINITY : threshold,
    ownHistory: Math.min(ownHistory, 1 << ownMaxBits),
    ownMaxBits,
    peerBits: Math.min(peerBits, peerMaxBits ?? LARGEST_BITS),
    ownInflater: typeof memory === 'number' && memory >= ownHistory + (1 << peerBits) + INFLATER_BYTES,
    peerMaxBits,
    insistsOnTakeover: ownAlone === false,
  };
}

/** Divides a connection's memory. A word of the program's about takeover goes before what it says about memory. */
function share(
  memory: 'shared' | 'none' | number,
  history: number,
  { ownAlone, peerAlone }: { ownAlone: boolean | undefined; peerAlone: boolean | undefined },
): { ownHistory: number; peerBits: number } {
  const budget = typeof memory === 'number' ? memory : 0;
  const wanted = ownAlone === false ? history : Math.min(history, budget / 4);
  const ownHistory = ownAlone === true ? 0 : powerOfTwo(wanted);
  const bits = peerAlone === false ? LARGEST_BITS : Math.floor(Math.log2(Math.max(1, budget - ownHistory)));
  const peerBits = peerAlone === true || bits < 8 ? 0 : Math.min(bits, LARGEST_BITS);
  return { ownHistory, peerBits };
}

/** The largest one that is not above; 0 where there is none. */
function powerOfTwo(size: number): number {
  return size < 1 ? 0 : Math.min(LARGEST_WINDOW, 1 << Math.floor(Math.log2(size)));
}

function checkOptions(options: DeflateOptions): void {
  checkObject('options.deflate', options);
  const { memory } = options;
  const numbers = [
    ['level', 0, 9],
    ['memLevel', 1, 9],
    ['threshold', 0, Number.MAX_SAFE_INTEGER],
    ['history', 0, LARGEST_WINDOW],
    ['serverMaxWindowBits', 8, LARGEST_BITS],
    ['clientMaxWindowBits', 8, LARGEST_BITS],
  ] as const;
  for (const [name, least, most] of numbers) {
    if (options[name] !== undefined) checkInteger(`options.deflate.${name}`, options[name], least, most);
  }
  for (const name of ['serverNoContextTakeover', 'clientNoContextTakeover'] as const) {
    if (options[name] !== undefined) checkBoolean(`options.deflate.${name}`, options[name]);
  }
  if (memory === undefined || memory === 'shared' || memory === 'none') return;
  if (typeof memory !== 'number')
    throw invalidArgType('options.deflate.memory', "'shared', 'none' or a number", memory);
  checkInteger('options.deflate.memory', memory, 1024);
}
