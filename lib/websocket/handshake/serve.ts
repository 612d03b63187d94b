/**
 * A server's side of the handshake on a byte stream: the answer is written, and the stream becomes a WebSocket's or ends
 * with care.
 *
 * What goes wrong with the peer is an outcome, not an exception: a server must not fall because somebody sends nonsense.
 */
import { asTransportError, type MiniprotoError, TransportError } from '../../errors.js';
import type { RequestHead } from '../../http/head.js';
import type { HeadCodec } from '../../http/head-codec.js';
import { type Refusal, refusalBytes } from '../../http/refusal.js';
import type { ByteStream } from '../../streams/byte-stream.js';
import type { Established } from '../established.js';
import { type Accepted, type AcceptRules, acceptBytes, type Decision, decide, isAccepted } from './decision.js';
import { HandshakeDeadline, readHead, writeAll } from './read-head.js';
import { type Refused, refusalFor, refuse } from './refused.js';
import { type RequestOrigin, WebSocketRequest } from './request.js';

/** What became of a connection that asked for a WebSocket. */
export type Outcome =
  | { readonly established: Established; readonly request: WebSocketRequest }
  /** It was answered with this, and is being closed. */
  | { readonly refused: Refused; readonly request: WebSocketRequest | undefined }
  /** The transport failed, or the peer left. */
  | { readonly gone: MiniprotoError | undefined; readonly request: WebSocketRequest | undefined }
  /** A hook failed with this; the peer got a 500. */
  | { readonly failure: unknown; readonly request: WebSocketRequest };

/** The rules of a raw listener, which has no HTTP server to tell paths apart. */
export interface RawRules extends AcceptRules {
  /** Requests for other paths get a 404. Default: all are taken. */
  readonly path?: string | undefined;
}

/** Decides over a request. A hook's failure is an answer of 500. */
export async function judge(
  request: WebSocketRequest,
  rules: AcceptRules,
  over: 'http1' | 'http2' = 'http1',
): Promise<{ decision: Decision; failure?: unknown }> {
  try {
    return { decision: await decide(request, rules, over) };
  } catch (failure) {
    return { decision: { status: 500 }, failure };
  }
}

/** Does the whole handshake on a stream whose input begins with a request, which has `timeoutMs` to arrive. */
export async function serveRaw(
  stream: ByteStream,
  codec: HeadCodec<RequestHead>,
  rules: RawRules,
  { timeoutMs, origin }: { timeoutMs: number; origin: RequestOrigin },
): Promise<Outcome> {
  const deadline = new HandshakeDeadline(timeoutMs);
  let head: RequestHead | undefined;
  try {
    head = await readHead(stream, codec, deadline);
  } catch (error) {
    return refuseHead(stream, asTransportError(error), codec);
  } finally {
    deadline.clear();
  }
  if (head === undefined) {
    end(stream);
    return { gone: undefined, request: undefined };
  }
  const request = new WebSocketRequest(head, origin);
  if (rules.path !== undefined && request.path !== rules.path) return answerRefused(stream, notFound(), request);
  return serveRequest(stream, request, await judge(request, rules));
}

/** Answers a request as was decided, and makes the stream a WebSocket's where it was accepted. */
export async function serveRequest(
  stream: ByteStream,
  request: WebSocketRequest,
  { decision, ...rest }: { decision: Decision; failure?: unknown },
): Promise<Outcome> {
  if (!isAccepted(decision)) {
    const outcome = await answerRefused(stream, asRefused(decision), request);
    return 'failure' in rest ? { failure: rest.failure, request } : outcome;
  }
  const deadline = new HandshakeDeadline(ANSWER_TIMEOUT_MS);
  try {
    await writeAll(stream, acceptBytes(decision), deadline);
  } catch (error) {
    stream.destroy();
    return { gone: asTransportError(error), request };
  } finally {
    deadline.clear();
  }
  return { established: establishedFor(stream, decision), request };
}

/** What a server has once its answer is written. */
export function establishedFor(stream: ByteStream, { protocol, extensions, deflate }: Accepted): Established {
  return { stream, role: 'server', protocol, extensions, deflate };
}

/** A refusal of a hook's, with an error for those who listen. */
export function asRefused(refusal: Refusal | Refused): Refused {
  if ('error' in refusal) return refusal;
  return { ...refusal, error: refuse(refusal.status, `the request was answered with ${refusal.status}`).error };
}

export function notFound(): Refused {
  return refuse(404, 'there is no WebSocket at this path');
}

/** Writes the refusal and has the connection end once it has arrived. Does not wait for that. */
async function answerRefused(
  stream: ByteStream,
  refused: Refused,
  request: WebSocketRequest | undefined,
): Promise<Outcome> {
  const deadline = new HandshakeDeadline(ANSWER_TIMEOUT_MS);
  try {
    await writeAll(stream, refusalBytes(refused), deadline);
    end(stream);
    return { refused, request };
  } catch {
    stream.destroy();
    return { gone: refused.error, request };
  } finally {
    deadline.clear();
  }
}

/** What came is no head: it is answered, unless the peer is gone. */
async function refuseHead(stream: ByteStream, error: MiniprotoError, codec: HeadCodec<RequestHead>): Promise<Outcome> {
  const silent = error.code === 'ERR_UNEXPECTED_EOF' && !codec.begun;
  if (!silent && !(error instanceof TransportError)) return answerRefused(stream, refusalFor(error), undefined);
  if (silent) end(stream);
  else stream.destroy();
  return { gone: error, request: undefined };
}

/** Milliseconds. For a peer that does not even read why it was refused. */
const ANSWER_TIMEOUT_MS = 5_000;

function end(stream: ByteStream): void {
  // It never rejects because of the peer.
  void stream.close();
}
