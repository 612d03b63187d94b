/**
 * Headers of version 2: binary. §2.2
 *
 *     signature (12) | version and command (1) | family and transport (1) | length of the rest (2)
 *     source address | destination address | source port (2) | destination port (2) | fields
 *
 * Addresses are 4 or 16 bytes; those of Unix sockets 108, filled up with zeros, and have no ports.
 */
import { isUtf8 } from 'node:buffer';
import { NO_FIELDS, putSum, readFields, writeFields } from './fields.js';
import {
  ADDRESS_LENGTHS,
  FIXED_LENGTH,
  type IpEndpoint,
  PATH_LENGTH,
  type ProxyFields,
  type ProxyHeader,
  SIGNATURE,
  type UnixEndpoint,
} from './header.js';
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from './ip-address.js';

/** What a header to be written says, checked. */
export type Endpoints =
  | { family: 'IPv4' | 'IPv6'; source: IpEndpoint; destination: IpEndpoint }
  | { family: 'unix'; source: UnixEndpoint; destination: UnixEndpoint }
  | { family: 'unspecified' };

const COMMAND_AT = SIGNATURE.length;
const FAMILY_AT = COMMAND_AT + 1;
const LENGTH_AT = COMMAND_AT + 2;

/** Reads a header that `extentOf` has found. @throws ProtocolError ERR_PROXY_HEADER */
export function readBinary(header: Buffer, offset: number): ProxyHeader {
  const command = (header[COMMAND_AT]! & 0x0f) === 0 ? 'local' : 'proxy';
  const received = { version: 2, length: header.length } as const;
  const none = { source: undefined, destination: undefined } as const;
  const unspecified = { family: 'unspecified', transport: 'unspecified', ...none } as const;
  // §2.2: of LOCAL the whole block is discarded.
  if (command === 'local') return { ...received, command, ...unspecified, ...NO_FIELDS };
  const kind = header[FAMILY_AT]!;
  const fields = readFields(header, FIXED_LENGTH + ADDRESS_LENGTHS.get(kind)!, offset);
  if (kind === 0) return { ...received, command, ...unspecified, ...fields };
  const transport = (kind & 0x0f) === 1 ? 'stream' : 'datagram';
  if (kind >> 4 === 3) return { ...received, command, family: 'unix', transport, ...paths(header), ...fields };
  return { ...received, command, transport, ...addresses(header, kind >> 4 === 1 ? 'IPv4' : 'IPv6'), ...fields };
}

/** Writes a header. @throws ERR_INVALID_ARG_TYPE and the like for its fields. Pre: the endpoints have been checked. */
export function writeBinary(
  command: 'proxy' | 'local',
  transport: 'stream' | 'datagram',
  endpoints: Endpoints,
  fields: ProxyFields,
): Buffer {
  const { parts, sumAt } = writeFields(fields);
  const block = addressBlock(endpoints);
  const head = Buffer.alloc(FIXED_LENGTH);
  SIGNATURE.copy(head);
  head[COMMAND_AT] = command === 'local' ? 0x20 : 0x21;
  const family = { unspecified: 0, IPv4: 0x10, IPv6: 0x20, unix: 0x30 }[endpoints.family];
  head[FAMILY_AT] = family === 0 ? 0 : family | (transport === 'stream' ? 1 : 2);
  const header = Buffer.concat([head, block, ...parts]);
  // Whoever calls refuses a header that is longer than this can say.
  header.writeUInt16BE((header.length - FIXED_LENGTH) & 0xffff, LENGTH_AT);
  if (sumAt !== undefined) putSum(header, FIXED_LENGTH + block.length + sumAt);
  return header;
}

function addresses(header: Buffer, family: 'IPv4' | 'IPv6') {
  const size = family === 'IPv4' ? 4 : 16;
  const format = family === 'IPv4' ? formatIpv4 : formatIpv6;
  const ports = FIXED_LENGTH + 2 * size;
  return {
    family,
    source: { address: format(header, FIXED_LENGTH), port: header.readUInt16BE(ports) },
    destination: { address: format(header, FIXED_LENGTH + size), port: header.readUInt16BE(ports + 2) },
  };
}

function paths(header: Buffer) {
  return {
    source: { path: path(header, FIXED_LENGTH) },
    destination: { path: path(header, FIXED_LENGTH + PATH_LENGTH) },
  };
}

/** A path ends at its first NUL; one that begins with NUL, of an abstract socket, before the NULs that fill it up. */
function path(header: Buffer, from: number): string | Buffer {
  const bytes = header.subarray(from, from + PATH_LENGTH);
  let end = bytes[0] === 0 ? bytes.length : bytes.indexOf(0);
  if (end < 0) end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  const named = bytes.subarray(0, end);
  return isUtf8(named) ? named.toString() : Buffer.from(named);
}

function addressBlock(endpoints: Endpoints): Buffer {
  if (endpoints.family === 'unspecified') return Buffer.alloc(0);
  const { family, source, destination } = endpoints;
  if (family === 'unix') {
    const block = Buffer.alloc(2 * PATH_LENGTH);
    block.set(pathBytes(source.path), 0);
    block.set(pathBytes(destination.path), PATH_LENGTH);
    return block;
  }
  const parse = family === 'IPv4' ? parseIpv4 : parseIpv6;
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(source.port, 0);
  ports.writeUInt16BE(destination.port, 2);
  return Buffer.concat([Buffer.from(parse(source.address)!), Buffer.from(parse(destination.address)!), ports]);
}

/** The bytes of a path. */
export function pathBytes(path: string | Uint8Array): Uint8Array {
  return typeof path === 'string' ? Buffer.from(path) : path;
}
