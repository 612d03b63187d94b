/** What detection finds out, protocol by protocol. `detectProtocol`, `detect` and `serveAny` give these. */
import type { HeaderList } from '../http/header-list.js';

/** A PROXY header stands in front of the rest. */
export interface DetectedProxy {
  readonly protocol: 'proxy';
  /** Text or binary. */
  readonly version: 1 | 2;
}

/** A client begins TLS. What it names is as it says: nothing is verified yet, and with ECH it is the outer name. */
export interface DetectedTls {
  readonly protocol: 'tls';
  /** The name it asks for (SNI), in lower case; undefined where it names none. RFC 6066 §3 */
  readonly serverName: string | undefined;
  /** The protocols it offers, first choice first, without GREASE. RFC 7301, RFC 8701 */
  readonly alpn: readonly string[];
  /** Versions it offers that have a name here, `'TLSv1.3'` to `'SSLv3'`, in its order. */
  readonly versions: readonly string[];
  /** True where it offers ECH, or GREASE in its place: `serverName` may be that of a front. RFC 9849 */
  readonly ech: boolean;
  /** Why the ClientHello could not be read to its end, and so names nothing; undefined where it was, or was not asked for. */
  readonly fault: string | undefined;
}

/** A request of HTTP/1.x. */
export interface DetectedHttp1 {
  readonly protocol: 'http1';
  readonly method: string;
  /** As it stands in the request line: `/a?b=c`, or a whole URL, or `host:port` for CONNECT. */
  readonly target: string;
  /** Why its head could not be read to its end, where it might have asked for a WebSocket; else undefined. */
  readonly fault: string | undefined;
}

/** The preface of HTTP/2. RFC 9113 §3.4 */
export interface DetectedHttp2 {
  readonly protocol: 'http2';
}

/** A request of HTTP/1.1 that asks for a WebSocket. */
export interface DetectedWebSocket {
  readonly protocol: 'websocket';
  readonly target: string;
  /** All its fields: `Host`, `Origin` and `Sec-WebSocket-Protocol` are what one routes by. */
  readonly headers: HeaderList;
}

/** A client of a SOCKS proxy. */
export interface DetectedSocks {
  readonly protocol: 'socks';
  readonly version: 4 | 5;
}

/** None of those that were looked for. */
export interface DetectedDefault {
  readonly protocol: 'default';
  /** Its bytes are no other's; it said nothing in time; it ended before it could be told. */
  readonly because: 'bytes' | 'silence' | 'end';
}

/** What a detector of the user's took. */
export interface DetectedOwn<Name extends string = string> {
  readonly protocol: Name;
}

/** Those that are known here, by name. */
export interface KnownProtocols {
  proxy: DetectedProxy;
  tls: DetectedTls;
  http1: DetectedHttp1;
  http2: DetectedHttp2;
  websocket: DetectedWebSocket;
  socks: DetectedSocks;
}

/** The name of a protocol that is known here. */
export type KnownProtocol = keyof KnownProtocols;

/** What was found; `protocol` tells which. `Name` are the user's own. */
export type Detected<Name extends string = never> =
  | KnownProtocols[KnownProtocol]
  | DetectedDefault
  | (Name extends string ? DetectedOwn<Name> : never);

/** Not decided: so many bytes, counted from the first, make the next try worthwhile. */
export interface NeedBytes {
  readonly need: number;
}
