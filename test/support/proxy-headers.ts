/** PROXY headers as bytes, made by hand for tests, and what they are read as. */
import type { ProxyHeader, ProxyVersion } from 'miniproto/proxy-protocol';

export const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

/** A header of version 2. What the bytes 12 and 13 and the length are can be wrong on purpose. */
export function binary(rest: Buffer | string = '', { command = 0x21, family = 0x11, length = -1 } = {}): Buffer {
  const block = typeof rest === 'string' ? Buffer.from(rest, 'hex') : rest;
  const head = Buffer.from([command, family, 0, 0]);
  head.writeUInt16BE(length < 0 ? block.length : length, 2);
  return Buffer.concat([SIGNATURE, head, block]);
}

/** 192.0.2.1:56324 to 198.51.100.2:443 */
export const IPV4_BLOCK = 'c0000201c6336402dc0401bb';
/** The same in version 1. */
export const IPV4_LINE = 'PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n';
/** 2001:db8::1 to ::ffff:198.51.100.2, the same ports. */
export const IPV6_BLOCK = '20010db800000000000000000000000100000000000000000000ffffc6336402dc0401bb';

/** One field. */
export function tlv(type: number, value: Buffer | string, length = -1): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
  const head = Buffer.from([type, 0, 0]);
  head.writeUInt16BE(length < 0 ? bytes.length : length, 1);
  return Buffer.concat([head, bytes]);
}

/** A header of version 2 over IPv4 with these fields. */
export function withFields(...fields: readonly Buffer[]): Buffer {
  return binary(Buffer.concat([Buffer.from(IPV4_BLOCK, 'hex'), ...fields]));
}

const NO_FIELDS = {
  alpn: undefined,
  authority: undefined,
  uniqueId: undefined,
  crc32c: false,
  tls: undefined,
  netns: undefined,
  tlvs: [],
};

/** What the headers over IPv4 here are read as. */
export function ipv4(version: ProxyVersion, length: number, more: object = {}): ProxyHeader {
  return {
    version,
    length,
    command: 'proxy',
    family: 'IPv4',
    transport: 'stream',
    source: { address: '192.0.2.1', port: 56324 },
    destination: { address: '198.51.100.2', port: 443 },
    ...NO_FIELDS,
    ...more,
  } as ProxyHeader;
}

/** What a header without addresses is read as. */
export function unspecified(version: ProxyVersion, length: number, more: object = {}): ProxyHeader {
  const none = { family: 'unspecified', transport: 'unspecified', source: undefined, destination: undefined } as const;
  return { version, length, command: 'proxy', ...none, ...NO_FIELDS, ...more } as ProxyHeader;
}
