/**
 * The parts that messages of SOCKS are made of: addresses with ports, strings with a length, strings that end with a null.
 *
 * Readers look and consume nothing. Each says how many bytes make another try worthwhile, counted from the input's front,
 * and faults at the byte that decides.
 *
 *     address of SOCKS 5:   type 1 | IPv4 4, IPv6 16, or length 1 and name | port 2
 */
import { isUtf8 } from 'node:buffer';
import type { InputBuffer } from '../bytes/input-buffer.js';
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '../proxy-protocol/ip-address.js';
import { type Endpoint, faultOfName, type HostKind, kindOfHost } from './target.js';
import { ADDRESS_IPV4, ADDRESS_IPV6, ADDRESS_NAME, hex } from './words.js';

/** Bytes. Strings of SOCKS 5 have one byte for their length; those of SOCKS 4 are held to the same. */
export const LONGEST_STRING = 255;

/** What was read, and the index behind it; or the bytes that are needed from the front. */
export type Read<T> = { readonly value: T; readonly end: number } | number;

/** Makes the error for what cannot be read. */
export type Fault = (message: string) => Error;

/** An address with what it was sent as. */
export interface SocksAddress extends Endpoint {
  readonly type: HostKind;
}

/** Reads an address of SOCKS 5. @param badType makes the error for a type that is not known */
export function readAddress(input: InputBuffer, at: number, fault: Fault, badType = fault): Read<SocksAddress> {
  if (input.length <= at) return at + 1;
  const type = input.byteAt(at);
  if (type === ADDRESS_IPV4) return readIp(input, at + 1, 4, 'ipv4');
  if (type === ADDRESS_IPV6) return readIp(input, at + 1, 16, 'ipv6');
  if (type !== ADDRESS_NAME) throw badType(`the address type is ${hex(type)}, which is assigned to nothing`);
  if (input.length <= at + 1) return at + 2;
  const end = at + 2 + input.byteAt(at + 1);
  if (end === at + 2) throw fault('the host name is empty');
  if (input.length < end + 2) return end + 2;
  return { value: { ...nameOf(input.peek(end, at + 2), fault), port: input.peekUint(end, 2) }, end: end + 2 };
}

function readIp(input: InputBuffer, at: number, size: 4 | 16, type: 'ipv4' | 'ipv6'): Read<SocksAddress> {
  const end = at + size + 2;
  if (input.length < end) return end;
  const bytes = input.peek(at + size, at);
  const host = size === 4 ? formatIpv4(bytes, 0) : formatIpv6(bytes, 0);
  return { value: { type, host, port: input.peekUint(end - 2, 2) }, end };
}

/** A host that was sent as a name. What looks like an address is one to whoever connects, so it says so. */
export function nameOf(bytes: Uint8Array, fault: Fault): { type: HostKind; host: string } {
  const host = Buffer.from(bytes).toString('latin1');
  const wrong = faultOfName(bytes);
  const type = kindOfHost(host);
  // An IPv6 address is no name by its colons.
  if (wrong !== undefined && type === undefined) throw fault(wrong);
  return { type: type ?? 'name', host };
}

/** Reads a string with its length in front. @param what it is, for errors */
export function readCounted(input: InputBuffer, at: number, what: string, fault: Fault): Read<string> {
  if (input.length <= at) return at + 1;
  const end = at + 1 + input.byteAt(at);
  if (end === at + 1) throw fault(`${what} is empty`);
  if (input.length < end) return end;
  return { value: textOf(input.peek(end, at + 1), what, fault), end };
}

/** Reads a string that ends with a null byte, which is not part of it. */
export function readTerminated(input: InputBuffer, at: number, what: string, fault: Fault): Read<Buffer> {
  const length = input.peek(Math.min(input.length, at + LONGEST_STRING + 1), at).indexOf(0);
  if (length >= 0) return { value: Buffer.from(input.peek(at + length, at)), end: at + length + 1 };
  if (input.length > at + LONGEST_STRING) throw fault(`${what} is longer than ${LONGEST_STRING} bytes`);
  return Math.max(input.length, at) + 1;
}

/** Text of a peer's: what one program takes for its end, or for another text, is none. */
export function textOf(bytes: Uint8Array, what: string, fault: Fault): string {
  if (bytes.includes(0)) throw fault(`${what} has a null byte`);
  if (!isUtf8(bytes)) throw fault(`${what} is not UTF-8`);
  return Buffer.from(bytes).toString();
}

/** Writes an address of SOCKS 5. Pre: it was checked. */
export function addressBytes({ host, port }: Endpoint, kind: HostKind): Buffer {
  const ending = portBytes(port);
  if (kind === 'ipv4') return Buffer.from([ADDRESS_IPV4, ...parseIpv4(host)!, ...ending]);
  if (kind === 'ipv6') return Buffer.from([ADDRESS_IPV6, ...parseIpv6(host)!, ...ending]);
  return Buffer.concat([Buffer.from([ADDRESS_NAME]), countedBytes(host), Buffer.from(ending)]);
}

/** Writes a string with its length in front. Pre: it has at most 255 bytes. */
export function countedBytes(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

/** Big-endian. */
export function portBytes(port: number): [number, number] {
  return [port >> 8, port & 0xff];
}
