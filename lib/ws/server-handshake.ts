/**
 * A server's side of the handshake, with the hooks of `ws`. The rules are those of handshake/request.ts, for all servers;
 * what is here is how they are told of, and that nothing waits but for `verifyClient`.
 */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { HeaderList } from '../http/header-list.js';
import { type Refusal, refusalBytes } from '../http/refusal.js';
import { late } from '../late.js';
import { adopt } from '../net/adopt.js';
import { addressesOf } from '../net/connection.js';
import type { AgreedDeflate, Established } from '../websocket/established.js';
import { acceptFor } from '../websocket/handshake/key.js';
import { checkUpgrade, type UpgradeOffer, WebSocketRequest } from '../websocket/handshake/request.js';
import { badRequest } from './handshake-words.js';
import type { ServerOptions } from './options.js';

/** What an 'upgrade' event gives. */
export interface UpgradeRequest {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** What the handshake asks a server. */
export interface ServerHandshakeHost {
  readonly options: ServerOptions;
  readonly closing: boolean;
  /** permessage-deflate, if it is to be. */
  acceptDeflate(offer: UpgradeOffer): { response: string; params: AgreedDeflate } | undefined;
  shouldHandle(request: IncomingMessage): boolean;
  /** @returns true when the program answers a request that breaks the rules. */
  broken(error: Error, upgrade: UpgradeRequest): boolean;
  /** The lines of the answer may be changed. */
  headers(lines: string[], request: IncomingMessage): void;
}

/** Is given the connection with the answer that has still to be sent. */
export type Done = (established: Established, answer: string) => void;

/** Sockets that were upgraded once. */
const upgraded = new WeakSet<Duplex>();

/** Answers a request to upgrade. @throws Error for a socket that was upgraded before; what hooks throw. */
export function upgrade(host: ServerHandshakeHost, asked: UpgradeRequest, done: Done): void {
  const { request, socket } = asked;
  // Node has let go of the socket: without a listener its error would end the process.
  socket.on('error', destroySocket);
  const asking = requestOf(request);
  const offer = checkUpgrade(asking);
  if ('status' in offer) {
    const error = badRequest(offer.error, asking);
    if (host.broken(error, asked)) return;
    return refuse(socket, { ...offer, status: offer.status === 405 ? 405 : 400, body: error.message });
  }
  if (!host.shouldHandle(request)) return refuse(socket, { status: 400 });
  const complete = () => accept(host, asked, offer, done);
  const { verifyClient } = host.options;
  if (!verifyClient) return complete();
  const { encrypted, authorized } = request.socket as { encrypted?: boolean; authorized?: boolean };
  const asker = { origin: request.headers.origin as string, secure: Boolean(authorized || encrypted), req: request };
  if (verifyClient.length === 2) {
    return void (verifyClient as VerifyLater)(asker, (verified, status, message, headers) => {
      if (verified) complete();
      else refuse(socket, refusalOf(status || 401, message, headers));
    });
  }
  if ((verifyClient as VerifyNow)(asker)) complete();
  else refuse(socket, { status: 401 });
}

interface Asker {
  origin: string;
  secure: boolean;
  req: IncomingMessage;
}

type VerifyNow = (asker: Asker) => boolean;
type Verdict = (verified: boolean, status?: number, message?: string, headers?: OutgoingHttpHeaders) => void;
type VerifyLater = (asker: Asker, verdict: Verdict) => void;

/** The request as it stands now: the program may have changed its headers. */
function requestOf(request: IncomingMessage): WebSocketRequest {
  const { method = '', url = '', httpVersion: version = '1.1' } = request;
  const headers = new HeaderList();
  for (const [name, value] of Object.entries(request.headers)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) headers.add(name, String(one));
  }
  return new WebSocketRequest({ method, target: url, version, headers }, { addresses: {}, message: request });
}

function accept(host: ServerHandshakeHost, asked: UpgradeRequest, offer: UpgradeOffer, done: Done): void {
  const { request, socket, head } = asked;
  if (upgraded.has(socket)) {
    const message = 'server.handleUpgrade() was called more than once with the same socket';
    throw new Error(`${message}, possibly due to a misconfiguration`);
  }
  // The client has left already.
  if (!socket.readable || !socket.writable) return void socket.destroy();
  if (host.closing) return refuse(socket, { status: 503 });
  upgraded.add(socket);
  const protocol = chooseProtocol(host.options, offer, request);
  const deflate = host.acceptDeflate(offer);
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];
  lines.push(`Sec-WebSocket-Accept: ${acceptFor(offer.key)}`);
  if (protocol !== '') lines.push(`Sec-WebSocket-Protocol: ${protocol}`);
  if (deflate !== undefined) lines.push(`Sec-WebSocket-Extensions: ${deflate.response}`);
  host.headers(lines, request);
  const stream = adoptSocket(socket as Socket, head);
  const extensions = deflate?.response ?? '';
  const established: Established = { stream, role: 'server', protocol, extensions, deflate: deflate?.params };
  done(established, `${lines.join('\r\n')}\r\n\r\n`);
}

function chooseProtocol({ handleProtocols }: ServerOptions, offer: UpgradeOffer, request: IncomingMessage): string {
  if (offer.protocols.length === 0) return '';
  if (!handleProtocols) return offer.protocols[0]!;
  return handleProtocols(new Set(offer.protocols), request) || '';
}

function adoptSocket(socket: Socket, head: Buffer): ReturnType<typeof adopt> {
  socket.removeListener('error', destroySocket);
  // Timeouts of the HTTP server meant requests. A Duplex that is no socket has none of these.
  socket.setTimeout?.(0);
  socket.setNoDelay?.();
  const addresses = addressesOf(socket);
  const stream = adopt(socket, { head });
  // Node forgets our side's with the socket, and programs ask `request.socket`.
  if (stream.native) for (const name of OURS) Object.defineProperty(socket, name, { value: addresses[name] });
  return stream;
}

const OURS = ['localAddress', 'localPort', 'localFamily'] as const;

function refusalOf(status: number, message: string | undefined, headers: OutgoingHttpHeaders = {}): Refusal {
  const texts: [string, string][] = [];
  for (const [name, value] of Object.entries(headers)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) texts.push([name, String(one)]);
  }
  return { status, headers: texts, ...(message ? { body: message } : {}) };
}

function refuse(socket: Duplex, { body, ...refusal }: Refusal): void {
  const bytes = refusalBytes({ ...refusal, body: body ?? late.http.STATUS_CODES[refusal.status] ?? '' });
  socket.once('finish', destroySocket);
  socket.end(bytes);
}

function destroySocket(this: Duplex): void {
  this.destroy();
}
