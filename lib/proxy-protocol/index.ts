/** The PROXY protocol, versions 1 and 2: both roles. Re-exports only; described in docs/proxy-protocol.md. */

export type { ProxyHeaderCodec, ProxyHeaderOptions } from './codec.js';
export { parseProxyHeader, proxyHeaders } from './codec.js';
export type { EncodeProxyHeaderOptions } from './encode.js';
export { encodeProxyHeader } from './encode.js';
export type {
  IpEndpoint,
  IpProxyHeader,
  ProxyFields,
  ProxyHeader,
  ProxyHeaderInit,
  ProxyTls,
  ProxyTlv,
  ProxyVersion,
  UnixEndpoint,
  UnixProxyHeader,
  UnspecifiedProxyHeader,
} from './header.js';
export type {
  ListenWithOptionalProxyHeaderOptions,
  ListenWithProxyHeaderOptions,
  MaybeProxiedHandler,
  ProxiedHandler,
} from './listen.js';
export { listenWithProxyHeader, proxiedAddresses, proxyHeaderOf, withProxyHeader } from './listen.js';
export type { OptionalProxyHeader, ProxySourceOptions, ReceiveProxyHeaderOptions } from './receive.js';
export { receiveProxyHeader } from './receive.js';
export type { ConnectWithProxyHeaderOptions, SendProxyHeaderOptions } from './send.js';
export { connectWithProxyHeader, sendProxyHeader } from './send.js';
export type { TrustedSources, TrustFunction } from './trust.js';
