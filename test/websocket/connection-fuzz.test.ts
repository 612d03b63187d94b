/**
 * Two connections that do whatever is drawn: messages in every form, pings, readers that change and pause, closes and
 * destructions at any time. What arrives is the beginning of what was accepted, all of it where both sides closed; every
 * promise is settled; nothing is rejected that nobody hears of.
 */
import assert from 'node:assert/strict';
import { type ByteStream, DuplexStream, EOF, type MiniprotoError, NOT_READY } from 'miniproto';
import type { WebSocketConnection } from '#lib/websocket/connection';
import type { MessagePieces } from '#lib/websocket/message-pieces';
import { ALONE, agreed, WIDE } from '../support/deflates.js';
import { nodePair, turn } from '../support/node-sockets.js';
import { bytePair, overSockets } from '../support/pairs.js';
import { type Random, seeded } from '../support/random.js';
import { connectionOn } from '../support/websocket-cases.js';

type Message = string | Buffer;

/** What a connection may end with here. */
const ENDS = new Set([
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_ENDED',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_UNEXPECTED_EOF',
  'ERR_TRANSPORT',
]);

/** One side, with what it was promised. */
class Side {
  readonly socket: WebSocketConnection;
  readonly accepted: Message[] = [];
  readonly got: Message[] = [];
  readonly #random: Random;
  readonly #pending = new Map<Promise<unknown>, string>();
  /** It was told to end, and how. */
  ended: 'close' | 'destroy' | 'cut' | undefined;

  constructor(socket: WebSocketConnection, random: Random) {
    this.socket = socket;
    this.#random = random;
  }

  /** Notes a promise until it is settled; of what it may be rejected with, nothing else is allowed. */
  expects<T>(what: string, promise: Promise<T>): Promise<T | undefined> {
    const settled = promise.catch((error: MiniprotoError) => {
      assert.ok(ENDS.has(error.code), `${what}: ${error.stack}`);
      return undefined;
    });
    this.#pending.set(settled, what);
    const done = () => void this.#pending.delete(settled);
    settled.then(done, done);
    return settled;
  }

  get pending(): string[] {
    return [...this.#pending.values()];
  }

  // ---------------------------------------------------------------- sending

  #message(): { data: Message; type: 'text' | 'binary' } {
    const random = this.#random;
    const size = random.oneIn(12) ? random.below(60_000) : random.oneIn(3) ? random.below(3000) : random.below(140);
    const bytes = Buffer.from(random.bytes(size, Buffer.from('abcdefghij')));
    return random.oneIn(2) ? { data: bytes.toString(), type: 'text' } : { data: bytes, type: 'binary' };
  }

  async sends(count: number): Promise<void> {
    for (let left = count; left > 0 && this.socket.state === 'open'; left--) {
      await this.#random.pick([this.#send, this.#send, this.#write, this.#inPieces, this.#other]).call(this);
      if (this.#random.oneIn(3)) await turn();
    }
  }

  async #send(): Promise<void> {
    const { data } = this.#message();
    const answer = this.socket.send(data, { compress: this.#random.oneIn(2) });
    if (answer === true) this.accepted.push(data);
    else if (answer === NOT_READY) await this.expects('drain', this.socket.drain());
  }

  async #write(): Promise<void> {
    const { data } = this.#message();
    const written = this.socket.write(data).then(() => this.accepted.push(data));
    await this.expects('write', written);
  }

  async #inPieces(): Promise<void> {
    const random = this.#random;
    const { data, type } = this.#message();
    const writer = this.socket.beginMessage({ type, compress: random.oneIn(2) });
    if (writer === NOT_READY || writer === EOF) return;
    const bytes = Buffer.from(data as Buffer);
    let from = 0;
    for (const to of random.cuts(bytes.length, 5)) {
      const writing = writer.write(bytes.subarray(from, to)).then(() => true);
      if ((await this.expects('piece', writing)) === undefined) return;
      from = to;
      if (random.oneIn(3)) this.socket.ping('between');
      if (random.oneIn(3)) assert.notEqual(this.socket.send('between'), true);
      if (random.oneIn(4)) await turn();
    }
    try {
      writer.end();
      this.accepted.push(data);
    } catch (error) {
      assert.equal((error as MiniprotoError).code, 'ERR_STREAM_ENDED');
    }
  }

  async #other(): Promise<void> {
    const random = this.#random;
    const { socket } = this;
    switch (random.below(5)) {
      case 0:
        socket.ping('anybody there?');
        return;
      case 1:
        socket.pong();
        return;
      case 2:
        await this.expects('round trip', socket.roundTrip());
        return;
      case 3:
        socket.cork();
        await this.#send();
        if (random.oneIn(2)) await turn();
        socket.uncork();
        return;
      default:
        await this.expects('flush', socket.flush());
    }
  }

  // ---------------------------------------------------------------- receiving

  /** Reads to the end, in one way and another. */
  async reads(): Promise<void> {
    const random = this.#random;
    for (let left = random.below(40); left > 0; left--) {
      if (!(await this.expects('reader', this.#readSome()))) break;
      if (random.oneIn(3)) await turn();
    }
    const handling = this.expects(
      'onMessage',
      this.socket.onMessage((message, self) => {
        this.got.push(message.value());
        if (random.oneIn(6)) self.pause();
        // Answers are messages as well. Of two handlers that answer each would wait for the other to read.
        if (self.role === 'server' && random.oneIn(6) && self.send('answer') === true) this.accepted.push('answer');
      }),
    );
    let done = false;
    void handling.then(() => {
      done = true;
    });
    while (!done) {
      await turn();
      this.socket.resume();
    }
    // What was kept while the handler had paused.
    for (let quiet = 0; quiet < 3; quiet++) {
      const before = this.got.length;
      this.socket.resume();
      await turn();
      if (this.got.length > before) quiet = 0;
    }
  }

  async #readSome(): Promise<boolean> {
    const { socket } = this;
    switch (this.#random.below(4)) {
      case 0: {
        const next = await socket.read();
        if (next !== EOF) this.got.push(next as Message);
        return next !== EOF;
      }
      case 1: {
        const next = socket.tryRead();
        if (next === NOT_READY) await turn();
        else if (next !== EOF) this.got.push(next as Message);
        return next !== EOF;
      }
      case 2:
        for await (const batch of socket.batches()) {
          for (const message of batch) {
            this.got.push(message.value());
            if (this.#random.oneIn(4)) return true;
          }
          return true;
        }
        return false;
      default:
        for await (const message of socket.pieces()) {
          this.got.push(await wholeOf(message));
          if (this.#random.oneIn(3)) return true;
        }
        return false;
    }
  }

  // ---------------------------------------------------------------- the end

  ends(how: 'close' | 'destroy' | 'cut'): void {
    this.ended ??= how;
    if (how === 'close') void this.expects('close', this.socket.close(1000, 'drawn'));
    else if (how === 'destroy') this.socket.destroy();
    else (this.socket.stream as unknown as { destroy(): void }).destroy();
  }
}

async function wholeOf(message: MessagePieces): Promise<Message> {
  const pieces: Buffer[] = [];
  for await (const piece of message) pieces.push(piece);
  const whole = Buffer.concat(pieces);
  return message.type === 'text' ? whole.toString() : whole;
}

/** Two connections on streams, from the first message to the last. */
async function play(random: Random, [ours, theirs]: readonly [ByteStream, ByteStream]): Promise<void> {
  const deflate = random.pick([undefined, agreed(ALONE), agreed(WIDE)]);
  const options = () => ({
    readHighWaterMark: random.pick([1, 500, 65_536]),
    writeHighWaterMark: random.pick([1, 1000, 65_536]),
    closeTimeoutMs: 30_000,
  });
  const sides = [
    new Side(connectionOn(ours, 'server', options(), deflate), random),
    new Side(connectionOn(theirs, 'client', options(), deflate), random),
  ] as const;
  const reading = sides.map((side) => side.reads());
  const sending = sides.map((side) => side.sends(random.below(40)));
  const ending = async () => {
    if (random.oneIn(2)) for (let turns = random.below(60); turns > 0; turns--) await turn();
    else await Promise.all(sending);
    const how = random.pick(['close', 'close', 'close', 'destroy', 'cut'] as const);
    random.pick(sides).ends(how);
    if (random.oneIn(4)) random.pick(sides).ends('close');
    if (random.oneIn(8)) random.pick(sides).ends('destroy');
  };
  await Promise.all([...reading, ...sending, ending()]);
  const infos = await Promise.all(sides.map(({ socket }) => socket.closed));
  for (let i = 0; i < 3; i++) await turn();
  for (const [index, side] of sides.entries()) {
    const other = sides[1 - index]!;
    assert.deepEqual(side.pending, []);
    assert.equal(side.socket.state, 'closed');
    assert.deepEqual(side.got, other.accepted.slice(0, side.got.length), 'not what was accepted, in its order');
    // Whoever closes reads on only as long as somebody takes what comes.
    const whole = infos.every(({ clean }) => clean) && side.ended === undefined;
    if (whole) assert.equal(side.got.length, other.accepted.length, 'something that was accepted is lost');
  }
}

describe('WebSocketConnection, whatever is drawn', () => {
  const unheard: unknown[] = [];
  const listener = (reason: unknown) => void unheard.push(reason);
  beforeEach(() => process.on('unhandledRejection', listener));
  afterEach(() => {
    process.off('unhandledRejection', listener);
    assert.deepEqual(unheard.splice(0), []);
  });

  const streams = (random: Random) => bytePair({ capacity: random.pick([64, 1000, 65_536]) });
  // As many as there are pairs of sockets for a test.
  for (const part of [1, 2]) {
    seeded(`on streams of bytes, part ${part}`, async (random) => {
      // Each part draws for itself.
      for (let skipped = (part - 1) * 1000; skipped > 0; skipped--) random.next();
      for (let round = 0; round < 20; round++) await play(random, streams(random));
    });
  }

  seeded("on Node's sockets", async (random) => {
    for (let round = 0; round < 20; round++) {
      const { accepted, connected } = await nodePair('unix');
      await play(random, [new DuplexStream(accepted), new DuplexStream(connected)]);
    }
  });
});

if (!import.meta.url.includes('over=')) await overSockets(import.meta.url);
