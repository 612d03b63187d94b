/**
 * What the addon `miniproto_tls` gives: TLS 1.2 and 1.3 without I/O, over the OpenSSL of this runtime. It has no reference:
 * without it `miniproto/tls` is made of Node's own `tls`, behind the same interface.
 *
 * Contexts and sessions are numbers and have to be closed. A session takes what was received (`open`) and what is to be
 * sent (`seal`); what really has to leave waits in its outgoing bytes. native/io/filter.h has the same in C++: a reactor
 * that was given one of `filters` does all of it by itself for a native socket.
 */

/** Raised, with that of binding/layout.h, when what a call takes, answers or means changes. */
export const TLS_INTERFACE = 2;

/** What a session is in; bits. The words of native/io/filter.h. */
export const TLS_SECURED = 1;
/** The peer said close_notify. */
export const TLS_ENDED = 2;
/** Broken for good; `failure` says why. An alert for the peer may wait in the outgoing bytes. */
export const TLS_FAILED = 4;
/** The client's hello is there and somebody has to choose a context: `hello`, then `resume`. */
export const TLS_PAUSED = 8;
/** `news` has something. */
export const TLS_NEWS = 16;
/** We said close_notify. */
export const TLS_CLOSED = 32;

export const TLS_CLIENT = 0;
export const TLS_SERVER = 1;

/** Places in `words`: TLS_* bits; 1 where `hasMore`; bytes that wait to leave; bytes that a `seal` moved. */
export const TLS_WORD_STATE = 0;
export const TLS_WORD_MORE = 1;
export const TLS_WORD_OUTGOING = 2;
export const TLS_WORD_MOVED = 3;

/** Bytes of room beyond the received bytes with which `open` never holds anything back. */
export const TLS_SLACK = 17 * 1024;
/** Bytes of plaintext that one `seal` takes at most. */
export const TLS_SEAL_MOST = 256 * 1024;
/** Bytes of plaintext in a full record, and what a record adds to its plaintext at most. */
export const TLS_RECORD_BYTES = 16 * 1024;
export const TLS_RECORD_OVERHEAD = 96;

/** A certificate and its key, both PEM, or both in a PFX (DER). */
export interface TlsIdentity {
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly pfx?: Uint8Array | undefined;
  readonly passphrase?: string | undefined;
}

/** All settings are checked by the caller for their types; OpenSSL judges their values. */
export interface TlsContextSettings {
  readonly role: typeof TLS_CLIENT | typeof TLS_SERVER;
  readonly identities: readonly TlsIdentity[];
  /** PEM texts, each of one or more certificates; undefined: the roots of `setRoots`. */
  readonly ca?: readonly string[] | undefined;
  /** PEM texts of revocation lists. */
  readonly crl?: readonly string[] | undefined;
  /** 0x0303 or 0x0304. */
  readonly minVersion: number;
  readonly maxVersion: number;
  /** OpenSSL's list for TLS 1.2, and the one for TLS 1.3. */
  readonly ciphers?: string | undefined;
  readonly cipherSuites?: string | undefined;
  /** OpenSSL's list of groups, for example 'X25519:P-256'. */
  readonly groups?: string | undefined;
  /** OpenSSL's list of signature algorithms. */
  readonly sigalgs?: string | undefined;
  /** The server's order of ciphers counts, not the client's. */
  readonly honorCipherOrder: boolean;
  /** 0: the peer's certificate is not asked for (server) or not judged (client); 1: asked for and judged when there; 2: required. */
  readonly verify: 0 | 1 | 2;
  /** Judge the peer's certificate, but do not fail the handshake for it: `info` tells. */
  readonly reportOnly: boolean;
  /** ALPN names, most wanted first; empty: no ALPN. */
  readonly alpn: readonly string[];
  /** Server: pause at the client's hello, for `resume`. */
  readonly pauseAtHello: boolean;
  /** 48 bytes, as Node's: name, HMAC key, AES key; undefined: random ones. */
  readonly ticketKeys?: Uint8Array | undefined;
  /** Tickets sent after a full handshake, 0 to 10; 0 turns resumption off for TLS 1.2 too. */
  readonly tickets: number;
  /** Seconds. */
  readonly sessionTimeout: number;
  /** Resumption only among contexts with the same one. */
  readonly sessionIdContext: string;
  /** Lines for a key log are news. */
  readonly keyLog: boolean;
  /** DH parameters PEM, 'auto', or undefined: none. */
  readonly dhparam?: string | undefined;
}

export interface TlsSessionSettings {
  /** Client: the name that is asked for (SNI); undefined: none. */
  readonly servername?: string | undefined;
  /** Client: the host name, or IP address, that the certificate has to be for; undefined: not checked. */
  readonly host?: string | undefined;
  /** Client: the session to resume, as `news` gave it (DER); one that does not parse is ignored. */
  readonly session?: Uint8Array | undefined;
  /** Client: sessions are news; undefined: they are. */
  readonly sessions?: boolean | undefined;
}

/** Why a session is broken. */
export interface TlsFailure {
  /**
   * 'alert': the peer sent a fatal alert. 'certificate': the peer's certificate was refused. 'record': what came is no
   * record of TLS, is too long, or has a bad MAC. 'handshake': anything else of the protocol. 'memory': ours.
   */
  readonly kind: 'alert' | 'certificate' | 'record' | 'handshake' | 'memory';
  /** In words: OpenSSL's reason, or the alert's or the verification's description. */
  readonly reason: string;
  /** As Node names it: 'CERT_HAS_EXPIRED', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', … */
  readonly code: string;
  /** Number of the alert that was received, or that was sent, where there was one. */
  readonly alert?: number | undefined;
}

/** What a client said first. */
export interface TlsHello {
  /** ''. */
  readonly servername: string;
  readonly alpn: readonly string[];
}

export type TlsNews =
  | { readonly kind: 'session'; readonly data: Uint8Array }
  | { readonly kind: 'keylog'; readonly data: Uint8Array };

export interface TlsCounters {
  readonly contexts: number;
  readonly sessions: number;
}

export interface TlsInterface {
  /**
   * What the last `open`, `seal`, `sealParts`, `shutdown`, `queueRaw` or `takeOutgoing` has left, of whatever session, so
   * that nobody has to ask: TLS_WORD_*. To be read before any other code can run.
   */
  readonly words: Int32Array;
  /** All sessions, for a reactor: `NetInterface.setFilter`. One that a reactor has may outlive its `closeSession`. */
  readonly filters: object;
  /** OpenSSL's own, for example 'OpenSSL 3.0.17 1 Jul 2025'. */
  version(): string;
  /** The certificates that contexts without `ca` trust, PEM. Parsed at the first handshake that needs them, once. */
  setRoots(pem: readonly string[]): void;
  /** @throws an Error whose code is OpenSSL's ('ERR_OSSL_…', 'ERR_SSL_…'), and whose message has its reason. */
  createContext(settings: TlsContextSettings): number;
  /** Sessions that were opened go on. */
  closeContext(context: number): void;
  /** @param settings undefined: none, as servers have. */
  openSession(context: number, settings: TlsSessionSettings | undefined): number;
  /** The number is not soon given again: one that was kept too long is ERR_OUT_OF_RANGE. */
  closeSession(id: number): void;
  /**
   * Takes all of bytes[from, to) and writes plaintext to target[targetFrom, targetTo). A client's first call, with no
   * bytes, begins the handshake. @returns the bytes written; what had no room stays, see `hasMore`.
   */
  open(
    id: number,
    bytes: Uint8Array,
    from: number,
    to: number,
    target: Uint8Array,
    targetFrom: number,
    targetTo: number,
  ): number;
  /** 1: `open` without bytes would give more. */
  hasMore(id: number): 0 | 1;
  /**
   * What waits to leave then is moved to target[targetFrom, targetTo), oldest first, as far as there is room.
   * @returns plaintext bytes taken; 0 before the handshake is done.
   */
  seal(
    id: number,
    bytes: Uint8Array,
    from: number,
    to: number,
    target: Uint8Array,
    targetFrom: number,
    targetTo: number,
  ): number;
  /** The same for the first 64 parts, as one piece of plaintext. None of them may be empty. */
  sealParts(id: number, parts: readonly Uint8Array[], target: Uint8Array, targetFrom: number, targetTo: number): number;
  /** Says close_notify, once. */
  shutdown(id: number): void;
  /** TLS_* bits. */
  state(id: number): number;
  /** Bytes that wait to leave. */
  outgoing(id: number): number;
  /** Moves waiting bytes to target[from, to). @returns how many. */
  takeOutgoing(id: number, target: Uint8Array, from: number, to: number): number;
  /** Puts bytes that are no TLS behind what waits: what was written before the stream became secure. */
  queueRaw(id: number, bytes: Uint8Array): void;
  /** Received bytes behind the peer's close_notify, which are no TLS. */
  takeRest(id: number): Uint8Array;
  failure(id: number): TlsFailure | undefined;
  /** What was agreed: lib/tls/tls-info.ts takes it apart. */
  info(id: number): string;
  /** DER, the peer's own first; undefined: it has sent none. */
  peerCertificates(id: number): readonly Uint8Array[] | undefined;
  /** Our own, DER. */
  certificate(id: number): Uint8Array | undefined;
  hello(id: number): TlsHello;
  /** Goes on after a pause with that context, or, for -1, refuses the handshake (unrecognized_name). Then `open` again. */
  resume(id: number, context: number): void;
  news(id: number): TlsNews[];
  /** KeyUpdate of TLS 1.3 (RFC 8446 §4.6.3). @returns false where the protocol has none. */
  updateKeys(id: number, requestPeer: 0 | 1): boolean;
  /**
   * RFC 5705, RFC 8446 §7.5; `length` is at most 65535.
   * @returns no bytes where OpenSSL refuses it, as before the handshake is done.
   */
  exportKeyingMaterial(id: number, length: number, label: string, context: Uint8Array | undefined): Uint8Array;
  /** Our Finished message (0) or the peer’s (1), for channel binding (RFC 5929); TLS 1.2. Empty: not there yet. */
  finished(id: number, whose: 0 | 1): Uint8Array;
  counters(): TlsCounters;
}
