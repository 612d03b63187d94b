/**
 * No server, but the bound of those that deflate: what zlib itself takes for a message, there and back.
 *
 *     node bench/servers/zlib-alone.mjs --corpus PATH --deflate alone|takeover --warmup S --seconds S
 *
 * Node's own zlib, by the synchronous call below its streams, on one pair of them that is always in the processor's cache:
 * each document of the corpus (load/websocket/corpus.h) is inflated as a client sends it, and deflated again. No frames,
 * no sockets, no copies. While it warms up, everything is compared. Prints one line of JSON, as clients do.
 */
import { readFileSync } from 'node:fs';
import { argv, cpuUsage, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { constants, createDeflateRaw, createInflateRaw } from 'node:zlib';
import { LEVEL } from './web-socket.mjs';

const names = ['corpus', 'deflate', 'warmup', 'seconds'];
const { values } = parseArgs({
  args: argv.slice(2),
  options: Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
});
const takeover = values.deflate === 'takeover';
const TAIL = Buffer.of(0, 0, 0xff, 0xff);
/** Of a frame of such a message. */
const HEADER_BYTES = 4;
/** Messages between two looks at the clock. */
const AT_ONCE = 64;
const room = Buffer.allocUnsafe(64 * 1024);
const checkRoom = Buffer.allocUnsafe(64 * 1024);

/** What goes through a stream at once, without its events. */
class Codec {
  #handle;
  #state;

  constructor(stream) {
    // Node has no public call for it: those that end in Sync make a stream for each message.
    this.#handle = stream._handle;
    this.#state = stream._writeState;
  }

  /** @returns {number} bytes in `target` */
  run(bytes, target) {
    if (!takeover) this.#handle.reset();
    this.#handle.writeSync(constants.Z_SYNC_FLUSH, bytes, 0, bytes.length, target, 0, target.length);
    const [left, unread] = this.#state;
    if (left === 0 || unread !== 0) throw new Error('zlib stopped before the end of a message');
    return target.length - left;
  }
}

const inflater = new Codec(createInflateRaw());
const deflater = new Codec(createDeflateRaw({ level: LEVEL }));
const checker = new Codec(createInflateRaw());
const documents = readDocuments();
let count = 0;
let bytes = 0;

function echo(check) {
  const document = documents[count % documents.length];
  const sent = takeover && count >= documents.length ? document.chained : document.alone;
  const size = inflater.run(sent, room);
  if (check && !room.subarray(0, size).equals(document.plain)) throw new Error('a document came out wrong');
  const deflated = deflater.run(document.plain, room);
  if (check && !checker.run(room.subarray(0, deflated), checkRoom)) throw new Error('nothing came back');
  if (check && !checkRoom.subarray(0, size).equals(document.plain)) throw new Error('a document went out wrong');
  bytes += HEADER_BYTES + deflated - TAIL.length;
  count++;
}

function during(seconds, check) {
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end) for (let i = 0; i < AT_ONCE; i++) echo(check);
}

/** The documents, and what a client sends for each, its tail put back. */
function readDocuments() {
  const file = readFileSync(values.corpus);
  const blobs = [];
  for (let at = 0; at < file.length; at += 4 + file.readUInt32BE(at)) {
    blobs.push(file.subarray(at + 4, at + 4 + file.readUInt32BE(at)));
  }
  const ended = (blob) => Buffer.concat([blob, TAIL]);
  return Array.from({ length: blobs.length / 3 }, (_, index) => {
    const [plain, alone, chained] = blobs.slice(3 * index, 3 * index + 3);
    return { plain, alone: ended(alone), chained: ended(chained) };
  });
}

during(Number(values.warmup) / 2, true);
during(Number(values.warmup) / 2, false);
count = documents.length * Math.ceil(count / documents.length);
const before = { count, bytes, time: performance.now(), cpu: cpuUsage() };
during(Number(values.seconds), false);
const { user, system } = cpuUsage(before.cpu);
const serverCpuSeconds = (user + system) / 1e6;
const seconds = (performance.now() - before.time) / 1000;
const messages = count - before.count;
const rates = { messagesPerSecond: messages / seconds, messagesPerCpuSecond: messages / serverCpuSeconds };
const bytesPerEcho = (bytes - before.bytes) / messages;
stdout.write(`${JSON.stringify({ messages, seconds, serverCpuSeconds, bytesPerEcho, ...rates })}\n`);
