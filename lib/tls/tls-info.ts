/**
 * What was agreed in a handshake, as the engine tells it: words with a zero byte behind each, in one string, because
 * every connection is asked before it closes, and few are ever looked at.
 */

export interface TlsInfo {
  /** 'TLSv1.2' or 'TLSv1.3'. */
  readonly protocol: string;
  /** Cipher, by OpenSSL's name and by the standard's (RFC 8446, IANA). */
  readonly cipher: string;
  readonly standardCipher: string;
  /** Key exchange group, and the peer's signature algorithm, by OpenSSL's names; '' where unknown. */
  readonly group: string;
  readonly signature: string;
  /** The name that was asked for, on both sides; ''. */
  readonly servername: string;
  /** The code of why the peer's certificate would be refused ('CERT_HAS_EXPIRED'); '' when it is good, or there is none to judge. */
  readonly verifyError: string;
  readonly verifyReason: string;
  readonly resumed: boolean;
  /** The peer has sent a certificate. */
  readonly peerShown: boolean;
  /** ''. */
  readonly alpn: string;
}

/** @param told what `TlsInterface.info` answers. */
export function parseTlsInfo(told: string): TlsInfo {
  // A name of ALPN may hold any byte, so it is last.
  const [protocol, cipher, standardCipher, group, signature, servername, verifyError, verifyReason, flags, ...alpn] =
    told.split('\0') as [string, string, string, string, string, string, string, string, string, ...string[]];
  return {
    protocol,
    cipher,
    standardCipher,
    group,
    signature,
    servername,
    verifyError,
    verifyReason,
    resumed: flags[0] === '1',
    peerShown: flags[1] === '1',
    alpn: alpn.join('\0'),
  };
}
