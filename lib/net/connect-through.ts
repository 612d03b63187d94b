/**
 * A connection of our own making that leads on to somewhere else once its first peer, a proxy, has been asked. One time
 * lies over all of it.
 */
import { asTransportError } from '../errors.js';
import { Exchange, HandshakeTime } from '../streams/exchange.js';
import { type ConnectOptions, connect } from './connect.js';
import type { Connection } from './connection.js';

/** Where a proxy is, as for `connect`. */
export type ProxyAddress = WithoutSignal<ConnectOptions>;
/** `Omit` of each kind of address on its own: of all at once it would leave what they share. */
type WithoutSignal<T> = T extends unknown ? Omit<T, 'signal'> : never;

/** What errors call the handshake, and its time. Checked. */
export interface HandshakeTerms {
  readonly protocol: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Connects, and does the handshake. When either fails there is no connection.
 * @throws as `connect` and the handshake; LimitError ERR_HANDSHAKE_TIMEOUT; the signal's reason.
 */
export async function connectThrough(
  proxy: ProxyAddress,
  { protocol, timeoutMs, signal }: HandshakeTerms,
  ask: (exchange: Exchange) => Promise<unknown>,
): Promise<Connection> {
  signal?.throwIfAborted();
  const time = new HandshakeTime(protocol, timeoutMs, signal);
  let connection: Connection | undefined;
  try {
    connection = await connect({ ...proxy, signal: time.signal } as ConnectOptions);
    await ask(new Exchange(connection, time));
    return connection;
  } catch (error) {
    const reason = time.reasonOr(error);
    connection?.destroy(asTransportError(reason));
    throw reason;
  } finally {
    time.clear();
  }
}
