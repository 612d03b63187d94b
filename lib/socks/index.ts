/** SOCKS 4, 4a and 5, both sides of the handshake. Re-exports only; described in docs/proxies.md. */

export type { SocksBindOptions, SocksReply } from './client.js';
export { socksBound, socksClient } from './client.js';
export type { SocksClientOptions, SocksProxyOptions } from './client-options.js';
export type { ConnectThroughSocksOptions, SocksProxy } from './connect.js';
export { connectThroughSocks } from './connect.js';
export type { SocksRequest } from './request.js';
export { socksServer } from './server.js';
export type { SocksServerOptions } from './server-options.js';
export type { Endpoint, HostKind } from './target.js';
export type { SocksCommand, SocksReason, SocksVersion } from './words.js';
export { SocksRefusedError } from './words.js';
