/** What a WebSocket connection can be told, with the defaults and the checks. */
import { checkBoolean, checkInteger, checkObject, checkOneOf } from '../arguments.js';
import {
  CLOSE_TIMEOUT_MS,
  DEFAULT_MAX_MESSAGE_LENGTH,
  DEFAULT_READ_HIGH_WATER_MARK,
  DEFAULT_WRITE_HIGH_WATER_MARK,
  LARGEST_MAX_LENGTH,
} from '../limits.js';
import { type MaskKeySource, randomMaskKey } from './mask-keys.js';
import type { FullPolicy } from './outbound.js';

/** Looks after a connection by pinging. */
export interface HeartbeatOptions {
  /** Milliseconds between two pings. Default 0: none are sent. */
  pingIntervalMs?: number;
  /** Milliseconds without a byte from the peer, pongs included, until the connection is destroyed. Default 0: none. */
  idleTimeoutMs?: number;
  /** Milliseconds after which the connection is closed, with code 1001. Default 0: none. */
  maxLifetimeMs?: number;
}

export interface WebSocketOptions extends HeartbeatOptions {
  /** Bytes. The largest message, all its frames together and inflated. Default 16 MiB. */
  maxMessageLength?: number;
  /** Bytes of frames that are kept for a reader before reading stops. Default 64 KiB. */
  readHighWaterMark?: number;
  /** Bytes of output queued before `send` answers NOT_READY. Default 64 KiB. */
  writeHighWaterMark?: number;
  /** Bytes of output that have to be left before `send` takes again. Default: the high mark. */
  writeLowWaterMark?: number;
  /**
   * What a `send` that finds the output over its mark does, apart from answering NOT_READY. 'wait' (default): nothing.
   * 'drop': counts the message as dropped. 'close': destroys the connection of a peer that does not keep up.
   */
  whenFull?: FullPolicy;
  /** Milliseconds that a closing handshake may take. Default 5000. */
  closeTimeoutMs?: number;
  /** Answers pings. Default true. */
  autoPong?: boolean;
  /** Refuses text that is not UTF-8. Default true. RFC 6455 §8.1 */
  checkUtf8?: boolean;
  /** Gives mask keys, for tests; a client's must be unpredictable. RFC 6455 §10.3 */
  maskKeys?: MaskKeySource;
}

export type CheckedOptions = Required<WebSocketOptions>;

const LONGEST_MS = 2 ** 31 - 1;

/** Those of nobody who asked for anything else: shared, since most connections are so. */
const DEFAULTS: CheckedOptions = {
  maxMessageLength: DEFAULT_MAX_MESSAGE_LENGTH,
  readHighWaterMark: DEFAULT_READ_HIGH_WATER_MARK,
  writeHighWaterMark: DEFAULT_WRITE_HIGH_WATER_MARK,
  writeLowWaterMark: DEFAULT_WRITE_HIGH_WATER_MARK,
  whenFull: 'wait',
  closeTimeoutMs: CLOSE_TIMEOUT_MS,
  autoPong: true,
  checkUtf8: true,
  maskKeys: randomMaskKey,
  pingIntervalMs: 0,
  idleTimeoutMs: 0,
  maxLifetimeMs: 0,
};

const checked = new WeakMap<WebSocketOptions, CheckedOptions>();

/** @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE, ERR_INVALID_ARG_VALUE */
export function checkWebSocketOptions(options: WebSocketOptions | undefined): CheckedOptions {
  if (options === undefined) return DEFAULTS;
  checkObject('options', options);
  // A server gives the same ones to all its connections.
  let all = checked.get(options);
  if (all === undefined) {
    all = check(options);
    if (Object.isFrozen(options)) checked.set(options, all);
  }
  return all;
}

function check(options: WebSocketOptions): CheckedOptions {
  const all: CheckedOptions = { ...DEFAULTS };
  for (const key of Object.keys(DEFAULTS) as (keyof CheckedOptions)[]) {
    if (options[key] !== undefined) (all as Record<string, unknown>)[key] = options[key];
  }
  if (options.writeLowWaterMark === undefined) all.writeLowWaterMark = all.writeHighWaterMark;
  checkInteger('options.maxMessageLength', all.maxMessageLength, 0, LARGEST_MAX_LENGTH);
  checkInteger('options.readHighWaterMark', all.readHighWaterMark, 1, LARGEST_MAX_LENGTH);
  checkInteger('options.writeHighWaterMark', all.writeHighWaterMark, 1, LARGEST_MAX_LENGTH);
  checkInteger('options.writeLowWaterMark', all.writeLowWaterMark, 0, all.writeHighWaterMark);
  checkOneOf('options.whenFull', all.whenFull, ['wait', 'drop', 'close']);
  checkBoolean('options.autoPong', all.autoPong);
  checkBoolean('options.checkUtf8', all.checkUtf8);
  for (const name of ['closeTimeoutMs', 'pingIntervalMs', 'idleTimeoutMs', 'maxLifetimeMs'] as const) {
    checkInteger(`options.${name}`, all[name], 0, LONGEST_MS);
  }
  return all;
}
