/** HTTP CONNECT, both sides of the handshake. Re-exports only; described in docs/proxies.md. */

export type { HeaderSource } from '../http/header-list.js';
export type { Endpoint, HostKind } from '../socks/target.js';
export type { ProxyCredentials } from './authority.js';
export type {
  ConnectThroughHttpOptions,
  HttpConnectClientOptions,
  HttpConnectReply,
  HttpProxy,
  HttpProxyOptions,
} from './client.js';
export { connectThroughHttp, httpConnectClient } from './client.js';
export { HttpConnectRefusedError } from './errors.js';
export type { ConnectRefusal, ConnectRequest } from './request.js';
export type { HttpConnectServerOptions, Verdict } from './server.js';
export { acceptHttpConnect, httpConnectServer } from './server.js';
