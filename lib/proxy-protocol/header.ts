/**
 * What a PROXY header says, and the numbers that say it on the wire.
 *
 * A proxy puts one in front of everything else that it sends, to tell for whom it connects. Version 1 is a line of
 * text, version 2 is binary and can say more. proxy-protocol.txt of HAProxy, sections 2.1 and 2.2
 */
import { ProtocolError } from '../errors.js';

/** What errors call this protocol. */
export const PROXY_PROTOCOL = 'proxy-protocol';

/** Versions of the protocol. */
export type ProxyVersion = 1 | 2;

/** One end of a connection over IP. */
export interface IpEndpoint {
  /** Without zeros that can be left out, IPv6 in lower case: `192.0.2.1`, `2001:db8::1`, `::ffff:192.0.2.1`. */
  readonly address: string;
  readonly port: number;
}

/** One end of a Unix socket. */
export interface UnixEndpoint {
  /** Empty when it has no name; begins with NUL when it is abstract. Bytes when it is not valid UTF-8. */
  readonly path: string | Uint8Array;
}

/** A field of version 2 that has no name here: a type of the program's own, or one of a later day. */
export interface ProxyTlv {
  /** 0xE0 to 0xEF are for programs, 0xF0 to 0xF7 for experiments. */
  readonly type: number;
  readonly value: Uint8Array;
}

/** What the client's TLS was, when the proxy has ended it. */
export interface ProxyTls {
  /** The client came over TLS. */
  readonly encrypted: boolean;
  /** It showed a certificate over this connection. */
  readonly certificateOnConnection: boolean;
  /** It showed one at least once in this TLS session. */
  readonly certificateInSession: boolean;
  /** 0: it showed a certificate, and that was verified. */
  readonly verify: number;
  /** `TLSv1.3` */
  readonly version?: string | undefined;
  /** Of the client's certificate. */
  readonly commonName?: string | undefined;
  /** `ECDHE-RSA-AES128-GCM-SHA256` */
  readonly cipher?: string | undefined;
  /** How the proxy's certificate is signed: `RSA-SHA256`. */
  readonly signatureAlgorithm?: string | undefined;
  /** What the key of the proxy's certificate is: `RSA2048`. */
  readonly keyAlgorithm?: string | undefined;
  /** `X25519` */
  readonly group?: string | undefined;
  /** `rsa_pss_rsae_sha256` */
  readonly signatureScheme?: string | undefined;
  /** The client's certificate, DER. */
  readonly clientCertificate?: Uint8Array | undefined;
  /** What has no name here, in order. */
  readonly tlvs?: readonly ProxyTlv[] | undefined;
}

/** What version 2 may say besides addresses. */
export interface ProxyFields {
  /** The protocol that was negotiated: `h2`. Each character is a byte. */
  readonly alpn?: string | undefined;
  /** The host name that the client asked for, mostly by SNI. */
  readonly authority?: string | undefined;
  /** Up to 128 bytes that identify the connection over all proxies. */
  readonly uniqueId?: Uint8Array | undefined;
  /** True: it has a checksum, which was right. */
  readonly crc32c?: boolean | undefined;
  readonly tls?: ProxyTls | undefined;
  /** The network namespace. */
  readonly netns?: string | undefined;
  /** What has no name here, in order. */
  readonly tlvs?: readonly ProxyTlv[] | undefined;
}

interface Received extends ProxyFields {
  readonly version: ProxyVersion;
  /** Bytes that it took. */
  readonly length: number;
  /** 'local': the proxy connects for itself, to see whether we live; the connection's own addresses count. */
  readonly command: 'proxy' | 'local';
}

/** A header that tells addresses of IP. */
export interface IpProxyHeader extends Received {
  readonly command: 'proxy';
  readonly family: 'IPv4' | 'IPv6';
  readonly transport: 'stream' | 'datagram';
  /** The client. */
  readonly source: IpEndpoint;
  /** Where the client wanted to go. */
  readonly destination: IpEndpoint;
}

/** A header that tells paths of Unix sockets. */
export interface UnixProxyHeader extends Received {
  readonly command: 'proxy';
  readonly family: 'unix';
  readonly transport: 'stream' | 'datagram';
  readonly source: UnixEndpoint;
  readonly destination: UnixEndpoint;
}

/** A header without addresses: LOCAL, UNKNOWN or UNSPEC. The connection's own count. */
export interface UnspecifiedProxyHeader extends Received {
  readonly family: 'unspecified';
  readonly transport: 'unspecified';
  readonly source: undefined;
  readonly destination: undefined;
}

/** What was received; `family` tells which of the three. */
export type ProxyHeader = IpProxyHeader | UnixProxyHeader | UnspecifiedProxyHeader;

/** What to send. A header that was received can be sent on as it is. */
export interface ProxyHeaderInit extends ProxyFields {
  /** Default 2. */
  readonly version?: ProxyVersion | undefined;
  /** Default 'proxy'. 'local' has no addresses and no fields, and version 1 cannot say it. */
  readonly command?: 'proxy' | 'local' | undefined;
  /** Default 'stream', of a header with addresses. */
  readonly transport?: 'stream' | 'datagram' | 'unspecified' | undefined;
  /** The client. Without a source and a destination, the header says that the addresses are unknown. */
  readonly source?: IpEndpoint | UnixEndpoint | undefined;
  /** Where the client wanted to go; of the same family. */
  readonly destination?: IpEndpoint | UnixEndpoint | undefined;
}

/** Bytes that version 2 begins with. */
export const SIGNATURE: Buffer = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** Bytes of version 2 before its addresses. */
export const FIXED_LENGTH = 16;
/** Bytes. The longest line of version 1, its CRLF included. §2.1 */
export const LONGEST_LINE = 107;
/** Bytes. The longest header that the 16 bits of its length can tell. */
export const LONGEST_HEADER = FIXED_LENGTH + 0xffff;
/** Bytes of a path in a header. */
export const PATH_LENGTH = 108;

/** The valid combinations of family and transport in byte 13, and the bytes that their addresses take. §2.2 */
export const ADDRESS_LENGTHS: ReadonlyMap<number, number> = new Map([
  [0x00, 0],
  [0x11, 12],
  [0x12, 12],
  [0x21, 36],
  [0x22, 36],
  [0x31, 2 * PATH_LENGTH],
  [0x32, 2 * PATH_LENGTH],
]);

/** The error for a header that is wrong. @param offset where in the stream the header starts */
export function malformed(what: string, offset: number): ProtocolError {
  const message = `Cannot parse PROXY header: ${what}`;
  return new ProtocolError('ERR_PROXY_HEADER', { message, offset, protocol: PROXY_PROTOCOL });
}

/** `0x0a` */
export function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, '0')}`;
}
