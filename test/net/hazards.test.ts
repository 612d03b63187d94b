/**
 * What crashed, leaked, hung or corrupted prototypes of native sockets (DESIGN, sections 2.6 and 4), each with a test that
 * fails without its remedy.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as after, setImmediate as turn } from 'node:timers/promises';
import { type Batch, EOF, type FramedStream, fixed, framed, lengthPrefixed, lines, NOT_READY } from 'miniproto';
import { checkAttached } from '#lib/bytes/input-buffer';
import { OutputBuffer } from '#lib/bytes/output-buffer';
import { adopt } from '#lib/net/adopt';
import type { Connection } from '#lib/net/connection';
import { socketCounters, threadReactor } from '#lib/net/reactor';
import type { SocketStream } from '#lib/net/socket-stream';
import { fillUp, pattern } from '../support/byte-stream-contract.js';
import { describeNative, type SocketPair, socketPairs } from '../support/socket-pairs.js';
import { connectionOn } from '../support/websocket-cases.js';
import { BINARY, FIN, frameFor } from '../support/websocket-peer.js';

let pairs: SocketPair[] = [];

async function connected(count: number, family: 'unix' | 'tcp' = 'unix'): Promise<SocketPair[]> {
  const made = await socketPairs(family, count);
  pairs.push(...made);
  return made;
}

async function pair(family: 'unix' | 'tcp' = 'unix'): Promise<SocketPair> {
  return (await connected(1, family))[0]!;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

/** Records of a stream, as they come. */
async function pushed(stream: Connection): Promise<string[]> {
  const seen: string[] = [];
  framed(stream, lines())
    .onRecord((record) => seen.push(record.text()))
    .catch(() => {});
  await turn();
  await turn();
  return seen;
}

/** Looks for work that nobody asked for: how often the reactor was woken in 50 ms. */
async function pollsWhileQuiet(): Promise<number> {
  await turn();
  const before = socketCounters()!.polls;
  await after(50);
  return socketCounters()!.polls - before;
}

/** Wakes that may be left over from what was before. */
const FEW = 6;

describeNative('Hazards of native sockets', () => {
  afterEach(() => {
    for (const { one, other } of pairs) {
      one.destroy();
      other.destroy();
    }
    pairs = [];
  });

  describe('a payload', () => {
    it('is left alone when a getter among the parts takes it away, or closes the connection', async () => {
      const { one } = await pair();
      const { net } = threadReactor()!;
      const { id } = one as SocketStream;
      const bytes = new Uint8Array(1000);
      const parts: Uint8Array[] = [bytes, Buffer.alloc(10)];
      const detach = (): Uint8Array => {
        structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
        return Buffer.alloc(10);
      };
      Object.defineProperty(parts, 1, { get: detach });
      assert.throws(() => net.sendParts(id, parts), { code: 'ERR_OUT_OF_RANGE' });
      assert.equal(one.counters().bytesSent, 0);
      const closing: Uint8Array[] = [Buffer.alloc(10)];
      const close = (): Uint8Array => {
        one.destroy();
        return Buffer.alloc(10);
      };
      Object.defineProperty(closing, 0, { get: close });
      assert.throws(() => net.sendParts(id, closing), { code: 'ERR_OUT_OF_RANGE' });
    });

    const size = 3_000_000;
    const write = async (payload: Uint8Array, meanwhile: () => void, then: 'arrives' | 'fails') => {
      const { one, other } = await pair();
      const writer = framed(one, lengthPrefixed({ maxLength: size }));
      const expected = Buffer.from(payload);
      const writing = writer.write(payload);
      const settled = Promise.allSettled([writing]);
      await turn();
      // Some of it has left, and the rest lies where it is.
      assert.ok(one.counters().bytesSent > 0 && one.counters().bytesSent < size);
      meanwhile();
      const reader = framed(other, lengthPrefixed({ maxLength: size }));
      if (then === 'arrives') {
        assert.ok(expected.equals((await reader.read()) as Buffer));
        return writing;
      }
      await assert.rejects(reader.read(), { code: 'ERR_UNEXPECTED_EOF' });
      await settled;
      await assert.rejects(writing, { name: 'UsageError', code: 'ERR_PAYLOAD_DETACHED' });
    };

    it('that is transferred while it is being sent fails its stream, and nothing else', async () => {
      const neighbour = await pair();
      const payload = new Uint8Array(pattern(size));
      await write(payload, () => structuredClone(payload.buffer, { transfer: [payload.buffer] }), 'fails');
      neighbour.other.tryWrite(Buffer.from('fine\n'));
      assert.equal(await framed(neighbour.one, lines()).read(), 'fine');
    });

    it('that is transferred between the write and the first send fails its stream', async () => {
      const { one } = await pair();
      const writer = framed(one, lengthPrefixed());
      const payload = new Uint8Array(100_000);
      for (const first of [Buffer.from('a small one before it'), undefined]) if (first) writer.tryWrite(first);
      const write = writer.write(payload);
      structuredClone(payload.buffer, { transfer: [payload.buffer] });
      await assert.rejects(write, { code: 'ERR_PAYLOAD_DETACHED' });
      assert.equal(one.destroyed, true);
    });

    it('that is resized to nothing while it is being sent arrives as it was', async () => {
      const buffer = new (ArrayBuffer as unknown as new (size: number, options: object) => ArrayBuffer)(size, {
        maxByteLength: 2 * size,
      });
      const payload = new Uint8Array(buffer);
      payload.set(pattern(size));
      await write(payload, () => (buffer as unknown as { resize(size: number): void }).resize(0), 'arrives');
    });

    it('that other threads may write to arrives as it was', async () => {
      const payload = new Uint8Array(new SharedArrayBuffer(size));
      payload.set(pattern(size));
      await write(payload, () => payload.fill(0), 'arrives');
    });
  });

  it('a payload that is gone is noticed by optimised code too, which has seen resizable memory', () => {
    const resizable = new (ArrayBuffer as unknown as new (size: number, options: object) => ArrayBuffer)(8, {
      maxByteLength: 16,
    });
    const kinds = [
      new Uint8Array(3),
      new Uint8Array(resizable),
      new Uint8Array(new SharedArrayBuffer(8)),
      Buffer.from('a'),
    ];
    const gone = { code: 'ERR_PAYLOAD_DETACHED' };
    for (let round = 0; round < 30; round++) {
      for (let i = 0; i < 10_000; i++) checkAttached(kinds[i % kinds.length]!);
      const payload = new Uint8Array(10);
      structuredClone(payload.buffer, { transfer: [payload.buffer] });
      assert.throws(() => checkAttached(payload), gone, `round ${round}`);
      const output = new OutputBuffer();
      const large = new Uint8Array(20_000);
      output.write(large);
      structuredClone(large.buffer, { transfer: [large.buffer] });
      assert.throws(() => output.peek(), gone, `round ${round}`);
      assert.throws(() => output.single(), gone, `round ${round}`);
    }
  });

  describe('memory that connections share', () => {
    const transfer = (view: Uint8Array): void => {
      structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] });
    };
    /** Node 20 copies what must not be transferred, later ones refuse it; either way it stays where it is. */
    const assertStays = (view: Uint8Array): void => {
      const before = Buffer.from(view);
      try {
        transfer(view);
      } catch (error) {
        assert.equal((error as Error).name, 'DataCloneError');
      }
      assert.ok(before.equals(view));
    };

    it('cannot be transferred by whoever borrows a record in a push: the arena', async () => {
      const { one, other } = await pair();
      let tried = 0;
      framed(one, lengthPrefixed())
        .onRecord((record) => {
          assertStays(record.borrow());
          tried++;
        })
        .catch((error) => assert.fail(error));
      await turn();
      await turn();
      const writer = framed(other, lengthPrefixed());
      for (const size of [10, 5000, 30_000]) await writer.write(pattern(size));
      await until(() => tried === 3);
    });

    it('cannot be transferred by whoever borrows a record of a batch: the pages', async () => {
      const { one, other } = await pair();
      const stream = framed(one, lengthPrefixed());
      const writer = framed(other, lengthPrefixed());
      for (const size of [10, 5000, 20_000]) {
        await writer.write(pattern(size));
        let batch = stream.tryReadBatch();
        for (; batch === NOT_READY; batch = stream.tryReadBatch()) await stream.ready('read');
        for (const record of batch as Batch<Buffer>) {
          if (size < 4096) continue;
          assertStays(record.borrow());
        }
      }
    });

    it('of its own that a connection loses to a transfer is that connection alone', async () => {
      const made = await connected(2);
      const [loser, neighbour] = made as [SocketPair, SocketPair];
      const stream = framed(loser.one, lengthPrefixed({ bytes: 4 }));
      const seen = await pushed(neighbour.one);
      const writer = framed(loser.other, lengthPrefixed({ bytes: 4 }));
      const outcomes: unknown[] = [];
      for (let i = 0; i < 20; i++) {
        await writer.write(pattern(50_000, i));
        let batch = stream.tryReadBatch();
        for (; batch === NOT_READY; batch = stream.tryReadBatch()) await stream.ready('read');
        for (const record of batch as Batch<Buffer>) {
          try {
            transfer(record.borrow());
          } catch (error) {
            outcomes.push((error as Error).name);
          }
        }
        neighbour.other.tryWrite(Buffer.from(`${i}\n`));
      }
      await until(() => seen.length === 20);
    });
  });

  describe('a reset', () => {
    /** Closing with unread input resets the connection. */
    const reset = ({ one, other }: SocketPair) => {
      one.tryWrite(Buffer.from('never read'));
      other.destroy();
    };

    for (const family of ['unix', 'tcp'] as const) {
      it(`that nobody reads costs no turns: a connection that nobody has read, ${family}`, async () => {
        reset(await pair(family));
        assert.ok((await pollsWhileQuiet()) <= FEW);
      });

      it(`that nobody reads costs no turns: a connection that was read before, ${family}`, async () => {
        const connection = await pair(family);
        connection.other.tryWrite(Buffer.from('x'));
        await connection.one.ready('read');
        reset(connection);
        assert.ok((await pollsWhileQuiet()) <= FEW);
        assert.equal(connection.one.tryFill(1), 1);
        await assert.rejects(
          async () => {
            while (connection.one.tryFill(2) === NOT_READY) await connection.one.ready('read');
          },
          { code: 'ERR_TRANSPORT' },
        );
      });

      it(`that nobody reads costs no turns: a push that was aborted, ${family}`, async () => {
        const connection = await pair(family);
        const controller = new AbortController();
        const done = framed(connection.one, lines()).onRecord(() => {}, { signal: controller.signal });
        await turn();
        await turn();
        controller.abort();
        await assert.rejects(done, { name: 'AbortError' });
        reset(connection);
        assert.ok((await pollsWhileQuiet()) <= FEW);
      });

      it(`that nobody reads costs no turns: a push that its own answers hold, ${family}`, async () => {
        const connection = await pair(family);
        const talk = framed(connection.one, lines());
        const done = talk.onRecord((record, out) => void out.write(record));
        fillUp(connection.one);
        await turn();
        connection.other.tryWrite(Buffer.from(`${'x'.repeat(100_000)}\n`.repeat(2)));
        await turn();
        reset(connection);
        await assert.rejects(done, { name: 'TransportError' });
        assert.ok((await pollsWhileQuiet()) <= FEW);
      });
    }

    it('and input that nobody wants cost no turns', async () => {
      const { one, other } = await pair();
      await one.ready('write');
      other.tryWrite(pattern(100_000));
      const wait = new AbortController();
      const ready = one.ready('read', { signal: wait.signal });
      await ready;
      assert.ok((await pollsWhileQuiet()) <= FEW);
      assert.ok((one.tryFill(1) as number) > 0);
    });
  });

  describe('a turn', () => {
    it('does not give what came for a connection to one that was made in the same turn', async () => {
      const made = await connected(3);
      const heirs = await connected(1);
      const [first, victim] = made as [SocketPair, SocketPair, SocketPair];
      const victims: string[] = [];
      const inherited: string[] = [];
      let heir: Connection | undefined;
      const streams = [first, victim].map(({ one }) => framed(one, lines()));
      for (const [i, stream] of streams.entries()) {
        stream
          .onRecord((record) => {
            victims.push(record.text());
            const { one } = i === 0 ? victim : first;
            if (heir !== undefined) return;
            one.destroy();
            // Another connection takes what the destroyed one has left, while its rows are still on their way.
            heir = adoptReleased(heirs[0]!.one);
            framed(heir, lines())
              .onRecord((each) => inherited.push(each.text()))
              .catch(() => {});
          })
          .catch(() => {});
      }
      await turn();
      await turn();
      for (const { other } of made) other.tryWrite(Buffer.from('for its owner\n'));
      await until(() => heir !== undefined);
      await turn();
      heirs[0]!.other.tryWrite(Buffer.from('for the heir\n'));
      await until(() => inherited.length > 0);
      assert.deepEqual(victims, ['for its owner']);
      assert.deepEqual(inherited, ['for the heir']);
      heir!.destroy();
    });

    it('ends for a connection that its handler releases, whose descriptor is then somebody else’s', async () => {
      const { one, other } = await pair();
      const { descriptor, unread } = one.releaseDescriptor();
      assert.equal(unread.length, 0);
      other.tryWrite(Buffer.from('for the new owner'));
      // Level-triggered: a descriptor that had stayed in epoll would wake us for as long as nobody reads it.
      assert.ok((await pollsWhileQuiet()) <= FEW);
      const socket = new Socket({ fd: descriptor });
      const [chunk] = (await once(socket, 'data')) as [Buffer];
      assert.equal(String(chunk), 'for the new owner');
      socket.destroy();
    });

    it('of a released connection that was being watched leaves nothing in epoll', async () => {
      const { one, other } = await pair();
      const controller = new AbortController();
      const done = framed(one, lines()).onRecord(() => {}, { signal: controller.signal });
      await turn();
      await turn();
      controller.abort();
      await assert.rejects(done, { name: 'AbortError' });
      const { descriptor } = one.releaseDescriptor();
      other.tryWrite(Buffer.from('x'));
      other.destroy();
      assert.ok((await pollsWhileQuiet()) <= FEW);
      closeSync(descriptor);
    });

    it('in which a listener throws is still a turn for the others', async () => {
      const made = await connected(4);
      const seen = await Promise.all(made.map(({ one }) => pushed(one)));
      const boom = new Error('a listener');
      made[1]!.one.whenClosed(() => {
        throw boom;
      });
      const caught: unknown[] = [];
      const listeners = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      process.on('uncaughtException', (error) => caught.push(error));
      try {
        // Its end and ours: the connection closes in the middle of a turn, and says so.
        await made[1]!.one.end();
        void made[1]!.other.end();
        for (const [i, { other }] of made.entries()) if (i !== 1) other.tryWrite(Buffer.from('x\n'));
        await until(() => seen.every((records, i) => i === 1 || records.length === 1));
        await until(() => caught.length === 1);
      } finally {
        process.removeAllListeners('uncaughtException');
        for (const listener of listeners) process.on('uncaughtException', listener);
      }
      assert.deepEqual(caught, [boom]);
    });

    it('has no other behind it before the loop goes on, where handlers take long', async () => {
      const made = await connected(40);
      let records = 0;
      for (const { one } of made) {
        const push = framed(one, fixed(1024)).onRecord(() => {
          records++;
          // A turn of them takes longer than all turns of a wake may.
          for (const end = performance.now() + 0.02; performance.now() < end; );
        });
        push.catch(() => {});
      }
      await turn();
      await turn();
      let sent = 0;
      for (const { other } of made) sent += fillUp(other);
      let most = 0;
      let before = socketCounters()!.turns;
      const first = before;
      while (records < Math.floor(sent / 1024)) {
        await turn();
        const { turns } = socketCounters()!;
        most = Math.max(most, turns - before);
        before = turns;
      }
      assert.ok(before - first > 4, String(before - first));
      assert.equal(most, 1);
    });

    it('takes a share of what floods, which goes on by itself, and has the others in between', async () => {
      const made = await connected(2);
      const order: number[] = [];
      // Of those that read in a turn, a WebSocket reads on for as long as it may.
      for (const [index, { one }] of made.entries()) {
        void connectionOn(one, 'server').onMessage(() => void order.push(index));
      }
      const message = frameFor('server', FIN | BINARY, Buffer.alloc(1016));
      const flood = Buffer.concat(Array.from({ length: 16 * 1024 }, () => message));
      await turn();
      await turn();
      const before = (made[0]!.one as SocketStream).counters();
      // All of it is there before anybody looks, and the one that floods is the first to be ready.
      const sent = Math.floor((made[0]!.other.tryWriteStable([flood]) as number) / message.length);
      assert.ok(sent > 128, `too little for two turns: ${sent} KiB`);
      assert.equal(made[1]!.other.tryWrite(message), message.length);
      await until(() => order.length === sent + 1);
      assert.ok(
        order.indexOf(1) < order.lastIndexOf(0),
        `the other one was ${order.indexOf(1) + 1}. of ${order.length}`,
      );
      const { turns, receives } = (made[0]!.one as SocketStream).counters();
      assert.ok(turns - before.turns > 1, String(turns - before.turns));
      // One receive for each, and one that finds nothing.
      assert.ok(receives - before.receives <= turns - before.turns + 1, String(receives - before.receives));
    });

    it('receives its share and no more in a turn where a push takes large records, and goes on by itself', async () => {
      // Its buffers hold more than a turn's share.
      const made = await connected(1, 'tcp');
      const { one, other } = made[0]!;
      const size = 128 * 1024;
      const record = Buffer.alloc(4 + size);
      record.writeUInt32BE(size);
      let taken = 0;
      /** Bytes that had been received when the last record of each turn was taken. */
      const received = new Map<number, number>();
      const options = { bytes: 4, maxLength: size } as const;
      void framed(one, lengthPrefixed(options)).onRecord(() => {
        taken++;
        const { turns, bytesReceived } = (one as SocketStream).counters();
        received.set(turns, bytesReceived);
      });
      await turn();
      // All of it is there before anybody looks.
      const flood = Buffer.concat(Array.from({ length: 16 }, () => record));
      const sent = Math.floor((other.tryWriteStable([flood]) as number) / record.length);
      assert.ok(sent >= 10, `too little for a turn without a bound: ${sent} records`);
      await until(() => taken === sent);
      let before = 0;
      for (const bytes of received.values()) {
        // 256 KiB, and up to a record before and after them.
        assert.ok(bytes - before <= 256 * 1024 + 2 * record.length, `${bytes - before} bytes in a turn`);
        before = bytes;
      }
    });

    it('does not swallow the end of a peer that sends and ends at once', async () => {
      const made = await connected(50);
      const ends: Promise<void>[] = [];
      const seen: string[] = [];
      for (const { one } of made) {
        const stream: FramedStream<string, string | Uint8Array> = framed(one, lines());
        ends.push(stream.onRecord((record) => seen.push(record.text())));
      }
      await turn();
      await turn();
      for (const { other } of made) {
        other.tryWrite(Buffer.from('a\nb'));
        void other.end();
      }
      await Promise.all(ends);
      assert.equal(seen.length, 100);
      for (const { one } of made) assert.equal(one.tryFill(1), EOF);
    });
  });
});

/** A connection of its own on a descriptor that another one has released. */
function adoptReleased(stream: Connection): Connection {
  const { socket } = stream.release();
  return adopt(socket!);
}
