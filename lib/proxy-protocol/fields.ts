/**
 * The fields of a header of version 2 and of the TLS field in it: type, length, value, one behind the other. §2.2
 *
 *     type (1) | length (2, big endian) | value (length)
 *
 * A field that has a name here may come once: of two, one receiver would believe the first, another the last. Padding
 * (NOOP) is passed over. Everything else is given as it came. Read and write stand side by side.
 */
import { isUtf8 } from 'node:buffer';
import { checkInteger, checkObject, checkUint8Array, invalidArgType, invalidArgValue } from '../arguments.js';
import { crc32c } from './crc32c.js';
import { hex, malformed, type ProxyFields, type ProxyTls, type ProxyTlv } from './header.js';

/** Types that have a name. */
const ALPN = 0x01;
const AUTHORITY = 0x02;
const CRC32C = 0x03;
const NOOP = 0x04;
const UNIQUE_ID = 0x05;
const TLS = 0x20;
const NETNS = 0x30;
const NAMED = [ALPN, AUTHORITY, CRC32C, UNIQUE_ID, TLS, NETNS];

/** Types inside the TLS field: its texts, and the client's certificate. */
const TLS_TEXTS = [
  [0x21, 'version', 'ascii'],
  [0x22, 'commonName', 'utf8'],
  [0x23, 'cipher', 'ascii'],
  [0x24, 'signatureAlgorithm', 'ascii'],
  [0x25, 'keyAlgorithm', 'ascii'],
  [0x26, 'group', 'ascii'],
  [0x27, 'signatureScheme', 'ascii'],
] as const;
const CLIENT_CERTIFICATE = 0x28;
const TLS_NAMED = [...TLS_TEXTS.map(([type]) => type), CLIENT_CERTIFICATE] as readonly number[];

/** Bits of the first byte of the TLS field. */
const CLIENT_TLS = 0x01;
const CLIENT_CERT_CONN = 0x02;
const CLIENT_CERT_SESS = 0x04;

/** Bytes of a field before its value. */
const FIELD_HEAD = 3;
/** Bytes of the TLS field before the fields in it. */
const TLS_HEAD = 5;
/** Bytes. §2.2.5 */
const LONGEST_UNIQUE_ID = 128;

/** How a text is written. 'binary': each character is a byte. */
type TextKind = 'ascii' | 'utf8' | 'binary';

/** The fields that stand in a header behind its addresses. */
export type ReadFields = { [K in keyof Required<ProxyFields>]: ProxyFields[K] } & {
  readonly tlvs: readonly ProxyTlv[];
};

/** No fields: what a header without any has. */
export const NO_FIELDS: ReadFields = {
  alpn: undefined,
  authority: undefined,
  uniqueId: undefined,
  crc32c: false,
  tls: undefined,
  netns: undefined,
  tlvs: [],
};

/**
 * Reads the fields in header[from, its end). Values are copied.
 * @param header a whole header of version 2, which a checksum is about.
 * @throws ProtocolError ERR_PROXY_HEADER
 */
export function readFields(header: Buffer, from: number, offset: number): ReadFields {
  if (from === header.length) return NO_FIELDS;
  const found = new Fields(header, from, header.length, offset);
  const sum = found.range(CRC32C);
  if (sum !== undefined) checkSum(header, sum, offset);
  return {
    alpn: found.text(ALPN, 'ALPN', 'binary'),
    authority: found.text(AUTHORITY, 'AUTHORITY', 'utf8'),
    uniqueId: checkUniqueId(found.bytes(UNIQUE_ID), offset),
    crc32c: sum !== undefined,
    tls: readTls(header, found.range(TLS), offset),
    netns: found.text(NETNS, 'NETNS', 'ascii'),
    tlvs: found.others(NAMED),
  };
}

/** The fields, one behind the other. @throws ERR_INVALID_ARG_TYPE and the like. A checksum is zeros: see `putSum`. */
export function writeFields(fields: ProxyFields): { parts: Buffer[]; sumAt: number | undefined } {
  const { alpn, authority, uniqueId, tls, netns, tlvs = [], crc32c: sum = false } = fields;
  const parts: Buffer[] = [];
  if (sum) parts.push(field(CRC32C, Buffer.alloc(4)));
  if (alpn !== undefined) parts.push(field(ALPN, textBytes('header.alpn', alpn, 'binary')));
  if (authority !== undefined) parts.push(field(AUTHORITY, textBytes('header.authority', authority, 'utf8')));
  if (uniqueId !== undefined) {
    checkUint8Array('header.uniqueId', uniqueId);
    checkInteger('header.uniqueId.length', uniqueId.length, 0, LONGEST_UNIQUE_ID);
    parts.push(field(UNIQUE_ID, uniqueId));
  }
  if (tls !== undefined) parts.push(field(TLS, writeTls(tls)));
  if (netns !== undefined) parts.push(field(NETNS, textBytes('header.netns', netns, 'ascii')));
  writeOthers('header.tlvs', tlvs, NAMED, parts);
  // It is the first, so that it stands where it is known to.
  return { parts, sumAt: sum ? FIELD_HEAD : undefined };
}

/** Puts the checksum into a header that is whole but for it. */
export function putSum(header: Buffer, at: number): void {
  header.writeUInt32BE(crc32c(header), at);
}

/** Where the values of fields are. */
type Range = readonly [from: number, to: number];

/** Fields that were found in bytes[from, to), none of them twice that has a name. */
class Fields {
  readonly #bytes: Buffer;
  readonly #offset: number;
  readonly #found: [type: number, range: Range][] = [];

  constructor(bytes: Buffer, from: number, to: number, offset: number) {
    this.#bytes = bytes;
    this.#offset = offset;
    for (let at = from; at < to; ) {
      const end = at + FIELD_HEAD > to ? Number.POSITIVE_INFINITY : at + FIELD_HEAD + bytes.readUInt16BE(at + 1);
      if (end > to) {
        throw malformed(`the field at byte ${at} is longer than the ${to - at} bytes that are left for it`, offset);
      }
      this.#found.push([bytes[at]!, [at + FIELD_HEAD, end]]);
      at = end;
    }
  }

  range(type: number): Range | undefined {
    const [first, second] = this.#found.filter(([other]) => other === type);
    if (second !== undefined) throw malformed(`it has two fields of type ${hex(type)}`, this.#offset);
    return first?.[1];
  }

  bytes(type: number): Buffer | undefined {
    const range = this.range(type);
    return range === undefined ? undefined : Buffer.from(this.#bytes.subarray(...range));
  }

  text(type: number, name: string, kind: TextKind): string | undefined {
    const range = this.range(type);
    if (range === undefined) return undefined;
    const value = this.#bytes.subarray(...range);
    if (kind === 'utf8' && !isUtf8(value)) throw malformed(`${name} is not valid UTF-8`, this.#offset);
    if (kind === 'ascii' && value.some((byte) => byte > 0x7f)) throw malformed(`${name} is not ASCII`, this.#offset);
    return value.toString(kind === 'utf8' ? 'utf8' : 'latin1');
  }

  others(named: readonly number[]): ProxyTlv[] {
    return this.#found
      .filter(([type]) => type !== NOOP && !named.includes(type))
      .map(([type, range]) => ({ type, value: Buffer.from(this.#bytes.subarray(...range)) }));
  }
}

function field(type: number, value: Uint8Array): Buffer {
  // More than this makes the header too long, which is found out where its length is known.
  const head = Buffer.of(type, (value.length >> 8) & 0xff, value.length & 0xff);
  return Buffer.concat([head, value]);
}

/** §2.2.3: the checksum of the whole header, with zeros in its own place. */
function checkSum(header: Buffer, [from, to]: Range, offset: number): void {
  if (to - from !== 4) throw malformed(`CRC32C has ${to - from} bytes, not 4`, offset);
  if (header.readUInt32BE(from) !== crc32c(header, from, to)) throw malformed('its CRC32C is wrong', offset);
}

function checkUniqueId(id: Buffer | undefined, offset: number): Buffer | undefined {
  if (id === undefined || id.length <= LONGEST_UNIQUE_ID) return id;
  throw malformed(`UNIQUE_ID has ${id.length} bytes, more than ${LONGEST_UNIQUE_ID}`, offset);
}

function readTls(header: Buffer, range: Range | undefined, offset: number): ProxyTls | undefined {
  if (range === undefined) return undefined;
  const [from, to] = range;
  if (to - from < TLS_HEAD) throw malformed(`SSL has ${to - from} bytes, fewer than ${TLS_HEAD}`, offset);
  const found = new Fields(header, from + TLS_HEAD, to, offset);
  const client = header[from]!;
  const texts = TLS_TEXTS.map(([type, name, kind]) => [name, found.text(type, `${name} of SSL`, kind)]);
  return {
    encrypted: (client & CLIENT_TLS) !== 0,
    certificateOnConnection: (client & CLIENT_CERT_CONN) !== 0,
    certificateInSession: (client & CLIENT_CERT_SESS) !== 0,
    verify: header.readUInt32BE(from + 1),
    ...(Object.fromEntries(texts) as Record<(typeof TLS_TEXTS)[number][1], string | undefined>),
    clientCertificate: found.bytes(CLIENT_CERTIFICATE),
    tlvs: found.others(TLS_NAMED),
  };
}

function writeTls(tls: ProxyTls): Buffer {
  checkObject('header.tls', tls);
  const { encrypted, certificateOnConnection, certificateInSession, verify, clientCertificate, tlvs = [] } = tls;
  checkInteger('header.tls.verify', verify, 0, 0xffffffff);
  const head = Buffer.alloc(TLS_HEAD);
  head[0] =
    (encrypted ? CLIENT_TLS : 0) |
    (certificateOnConnection ? CLIENT_CERT_CONN : 0) |
    (certificateInSession ? CLIENT_CERT_SESS : 0);
  head.writeUInt32BE(verify, 1);
  const parts: Buffer[] = [head];
  for (const [type, name, kind] of TLS_TEXTS) {
    const text = tls[name];
    if (text !== undefined) parts.push(field(type, textBytes(`header.tls.${name}`, text, kind)));
  }
  if (clientCertificate !== undefined) {
    checkUint8Array('header.tls.clientCertificate', clientCertificate);
    parts.push(field(CLIENT_CERTIFICATE, clientCertificate));
  }
  writeOthers('header.tls.tlvs', tlvs, TLS_NAMED, parts);
  return Buffer.concat(parts);
}

function writeOthers(name: string, tlvs: readonly ProxyTlv[], named: readonly number[], parts: Buffer[]): void {
  if (!Array.isArray(tlvs)) throw invalidArgType(name, 'an instance of Array', tlvs);
  for (const { type, value } of tlvs as readonly ProxyTlv[]) {
    checkInteger(`${name}.type`, type, 0, 255);
    if (named.includes(type)) throw invalidArgValue(`${name}.type`, type, 'has a property of its own');
    checkUint8Array(`${name}.value`, value);
    parts.push(field(type, value));
  }
}

const NOT_ENCODABLE = { ascii: /[^\0-\x7f]/, binary: /[^\0-\xff]/, utf8: /\p{Surrogate}/u } as const;

function textBytes(name: string, text: unknown, kind: TextKind): Buffer {
  if (typeof text !== 'string') throw invalidArgType(name, 'of type string', text);
  if (NOT_ENCODABLE[kind].test(text)) throw invalidArgValue(name, text, `cannot be written as ${kind}`);
  return Buffer.from(text, kind === 'utf8' ? 'utf8' : 'latin1');
}
