/** Options in the words of `ws`, and what a connection is told of them. */
import type {
  Agent,
  ClientRequest,
  ClientRequestArgs,
  Server as HttpServer,
  IncomingMessage,
  OutgoingHttpHeaders,
} from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { createConnection } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import { LARGEST_MAX_LENGTH } from '../limits.js';
import type { WebSocketOptions } from '../websocket/connection-options.js';
import { checkWebSocketOptions } from '../websocket/connection-options.js';
import type { PerMessageDeflateOptions } from './deflate-options.js';
import type { WebSocket } from './web-socket.js';

/** What both sides can be told about a connection. */
export interface ConnectionOptions {
  /** Whether several messages may be told of in one turn of the event loop. Default true. */
  allowSynchronousEvents?: boolean | undefined;
  /** Whether pings are answered. Default true. */
  autoPong?: boolean | undefined;
  /** Milliseconds for the closing handshake. Default 30000. */
  closeTimeout?: number | undefined;
  /** Bytes. The largest message; 0 for 2^30. Default 100 MiB. */
  maxPayload?: number | undefined;
  /** Whether text may be what is no UTF-8. Default false. */
  skipUTF8Validation?: boolean | undefined;
  /** Whether and how messages are compressed. Default: true for clients, false for servers. */
  perMessageDeflate?: boolean | PerMessageDeflateOptions | undefined;
  /** Is ignored: chunks are joined as they come. */
  maxBufferedChunks?: number | undefined;
  /** Is ignored: fragments are joined as they come, and cost no more than their bytes. */
  maxFragments?: number | undefined;
  /** Is ignored: of the pongs that cannot leave, only the last one waits. */
  maxPendingAutoPongs?: number | undefined;
}

/** A certificate or key, as the types of `ws` have it. */
export type CertMeta = string | string[] | Buffer | Buffer[];

/** Finishes the handshake's request: it has to call `request.end()`. */
export type FinishRequestCallback = (request: ClientRequest, websocket: WebSocket) => void;

/** Options of a client; others are handed to `http.request`, `net.connect` and `tls.connect`. */
export interface ClientOptions extends ConnectionOptions, SecureContextOptions {
  protocol?: string | undefined;
  protocols?: string | string[] | undefined;
  /** Follows redirects. Default false. */
  followRedirects?: boolean | undefined;
  /** Default 10. */
  maxRedirects?: number | undefined;
  /** Writes the next mask key, for tests: it has to be unpredictable. */
  generateMask?: ((mask: Buffer) => void) | undefined;
  /** Milliseconds for the opening handshake. Default: none. */
  handshakeTimeout?: number | undefined;
  localAddress?: string | undefined;
  /** 13, the only one. */
  protocolVersion?: number | undefined;
  headers?: { [name: string]: string | readonly string[] } | undefined;
  origin?: string | undefined;
  agent?: Agent | undefined;
  auth?: string | undefined;
  host?: string | undefined;
  family?: number | undefined;
  servername?: string | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: as in the types of `ws`.
  checkServerIdentity?: ((servername: string, certificate: any) => any) | undefined;
  rejectUnauthorized?: boolean | undefined;
  createConnection?: ClientRequestArgs['createConnection'] | typeof createConnection | undefined;
  finishRequest?: FinishRequestCallback | undefined;
}

/** Accepts a request or not. */
export type VerifyClientCallbackSync<Request extends IncomingMessage = IncomingMessage> = (info: {
  origin: string;
  secure: boolean;
  req: Request;
}) => boolean;

/** The same, later. */
export type VerifyClientCallbackAsync<Request extends IncomingMessage = IncomingMessage> = (
  info: { origin: string; secure: boolean; req: Request },
  callback: (result: boolean, code?: number, message?: string, headers?: OutgoingHttpHeaders) => void,
) => void;

/** Options of a server: one of `port`, `server` and `noServer`. */
export interface ServerOptions<
  T extends typeof WebSocket = typeof WebSocket,
  U extends typeof IncomingMessage = typeof IncomingMessage,
> extends ConnectionOptions {
  port?: number | undefined;
  host?: string | undefined;
  backlog?: number | undefined;
  /** A server of the program's own. */
  server?: HttpServer<U> | HttpsServer<U> | undefined;
  /** Requests come by `handleUpgrade` alone. */
  noServer?: boolean | undefined;
  /** Only requests for it are taken. */
  path?: string | undefined;
  verifyClient?: VerifyClientCallbackAsync<InstanceType<U>> | VerifyClientCallbackSync<InstanceType<U>> | undefined;
  /** Chooses a subprotocol of those offered. Default: the first. */
  handleProtocols?: (protocols: Set<string>, request: InstanceType<U>) => string | false;
  /** Keeps `clients`. Default true. */
  clientTracking?: boolean | undefined;
  /** A class that extends WebSocket. */
  WebSocket?: T | undefined;
}

const DEFAULT_MAX_PAYLOAD = 100 * 1024 * 1024;
const DEFAULT_CLOSE_TIMEOUT_MS = 30_000;

/** What a connection is told: checked, and frozen so that those of one server share it. @throws ERR_OUT_OF_RANGE and the like */
export function connectionOptionsFor(given: ConnectionOptions & Pick<ClientOptions, 'generateMask'>): WebSocketOptions {
  const { maxPayload = DEFAULT_MAX_PAYLOAD, closeTimeout, generateMask } = given;
  const options: WebSocketOptions = {
    // Below one there is no limit.
    maxMessageLength: maxPayload >= 1 ? Math.min(Math.floor(maxPayload), LARGEST_MAX_LENGTH) : LARGEST_MAX_LENGTH,
    closeTimeoutMs: closeTimeout ?? DEFAULT_CLOSE_TIMEOUT_MS,
    autoPong: given.autoPong ?? true,
    checkUtf8: !given.skipUTF8Validation,
    ...(generateMask ? { maskKeys: keysFrom(generateMask) } : {}),
  };
  Object.freeze(options);
  checkWebSocketOptions(options);
  return options;
}

function keysFrom(generateMask: (mask: Buffer) => void): () => number {
  const mask = Buffer.alloc(4);
  return () => {
    generateMask(mask);
    return mask.readUInt32LE(0);
  };
}
