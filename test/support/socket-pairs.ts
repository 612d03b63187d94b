/**
 * Connected native sockets for tests, and what the system does to them on a bad day.
 *
 * Both ends of a pair are adopted, so everything in between is the library's. Without the addon for sockets `adopt`
 * falls back to Node's; a suite that is about native sockets then has to be skipped, which `describeNative` does, or
 * says in its title what it ran over, which `TRANSPORT` is for.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativeInfo, nativeNet } from '#lib/native';
import { adopt } from '#lib/net/adopt';
import type { Connection } from '#lib/net/connection';
import { threadReactor } from '#lib/net/reactor';
import { CALL_ACCEPT, CALL_DUPLICATE, CALL_RECEIVE, CALL_SEND } from '#lib/net-interface';

export type Family = 'tcp' | 'unix';

/** For titles: what a pair is made of. */
export const TRANSPORT = nativeInfo().sockets.native
  ? 'native sockets'
  : `Node's sockets, because ${nativeInfo().sockets.reason}`;

/** A suite that has no meaning over Node's sockets. */
export function describeNative(title: string, body: () => void): void {
  const { native, reason } = nativeInfo().sockets;
  if (native) describe(title, body);
  else describe.skip(`${title} (skipped: ${reason})`, body);
}

export interface SocketPair {
  readonly one: Connection;
  readonly other: Connection;
}

/** Makes `count` connections at once, both ends ours. */
export async function socketPairs(family: Family, count: number): Promise<SocketPair[]> {
  const folder = family === 'unix' ? mkdtempSync(join(tmpdir(), 'miniproto-')) : undefined;
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  try {
    server.listen(folder === undefined ? { port: 0, host: '127.0.0.1', backlog: 1000 } : join(folder, 'socket'));
    await once(server, 'listening');
    const address = server.address() as net.AddressInfo | string;
    const where = typeof address === 'string' ? { path: address } : { port: address.port, host: '127.0.0.1' };
    const pairs: SocketPair[] = [];
    for (let i = 0; i < count; i++) {
      const accepted = once(server, 'connection') as Promise<[net.Socket]>;
      const client = net.connect({ ...where, allowHalfOpen: true, noDelay: true });
      client.pause();
      const [[peer]] = await Promise.all([accepted, once(client, 'connect')]);
      pairs.push({ one: adopt(client), other: adopt(peer) });
    }
    return pairs;
  } finally {
    server.close();
    if (folder !== undefined) rmSync(folder, { recursive: true });
  }
}

export async function socketPair(family: Family = 'unix'): Promise<SocketPair> {
  return (await socketPairs(family, 1))[0]!;
}

/** Steps for each kind of system call: 0 passes, n > 0 moves at most n bytes, an errno, negated, is what it fails with. */
export interface Faults {
  readonly receive?: readonly number[];
  readonly send?: readonly number[];
  readonly duplicate?: readonly number[];
  readonly accept?: readonly number[];
}

const { EAGAIN, ECONNRESET, EINTR, EMFILE, ENOBUFS, EPIPE } = constants.errno;
/** Errnos as fault plans take them. */
export const FAIL = {
  again: -EAGAIN,
  reset: -ECONNRESET,
  interrupted: -EINTR,
  noDescriptor: -EMFILE,
  noBuffers: -ENOBUFS,
  pipe: -EPIPE,
};

/** Has this thread's system calls go wrong from now on. What is not named goes right. */
export function setFaults(faults: Faults, { repeats }: { repeats: boolean }): void {
  // The reactor, and with it what the plans are about, begins with the first socket.
  threadReactor();
  for (const [call, steps] of [
    [CALL_RECEIVE, faults.receive],
    [CALL_SEND, faults.send],
    [CALL_DUPLICATE, faults.duplicate],
    [CALL_ACCEPT, faults.accept],
  ] as const) {
    nativeNet()?.setFaults(call, Int32Array.from(steps ?? []), repeats ? 1 : 0);
  }
}

export function clearFaults(): void {
  setFaults({}, { repeats: false });
}
