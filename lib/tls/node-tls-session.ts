/**
 * The certificate that a session was made with. Node gives none for a session that was taken up again, and does not ask
 * then whom it is for; so it is taken out of the session (OpenSSL's SSL_SESSION, DER), which is offered only where it is
 * for the host that is wanted. Else there is a whole handshake, and a certificate to be judged.
 *
 *     SEQUENCE { version, SSL version, cipher, id, secret, [1] time, [2] timeout, [3] certificate, … }
 *
 * Later versions of Node (24.21 is one) put a mark and the server's name in front of it, and take nothing else back.
 */
import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { late } from '../late.js';

const MARK = Buffer.from('\0nodejs:tls:session:');
const SEQUENCE = 0x30;
/** Constructed, of the context, number 3. */
const PEER = 0xa3;

/** @returns undefined where it has none, or is no session. */
export function certificateOf(session: Uint8Array): X509Certificate | undefined {
  try {
    const bytes = withoutMark(Buffer.from(session.buffer, session.byteOffset, session.byteLength));
    const whole = element(bytes, 0);
    if (whole.tag !== SEQUENCE) return undefined;
    for (let at = whole.from; at < whole.to; ) {
      const { tag, from, to } = element(bytes, at);
      if (tag === PEER) return new late.crypto.X509Certificate(bytes.subarray(from, to));
      at = to;
    }
  } catch {
    // Whatever it is, it will not be offered.
  }
  return undefined;
}

/** Behind the mark: its version, a zero byte, and the name, its length in two bytes before it. */
function withoutMark(session: Buffer): Buffer {
  if (!session.subarray(0, MARK.length).equals(MARK)) return session;
  const at = session.indexOf(0, MARK.length) + 1;
  return session.subarray(at + 2 + session.readUInt16BE(at));
}

/** Whether a certificate is for this name or address. */
export function isFor(certificate: X509Certificate, host: string): boolean {
  return (isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host)) !== undefined;
}

/** One element of DER: where its contents are. @throws ERR_OUT_OF_RANGE where it is cut off. */
function element(bytes: Buffer, at: number): { tag: number; from: number; to: number } {
  const first = bytes.readUInt8(at + 1);
  // Above 0x80 it is the number of bytes that hold the length.
  const more = first > 0x80 ? first & 0x7f : 0;
  const from = at + 2 + more;
  const length = more === 0 ? first : bytes.readUIntBE(at + 2, more);
  return { tag: bytes.readUInt8(at), from, to: from + length };
}
