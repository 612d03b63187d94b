/** The numbers of SOCKS and what they mean: methods, commands, reply codes. RFC 1928 §3, §4, §6; the SOCKS 4 memo */
import { ProtocolError } from '../errors.js';

/** What errors call the protocol. */
export const SOCKS = 'socks';

/** '4a' is 4 with names: the proxy looks them up. */
export type SocksVersion = 4 | '4a' | 5;

/** What a client wants of a proxy. */
export type SocksCommand = 'connect' | 'bind' | 'udp-associate';

/** By number, from 1 on. SOCKS 4 has the first two. */
export const COMMANDS: readonly SocksCommand[] = ['connect', 'bind', 'udp-associate'];

/** Methods of authentication. RFC 1928 §3 */
export const METHOD_NONE = 0x00;
export const METHOD_PASSWORD = 0x02;
export const METHOD_NOT_ACCEPTABLE = 0xff;

/** Address types. RFC 1928 §5 */
export const ADDRESS_IPV4 = 0x01;
export const ADDRESS_NAME = 0x03;
export const ADDRESS_IPV6 = 0x04;

/** Why a request is refused. */
export type SocksReason =
  | 'general-failure'
  | 'not-allowed'
  | 'network-unreachable'
  | 'host-unreachable'
  | 'connection-refused'
  | 'ttl-expired'
  | 'command-not-supported'
  | 'address-type-not-supported'
  | 'identd-unreachable'
  | 'identd-mismatch';

/** Reply codes of SOCKS 5 from 1 on, in the words of RFC 1928 §6. */
const REPLIES_5: readonly (readonly [SocksReason, string])[] = [
  ['general-failure', 'general SOCKS server failure'],
  ['not-allowed', 'connection not allowed by ruleset'],
  ['network-unreachable', 'network unreachable'],
  ['host-unreachable', 'host unreachable'],
  ['connection-refused', 'connection refused'],
  ['ttl-expired', 'TTL expired'],
  ['command-not-supported', 'command not supported'],
  ['address-type-not-supported', 'address type not supported'],
];

/** Reply codes of SOCKS 4 from 91 on. 90 is the one that grants. */
const REPLIES_4: readonly (readonly [SocksReason, string])[] = [
  ['general-failure', 'request rejected or failed'],
  ['identd-unreachable', 'request rejected because the server cannot connect to identd on the client'],
  ['identd-mismatch', 'request rejected because the client and identd report different user ids'],
];

export const GRANTED_4 = 90;
export const GRANTED_5 = 0;

/** Every reason, for checking arguments. */
export const REASONS: readonly SocksReason[] = [...REPLIES_5, ...REPLIES_4.slice(1)].map(([reason]) => reason);

/** The code that says so. What a version has no code for is a failure or what is not allowed: it has only those. */
export function replyCodeOf(reason: SocksReason, version: 4 | 5): number {
  if (version === 4) return GRANTED_4 + 1 + Math.max(0, indexOf(REPLIES_4, reason));
  const index = indexOf(REPLIES_5, reason);
  // Both reasons of identd's are rulesets to version 5.
  return index < 0 ? 2 : index + 1;
}

function indexOf(replies: readonly (readonly [SocksReason, string])[], reason: SocksReason): number {
  return replies.findIndex(([other]) => other === reason);
}

/** What a reply code says: `0x05, connection refused`. */
function wordsOf(code: number, version: 4 | 5): { readonly reason: SocksReason | undefined; readonly words: string } {
  const [reason, words] = (version === 4 ? REPLIES_4[code - GRANTED_4 - 1] : REPLIES_5[code - 1]) ?? [];
  const number = version === 4 ? String(code) : hex(code);
  return { reason, words: `${number}, ${words ?? 'which is assigned to nothing'}` };
}

/** `0x05` */
export function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, '0')}`;
}

/** A proxy's answer that it will not, or a request that was refused here. */
export class SocksRefusedError extends ProtocolError {
  /** What the code means; undefined for one that is assigned to nothing. */
  readonly reason: SocksReason | undefined;
  /** As on the wire. */
  readonly replyCode: number;

  constructor(who: string, replyCode: number, version: 4 | 5, why = '') {
    const { reason, words } = wordsOf(replyCode, version);
    super('ERR_SOCKS_REFUSED', { message: `${who} with ${words}${why}`, protocol: SOCKS });
    this.reason = reason;
    this.replyCode = replyCode;
  }
}

/** What a failure to reach the destination is called in a reply, from the system's error or the next proxy's. */
export function reasonOf(error: unknown): SocksReason {
  for (let at = error; typeof at === 'object' && at !== null; at = (at as { cause?: unknown }).cause) {
    if (at instanceof SocksRefusedError) return at.reason ?? 'general-failure';
    const { code } = at as { code?: unknown };
    const reason = typeof code === 'string' ? REASON_OF_SYSTEM[code] : undefined;
    if (reason !== undefined) return reason;
  }
  return 'general-failure';
}

const REASON_OF_SYSTEM: { readonly [code: string]: SocksReason | undefined } = {
  ECONNREFUSED: 'connection-refused',
  ENETUNREACH: 'network-unreachable',
  ENETDOWN: 'network-unreachable',
  EHOSTUNREACH: 'host-unreachable',
  EHOSTDOWN: 'host-unreachable',
  ETIMEDOUT: 'host-unreachable',
  ENOTFOUND: 'host-unreachable',
  EAI_AGAIN: 'host-unreachable',
  EACCES: 'not-allowed',
  EPERM: 'not-allowed',
  EAFNOSUPPORT: 'address-type-not-supported',
};
