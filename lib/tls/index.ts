/** `miniproto/tls`: TLS on whatever carries bytes. Re-exports only; docs/tls.md describes it. */

export type { ConnectTlsOptions } from './connect-tls.js';
export { connectTls } from './connect-tls.js';
export type { ListenTlsOptions, SecureConnectionHandler } from './listen-tls.js';
export { listenTls } from './listen-tls.js';
export type { SecureStreamOptions, SniCallback, TlsClientOptions, TlsServerOptions } from './options.js';
export type { StartTlsOptions } from './secure.js';
export { startTls, tlsClient, tlsServer } from './secure.js';
export type { SecureStream, TlsDetails, UpdateKeysOptions } from './secure-stream.js';
export type { Pem, PemKey, Pfx, TlsContextOptions, TlsVersion } from './tls-context.js';
export { TlsContext } from './tls-context.js';
