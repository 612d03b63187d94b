/**
 * `miniproto/ws`: the interface of the package `ws`, version 8, over the WebSockets of this library. What is the same and
 * what is not: docs/ws.md.
 */
import { extension, subprotocol } from './header-parsers.js';
import { createWebSocketStream } from './stream.js';
import { WebSocket } from './web-socket.js';
import { WebSocketServer } from './web-socket-server.js';

// As `ws` has it, whose module is the class.
Object.assign(WebSocket, {
  WebSocket,
  WebSocketServer,
  Server: WebSocketServer,
  createWebSocketStream,
  extension,
  subprotocol,
});

export type { AddressInfo } from 'node:net';
export type { PerMessageDeflateOptions } from './deflate-options.js';
export type { CloseEvent, ErrorEvent, Event, MessageEvent } from './events.js';
export type {
  CertMeta,
  ClientOptions,
  FinishRequestCallback,
  ServerOptions,
  VerifyClientCallbackAsync,
  VerifyClientCallbackSync,
} from './options.js';
export type { Data, EventListenerOptions, RawData, WebSocketEventMap } from './web-socket.js';
// biome-ignore lint/style/noDefaultExport: programs import it so.
export default WebSocket;
// What `require` gives: the class itself.
export {
  createWebSocketStream,
  extension,
  subprotocol,
  WebSocket as 'module.exports',
  WebSocket,
  WebSocketServer,
  WebSocketServer as Server,
};
