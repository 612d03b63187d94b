/**
 * Where somebody wants to get through a proxy: an address or a name, and a port. What every proxy protocol carries, and
 * what may stand in it.
 *
 * Names are letters, digits, dots, hyphens and underscores: a name that goes into a log, a header line or a resolver must
 * not hold anything that means something there.
 */
import { checkInteger, checkString, invalidArgValue } from '../arguments.js';
import { parseIpv4, parseIpv6 } from '../proxy-protocol/ip-address.js';

/** What a host is. */
export type HostKind = 'ipv4' | 'ipv6' | 'name';

/** A place in the network. */
export interface Endpoint {
  /** An address, IPv6 without brackets, or a name. */
  readonly host: string;
  readonly port: number;
}

/** What a proxy of any kind is asked for, and for how long. */
export interface ThroughProxyOptions {
  /** An address or a name. */
  host: string;
  port: number;
  /** Milliseconds for all of it, the proxy's own connecting included. Default 30000. */
  timeoutMs?: number;
  /** Ends the attempt. */
  signal?: AbortSignal | undefined;
}

/** Bytes. Longest host name: what a length byte holds, and what DNS allows. RFC 1035 §2.3.4 */
const LONGEST_NAME = 255;

const NAME = /^[0-9A-Za-z._-]{1,255}$/;

/** @returns what the text is, or undefined when it is nothing that a proxy may be asked for. */
export function kindOfHost(text: string): HostKind | undefined {
  if (parseIpv4(text) !== undefined) return 'ipv4';
  if (text.includes(':')) return parseIpv6(text) === undefined ? undefined : 'ipv6';
  return NAME.test(text) ? 'name' : undefined;
}

/** What is wrong with the bytes of a name, in words; undefined for nothing. */
export function faultOfName(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return 'the host name is empty';
  if (bytes.includes(0)) return 'the host name has a null byte';
  if (bytes.length > LONGEST_NAME) return `the host name is longer than ${LONGEST_NAME} bytes`;
  const other = bytes.findIndex((byte) => !NAME.test(String.fromCharCode(byte)));
  if (other < 0) return undefined;
  return `the host name has the byte 0x${bytes[other]!.toString(16).padStart(2, '0')}, which no name has`;
}

/**
 * Checks where somebody wants to get.
 * @param least the smallest port: 0 where it may be unknown.
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE
 */
export function checkEndpoint(name: string, { host, port }: Endpoint, least: 0 | 1): HostKind {
  checkString(`${name}.host`, host);
  checkInteger(`${name}.port`, port, least, 65_535);
  const kind = kindOfHost(host);
  if (kind !== undefined) return kind;
  const international = [...host].some((character) => character > '\x7f');
  const advice = international ? 'is no ASCII name: give what url.domainToASCII makes of it' : 'is no host';
  throw invalidArgValue(`${name}.host`, host, advice);
}
