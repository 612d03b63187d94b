/**
 * A server's side of the handshake where Node's `http` or `https` has read the request: the event 'upgrade'.
 *
 * The socket stays Node's until it is decided, so that hooks can ask it for addresses and certificates; then it is
 * adopted, with its head, whatever the answer is.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { HeaderList } from '../../http/header-list.js';
import { adopt } from '../../net/adopt.js';
import { addressesOf } from '../../net/connection.js';
import type { AcceptRules } from './decision.js';
import type { Refused } from './refused.js';
import { WebSocketRequest } from './request.js';
import { judge, type Outcome, serveRequest } from './serve.js';

/** The request of an 'upgrade' event. */
export function requestOf(message: IncomingMessage, socket: Duplex): WebSocketRequest {
  const { method = '', url = '', httpVersion: version, rawHeaders } = message;
  const head = { method, target: url, version, headers: HeaderList.fromRaw(rawHeaders) };
  // Asked now: Node forgets them with the socket.
  return new WebSocketRequest(head, { addresses: addressesOf(socket as Socket), message });
}

/** Answers an 'upgrade' event. @param refused what it is refused with, whatever the request says */
export async function serveUpgrade(
  request: WebSocketRequest,
  socket: Duplex,
  head: Uint8Array,
  rules: AcceptRules,
  refused?: Refused,
): Promise<Outcome> {
  // Node has let go of the socket: without a listener, its error would end the process.
  socket.on('error', ignore);
  const judged = refused === undefined ? await judge(request, rules) : { decision: refused };
  // Timeouts of the HTTP server meant requests.
  (socket as Partial<Socket>).setTimeout?.(0);
  const stream = adopt(socket as Socket, { head });
  socket.off('error', ignore);
  return serveRequest(stream, request, judged);
}

function ignore(): void {
  // The byte stream that is made of the socket will say so.
}
