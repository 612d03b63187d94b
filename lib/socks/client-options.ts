/** What a client of SOCKS can be told, checked once. */
import {
  checkBoolean,
  checkInteger,
  checkObject,
  checkOneOf,
  checkSignal,
  checkString,
  invalidArgValue,
} from '../arguments.js';
import { PROXY_TIMEOUT_MS } from '../limits.js';
import { LONGEST_STRING } from './fields.js';
import { checkEndpoint, type HostKind, type ThroughProxyOptions } from './target.js';
import { COMMANDS, type SocksCommand, type SocksVersion } from './words.js';

/** How a proxy is spoken to. */
export interface SocksProxyOptions {
  /** Default 5. '4a' is 4 with names. */
  version?: SocksVersion;
  /** Who asks. SOCKS 5 sends it with a password (RFC 1929), SOCKS 4 as its user id. */
  user?: string;
  /** SOCKS 5 only, and with a user. */
  password?: string;
  /**
   * True: SOCKS 5 says everything at once, method, credentials and request, and waits once instead of two or three times.
   * RFC 1928 leaves it open, and some servers lose what comes behind the first message. Default false.
   */
  pipelined?: boolean;
}

/** What a proxy is asked for. */
export interface SocksClientOptions extends SocksProxyOptions, ThroughProxyOptions {
  /** Default 'connect'. */
  command?: SocksCommand;
  /** False: names are looked up here, and the proxy is sent an address. Default true: the proxy looks them up. */
  remoteDns?: boolean;
}

/** Checked. */
export interface SocksAsked {
  readonly version: 4 | 5;
  readonly host: string;
  readonly port: number;
  readonly command: SocksCommand;
  /** What the host is; a name that is looked up here becomes an address before it is sent. */
  readonly kind: HostKind;
  readonly lookUp: boolean;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly pipelined: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function checkClientOptions(options: SocksClientOptions, proxy: SocksProxyOptions, name: string): SocksAsked {
  checkObject('options', options);
  const { host, port, command = 'connect', remoteDns = true, timeoutMs = PROXY_TIMEOUT_MS, signal } = options;
  const { version = 5, pipelined = false, user, password } = proxy;
  checkOneOf(`${name}.version`, version, [4, '4a', 5]);
  checkOneOf('options.command', command, version === 5 ? COMMANDS : COMMANDS.slice(0, 2));
  // Where a peer will come from need not be known.
  const kind = checkEndpoint('options', { host, port }, command === 'connect' ? 1 : 0);
  checkBoolean('options.remoteDns', remoteDns);
  checkBoolean(`${name}.pipelined`, pipelined);
  checkInteger('options.timeoutMs', timeoutMs, 1, 2 ** 31 - 1);
  checkSignal('options.signal', signal);
  checkCredentials(name, proxy, version);
  const lookUp = kind === 'name' && !remoteDns;
  if (version !== 5) checkHost4(host, kind, lookUp, version);
  if (pipelined && version !== 5) throw invalidArgValue(`${name}.pipelined`, pipelined, 'is for SOCKS 5 only');
  const number = version === 5 ? 5 : 4;
  return { version: number, host, port, command, kind, lookUp, user, password, pipelined, timeoutMs, signal };
}

function checkCredentials(name: string, { user, password }: SocksProxyOptions, version: SocksVersion): void {
  if (user !== undefined) checkText(`${name}.user`, user, version === 5 ? 1 : 0);
  if (password === undefined) {
    if (version === 5 && user !== undefined) throw invalidArgValue(`${name}.password`, password, 'is missing');
    return;
  }
  if (version !== 5) throw invalidArgValue(`${name}.password`, '***', 'is for SOCKS 5 only');
  if (user === undefined) throw invalidArgValue(`${name}.user`, user, 'is missing');
  checkString(`${name}.password`, password);
  const length = Buffer.byteLength(password);
  // Without its value: an error is logged.
  if (length < 1 || length > LONGEST_STRING || password.includes('\0')) {
    throw invalidArgValue(`${name}.password`, '***', `must have 1 to ${LONGEST_STRING} bytes and no null byte`);
  }
}

function checkText(name: string, value: unknown, least: number): void {
  checkString(name, value);
  const length = Buffer.byteLength(value);
  if (length >= least && length <= LONGEST_STRING && !value.includes('\0')) return;
  throw invalidArgValue(name, value, `must have ${least} to ${LONGEST_STRING} bytes and no null byte`);
}

function checkHost4(host: string, kind: HostKind, lookUp: boolean, version: 4 | '4a'): void {
  if (kind === 'ipv6') throw invalidArgValue('options.host', host, 'is an IPv6 address, which SOCKS 4 cannot carry');
  if (kind === 'name' && !lookUp && version === 4) {
    throw invalidArgValue('options.host', host, "is a name: SOCKS 4 needs remoteDns: false, or version '4a'");
  }
  // 0.0.0.x is how 4a says that a name follows.
  if (/^0\.0\.0\.[1-9]/.test(host)) throw invalidArgValue('options.host', host, 'cannot be carried by SOCKS 4');
}
