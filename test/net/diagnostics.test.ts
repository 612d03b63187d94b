/** Seeing inside: counters, diagnostics channels, and what inspect shows. */
import assert from 'node:assert/strict';
import { type ChannelListener, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Readable } from 'node:stream';
import { inspect } from 'node:util';
import {
  adopt,
  type Batch,
  type Codec,
  type Connection,
  decodeTransform,
  EOF,
  type FramedStream,
  framed,
  LimitError,
  lengthPrefixed,
  lines,
  listen,
  type MiniprotoError,
  mapped,
  memoryPair,
  NOT_READY,
  type RecordCursor,
  type RecordPieces,
  socketCounters,
} from 'miniproto';
import { nativeInfo } from '#lib/native';
import { readExactly, writeAll } from '../support/byte-stream-contract.js';
import { closed, NATIVE, nodePair, until } from '../support/node-sockets.js';
import { clearFaults, describeNative, setFaults, socketPair } from '../support/socket-pairs.js';

/** Collects what is published while `work` runs. */
async function published(name: string, work: () => unknown): Promise<Record<string, unknown>[]> {
  const messages: Record<string, unknown>[] = [];
  const listener: ChannelListener = (message) => void messages.push(message as Record<string, unknown>);
  subscribe(`miniproto:${name}`, listener);
  try {
    await work();
  } finally {
    unsubscribe(`miniproto:${name}`, listener);
  }
  return messages;
}

describe('diagnostics channels', () => {
  it('tell of connections that open and close, and why', async () => {
    const { accepted, connected } = await nodePair();
    let stream: ReturnType<typeof adopt> | undefined;
    const opened = await published('open', () => {
      stream = adopt(accepted);
    });
    assert.deepEqual(opened, [{ stream }]);
    const ended = await published('close', async () => {
      connected.end();
      await stream!.close();
      await closed(accepted);
    });
    assert.deepEqual(ended, [{ stream, error: undefined }]);
    const second = await nodePair();
    const failing = adopt(second.accepted);
    const failed = await published('close', async () => {
      failing.destroy(new RangeError('on purpose'));
      await closed(second.accepted);
    });
    assert.equal(failed.length, 1);
    assert.match(String(failed[0]!.error), /on purpose/);
    second.connected.destroy();
  });

  it('tell of a release as of a close', async () => {
    const { accepted, connected } = await nodePair();
    const stream = adopt(accepted);
    const messages = await published('close', () => stream.release().socket.destroy());
    assert.deepEqual(messages, [{ stream, error: undefined }]);
    connected.destroy();
  });

  it('tell of a switch, with the names of the codecs', async () => {
    const [one] = memoryPair();
    const talk = framed(one, lines());
    const messages = await published('switch', () => talk.switchTo(lengthPrefixed()));
    assert.deepEqual(messages, [{ stream: one, from: 'lines', to: lengthPrefixed().name }]);
    const refused = await published('switch', () => assert.throws(() => talk.switchTo(lines())));
    assert.deepEqual(refused, []);
  });

  it('tell once of a peer that goes over a limit, and not of other errors', async () => {
    const [one, other] = memoryPair();
    other.tryWrite(Buffer.from('far too long\n'));
    const talk = framed(one, lines({ maxLength: 4 }));
    const messages = await published('limit', () => {
      for (let i = 0; i < 3; i++) assert.throws(() => talk.tryRead(), LimitError);
    });
    assert.equal(messages.length, 1);
    assert.equal(messages[0]!.stream, one);
    assert.equal((messages[0]!.error as MiniprotoError).code, 'ERR_RECORD_TOO_LARGE');
    const others = await published('limit', async () => {
      const [near, far] = memoryPair();
      far.tryWrite(Buffer.from([0, 0]));
      void far.end();
      await assert.rejects(framed(near, lengthPrefixed()).read(), { code: 'ERR_UNEXPECTED_EOF' });
    });
    assert.deepEqual(others, []);
  });

  it('tell of a limit in a Transform and in a batch as well', async () => {
    const inTransform = await published('limit', async () => {
      const source = Readable.from([Buffer.from('far too long\n')], { objectMode: false });
      await assert.rejects(async () => {
        for await (const _ of source.pipe(decodeTransform(lines({ maxLength: 4 })))) assert.fail();
      }, LimitError);
    });
    assert.deepEqual(
      inTransform.map(({ stream }) => stream),
      [undefined],
    );
    const [one, other] = memoryPair();
    other.tryWrite(Buffer.from('ok\nfar too long\n'));
    const inBatch = await published('limit', async () => {
      await assert.rejects(async () => {
        for await (const batch of framed(one, lines({ maxLength: 4 })).batches()) {
          for (const record of batch) assert.equal(record.text(), 'ok');
        }
      }, LimitError);
    });
    assert.equal(inBatch.length, 1);
  });

  it('tell of a timeout, which is a limit', async () => {
    const { accepted, connected } = await nodePair();
    const stream = adopt(accepted, { idleTimeoutMs: 20 });
    const messages = await published('limit', () => new Promise<void>((resolve) => stream.whenClosed(resolve)));
    assert.equal(messages.length, 1);
    assert.equal(messages[0]!.stream, stream);
    assert.equal((messages[0]!.error as MiniprotoError).code, 'ERR_IDLE_TIMEOUT');
    connected.destroy();
  });

  it('tell when the system takes less than it is given', async function () {
    if (!NATIVE) this.skip();
    const { accepted, connected } = await nodePair();
    connected.pause();
    const stream = adopt(accepted);
    const messages = await published('stall', () => {
      while (stream.tryWrite(Buffer.alloc(1 << 20)) !== NOT_READY);
    });
    assert.ok(messages.length > 0 && messages.every((message) => message.stream === stream));
    assert.equal(stream.counters().stalls, messages.length);
    stream.destroy();
    connected.destroy();
  });
});

describeNative('diagnostics channels, a listener of stalls', () => {
  afterEach(clearFaults);

  it('may write: it comes behind what was on its way, and nothing twice', async () => {
    const { one, other } = await socketPair();
    const [writer, reader] = [framed(one, lines(), { writeHighWaterMark: 100 }), framed(other, lines())];
    const long = '0123456789'.repeat(20);
    let written = false;
    const listener = () => {
      if (written) return;
      written = true;
      // Over its mark: it tries to make room first.
      assert.equal(writer.tryWrite('refused'), NOT_READY);
      assert.equal(writer.tryFlush(), NOT_READY);
      void writer.write('from the listener');
    };
    setFaults({ send: [3] }, { repeats: false });
    subscribe('miniproto:stall', listener);
    try {
      writer.tryWrite(long);
      writer.tryFlush();
    } finally {
      unsubscribe('miniproto:stall', listener);
    }
    assert.equal(written, true);
    await writer.write('behind it');
    await writer.end();
    const read: unknown[] = [];
    for await (const line of reader) read.push(line);
    assert.deepEqual(read, [long, 'from the listener', 'behind it']);
  });

  const TAKEN = {
    upgrade: (talk: FramedStream<string, string | Uint8Array>) => talk.upgrade(() => {}),
    release: (talk: FramedStream<string, string | Uint8Array>) => (talk.stream as Connection).release(),
  };
  for (const [name, take] of Object.entries(TAKEN)) {
    it(`may not ${name}: what has left is not known yet, and would be sent once more`, async () => {
      const { one, other } = await socketPair();
      const [writer, reader] = [framed(one, lines()), framed(other, lines())];
      let error: unknown;
      const listener = () => {
        try {
          take(writer);
        } catch (thrown) {
          error = thrown;
        }
      };
      setFaults({ send: [3] }, { repeats: false });
      subscribe('miniproto:stall', listener);
      try {
        writer.tryWrite('0123456789');
        writer.tryFlush();
      } finally {
        unsubscribe('miniproto:stall', listener);
      }
      assert.equal((error as MiniprotoError).code, 'ERR_STREAM_IN_USE');
      await writer.write('behind it');
      await writer.end();
      const read: unknown[] = [];
      for await (const line of reader) read.push(line);
      assert.deepEqual(read, ['0123456789', 'behind it']);
    });
  }
});

describe('counters', () => {
  it('count bytes, calls and records of a connection, and are there when it is gone', async () => {
    const before = socketCounters();
    const { accepted, connected } = await nodePair();
    const stream = adopt(accepted);
    const { nativeCalls, ...atFirst } = stream.counters();
    assert.deepEqual(Object.values(atFirst), new Array(11).fill(0));
    if (!NATIVE) assert.equal(nativeCalls, 0);
    connected.write('one\ntwo\n');
    assert.equal((await readExactly(stream, 8)).length, 8);
    await writeAll(stream, Buffer.from('answer'));
    const counters = stream.counters();
    assert.deepEqual([counters.bytesReceived, counters.bytesSent], [8, 6]);
    if (NATIVE) {
      assert.ok(counters.receives >= 1);
      assert.equal(counters.sends, 1);
      const after = socketCounters()!;
      assert.equal(after.bytesReceived - (before?.bytesReceived ?? 0), 8);
      assert.equal(after.connections - (before?.connections ?? 0), 1);
      // Eight bytes are less than a page, and were copied out of it.
      assert.equal(after.copies - (before?.copies ?? 0), 1);
      assert.equal(after.copiedBytes - (before?.copiedBytes ?? 0), 8);
      assert.deepEqual([counters.copies, counters.copiedBytes], [1, 8]);
      const calls = after.nativeCalls - (before?.nativeCalls ?? 0);
      assert.ok(calls >= counters.receives + counters.sends, String(calls));
      assert.ok(counters.nativeCalls > nativeCalls + counters.sends, String(counters.nativeCalls));
      // The arena alone has half a megabyte.
      assert.ok(after.memoryHeld >= 512 * 1024);
    } else assert.equal(socketCounters(), undefined);
    stream.destroy();
    await closed(accepted);
    assert.deepEqual([stream.counters().bytesReceived, stream.counters().bytesSent], [8, 6]);
    if (NATIVE) assert.equal(socketCounters()!.connections, before?.connections ?? 0);
    connected.destroy();
  });

  it('count the records that were framed where they arrived, and the turns that handed them out', async function () {
    if (!NATIVE) this.skip();
    const { accepted, connected } = await nodePair();
    const stream = adopt(accepted);
    let count = 0;
    const before = socketCounters()!.turns;
    const push = framed(stream, lines()).onRecord(() => void count++);
    // The push waits by now, and what comes is framed by the reactor.
    await new Promise((resolve) => setImmediate(resolve));
    connected.write('one\ntwo\nthree\n');
    await until(() => count === 3);
    assert.equal(stream.counters().rows, 3);
    assert.ok(stream.counters().turns >= 1);
    assert.ok(socketCounters()!.turns - before >= stream.counters().turns);
    connected.end();
    await push;
    stream.destroy();
  });
});

/** Forms of reading, each of which takes the four records of `a\nb\nc\nd\n`. */
const FORMS: Record<string, (talk: FramedStream<string, unknown>) => Promise<void>> = {
  read: async (talk) => {
    for (let i = 0; i < 4; i++) await talk.read();
  },
  'for await': async (talk) => {
    let count = 0;
    for await (const _ of talk) if (++count === 4) break;
  },
  batches: async (talk) => {
    let count = 0;
    for await (const batch of talk.batches()) {
      for (const _ of batch) count++;
      if (count === 4) break;
    }
  },
  'values of batches': async (talk) => {
    let count = 0;
    for await (const batch of talk.batches()) {
      count += batch.values().length;
      if (count === 4) break;
    }
  },
  push: async (talk) => {
    const over = new AbortController();
    let count = 0;
    const handler = () => void (++count === 4 && over.abort());
    await talk.onRecord(handler, { signal: over.signal }).catch(() => {});
  },
  pieces: async (talk) => {
    for (let i = 0; i < 4; i++) await ((await talk.readPieces()) as RecordPieces).discard();
  },
};

describe('counters of records', () => {
  for (const [name, take] of Object.entries(FORMS)) {
    it(`count each that was given out, once: ${name}`, async () => {
      const { accepted, connected } = await nodePair();
      const stream = adopt(accepted);
      connected.write('a\nb\nc\nd\nrest');
      await take(framed(stream, lines()));
      assert.equal(stream.counters().records, 4);
      stream.destroy();
      connected.destroy();
    });
  }

  it('count those of a codec without a framer, and not what is given back', async () => {
    const { accepted, connected } = await nodePair();
    const stream = adopt(accepted);
    connected.end('1\n2\n3\n4\n5');
    const talk = framed(stream, mapped(lines(), { name: 'numbers', decode: Number, encode: String }));
    for await (const batch of talk.batches()) {
      for (const _ of batch) break;
      break;
    }
    const byte: Codec<number> = {
      name: 'byte',
      decode: (input) => (input.length === 0 ? input.need(1) : input.take(1)[0]!),
      encode: () => true,
    };
    assert.equal(stream.counters().records, 1);
    const bytes = talk.switchTo(byte);
    while ((await bytes.read()) !== EOF);
    assert.equal(stream.counters().records, 1 + '2\n3\n4\n5'.length);
    stream.destroy();
  });

  it('are those of a thread as well, while it has native sockets', async function () {
    if (!NATIVE) this.skip();
    const { accepted, connected } = await nodePair();
    const stream = adopt(accepted);
    const before = socketCounters()!.records;
    connected.write('a\nb\nc\nd\n');
    await FORMS.batches!(framed(stream, lines()));
    assert.equal(socketCounters()!.records - before, 4);
    stream.destroy();
    connected.destroy();
  });
});

describe('memoryHeld of a connection', () => {
  it('is what unread input takes, then nothing', async () => {
    const { accepted, connected } = await nodePair();
    const stream = adopt(accepted);
    connected.write(Buffer.alloc(20_000, 'x'));
    await until(() => stream.tryFill(20_000) === 20_000);
    assert.ok(stream.counters().memoryHeld >= 20_000, String(stream.counters().memoryHeld));
    stream.input.consume(20_000);
    assert.equal(stream.counters().memoryHeld, 0);
    stream.destroy();
    connected.destroy();
  });

  it('is what was written and has not left, also to a framed stream', async () => {
    const { accepted, connected } = await nodePair();
    const stream = adopt(accepted);
    const talk = framed(stream, lines());
    talk.cork();
    talk.tryWrite('x'.repeat(999));
    assert.equal(stream.counters().memoryHeld, 1000);
    talk.uncork();
    await talk.flush();
    assert.equal(stream.counters().memoryHeld, 0);
    stream.destroy();
    connected.destroy();
  });
});

describe('inspect', () => {
  it('shows a server, a stream, a batch and a record in a line', async () => {
    await using server = await listen({ port: 0, host: '127.0.0.1' }, () => {});
    assert.equal(inspect(server), `ByteServer { listening: 127.0.0.1:${server.port}, connections: 0 }`);
    await server.close();
    assert.equal(inspect(server), 'ByteServer { closed, connections: 0 }');
    const [one, other] = memoryPair({ capacity: 8 });
    assert.equal(one.tryWrite(Buffer.from('abc\nde\nf')), 8);
    assert.equal(inspect(one), 'MemoryStream { open, unread: 0, unsent: 8 }');
    const talk = framed(other, lines());
    const batch = talk.tryReadBatch() as Batch<string>;
    let cursor: RecordCursor<string> | undefined;
    for (cursor of batch) {
      assert.equal(inspect(cursor), "RecordCursor { length: 3, 'abc' }");
      break;
    }
    assert.equal(inspect(batch), 'Batch { length: 2, visited: 1 }');
    talk.tryRead();
    assert.equal(inspect(cursor), 'RecordCursor { expired }');
    other.destroy();
    assert.equal(inspect(other), 'MemoryStream { destroyed, unread: 1, unsent: 0 }');
  });

  it('shows a connection in a line', async () => {
    const { accepted, connected } = await nodePair();
    const { remotePort } = accepted;
    const stream = adopt(accepted);
    connected.write('hello');
    await until(() => stream.tryFill(5) === 5);
    await writeAll(stream, Buffer.from('abc'));
    const state = NATIVE ? 'native, open' : `over Node: ${nativeInfo().sockets.reason}, open`;
    assert.equal(
      inspect(stream),
      `${NATIVE ? 'SocketStream' : 'NodeConnection'} { ${state}, peer: 127.0.0.1:${remotePort}, unread: 5, received: 5, sent: 3 }`,
    );
    stream.destroy();
    await closed(accepted);
    assert.match(inspect(stream), /closed, peer: 127\.0\.0\.1:\d+, unread: 5, received: 5, sent: 3/);
    connected.destroy();
    const unix = await nodePair('unix');
    const local = adopt(unix.accepted);
    assert.match(inspect(local), /peer: local/);
    local.destroy();
    unix.connected.destroy();
  });
});
