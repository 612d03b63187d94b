/**
 * One protocol's question to the first bytes of a connection, and the questions that fit in a few lines.
 *
 * A protocol with a fixed opening is decided by the opening's last byte and ruled out by the first byte that differs,
 * since a peer of another protocol may have said all it has to say by then.
 */
import { invalidArgValue } from '../arguments.js';
import type { Detected } from './detected.js';
import type { OwnDetector } from './options.js';

/** It is; it is not (undefined); or how many bytes, from the first, make the next try worthwhile. */
export type Verdict = Detected<string> | number | undefined;

/** Is asked with more and more of the same bytes, and may remember how far it has looked. */
export interface Probe {
  /** Pre: bytes is not empty, and begins with all bytes of the calls before. Post: a number is > bytes.length. */
  look(bytes: Buffer): Verdict;
  /** No more bytes will be looked at, and `look` was last answered by a number. @param fault why there are no more */
  cut?(fault: string): Detected | undefined;
}

/** Asks for exactly these bytes. */
function openingProbe(opening: Buffer, detected: Detected): Probe {
  return { look: (bytes) => lookFor(opening, detected, bytes) };
}

function lookFor(opening: Buffer, detected: Detected, bytes: Buffer): Verdict {
  const length = Math.min(bytes.length, opening.length);
  if (bytes.compare(opening, 0, length, 0, length) !== 0) return undefined;
  return length === opening.length ? detected : length + 1;
}

/** 'PROXY ', whatever follows: what is wrong in the header is for whoever parses it. */
export const PROXY_1 = openingProbe(Buffer.from('PROXY '), { protocol: 'proxy', version: 1 });
export const PROXY_2 = openingProbe(Buffer.from('\r\n\r\n\0\r\nQUIT\n'), { protocol: 'proxy', version: 2 });
/** RFC 9113 §3.4 */
export const HTTP2 = openingProbe(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), { protocol: 'http2' });

/**
 * The version and the byte behind it: a command that SOCKS 4 knows, or a count of methods, of which there has to be one.
 * RFC 1928 §3
 */
export const SOCKS: Probe = {
  look(bytes) {
    const version = bytes[0]!;
    if (version !== 4 && version !== 5) return undefined;
    if (bytes.length < 2) return 2;
    const second = bytes[1]!;
    return second === 0 || (version === 4 && second > 2) ? undefined : { protocol: 'socks', version };
  },
};

/** A detector of the user's. @throws ERR_INVALID_ARG_VALUE for an answer that is none; what the detector throws */
export function ownProbe(name: string, detector: OwnDetector): Probe {
  let asksFor = 0;
  return {
    look(bytes) {
      if (bytes.length < asksFor) return asksFor;
      const answer = detector(bytes);
      if (typeof answer === 'boolean') return answer ? { protocol: name } : undefined;
      if (!Number.isSafeInteger(answer)) {
        throw invalidArgValue(`options.own.${name}`, answer, 'answered neither a boolean nor a count of bytes');
      }
      // Who asks for what is here already wants more of it.
      asksFor = Math.max(answer, bytes.length + 1);
      return asksFor;
    },
  };
}
