/**
 * HTTP/1.x by its request line, and whether the request asks for a WebSocket by its whole head.
 *
 *   state    on                                         next
 *   method   capital letters and '-', at most 24        method
 *   method   a space behind at least one                target
 *   target   anything above a space but DEL             target
 *   target   a space behind at least one                version
 *   version  'HTTP/1.'                                  decided: http1; or head, for a GET where WebSockets are wanted
 *   any      another byte                               no
 *   head     a line that is malformed, or one too many  decided: http1, with a fault
 *   head     the empty line                             decided: websocket or http1
 *
 * A method alone proves nothing: `GET key` is a command of text protocols too. Once the version is there it is HTTP,
 * whatever follows, and an HTTP server answers what is wrong with it better than we can. Methods are any, not a list:
 * none with small letters was ever registered.
 */

import { parseFieldLine, parseRequestLine, type RequestHead } from '../http/head.js';
import { isFieldValue } from '../http/header-list.js';
import { hasToken } from '../http/lists.js';
import { MAX_HEADER_COUNT } from '../limits.js';
import type { Detected, DetectedHttp1 } from './detected.js';
import type { Probe, Verdict } from './probe.js';

const VERSION = Buffer.from('HTTP/1.');
/** Bytes. The longest that is registered has 17. */
const LONGEST_METHOD = 24;
const SPACE = 0x20;
const LF = 0x0a;

export class HttpProbe implements Probe {
  readonly #wants: { readonly http1: boolean; readonly websocket: boolean };
  #state: 'method' | 'target' | 'version' | 'head' = 'method';
  /** Bytes that were looked at. */
  #at = 0;
  /** Where the part of the request line, or the line of the head, begins that is being looked at. */
  #start = 0;
  #method = '';
  #target = '';
  #head: RequestHead | undefined;

  constructor(wants: { http1: boolean; websocket: boolean }) {
    this.#wants = wants;
  }

  look(bytes: Buffer): Verdict {
    while (this.#state !== 'head') {
      if (this.#at === bytes.length) return this.#at + 1;
      if (!this.#step(bytes, bytes[this.#at]!)) return undefined;
      this.#at++;
      if (this.#state === 'version' && this.#at - this.#start === VERSION.length) {
        if (!this.#wants.websocket || this.#method !== 'GET') return this.#http1(undefined);
        this.#state = 'head';
        this.#start = 0;
      }
    }
    return this.#readHead(bytes);
  }

  cut(fault: string): Detected | undefined {
    return this.#state === 'head' ? this.#http1(fault) : undefined;
  }

  /** @returns false for a byte that no request line has there. */
  #step(bytes: Buffer, byte: number): boolean {
    const length = this.#at - this.#start;
    if (this.#state === 'version') return byte === VERSION[length];
    if (byte !== SPACE) {
      return this.#state === 'method' ? isMethodByte(byte) && length < LONGEST_METHOD : byte > SPACE && byte !== 0x7f;
    }
    if (length === 0) return false;
    const text = bytes.toString('latin1', this.#start, this.#at);
    if (this.#state === 'method') this.#method = text;
    else this.#target = text;
    this.#state = this.#state === 'method' ? 'target' : 'version';
    this.#start = this.#at + 1;
    return true;
  }

  /** Lines are judged when they have ended, and each byte is searched once. */
  #readHead(bytes: Buffer): Verdict {
    for (;;) {
      const end = bytes.indexOf(LF, this.#at);
      if (end < 0) {
        this.#at = bytes.length;
        return this.#at + 1;
      }
      const line = bytes.toString('latin1', this.#start, end);
      this.#at = this.#start = end + 1;
      const verdict = this.#judge(line);
      if (verdict !== 'more') return verdict;
    }
  }

  /** @param line without its LF */
  #judge(line: string): Verdict | 'more' {
    if (!line.endsWith('\r')) return this.#http1('a LF does not follow a CR');
    const text = line.slice(0, -1);
    if (!isFieldValue(text)) return this.#http1('a line has a control character');
    try {
      if (this.#head === undefined) this.#head = parseRequestLine(text);
      else if (text === '') return this.#decide(this.#head);
      else if (this.#head.headers.size === MAX_HEADER_COUNT)
        return this.#http1(`it has over ${MAX_HEADER_COUNT} fields`);
      else parseFieldLine(text, this.#head.headers);
    } catch (error) {
      return this.#http1((error as Error).message);
    }
    // In HTTP/1.0 an Upgrade has to be ignored. RFC 9110 §7.8
    return this.#head.version === '1.1' ? 'more' : this.#http1(undefined);
  }

  /** What else a handshake needs is asked for by whoever accepts it, and answered. RFC 6455 §4.2.1 */
  #decide({ target, headers }: RequestHead): Verdict {
    const asks = hasToken(headers.all('upgrade'), 'websocket') && hasToken(headers.all('connection'), 'upgrade');
    return asks ? { protocol: 'websocket', target, headers } : this.#http1(undefined);
  }

  #http1(fault: string | undefined): DetectedHttp1 | undefined {
    if (!this.#wants.http1) return undefined;
    return { protocol: 'http1', method: this.#method, target: this.#target, fault };
  }
}

function isMethodByte(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || byte === 0x2d;
}
