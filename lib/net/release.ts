/** The way back from a native socket to one of Node's. */
import { Socket } from 'node:net';
import type { ReleasedSocket } from './connection.js';

/**
 * Makes a socket of Node's on a descriptor, which is Node's from then on.
 * @param unread bytes that come first when it is read.
 * @param finished our side has been ended.
 */
export function toNodeSocket(descriptor: number, unread: Buffer, { finished }: { finished: boolean }): ReleasedSocket {
  const socket = new Socket({ fd: descriptor, readable: true, writable: !finished, allowHalfOpen: true });
  // Nobody listens yet: what is there must wait for whoever does.
  socket.pause();
  if (unread.length > 0) socket.unshift(unread);
  return { socket, readable: socket, writable: socket };
}
