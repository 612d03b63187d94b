/** What a server of SOCKS can be told, checked once. */
import { checkFunction, checkInteger, checkObject, checkOneOf, checkSignal, invalidArgType } from '../arguments.js';
import { HANDSHAKE_TIMEOUT_MS } from '../limits.js';
import type { SocksRequest } from './request.js';
import { COMMANDS, type SocksCommand, type SocksVersion } from './words.js';

/** Whom a server serves, and with what. */
export interface SocksServerOptions {
  /**
   * Versions that are spoken. Default: 4, 4a and 5; with `authenticate` 5 alone, since the others have no passwords. Where
   * they are listed all the same, `authenticate` is asked about a user without one.
   */
  versions?: readonly SocksVersion[];
  /**
   * Says who may ask, at once or by a promise: only `true` lets a client in. Default: nobody is asked.
   * @param password undefined in SOCKS 4, which has none
   */
  authenticate?: (user: string, password: string | undefined) => boolean | PromiseLike<boolean>;
  /** Commands that the program handles; others are refused with the code for that. Default: ['connect']. */
  commands?: readonly SocksCommand[];
  /** Says who may go where, at once or by a promise: only `true` lets a request through. Default: all are. */
  allow?: (request: SocksRequest) => boolean | PromiseLike<boolean>;
  /** Milliseconds until the request is there and the hooks have answered, and again for each answer. Default 10000. */
  timeoutMs?: number;
  /** Ends the handshake. */
  signal?: AbortSignal | undefined;
}

/** Checked. */
export interface SocksRules {
  readonly speaks4: boolean;
  readonly speaks4a: boolean;
  readonly speaks5: boolean;
  readonly authenticate: SocksServerOptions['authenticate'];
  readonly commands: readonly SocksCommand[];
  readonly allow: SocksServerOptions['allow'];
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function checkServerOptions(options: SocksServerOptions): SocksRules {
  checkObject('options', options);
  const { authenticate, allow, commands = ['connect'], timeoutMs = HANDSHAKE_TIMEOUT_MS, signal } = options;
  const { versions = authenticate === undefined ? [4, '4a', 5] : [5] } = options;
  checkList('options.versions', versions, [4, '4a', 5]);
  checkList('options.commands', commands, COMMANDS);
  if (authenticate !== undefined) checkFunction('options.authenticate', authenticate);
  if (allow !== undefined) checkFunction('options.allow', allow);
  checkInteger('options.timeoutMs', timeoutMs, 1, 2 ** 31 - 1);
  checkSignal('options.signal', signal);
  const speaks4a = versions.includes('4a');
  const speaks4 = speaks4a || versions.includes(4);
  return { speaks4, speaks4a, speaks5: versions.includes(5), authenticate, commands, allow, timeoutMs, signal };
}

function checkList<T>(name: string, list: readonly T[], choices: readonly T[]): void {
  if (!Array.isArray(list)) throw invalidArgType(name, 'an instance of Array', list);
  for (const element of list) checkOneOf(name, element, choices);
}
