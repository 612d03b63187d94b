/** The WebSocket protocol: servers, clients and connections. Re-exports only; described in docs/websocket.md. */

export type { AgreedDeflate, DeflateDirection, Established, WebSocketRole } from './established.js';
