/**
 * The client's opening handshake on a byte stream: the request is written, the answer read and checked. RFC 6455 §4.1
 *
 * One attempt on one connection. Who connects, follows redirects and tries again is somebody else.
 */
import { ProtocolError } from '../../errors.js';
import { BodyBeginning } from '../../http/body.js';
import { type RequestHead, type ResponseHead, serializeRequestHead } from '../../http/head.js';
import { type HeadLimits, responseHeads } from '../../http/head-codec.js';
import { HeaderList } from '../../http/header-list.js';
import { MAX_REFUSAL_BODY } from '../../limits.js';
import { EOF, NEED_WRITE } from '../../status.js';
import type { ByteStream } from '../../streams/byte-stream.js';
import type { Established } from '../established.js';
import { type HandshakeDeadline, readHead, writeAll } from './read-head.js';
import { WEBSOCKET } from './refused.js';
import { type Asked, checkSwitch, HandshakeRefusedError } from './response.js';

/** What is asked for, and how. */
export interface Offer extends Asked {
  readonly key: string;
  /** Path and query. */
  readonly target: string;
  /** The value of Host, unless `headers` has one. */
  readonly host: string;
  /** The value of Sec-WebSocket-Extensions, '' for none. */
  readonly extensions: string;
  /** Fields to add. */
  readonly headers: HeaderList;
}

/** An answer of 1xx that is no switch tells of progress; a server that has nothing else to say is not believed for ever. */
const MOST_INTERIM = 10;

/**
 * Does the handshake.
 * @returns what it ends in; a HandshakeRefusedError when the server's answer is no 101, for who may follow a redirect.
 * @throws ProtocolError ERR_HANDSHAKE and those of the head; LimitError; TransportError. The stream is its caller's to end.
 */
export async function openOn(
  stream: ByteStream,
  offer: Offer,
  deadline: HandshakeDeadline,
  limits: HeadLimits,
): Promise<Established | HandshakeRefusedError> {
  const codec = responseHeads(limits);
  await writeAll(stream, Buffer.from(serializeRequestHead(requestFor(offer)), 'latin1'), deadline);
  for (let count = 0; count <= MOST_INTERIM; count++) {
    const head = await readHead(stream, codec, deadline);
    if (head === undefined) {
      throw new ProtocolError('ERR_UNEXPECTED_EOF', {
        protocol: WEBSOCKET,
        message: 'the server ended without an answer',
      });
    }
    if (head.status === 101) return { stream, role: 'client', ...checkSwitch(head, offer) };
    if (head.status >= 200) return new HandshakeRefusedError(head, await refusalBody(stream, head, deadline));
  }
  const message = `the server gave more than ${MOST_INTERIM} interim answers`;
  throw new ProtocolError('ERR_HANDSHAKE', { protocol: WEBSOCKET, message });
}

function requestFor({ target, host, key, protocols, extensions, headers: added }: Offer): RequestHead {
  const headers = new HeaderList();
  if (!added.has('host')) headers.add('Host', host);
  headers.add('Upgrade', 'websocket').add('Connection', 'Upgrade');
  headers.add('Sec-WebSocket-Key', key).add('Sec-WebSocket-Version', '13');
  if (protocols.length > 0) headers.add('Sec-WebSocket-Protocol', protocols.join(', '));
  if (extensions !== '') headers.add('Sec-WebSocket-Extensions', extensions);
  for (const [name, value] of added) headers.add(name, value);
  return { method: 'GET', target, version: '1.1', headers };
}

/** The beginning of the body: what comes in time and up to the limit. That it breaks off is no further failure. */
async function refusalBody(stream: ByteStream, head: ResponseHead, deadline: HandshakeDeadline): Promise<Buffer> {
  const body = new BodyBeginning(head.headers, MAX_REFUSAL_BODY);
  try {
    while (!body.take(stream.input)) {
      const answer = stream.tryFill(stream.input.length + 1);
      if (answer === EOF) break;
      if (typeof answer !== 'number') await deadline.ready(stream, answer === NEED_WRITE ? 'write' : 'read');
    }
  } catch {
    // The reason for the refusal is the head; what was said besides has broken off.
  }
  return body.bytes;
}
