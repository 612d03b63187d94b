/** Options for Node's TLS in tests that are not about TLS: a server for localhost, and a client that trusts it. */
import type { TLSSocketOptions } from 'node:tls';
import { certificate, identity } from './certificates.js';

/** For `new TLSSocket` and for servers. */
export const TLS_SERVER: TLSSocketOptions = { ...identity('server'), isServer: true };

/** For `tls.connect`, and for clients of ours. */
export const TLS_CLIENT = { ca: certificate('ca') };
