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

const NONE = new Int32Array(0);
let ids = NONE;
/** Empty while somebody looks at them. */
let results = NONE;

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
    if (last.connections.length === MOST) sendWave(message, last, counts);
  }
  for (const wave of waves) sendWave(message, wave, counts);
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

/**
 * One call for all sockets of a wave. Listeners may hear of connections that were full, stall or fail, and publish in their
 * turn: so what is to be sent at once is looked at again, and what was not taken is queued before any of them is told.
 */
function sendWave(message: PreparedMessage, { frame, connections }: Wave, counts: BroadcastCounts): void {
  const direct: WebSocketConnection[] = [];
  const later: WebSocketConnection[] = [];
  const found = results.length >= connections.length ? results : new Int32Array(MOST);
  results = NONE;
  if (ids.length < connections.length) ids = new Int32Array(MOST);
  for (const connection of connections) {
    const id = (connection.stream as SocketStream).directId;
    if (id < 0 || !connection.outbound.idle) later.push(connection);
    else ids[direct.push(connection) - 1] = id;
  }
  connections.length = 0;
  threadReactor()!.net.sendToMany(ids, direct.length, frame, 0, frame.length, found);
  for (let i = 0; i < direct.length; i++) direct[i]!.outbound.tookFrame(frame, found[i]!);
  for (let i = 0; i < direct.length; i++) told(direct[i]!, found[i]!, frame.length, counts);
  results = found;
  for (const connection of later) count(counts, connection.send(message));
}

function told(connection: WebSocketConnection, sent: number, wanted: number, counts: BroadcastCounts): void {
  try {
    (connection.stream as SocketStream).sentDirectly(sent, wanted);
    if (sent < wanted) connection.outbound.sendRest();
    counts.sent++;
  } catch (error) {
    // Its peer is gone: that is its own affair.
    connection.outputFailed(error);
  }
}
