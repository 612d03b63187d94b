/**
 * Which server a connection came from. Node stops counting a connection when it is adopted, so that a server that is
 * told to stop would be done while conversations go on: they are counted here.
 */
import type { Server, Socket } from 'node:net';
import type { SocketStream } from './socket-stream.js';

const connectionsOf = new WeakMap<Server, Set<SocketStream>>();
const none: ReadonlySet<SocketStream> = new Set();

/** Notes that the stream came from the socket's server, until it closes. */
export function count(socket: Socket, stream: SocketStream): void {
  const { server } = socket as { server?: Server };
  if (typeof server !== 'object' || server === null) return;
  const connections = connectionsOf.get(server) ?? new Set();
  connectionsOf.set(server, connections);
  connections.add(stream);
  stream.whenClosed(() => connections.delete(stream));
}

/** Native connections of a server that are open. */
export function adoptedFrom(server: Server): ReadonlySet<SocketStream> {
  return connectionsOf.get(server) ?? none;
}
