/** `connectThroughSocks`: a connection of our own making to somewhere behind a proxy. */
import { checkObject } from '../arguments.js';
import { connectThrough, type ProxyAddress } from '../net/connect-through.js';
import type { Connection } from '../net/connection.js';
import { askProxy } from './client.js';
import { checkClientOptions, type SocksClientOptions, type SocksProxyOptions } from './client-options.js';
import { SOCKS } from './words.js';

/** Where the proxy is, as for `connect`, and how it is spoken to. */
export type SocksProxy = ProxyAddress & SocksProxyOptions;

/** Where to, and by which proxy. */
export interface ConnectThroughSocksOptions extends Omit<SocksClientOptions, 'command' | keyof SocksProxyOptions> {
  proxy: SocksProxy;
}

/**
 * Connects to a proxy and has it connect to `host` and `port`. There is no other way than by the proxy: when it cannot
 * be reached or refuses, this rejects.
 * @returns the connection, native where it can be; what the destination has sent already is in its input.
 * @throws as `socksClient`, and TransportError with Node's own error as its cause when the proxy cannot be reached.
 * @example
 * const proxy = { host: '127.0.0.1', port: 1080 };
 * const stream = framed(await connectThroughSocks({ proxy, host: 'example.org', port: 25 }), lines());
 */
export async function connectThroughSocks(options: ConnectThroughSocksOptions): Promise<Connection> {
  checkObject('options', options);
  const { proxy, ...target } = options;
  checkObject('options.proxy', proxy);
  const asked = checkClientOptions({ ...target, command: 'connect' }, proxy, 'options.proxy');
  const { version, user, password, pipelined, ...where } = proxy;
  return connectThrough(where, { protocol: SOCKS, ...asked }, (exchange) => askProxy(exchange, asked));
}
