/**
 * Headers of version 1: a line of text. §2.1
 *
 *     PROXY TCP4 192.0.2.1 198.51.100.2 56324 443␍␊
 *     PROXY TCP6 2001:db8::1 2001:db8::2 56324 443␍␊
 *     PROXY UNKNOWN␍␊                                   whatever else stands in it is ignored
 */
import { NO_FIELDS } from './fields.js';
import { type IpEndpoint, malformed, type ProxyHeader } from './header.js';
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from './ip-address.js';

const CRLF_LENGTH = 2;

/** Reads a line that `extentOf` has found, its CRLF included. @throws ProtocolError ERR_PROXY_HEADER */
export function readLine(line: Buffer, offset: number): ProxyHeader {
  const text = line.toString('latin1', 0, line.length - CRLF_LENGTH);
  const [, word, ...rest] = text.split(' ');
  const received = { version: 1, length: line.length, command: 'proxy', ...NO_FIELDS } as const;
  if (word === 'UNKNOWN') {
    const none = { source: undefined, destination: undefined } as const;
    return { ...received, family: 'unspecified', transport: 'unspecified', ...none };
  }
  const [source, destination, sourcePort, destinationPort] = rest;
  if (rest.length !== 4) throw malformed('the line has not two addresses and two ports', offset);
  const family = word === 'TCP4' ? 'IPv4' : 'IPv6';
  return {
    ...received,
    family,
    transport: 'stream',
    source: { address: address(family, source!, 'source', offset), port: port(sourcePort!, 'source', offset) },
    destination: {
      address: address(family, destination!, 'destination', offset),
      port: port(destinationPort!, 'destination', offset),
    },
  };
}

/** Writes a line. Pre: the addresses have been checked. */
export function writeLine(
  family: 'IPv4' | 'IPv6' | 'unspecified',
  source?: IpEndpoint,
  destination?: IpEndpoint,
): Buffer {
  if (source === undefined || destination === undefined) return Buffer.from('PROXY UNKNOWN\r\n', 'latin1');
  const word = family === 'IPv4' ? 'TCP4' : 'TCP6';
  // As it is read: whoever compares lines finds one address written in one way.
  const [from, to] = [source.address, destination.address].map((text) => canonical(family, text));
  return Buffer.from(`PROXY ${word} ${from} ${to} ${source.port} ${destination.port}\r\n`, 'latin1');
}

function canonical(family: string, text: string): string | undefined {
  const bytes = family === 'IPv4' ? parseIpv4(text) : parseIpv6(text);
  if (bytes === undefined) return undefined;
  return family === 'IPv4' ? formatIpv4(Uint8Array.from(bytes), 0) : formatIpv6(Uint8Array.from(bytes), 0);
}

function address(family: 'IPv4' | 'IPv6', text: string, which: string, offset: number): string {
  const found = canonical(family, text);
  if (found === undefined) throw malformed(`the ${which} '${text}' is no ${family} address`, offset);
  return found;
}

function port(text: string, which: string, offset: number): number {
  const value = /^(?:0|[1-9]\d{0,4})$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= 0xffff)) throw malformed(`the ${which} port '${text}' is no port`, offset);
  return value;
}
