/**
 * One message to many connections: framed once, and handed to the system in one call for all sockets that take it at once.
 *
 * Connections that are not native sockets, that mask, or that have something waiting get it through their own queue.
 */

import { threadReactor } from '../net/reactor.js';
import { SocketStream } from '../net/socket-stream.js';
import { NOT_READY } from '../status.js';
import type { WebSocketConnection } from './connection.js';
import type { PreparedMessage } from './prepared-message.js';

/** Sockets of one call: what 32 KiB of ids and results hold. */
const MOST = 4096;

/** What became of a broadcast. */
export interface BroadcastCounts {
  /** Connections that took the message. */
  sent: number;
  /** Open connections that did not, because they are over their mark. */
  skipped: number;
}

/** Sockets that get the same frame. */
interface Wave {
  readonly frame: Buffer;
  readonly connections: WebSocketConnection[];
}

let ids = new Int32Array(0);
let results = new Int32Array(0);

/** Sends the message to each, except `except`. */
export function broadcast(
  message: PreparedMessage,
  connections: Iterable<WebSocketConnection>,
  except?: WebSocketConnection,
): BroadcastCounts {
  const counts = { sent: 0, skipped: 0 };
  const waves: Wave[] = [];
  let last: Wave | undefined;
  for (const connection of connections) {
    if (connection === except) continue;
    const frame = directFrame(message, connection);
    if (frame === undefined) {
      count(counts, connection.send(message));
      continue;
    }
    if (last?.frame !== frame) last = waveOf(waves, frame);
    last.connections.push(connection);
    if (last.connections.length === MOST) sendWave(last, counts);
  }
  for (const wave of waves) sendWave(wave, counts);
  return counts;
}

function directFrame(message: PreparedMessage, connection: WebSocketConnection): Buffer | undefined {
  const { stream } = connection;
  if (!(stream instanceof SocketStream) || stream.directId < 0) return undefined;
  return connection.outbound.frameToSendAtOnce(message);
}

function waveOf(waves: Wave[], frame: Buffer): Wave {
  let wave = waves.find((one) => one.frame === frame);
  if (wave === undefined) {
    wave = { frame, connections: [] };
    waves.push(wave);
  }
  return wave;
}

function count(counts: BroadcastCounts, answer: unknown): void {
  if (answer === true) counts.sent++;
  else if (answer === NOT_READY) counts.skipped++;
}

function sendWave({ frame, connections }: Wave, counts: BroadcastCounts): void {
  const size = connections.length;
  if (ids.length < size) {
    ids = new Int32Array(MOST);
    results = new Int32Array(MOST);
  }
  for (let i = 0; i < size; i++) ids[i] = (connections[i]!.stream as SocketStream).directId;
  threadReactor()!.net.sendToMany(ids, size, frame, 0, frame.length, results);
  for (let i = 0; i < size; i++) {
    const connection = connections[i]!;
    try {
      const taken = (connection.stream as SocketStream).sentDirectly(results[i]!, frame.length);
      connection.outbound.tookFrame(frame, taken);
      counts.sent++;
    } catch (error) {
      // Its peer is gone: that is its own affair.
      connection.outputFailed(error);
    }
  }
  connections.length = 0;
}
