/** `encodeProxyHeader`: a header as bytes. What cannot be said in the version that is asked for is refused, not left out. */
import { checkInteger, checkObject, checkOneOf, invalidArgType, invalidArgValue } from '../arguments.js';
import { UsageError } from '../errors.js';
import { type Endpoints, pathBytes, writeBinary } from './binary.js';
import {
  type IpEndpoint,
  LONGEST_HEADER,
  PATH_LENGTH,
  PROXY_PROTOCOL,
  type ProxyHeaderInit,
  type ProxyVersion,
  type UnixEndpoint,
} from './header.js';
import { parseIpv4, parseIpv6 } from './ip-address.js';
import { writeLine } from './line.js';

/** How a header is written. */
export interface EncodeProxyHeaderOptions {
  /** Default: the header's own, or 2. */
  version?: ProxyVersion;
}

/**
 * Makes the bytes of a header. Version 1 writes `UNKNOWN` for whatever is no TCP, as its specification says.
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE; UsageError ERR_RECORD_NOT_ENCODABLE for what
 * the version cannot say.
 * @example
 * const header = { source: { address: '192.0.2.1', port: 56324 }, destination: { address: '192.0.2.2', port: 443 } };
 * encodeProxyHeader(header, { version: 1 }).toString(); // 'PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n'
 */
export function encodeProxyHeader(header: ProxyHeaderInit, options: EncodeProxyHeaderOptions = {}): Buffer {
  checkObject('header', header);
  checkObject('options', options);
  const { command = 'proxy', transport = 'stream' } = header;
  const version = options.version ?? header.version ?? 2;
  checkOneOf('options.version', version, [1, 2]);
  checkOneOf('header.command', command, ['proxy', 'local']);
  checkOneOf('header.transport', transport, ['stream', 'datagram', 'unspecified']);
  const endpoints = checkEndpoints(header);
  if (transport === 'unspecified' && endpoints.family !== 'unspecified') {
    throw invalidArgValue('header.transport', transport, 'is for headers without addresses');
  }
  const fields = fieldsOf(header);
  if (command === 'local' && (fields !== undefined || endpoints.family !== 'unspecified')) {
    throw notEncodable("a header that is 'local' has neither addresses nor fields: its receiver would discard them");
  }
  if (version === 1) return line(command, transport, endpoints, fields);
  const bytes = writeBinary(command, transport === 'datagram' ? transport : 'stream', endpoints, header);
  if (bytes.length <= LONGEST_HEADER) return bytes;
  throw notEncodable(`the header would have ${bytes.length} bytes, and at most ${LONGEST_HEADER} can be told`);
}

function line(command: string, transport: string, endpoints: Endpoints, fields: string | undefined): Buffer {
  if (command === 'local') throw notEncodable("version 1 has no 'local'");
  if (fields !== undefined) throw notEncodable(`version 1 has no '${fields}'`);
  if (endpoints.family === 'unspecified' || endpoints.family === 'unix') return writeLine('unspecified');
  // §2.1: other protocols must be reported as UNKNOWN.
  if (transport !== 'stream') return writeLine('unspecified');
  return writeLine(endpoints.family, endpoints.source, endpoints.destination);
}

/** The name of a field that the header has; undefined when it has none. */
function fieldsOf(header: ProxyHeaderInit): string | undefined {
  if (header.crc32c) return 'crc32c';
  if ((header.tlvs?.length ?? 0) > 0) return 'tlvs';
  return (['alpn', 'authority', 'uniqueId', 'tls', 'netns'] as const).find((name) => header[name] !== undefined);
}

function checkEndpoints({ source, destination }: ProxyHeaderInit): Endpoints {
  if (source === undefined && destination === undefined) return { family: 'unspecified' };
  const family = checkEndpoint('header.source', source);
  const other = checkEndpoint('header.destination', destination);
  if (family !== other) {
    throw invalidArgValue('header.destination', destination, `must be of the source's family, ${family}`);
  }
  return { family, source, destination } as Endpoints;
}

function checkEndpoint(name: string, endpoint: unknown): 'IPv4' | 'IPv6' | 'unix' {
  checkObject(name, endpoint);
  const { path } = endpoint as Partial<UnixEndpoint>;
  if (path !== undefined) {
    checkPath(`${name}.path`, path);
    return 'unix';
  }
  const { address, port } = endpoint as Partial<IpEndpoint>;
  if (typeof address !== 'string') throw invalidArgType(`${name}.address`, 'of type string', address);
  checkInteger(`${name}.port`, port, 0, 0xffff);
  if (parseIpv4(address) !== undefined) return 'IPv4';
  if (parseIpv6(address) !== undefined) return 'IPv6';
  throw invalidArgValue(`${name}.address`, address, 'is no IP address');
}

function checkPath(name: string, path: unknown): void {
  if (typeof path !== 'string' && !(path instanceof Uint8Array)) {
    throw invalidArgType(name, 'of type string or an instance of Uint8Array', path);
  }
  const bytes = pathBytes(path);
  if (bytes.length > PATH_LENGTH) throw invalidArgValue(name, path, `is longer than ${PATH_LENGTH} bytes`);
  // It would end there. NULs behind the name of an abstract socket cannot be told from those that fill it up.
  const cut = bytes[0] === 0 ? bytes[bytes.length - 1] === 0 : bytes.includes(0);
  if (cut) throw invalidArgValue(name, path, 'has a NUL that would end it');
}

function notEncodable(message: string): UsageError {
  return new UsageError('ERR_RECORD_NOT_ENCODABLE', { message, protocol: PROXY_PROTOCOL });
}
