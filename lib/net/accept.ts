/**
 * Accepting: a connection is taken from Node's listening handle before Node makes a socket of it.
 *
 * A net.Socket that lives for a moment, only to be adopted, costs time and memory for nothing. The handle's callback is not a documented interface, so what is found is looked at, and anything unusual
 * goes Node's way: there the socket is adopted.
 */
import type { Server, TcpSocketConnectOpts } from 'node:net';
import { type Reactor, threadReactor } from './reactor.js';

/** A handle that Node has accepted. */
interface AcceptedHandle {
  readonly fd?: number;
  close?(): void;
  setNoDelay?(on: boolean): void;
  setKeepAlive?(on: boolean, seconds: number): void;
}

type OnConnection = (this: unknown, error: number, client: AcceptedHandle | undefined) => void;

interface ListeningHandle {
  onconnection?: OnConnection;
}

/** What is set on each connection. */
export type AcceptOptions = Pick<TcpSocketConnectOpts, 'noDelay' | 'keepAlive' | 'keepAliveInitialDelay'>;

/**
 * Has the server's connections given to `take` as connections of the reactor, where that is possible; others come as
 * sockets, by the event. Pre: the server listens.
 */
export function acceptNatively(
  server: Server,
  settings: AcceptOptions,
  take: (reactor: Reactor, id: number) => void,
): void {
  const reactor = threadReactor();
  const handle = (server as unknown as { _handle?: ListeningHandle | null })._handle;
  const original = handle?.onconnection;
  if (reactor === undefined || handle == null || typeof original !== 'function') return;
  handle.onconnection = function (error, client) {
    // Somebody else wants to see sockets: then they have to be made.
    const alone = server.listenerCount('connection') === 1;
    const id = alone && !error && client !== undefined ? duplicate(reactor, client) : -1;
    if (id < 0) return original.call(this, error, client);
    if (settings.noDelay !== false) client!.setNoDelay?.(true);
    if (settings.keepAlive) client!.setKeepAlive?.(true, Math.floor((settings.keepAliveInitialDelay ?? 0) / 1000));
    client!.close!();
    take(reactor, id);
  };
}

/** @returns the connection's id in the reactor, or a negative number when Node is to go on with it. */
function duplicate(reactor: Reactor, client: AcceptedHandle): number {
  const kind = client.constructor.name;
  if ((kind !== 'TCP' && kind !== 'Pipe') || typeof client.close !== 'function') return -1;
  return client.fd !== undefined && client.fd >= 0 ? reactor.add(client.fd) : -1;
}
