/**
 * Accepting: connections are taken from a server of Node's before Node makes sockets of them.
 *
 * A net.Socket that lives for a moment, only to be adopted, costs time and memory for nothing, and so does the handle below
 * it. So the reactor watches a duplicate of the listening socket and accepts by itself (`Acceptor`). Node goes on watching
 * its own: the one that looks first has the connection, mostly the reactor; both are right. What Node accepts is taken from
 * its handle by way of `onconnection`. Neither the handle's descriptor nor its callbacks are a documented interface, so what
 * is found is looked at, and anything unusual goes Node's way: there the socket is adopted.
 */
import { AsyncResource } from 'node:async_hooks';
import type { Server, TcpSocketConnectOpts } from 'node:net';
import { WANT_READ } from '../net-interface.js';
import { type Reactor, type TurnTarget, threadReactor } from './reactor.js';

/** A handle that Node has accepted. */
interface AcceptedHandle {
  readonly fd?: number;
  close?(): void;
  setNoDelay?(on: boolean): void;
  setKeepAlive?(on: boolean, seconds: number): void;
}

type OnConnection = (this: unknown, error: number, client: AcceptedHandle | undefined) => void;
type Close = (this: unknown, ...parameters: unknown[]) => unknown;

interface ListeningHandle {
  readonly fd?: number;
  onconnection?: OnConnection;
  close?: Close;
}

/** What is set on each connection. */
export type AcceptOptions = Pick<TcpSocketConnectOpts, 'noDelay' | 'keepAlive' | 'keepAliveInitialDelay'>;

/** Is given a connection of the reactor's. */
type Take = (reactor: Reactor, id: number) => void;

/** Connections that are accepted in one turn at most: the others have theirs, and the system tells of the rest. */
const MOST_ACCEPTED = 64;

/**
 * Has the server's connections given to `take` as connections of the reactor, where that is possible; others come as
 * sockets, by the event. Pre: the server listens.
 */
export function acceptNatively(server: Server, settings: AcceptOptions, take: Take): void {
  const reactor = threadReactor();
  const handle = (server as unknown as { _handle?: ListeningHandle | null })._handle;
  const original = handle?.onconnection;
  if (reactor === undefined || handle == null || typeof original !== 'function') return;
  handle.onconnection = function (error, client) {
    const id = isAlone(server) && !error && client !== undefined ? duplicate(reactor, client) : -1;
    if (id < 0) return original.call(this, error, client);
    if (settings.noDelay !== false) client!.setNoDelay?.(true);
    if (settings.keepAlive) client!.setKeepAlive?.(true, Math.floor((settings.keepAliveInitialDelay ?? 0) / 1000));
    client!.close!();
    take(reactor, id);
  };
  // How keeping alive is set is Node's to know.
  if (!settings.keepAlive) acceptFirst(server, handle, new Acceptor(reactor, server, settings, take));
}

/** Nobody else wants to see sockets: then none have to be made. */
function isAlone(server: Server): boolean {
  return server.listenerCount('connection') === 1;
}

/** @returns whether it is a socket's, as Node has them. */
function isSocketHandle(handle: object): boolean {
  const kind = handle.constructor.name;
  return kind === 'TCP' || kind === 'Pipe';
}

/** @returns the connection's id in the reactor, or a negative number when Node is to go on with it. */
function duplicate(reactor: Reactor, client: AcceptedHandle): number {
  if (!isSocketHandle(client) || typeof client.close !== 'function') return -1;
  return client.fd !== undefined && client.fd >= 0 ? reactor.add(client.fd) : -1;
}

function acceptFirst(server: Server, handle: ListeningHandle, acceptor: Acceptor): void {
  const { fd, close } = handle;
  // In a process of a cluster it may be none: connections come from elsewhere then.
  if (!isSocketHandle(handle) || typeof close !== 'function' || fd === undefined || fd < 0) return;
  if (!acceptor.begin(fd)) return;
  // With a duplicate the system would go on listening.
  handle.close = function (...parameters) {
    acceptor.stop();
    return close.apply(this, parameters);
  };
  server.once('close', () => acceptor.stop());
}

/** Accepts what comes to a listening socket. */
class Acceptor extends AsyncResource implements TurnTarget {
  id = -1;
  readonly #reactor: Reactor;
  readonly #server: Server;
  readonly #noDelay: 0 | 1;
  readonly #take: Take;

  constructor(reactor: Reactor, server: Server, { noDelay }: AcceptOptions, take: Take) {
    super('MINIPROTO_LISTEN');
    this.#reactor = reactor;
    this.#server = server;
    this.#noDelay = noDelay === false ? 0 : 1;
    this.#take = take;
  }

  /** @returns whether it accepts. */
  begin(descriptor: number): boolean {
    const id = this.#reactor.net.addListener(descriptor, this.#noDelay);
    if (id < 0) return false;
    this.id = id;
    this.#reactor.attach(this);
    return this.#wait();
  }

  #wait(): boolean {
    if (this.id < 0) return false;
    if (this.#reactor.net.want(this.id, WANT_READ) >= 0) return true;
    this.stop();
    return false;
  }

  stop(): void {
    const { id } = this;
    if (id < 0) return;
    this.id = -1;
    this.#reactor.detach(id);
    this.#reactor.net.remove(id);
  }

  /** Somebody may be there. */
  turn(): void {
    // From now on all of them are Node's.
    if (!isAlone(this.#server)) return this.stop();
    try {
      // The connections belong to whoever listens.
      this.runInAsyncScope(this.#accept, this);
    } finally {
      this.#wait();
    }
  }

  #accept(): void {
    for (let left = MOST_ACCEPTED; left > 0 && this.id >= 0; left--) {
      const id = this.#reactor.net.accept(this.id);
      // Nobody is there, or nobody can be let in: Node, which is asked next, knows what to do about that.
      if (id < 0) return;
      this.#take(this.#reactor, id);
    }
  }
}
