/**
 * WebSockets over HTTP/2, the server's side: an extended CONNECT becomes one stream among others. RFC 8441
 *
 * Neither key nor Upgrade: who may ask was settled when the session said SETTINGS_ENABLE_CONNECT_PROTOCOL, and an answer
 * of 200 is the whole switch. The frames are the same, masks included.
 */
import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { checkObject, invalidArgType } from '../arguments.js';
import { asTransportError } from '../errors.js';
import { HeaderList } from '../http/header-list.js';
import { refusalParts } from '../http/refusal.js';
import { addressesOf } from '../net/connection.js';
import { DuplexStream } from '../streams/duplex-stream.js';
import { WebSocketConnection } from './connection.js';
import { type AcceptRules, acceptRules, isAccepted } from './handshake/decision.js';
import type { Refused } from './handshake/refused.js';
import { WebSocketRequest } from './handshake/request.js';
import { asRefused, establishedFor, judge, type Outcome } from './handshake/serve.js';
import { checkServerOptions, connectionOptions, type WebSocketAcceptOptions } from './server-options.js';

/**
 * Makes a WebSocket of a 'stream' event of a server of `http2`, which has to have been made with
 * `settings: { enableConnectProtocol: true }`. `attachWebSocket` does it all for one.
 * @returns the connection; undefined when the request was refused, or the peer is gone.
 * @throws ERR_INVALID_ARG_TYPE, also for a stream that asks for something else; what a hook threw, after an answer of 500.
 * @example
 * http2Server.on('stream', async (stream, headers) => {
 *   if (headers[':protocol'] === 'websocket') await acceptWebSocketHttp2(stream, headers);
 * });
 */
export async function acceptWebSocketHttp2(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  options: WebSocketAcceptOptions = {},
): Promise<WebSocketConnection | undefined> {
  checkObject('headers', headers);
  if (!isExtendedConnect(headers)) throw invalidArgType('headers', 'a request for a WebSocket', headers);
  checkServerOptions(options);
  const own = connectionOptions(options);
  const outcome = await serveExtendedConnect(requestOfStream(stream, headers), stream, acceptRules(options));
  if ('established' in outcome) return new WebSocketConnection(outcome.established, own);
  if ('failure' in outcome) throw outcome.failure;
  if ('refused' in outcome) options.onRefused?.(outcome.refused.error, outcome.request);
  return undefined;
}

/** True for the header fields of a request for a WebSocket. RFC 8441 §4 */
export function isExtendedConnect(headers: IncomingHttpHeaders): boolean {
  return headers[':method'] === 'CONNECT' && headers[':protocol'] === 'websocket';
}

/** The request of a 'stream' event. */
export function requestOfStream(stream: ServerHttp2Stream, fields: IncomingHttpHeaders): WebSocketRequest {
  const headers = new HeaderList();
  if (fields[':authority'] !== undefined) headers.add('host', String(fields[':authority']));
  for (const [name, value] of Object.entries(fields)) {
    if (name.startsWith(':') || (name === 'host' && headers.has('host'))) continue;
    for (const one of [value ?? []].flat()) headers.add(name, one);
  }
  const head = { method: 'CONNECT', target: String(fields[':path'] ?? ''), version: '2.0', headers };
  const { socket } = stream.session ?? {};
  return new WebSocketRequest(head, { addresses: socket === undefined ? {} : addressesOf(socket) });
}

/** Answers a request. @param refused what it is refused with, whatever it says */
export async function serveExtendedConnect(
  request: WebSocketRequest,
  stream: ServerHttp2Stream,
  rules: AcceptRules,
  refused?: Refused,
): Promise<Outcome> {
  // A peer may reset the stream at any time; without a listener that would end the process.
  stream.on('error', ignore);
  const { decision, ...rest } = refused === undefined ? await judge(request, rules, 'http2') : { decision: refused };
  try {
    if (isAccepted(decision)) {
      stream.respond(fieldsOf(decision.headers, 200));
      return { established: establishedFor(new DuplexStream(stream), decision), request };
    }
    const { headers, body } = refusalParts(decision);
    stream.respond(fieldsOf(headers, decision.status));
    stream.end(body);
    // Once that has left: the peer's side would stay open otherwise. RFC 9113 §8.1
    stream.close();
  } catch (error) {
    // Node throws for a stream that is gone.
    stream.destroy();
    return { gone: asTransportError(error), request };
  }
  return 'failure' in rest ? { failure: rest.failure, request } : { refused: asRefused(decision), request };
}

function fieldsOf(headers: HeaderList, status: number): OutgoingHttpHeaders {
  const fields: Record<string, string | string[]> = {};
  for (const [name] of headers) {
    const values = headers.all(name);
    // Connections are not upgraded here, and saying so would be malformed. RFC 9113 §8.2.2
    if (name.toLowerCase() !== 'upgrade') fields[name.toLowerCase()] = values.length === 1 ? values[0]! : values;
  }
  return { ':status': status, ...fields };
}

function ignore(): void {
  // The byte stream that is made of it will say so.
}
