/** The way back from a native socket to one of Node's. */
import { Socket } from 'node:net';
import type { ReleasedSocket } from './connection.js';

/**
 * Makes a socket of Node's on a descriptor, which is Node's from then on.
 * @param unread bytes that come first when it is read.
 * @param finished our side has been ended.
 */
export function toNodeSocket(descriptor: number, unread: Buffer, { finished }: { finished: boolean }): ReleasedSocket {
  // Nobody listens yet, and what is there must wait for whoever does: a child process or TLS may be given the
  // descriptor, and what Node had read by then would be lost to them. Not in the types; all versions have it.
  const manualStart = { manualStart: true };
  const socket = new Socket({
    fd: descriptor,
    readable: true,
    writable: !finished,
    allowHalfOpen: true,
    ...manualStart,
  });
  if (unread.length > 0) socket.unshift(unread);
  return { socket, readable: socket, writable: socket };
}
