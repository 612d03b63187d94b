/**
 * Which server a connection came from. Node stops counting a connection when it becomes native, so that a server that
 * is told to stop would be done while conversations go on; and one that stays over Node's socket it counts, but cannot
 * end. So all of them are counted here.
 */
import type { Server, Socket } from 'node:net';
import type { Connection } from './connection.js';
import { SocketStream } from './socket-stream.js';

const connectionsOf = new WeakMap<Server, Set<Connection>>();
const none: ReadonlySet<Connection> = new Set();

/** Notes that the stream came from the socket's server, until it closes. */
export function count(socket: Socket, stream: Connection): void {
  const { server } = socket as { server?: Server };
  if (typeof server !== 'object' || server === null) return;
  const connections = connectionsOf.get(server) ?? new Set();
  connectionsOf.set(server, connections);
  // A native one takes its place along when it becomes another stream, a secure one.
  if (stream instanceof SocketStream) return stream.joins(connections);
  connections.add(stream);
  stream.whenClosed(() => connections.delete(stream));
}

/** Has `drain` of this server look at these connections: those of `listen` keep count of themselves. */
export function keepCount(server: Server, connections: Set<Connection>): void {
  connectionsOf.set(server, connections);
}

/** Connections of a server that were adopted and are open. */
export function adoptedFrom(server: Server): ReadonlySet<Connection> {
  return connectionsOf.get(server) ?? none;
}
