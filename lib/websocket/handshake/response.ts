/**
 * The server's answer to an opening handshake, as a client sees it: what has to be in it. RFC 6455 §4.1, second list;
 * over HTTP/2 RFC 8441 §5
 */
import { type MiniprotoError, ProtocolError } from '../../errors.js';
import type { ResponseHead } from '../../http/head.js';
import type { HeaderList } from '../../http/header-list.js';
import { hasToken } from '../../http/lists.js';
import type { AgreedDeflate } from '../established.js';
import { type ExtensionOffer, parseExtensions } from './extensions.js';
import { acceptFor } from './key.js';
import { WEBSOCKET } from './refused.js';

/** What a client has asked for, to compare the answer with. */
export interface Asked {
  /** The key that was sent; undefined over HTTP/2, which has none. */
  readonly key: string | undefined;
  readonly protocols: readonly string[];
  /** Checks permessage-deflate of the answer against the offer; undefined where it was not offered. */
  readonly checkDeflate: ((answer: ExtensionOffer) => AgreedDeflate) | undefined;
}

/** What was agreed on. */
export interface Agreed {
  readonly protocol: string;
  readonly extensions: string;
  readonly deflate: AgreedDeflate | undefined;
}

/** A server's answer that is no 101. */
export class HandshakeRefusedError extends ProtocolError {
  readonly status: number;
  readonly headers: HeaderList;
  /** The beginning of the body, at most 16 KiB of it. */
  readonly body: Buffer;

  constructor(head: Pick<ResponseHead, 'status' | 'headers' | 'reason'>, body: Buffer) {
    const text = `${head.status} ${head.reason}`.trimEnd();
    super('ERR_HANDSHAKE_REFUSED', { message: `the server answered with ${text}`, protocol: WEBSOCKET });
    this.status = head.status;
    this.headers = head.headers;
    this.body = body;
  }
}

/** Checks an answer of 101. @throws ProtocolError ERR_HANDSHAKE for the first thing that is wrong with it */
export function checkSwitch({ version, headers }: ResponseHead, asked: Asked & { key: string }): Agreed {
  if (version !== '1.1') throw broken(`the answer is HTTP/${version}`);
  if (!isJust(headers.all('upgrade'), 'websocket')) throw broken('Upgrade is missing, or not websocket');
  if (!hasToken(headers.all('connection'), 'upgrade')) throw broken('Connection does not list Upgrade');
  const [accept, ...more] = headers.all('sec-websocket-accept');
  if (accept !== acceptFor(asked.key) || more.length > 0)
    throw broken('Sec-WebSocket-Accept is missing, or not that of our key');
  return checkAgreed(headers, asked);
}

/** Checks subprotocol and extensions of an answer. @throws ProtocolError ERR_HANDSHAKE */
export function checkAgreed(headers: HeaderList, asked: Asked): Agreed {
  const [protocol = '', ...more] = headers.all('sec-websocket-protocol');
  if (more.length > 0) throw broken('there is more than one Sec-WebSocket-Protocol');
  if (headers.has('sec-websocket-protocol') && !asked.protocols.includes(protocol)) {
    throw broken(`the server chose ${JSON.stringify(protocol)}, which was not asked for`);
  }
  const answers = headers.all('sec-websocket-extensions');
  const deflate = checkExtensions(answers, asked);
  return { protocol, extensions: answers.join(', '), deflate };
}

function checkExtensions(answers: readonly string[], { checkDeflate }: Asked): AgreedDeflate | undefined {
  if (answers.length === 0) return undefined;
  const extensions = parseExtensions(answers);
  if (extensions === undefined) throw broken('Sec-WebSocket-Extensions is malformed');
  const [first, second] = extensions;
  if (first === undefined) return undefined;
  // A second permessage-deflate would be one too many as well: the bit is taken.
  if (second !== undefined || first.name !== 'permessage-deflate' || checkDeflate === undefined) {
    throw broken(`the server chose ${(second ?? first).name}, which was not asked for`);
  }
  return checkDeflate(first);
}

function isJust(values: readonly string[], token: string): boolean {
  return values.length === 1 && values[0]!.toLowerCase() === token;
}

function broken(message: string): MiniprotoError {
  return new ProtocolError('ERR_HANDSHAKE', { protocol: WEBSOCKET, message });
}
