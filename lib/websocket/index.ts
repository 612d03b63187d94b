/** The WebSocket protocol: servers, clients and connections. Re-exports only; described in docs/websocket.md. */

export { connectWebSocket } from './client.js';
export type { Carrier, ConnectWebSocketOptions, CreateConnection, WebSocketAddress } from './client-options.js';
export type { CloseInfo, MessageHandler, WebSocketCloseOptions } from './connection.js';
export { WebSocketConnection } from './connection.js';
export type { HeartbeatOptions, WebSocketOptions } from './connection-options.js';
export type { DeflateOptions } from './deflate/options.js';
export type { AgreedDeflate, DeflateDirection, Established, WebSocketRole } from './established.js';
export type { AcceptOptions } from './handshake/decision.js';
export type { RequestHead, ResponseHead } from './handshake/head.js';
export type { HeadCodec, HeadLimits } from './handshake/head-codec.js';
export { requestHeads, responseHeads } from './handshake/head-codec.js';
export type { HeaderSource } from './handshake/header-list.js';
export { HeaderList } from './handshake/header-list.js';
export type { Refusal } from './handshake/refusal.js';
export type { WebSocketRequest } from './handshake/request.js';
export { HandshakeRefusedError } from './handshake/response.js';
export type { ConnectHttp2Options } from './http2-client.js';
export { connectWebSocketHttp2 } from './http2-client.js';
export { acceptWebSocketHttp2 } from './http2-server.js';
export type { MessageCursor } from './message-cursor.js';
export type { MessageData, SendOptions } from './outbound.js';
export type { ListeningWebSocketServer, ListenWebSocketOptions } from './server.js';
export { acceptWebSocket, listenWebSocket } from './server.js';
export type { NodeHttpServer } from './server-attach.js';
export { attachWebSocket } from './server-attach.js';
export type { WebSocketHandler, WebSocketServer, WebSocketServerCloseOptions } from './server-connections.js';
export type { WebSocketAcceptOptions, WebSocketServerOptions } from './server-options.js';
