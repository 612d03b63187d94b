/**
 * What `tlsClient`, `tlsServer`, `connectTls` and `listenTls` give: a byte stream whose bytes are plaintext here and TLS
 * below, whatever is below. docs/tls.md has the whole story.
 *
 * Three classes are one: SecureSocketStream (a native socket, decrypted in the reactor), TlsStream (over any byte
 * stream), and what node-tls.ts makes of Node's own `tls` where the addon is missing.
 */
import type { X509Certificate } from 'node:crypto';
import type { Connection } from '../net/connection.js';
import type { ByteStream, ReadyOptions } from '../streams/byte-stream.js';

/** What the two sides have agreed on. */
export interface TlsDetails {
  /** 'TLSv1.2' or 'TLSv1.3'. */
  readonly protocol: string;
  /** The cipher, by OpenSSL's name, and by the standard's. */
  readonly cipher: string;
  readonly standardCipher: string;
  /** The group of the key exchange, and the peer's signature algorithm, by OpenSSL's names; '' where unknown. */
  readonly group: string;
  readonly signature: string;
  /** The protocol chosen by ALPN; '' for none. */
  readonly alpnProtocol: string;
  /** The name the client asked for (SNI), on both sides; '' for none. */
  readonly servername: string;
  /** An earlier session was taken up again. */
  readonly resumed: boolean;
  /** The peer has shown a certificate, and it is good. */
  readonly authorized: boolean;
  /** Why it is not, as Node names it ('CERT_HAS_EXPIRED'), where `rejectUnauthorized` is false; undefined when nothing is wrong. */
  readonly authorizationError: string | undefined;
}

/** How `updateKeys` is done. */
export interface UpdateKeysOptions {
  /** The peer is to change its keys as well. Default false. */
  requestPeer?: boolean;
}

/** A connection that is secure, or is about to be: nothing is ever sent in the clear. */
export interface SecureStream extends Connection {
  /** The handshake is done. */
  readonly secured: boolean;
  /**
   * Resolves when the handshake is done; begins it where it is lazy.
   * @throws ProtocolError ERR_TLS_HANDSHAKE, ERR_TLS_ALERT, ERR_TLS_CERTIFICATE, ERR_TLS_RECORD; LimitError
   * ERR_TLS_HANDSHAKE_TIMEOUT; what the stream below failed with.
   */
  handshake(options?: ReadyOptions): Promise<void>;
  /** What was agreed on; undefined before the handshake is done. */
  readonly info: TlsDetails | undefined;
  /** The peer's certificate; undefined where it has shown none, and before the handshake is done. */
  readonly peerCertificate: X509Certificate | undefined;
  /** All that the peer has sent, its own first. */
  readonly peerCertificates: readonly X509Certificate[];
  /** Our own; undefined where we have shown none, and once the stream is closed. */
  readonly certificate: X509Certificate | undefined;
  /**
   * Changes the keys of what we send (KeyUpdate).
   * @returns false where the protocol has no such thing, and before the handshake is done. @see RFC 8446 §4.6.3
   */
  updateKeys(options?: UpdateKeysOptions): boolean;
  /**
   * Bytes that only the two ends can know.
   * @throws UsageError ERR_TLS_NOT_SECURED before the handshake is done. @see RFC 5705
   */
  exportKeyingMaterial(length: number, label: string, context?: Uint8Array): Buffer;
  /** Channel binding 'tls-unique': the first Finished message; undefined in TLS 1.3, which has none. @see RFC 5929 §3 */
  readonly tlsUnique: Buffer | undefined;
  /**
   * Ends TLS and not the connection: says close_notify, waits for the peer's, and gives the stream below back, with the
   * bytes that came behind the peer's. This stream is destroyed by it.
   * @throws UsageError ERR_UNREAD_INPUT when plaintext was not consumed: read it, and call again; ERR_NOT_NATIVE where
   * Node does TLS; what the stream failed with.
   */
  unwrap(options?: ReadyOptions): Promise<ByteStream>;
}
