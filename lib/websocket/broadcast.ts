/**
 * One message to many connections: framed once, and handed to the system in one call for all sockets that take it at once.
 *
 * Connections that are not native sockets, that mask, or that have something waiting get it through their own queue. The
 * others are known by their ids (net/bypasses.ts): their objects, cold by the thousand, are not looked at again while
 * nothing has happened to them and the system takes everything.
 */
import { isBypassOpen } from '../net/bypasses.js';
import { threadReactor } from '../net/reactor.js';
import type { SocketStream } from '../net/socket-stream.js';
import { NOT_READY } from '../status.js';
import type { WebSocketConnection } from './connection.js';
import type { Members } from './members.js';
import type { PreparedMessage } from './prepared-message.js';

/** Sockets of one call: what 48 KiB of ids, places and results hold. */
const MOST = 4096;

/** What became of a broadcast. */
export interface BroadcastCounts {
  /** Connections that took the message. */
  sent: number;
  /** Open connections that did not, because they are over their mark. */
  skipped: number;
}

/** What is left to do when the message has been given to the system for all that could be. */
interface Outcome {
  /** Sockets of which the system took all. */
  sent: number;
  /** Those of which it took less, and which have queued the rest. */
  readonly rests: Rest[];
  /** Those that have to queue the message. */
  readonly queued: WebSocketConnection[];
}

interface Rest {
  readonly connection: WebSocketConnection;
  /** Bytes, or a negative errno. */
  readonly sent: number;
  readonly wanted: number;
}

/**
 * Sends the message to each, except `except`. Listeners may hear of connections that are full, stall or fail, and publish in
 * their turn: by then all that take the message at once have it, and of what was not taken the rest is queued.
 */
export function broadcast(
  message: PreparedMessage,
  members: Members,
  except: WebSocketConnection | undefined,
): BroadcastCounts {
  const { sent, rests, queued } = sendAtOnce(message, members, except);
  const counts = { sent, skipped: 0 };
  for (const connection of queued) {
    const answer = connection.send(message);
    if (answer === true) counts.sent++;
    else if (answer === NOT_READY) counts.skipped++;
  }
  for (const rest of rests) if (isTaken(rest)) counts.sent++;
  return counts;
}

function sendAtOnce(
  message: PreparedMessage,
  members: Members,
  except: WebSocketConnection | undefined,
): Readonly<Outcome> {
  const outcome: Outcome = { sent: 0, rests: [], queued: [] };
  const { connections, ids } = members;
  const waves: Wave[] = [];
  let last: Wave | undefined;
  for (let place = 0; place < connections.length; place++) {
    const connection = connections[place]!;
    if (connection === except) continue;
    let id = ids[place]!;
    let { frame } = message;
    if (!isBypassOpen(id)) {
      const { outbound } = connection;
      id = outbound.openBypass();
      if (id < 0) {
        outcome.queued.push(connection);
        continue;
      }
      frame = outbound.frameOf(message);
      // Those that deflate are asked each time what they send.
      if (outbound.deflater === undefined) ids[place] = id;
    }
    if (last?.frame !== frame) last = waveOf(waves, frame);
    last.ids[last.count] = id;
    last.places[last.count++] = place;
    if (last.count === MOST) sendWave(last, members, outcome);
  }
  for (const wave of waves) {
    sendWave(wave, members, outcome);
    wave.frame = NOTHING;
    spareWaves.push(wave);
  }
  return outcome;
}

/** Sockets that get the same frame in one call. */
class Wave {
  frame: Buffer = NOTHING;
  count = 0;
  readonly ids = new Int32Array(MOST);
  /** Where each stands among the members. */
  readonly places = new Int32Array(MOST);
  /** What the system took of each. */
  readonly results = new Int32Array(MOST);
}

const NOTHING = Buffer.alloc(0);
const spareWaves: Wave[] = [];

function waveOf(waves: Wave[], frame: Buffer): Wave {
  let wave = waves.find((one) => one.frame === frame);
  if (wave === undefined) {
    wave = spareWaves.pop() ?? new Wave();
    wave.frame = frame;
    waves.push(wave);
  }
  return wave;
}

/** One call for all sockets of a wave, which is empty then. */
function sendWave(wave: Wave, { connections }: Members, outcome: Outcome): void {
  const { frame, count, ids, places, results } = wave;
  const wanted = frame.length;
  wave.count = 0;
  if (count > 0) threadReactor()!.net.sendToMany(ids, count, frame, 0, wanted, results);
  for (let i = 0; i < count; i++) {
    const sent = results[i]!;
    if (sent === wanted) {
      outcome.sent++;
      continue;
    }
    const connection = connections[places[i]!]!;
    connection.outbound.queueRest(frame, sent);
    outcome.rests.push({ connection, sent, wanted });
  }
}

/** The stream hears that the system has not taken all. @returns false where nothing can be sent any more. */
function isTaken({ connection, sent, wanted }: Rest): boolean {
  try {
    (connection.stream as SocketStream).sentDirectly(sent, wanted);
    connection.outbound.sendRest();
    return true;
  } catch (error) {
    // Its peer is gone: that is its own affair.
    connection.outputFailed(error);
    return false;
  }
}
