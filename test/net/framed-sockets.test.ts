/**
 * Framed streams over native sockets: what only sockets can show. Records come in turns that many connections share,
 * their bytes lie in memory that the next turn writes again, and answers leave from where the questions lay.
 */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import {
  type Batch,
  type Codec,
  EOF,
  type FramedStream,
  fixed,
  framed,
  lengthPrefixed,
  lines,
  netstring,
  type RecordCursor,
  type RecordPieces,
  separated,
} from 'miniproto';
import type { Connection } from '#lib/net/connection';
import { socketCounters } from '#lib/net/reactor';
import { pattern } from '../support/byte-stream-contract.js';
import { RekeyCodec } from '../support/rekey-codec.js';
import { clearFaults, describeNative, type SocketPair, setFaults, socketPairs } from '../support/socket-pairs.js';

const expired = { name: 'UsageError', code: 'ERR_RECORD_EXPIRED' };

let pairs: SocketPair[] = [];

async function connected(count = 1, family: 'unix' | 'tcp' = 'unix'): Promise<SocketPair[]> {
  const made = await socketPairs(family, count);
  pairs.push(...made);
  return made;
}

/** Turns of the event loop until the condition holds; the test's own time limit ends it. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

/** A push that waits in the reactor by now, so that what comes is framed there. */
async function pushing<R, W>(
  stream: FramedStream<R, W>,
  handler: Parameters<FramedStream<R, W>['onRecord']>[0],
): Promise<{ done: Promise<void> }> {
  const done = stream.onRecord(handler);
  done.catch(() => {});
  await turn();
  await turn();
  return { done };
}

function lengthOf(payload: number): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(payload);
  return head;
}

/** Writes over the memory that turns receive into. */
async function overwriteArena(): Promise<void> {
  const [pair] = await connected();
  let seen = 0;
  await pushing(framed(pair!.one, lines({ maxLength: 1 << 20 })), (record) => {
    seen += record.length;
  });
  const bulk = Buffer.alloc(100_000, 'Z');
  bulk[bulk.length - 1] = 10;
  const writer = framed(pair!.other, lines({ maxLength: 1 << 20 }));
  await Promise.all([writer.write(bulk.subarray(0, -1)), until(() => seen === bulk.length - 1)]);
}

describeNative('Framed streams over native sockets', () => {
  afterEach(() => {
    clearFaults();
    for (const { one, other } of pairs) {
      one.destroy();
      other.destroy();
    }
    pairs = [];
  });

  describe('a push', () => {
    const texts = ['', 'a', 'bc', 'x'.repeat(40), 'last'];
    const plain = (): Codec<string, string | Uint8Array> => {
      const codec = lines();
      return { name: 'plain', decode: codec.decode.bind(codec), encode: codec.encode.bind(codec) };
    };
    const codecs: Record<string, () => Codec<string, string | Uint8Array>> = {
      lines: () => lines(),
      'several separators': () => separated(['--', '\r\n'], { encoding: 'latin1' }),
      'fixed lengths': () => lengthPrefixed({ bytes: 4, encoding: 'latin1' }),
      varints: () => lengthPrefixed({ bytes: 'varint', encoding: 'latin1' }),
      netstrings: () => netstring({ encoding: 'latin1' }),
      'a codec without a framer': plain,
      'a framer that the addon does not have': () => {
        const codec = lines();
        const { framer } = codec.framing!;
        const own = { frame: framer.frame.bind(framer) };
        return { ...plain(), framing: { ...codec.framing!, framer: own as typeof framer } };
      },
    };
    for (const [name, make] of Object.entries(codecs)) {
      it(`gets every record once, wherever the bytes are cut between two turns: ${name}`, async function () {
        this.timeout(30_000);
        const wire = await wireOf(make(), texts);
        for (let cut = 0; cut <= wire.length; cut++) {
          const [{ one, other }] = (await connected()) as [SocketPair];
          const seen: string[] = [];
          await pushing(framed(one, make()), (record) => seen.push(record.value()));
          other.tryWrite(wire.subarray(0, cut));
          await until(() => one.counters().bytesReceived === cut);
          other.tryWrite(wire.subarray(cut));
          await until(() => seen.length >= texts.length);
          assert.deepEqual(seen, texts, `cut at ${cut}`);
          one.destroy();
          other.destroy();
        }
      });
    }

    it('of many connections gets all of them in a few turns, each its own', async () => {
      const count = 300;
      const made = await connected(count);
      const seen = made.map(() => [] as string[]);
      for (const [i, { one }] of made.entries()) {
        void framed(one, lines())
          .onRecord((record) => seen[i]!.push(record.text()))
          .catch(() => {});
      }
      await turn();
      await turn();
      const before = socketCounters()!;
      for (const [i, { other }] of made.entries()) other.tryWrite(Buffer.from(`${i}\nof\n${count}\n`));
      await until(() => seen.every((records) => records.length === 3));
      const after = socketCounters()!;
      for (const [i, records] of seen.entries()) assert.deepEqual(records, [`${i}`, 'of', `${count}`]);
      assert.ok(after.turns - before.turns <= 4, `${after.turns - before.turns} turns`);
      assert.equal(after.rows - before.rows, 3 * count);
    });

    it('whose handler throws is rejected, its neighbours get theirs, and no record is lost or doubled', async () => {
      const made = await connected(5);
      const seen = made.map(() => [] as string[]);
      const boom = new Error('handler');
      const streams = made.map(({ one }) => framed(one, lines()));
      const pushes = await Promise.all(
        streams.map((stream, i) =>
          pushing(stream, (record) => {
            seen[i]!.push(record.text());
            if (i === 2 && record.text() === 'b') throw boom;
          }),
        ),
      );
      for (const { other } of made) other.tryWrite(Buffer.from('a\nb\nc\nd\n'));
      await assert.rejects(pushes[2]!.done, boom);
      await until(() => seen.every((records, i) => i === 2 || records.length === 4));
      await overwriteArena();
      const [, , { other }] = made as [SocketPair, SocketPair, SocketPair];
      other.tryWrite(Buffer.from('e\n'));
      const stream = streams[2]!;
      const rest = [await stream.read(), await stream.read(), await stream.read()];
      assert.deepEqual([...seen[2]!, ...rest], ['a', 'b', 'c', 'd', 'e']);
      const { done } = await pushing(stream, (record) => seen[2]!.push(record.text()));
      other.tryWrite(Buffer.from('f\n'));
      await other.end();
      await done;
      assert.equal(seen[2]!.at(-1), 'f');
    });

    it('whose handler throws in what was not framed by the reactor leaves the rest in memory of its own', async () => {
      const [{ one, other }] = (await connected()) as [SocketPair];
      const stream = framed(one, lines());
      let handled = 0;
      const { done } = await pushing(stream, () => {
        if (++handled === 3) throw new Error('third');
      });
      other.tryWrite(Buffer.from('first, in ha'));
      await until(() => one.counters().bytesReceived === 12);
      const rest = ['four', 'five', 'six'];
      other.tryWrite(Buffer.from(`lves\n${'x'.repeat(5000)}\nthree\n${rest.join('\n')}\n`));
      await assert.rejects(done, { message: 'third' });
      await overwriteArena();
      assert.deepEqual([stream.tryRead(), stream.tryRead(), stream.tryRead()], rest);
    });

    it('that switches in the middle of a turn leaves the next codec memory that nobody else gets', async () => {
      const [{ one, other }] = (await connected()) as [SocketPair];
      const stream = framed(one, lines());
      let next: FramedStream<Buffer, string | Uint8Array> | undefined;
      let batch: Batch<Buffer> | undefined;
      const { done } = await pushing(stream, (record) => {
        assert.equal(record.text(), 'HELLO');
        next = stream.switchTo(lengthPrefixed({ bytes: 1 }));
        assert.throws(() => record.text(), expired);
        batch = next.tryReadBatch() as Batch<Buffer>;
      });
      other.tryWrite(Buffer.from('HELLO\n\x03one\x03two\x05three\x04fo', 'latin1'));
      await done;
      await overwriteArena();
      assert.deepEqual(
        Array.from(batch!, (record) => String(record.bytes())),
        ['one', 'two', 'three'],
      );
      other.tryWrite(Buffer.from('ur'));
      assert.equal(String(await next!.read()), 'four');
    });

    it('that switches and pushes again goes on in the next codec, without a byte lost', async () => {
      const [{ one, other }] = (await connected()) as [SocketPair];
      const stream = framed(one, lines());
      const seen: string[] = [];
      let rest: Promise<void> | undefined;
      await pushing(stream, (record) => {
        if (record.text() !== 'SWITCH') return void seen.push(record.text());
        const blocks = stream.switchTo(fixed(3));
        rest = blocks.onRecord((block) => seen.push(block.text()));
      });
      other.tryWrite(Buffer.from('a\nSWITCH\n123456'));
      other.tryWrite(Buffer.from('7'));
      await until(() => seen.length === 3);
      other.tryWrite(Buffer.from('89'));
      await other.end();
      await until(() => rest !== undefined);
      await rest;
      assert.deepEqual(seen, ['a', '123', '456', '789']);
    });

    it('that is destroyed by its handler gets no further record, nor do connections that it destroys', async () => {
      const made = await connected(6);
      const seen: string[] = [];
      const streams = made.map(({ one }) => framed(one, lines()));
      const pushes = await Promise.all(
        streams.map((stream, i) =>
          pushing(stream, (record) => {
            seen.push(`${i}${record.text()}`);
            // Whoever comes first destroys everybody but the last.
            for (const each of streams.slice(0, 5)) each.destroy();
          }),
        ),
      );
      for (const { other } of made) other.tryWrite(Buffer.from('a\nb\n'));
      await until(() => seen.includes('5b'));
      assert.equal(seen.filter((record) => !record.startsWith('5')).length, 1);
      for (const { done } of pushes.slice(0, 5)) await assert.rejects(done, { code: 'ERR_STREAM_DESTROYED' });
    });

    it('that is closed by its handler resolves, and the last answer arrives', async () => {
      const [{ one, other }] = (await connected()) as [SocketPair];
      const stream = framed(one, lines());
      const seen: string[] = [];
      let closing: Promise<void> | undefined;
      const { done } = await pushing(stream, (record, out) => {
        seen.push(record.text());
        if (record.text() !== 'bye') return;
        out.write(record);
        closing = stream.close();
      });
      other.tryWrite(Buffer.from('a\nbye\nb\nc\n'));
      await done;
      const peer = framed(other, lines());
      assert.equal(await peer.read(), 'bye');
      // Still sending: the answer must not be lost to a reset.
      await peer.write('too late');
      assert.equal(await peer.read(), EOF);
      await peer.end();
      await closing;
      assert.deepEqual(seen, ['a', 'bye']);
    });

    it('that is aborted by its handler stops behind that record, and the rest stays readable', async () => {
      const [{ one, other }] = (await connected()) as [SocketPair];
      const stream = framed(one, lines());
      const controller = new AbortController();
      const seen: string[] = [];
      const done = stream.onRecord(
        (record) => {
          seen.push(record.text());
          if (seen.length === 2) controller.abort(new Error('enough'));
        },
        { signal: controller.signal },
      );
      other.tryWrite(Buffer.from('a\nb\nc\nd\n'));
      await assert.rejects(done, { message: 'enough' });
      assert.deepEqual([...seen, await stream.read(), await stream.read()], ['a', 'b', 'c', 'd']);
    });

    it('and somebody who waits for input are both told of it', async () => {
      const [{ one, other }] = (await connected()) as [SocketPair];
      const stream = framed(one, lines());
      let handled = 0;
      await pushing(stream, () => handled++);
      const waiting = [stream.ready('read'), one.ready('read')];
      other.tryWrite(Buffer.from('a\n'));
      await Promise.all(waiting);
      await until(() => handled === 1);
    });

    it('that stops to watch leaves those who wait for input in the reactor', async () => {
      const [{ one, other }] = (await connected()) as [SocketPair];
      const stream = framed(one, lines());
      const controller = new AbortController();
      const done = stream.onRecord(() => {}, { signal: controller.signal });
      await turn();
      await turn();
      const waiting = one.ready('read');
      controller.abort(new Error('enough'));
      await assert.rejects(done, { message: 'enough' });
      other.tryWrite(Buffer.from('a\n'));
      await waiting;
      assert.equal(stream.tryRead(), 'a');
    });

    it('of a protocol that re-keys goes on although each side waits for the other', async () => {
      const [{ one, other }] = (await connected()) as [SocketPair];
      setFaults({ receive: [1], send: [1] }, { repeats: true });
      const codecs = [new RekeyCodec(3, 2), new RekeyCodec(77, 3)];
      const sides = [one, other].map((stream, i) => framed(stream, codecs[i]!));
      const seen: string[][] = [[], []];
      for (const [i, side] of sides.entries()) side.onRecord((record) => seen[i]!.push(record.value())).catch(() => {});
      const records = Array.from({ length: 20 }, (_, i) => `record ${i}`);
      await Promise.all(sides.flatMap((side) => records.map((record) => side.write(record))));
      await until(() => seen.every((each) => each.length === records.length));
      assert.deepEqual(seen, [records, records]);
    });

    it('runs each handler in the context of whoever began it', async () => {
      const storage = new AsyncLocalStorage<number>();
      const made = await connected(20);
      const seen: (number | undefined)[][] = made.map(() => []);
      for (const [i, { one }] of made.entries()) {
        storage.run(i, () => {
          void framed(one, lines())
            .onRecord(() => seen[i]!.push(storage.getStore()))
            .catch(() => {});
        });
      }
      await turn();
      await turn();
      storage.run(-1, () => {
        for (const { other } of made) other.tryWrite(Buffer.from('a\nb\n'));
      });
      await until(() => seen.every((contexts) => contexts.length === 2));
      for (const [i, contexts] of seen.entries()) assert.deepEqual(contexts, [i, i]);
      assert.equal(storage.getStore(), undefined);
    });
  });

  describe('a cursor', () => {
    it('that is kept beyond its turn is expired, wherever it is written to', async () => {
      const [from, to] = (await connected(2)) as [SocketPair, SocketPair];
      let kept: RecordCursor<string> | undefined;
      await pushing(framed(from.one, lines()), (record) => {
        kept = record;
      });
      from.other.tryWrite(Buffer.from('secret\n'));
      await until(() => kept !== undefined);
      const out = framed(to.one, lines());
      await turn();
      const cursor = kept!;
      for (const use of [() => cursor.text(), () => cursor.borrow(), () => out.tryWrite(cursor)]) {
        assert.throws(use, expired);
      }
      await assert.rejects(out.write(cursor), expired);
      assert.equal(await out.flush(), undefined);
      assert.equal(to.one.counters().bytesSent, 0);
    });

    for (const size of [3, 5000, 20_000, 150_000]) {
      it(`of ${size} bytes is relayed to a connection that takes it much later, as it was`, async () => {
        const [from, to] = (await connected(2)) as [SocketPair, SocketPair];
        const options = { bytes: 4 } as const;
        const out = framed(to.one, lengthPrefixed(options), { writeHighWaterMark: 2 ** 24 });
        let relayed = 0;
        await pushing(framed(from.one, lengthPrefixed(options)), (record) => {
          void out.write(record);
          relayed++;
        });
        const writer = framed(from.other, lengthPrefixed(options), { writeHighWaterMark: 2 ** 24 });
        const count = Math.ceil(1_000_000 / size / 10);
        for (let i = 0; i < count; i++) writer.tryWrite(pattern(size, i));
        await until(() => relayed === count);
        await overwriteArena();
        const reader = framed(to.other, lengthPrefixed(options));
        for (let i = 0; i < count; i++) assert.ok(pattern(size, i).equals((await reader.read()) as Buffer), `${i}`);
      });

      it(`of ${size} bytes is echoed to a peer that reads much later, as it was`, async () => {
        const [{ one, other }] = (await connected(1)) as [SocketPair];
        const options = { bytes: 4 } as const;
        let handled = 0;
        await pushing(framed(one, lengthPrefixed(options)), (record, out) => {
          out.write(record);
          handled++;
        });
        const peer = framed(other, lengthPrefixed(options), { writeHighWaterMark: 2 ** 24 });
        const count = Math.ceil(1_500_000 / (size + 4));
        const sent: Promise<void>[] = [];
        for (let i = 0; i < count; i++) sent.push(peer.write(pattern(size, i % 100)));
        // Its own output holds the peer: not everything is handled before the peer reads.
        for (let i = 0; i < 20; i++) await turn();
        assert.ok(handled < count, 'no backpressure');
        await overwriteArena();
        for (let i = 0; i < count; i++) {
          assert.ok(pattern(size, i % 100).equals((await peer.read()) as Buffer), `record ${i} of ${count}`);
        }
        await Promise.all(sent);
      });
    }
  });

  describe('large records', () => {
    const SIZES = { '1 MiB': 2 ** 20, '5 MiB': 5 * 2 ** 20 };
    for (const [name, size] of Object.entries(SIZES)) {
      const options = { bytes: 4, maxLength: 2 ** 24 } as const;
      const readers: Record<string, (stream: FramedStream<Buffer, unknown>, got: Buffer[]) => Promise<void>> = {
        read: async (stream, got) => {
          for (let record = await stream.read(); record !== EOF; record = await stream.read())
            got.push(record as Buffer);
        },
        'for await': async (stream, got) => {
          for await (const record of stream) got.push(record);
        },
        batches: async (stream, got) => {
          for await (const batch of stream.batches()) for (const record of batch) got.push(record.bytes());
        },
        push: (stream, got) => stream.onRecord((record) => got.push(record.bytes())),
        pieces: async (stream, got) => {
          for (let pieces = await stream.readPieces(); pieces !== EOF; pieces = await stream.readPieces()) {
            const parts: Buffer[] = [];
            for await (const piece of pieces as RecordPieces) parts.push(Buffer.from(piece));
            got.push(Buffer.concat(parts));
          }
        },
      };
      for (const [form, read] of Object.entries(readers)) {
        for (const family of ['unix', 'tcp'] as const) {
          it(`of ${name} arrive among small ones, by ${form} over ${family}`, async () => {
            const [{ one, other }] = (await connected(1, family)) as [SocketPair];
            const sizes = [5, size, 0, size - 1, 70_000, 3, size, 100];
            const writer = framed(other, lengthPrefixed(options));
            const writing = (async () => {
              for (const [i, length] of sizes.entries()) await writer.write(pattern(length, i));
              await writer.end();
            })();
            const got: Buffer[] = [];
            await read(framed(one, lengthPrefixed(options)), got);
            await writing;
            assert.deepEqual(
              got.map((record) => record.length),
              sizes,
            );
            for (const [i, record] of got.entries()) assert.ok(record.equals(pattern(record.length, i)), `record ${i}`);
          });
        }
      }
    }

    const unfinished = {
      'that are only declared': {
        codec: () => lengthPrefixed({ bytes: 4, maxLength: 2 ** 28 }),
        head: lengthOf(2 ** 28),
      },
      'whose end nobody knows': { codec: () => lines({ maxLength: 2 ** 28 }), head: Buffer.from('line') },
    };
    for (const [which, { codec, head }] of Object.entries(unfinished)) {
      it(`${which} hold no more than twice what has come of them`, async () => {
        const made = await connected(40);
        const sent = 100 * 1024;
        const streams = made.map(({ one }) => framed<unknown, never>(one, codec() as Codec<unknown, never>));
        const reads: Promise<unknown>[] = [];
        const before = process.memoryUsage().arrayBuffers;
        for (const [i, stream] of streams.entries()) {
          if (i % 2 === 0) reads.push(stream.read());
          else reads.push(stream.onRecord(() => {}));
        }
        for (const read of reads) read.catch(() => {});
        await turn();
        const bytes = Buffer.alloc(sent, 'x');
        await Promise.all(
          made.map(async ({ other }) => {
            await writeAllOf(other, head);
            await writeAllOf(other, bytes);
          }),
        );
        await until(() => made.every(({ one }) => one.input.length === sent + 4));
        const held = process.memoryUsage().arrayBuffers - before;
        // Some pages of the pools were made meanwhile.
        assert.ok(held <= 2 * made.length * sent + 4 * 2 ** 20, `${held} bytes for ${made.length * sent}`);
      });
    }

    for (const newline of ['lf', 'either'] as const) {
      it(`that end with a separator arrive whole among small ones, and leave as they came (${newline})`, async () => {
        const [{ one, other }] = (await connected()) as [SocketPair];
        const codec = () => lines({ encoding: 'buffer', newline, maxLength: 2 ** 24 });
        const sizes: number[] = [];
        for (let i = 0; i < 6; i++) sizes.push(70_000, 2 ** 20, 3, 2 ** 20 - 1, 2 ** 20 + 1, 0, 300_000, 16_385, 1, 5);
        sizes.push(5 * 2 ** 20, 65_535, 65_536, 7, ...Array(3000).fill(40), 2 ** 20);
        await pushing(framed(one, codec()), (record, out) => out.write(record));
        const peer = framed(other, codec());
        const letters = 'abcdefghijk';
        const writing = (async () => {
          for (const [i, size] of sizes.entries()) await peer.write(Buffer.alloc(size, letters[i % letters.length]));
        })();
        for (const [i, size] of sizes.entries()) {
          const echo = (await peer.read()) as Buffer;
          assert.ok(echo.equals(Buffer.alloc(size, letters[i % letters.length])), `record ${i} of ${size} bytes`);
        }
        await writing;
      });
    }

    it('that end with a separator are received where they are read', async () => {
      const [{ one, other }] = (await connected()) as [SocketPair];
      const codec = () => lines({ encoding: 'buffer', maxLength: 2 ** 24 });
      const { input } = one;
      const commit = input.commit.bind(input);
      let [seen, inPlace] = [0, 0];
      input.commit = (byteCount) => {
        inPlace += byteCount;
        commit(byteCount);
      };
      await pushing(framed(one, codec()), (record) => {
        seen += record.length;
      });
      const peer = framed(other, codec());
      const [size, count] = [2 ** 20, 12];
      for (let i = 0; i < count; i++) {
        await peer.write(Buffer.alloc(size, 'x'));
        await until(() => seen === (i + 1) * size);
      }
      // The first arrival of all comes as others do, and the beginnings of records, by which they show to be large.
      assert.ok(inPlace > (count - 2) * size, `${inPlace} bytes were received in place`);
      assert.ok(input.copiedBytes < (count * size) / 2, `${input.copiedBytes} bytes were copied`);
    });
  });
});

async function writeAllOf(stream: Connection, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const taken = stream.tryWrite(bytes.subarray(at));
    if (typeof taken === 'number') at += taken;
    else await stream.ready('write');
  }
}

/** The bytes that a codec makes of records. */
async function wireOf<R>(codec: Codec<R, string | Uint8Array>, records: readonly string[]): Promise<Buffer> {
  const [{ one, other }] = (await connected()) as [SocketPair];
  const writer = framed(one, codec);
  for (const record of records) await writer.write(record);
  await writer.end();
  for (;;) {
    const answer = other.tryFill(1 << 20);
    if (answer === EOF) return other.input.take(other.input.length);
    await other.ready('read');
  }
}
