/**
 * What a review of the native sockets found: handlers that let go of connections, their own and others', in the middle
 * of a turn, while records and answers lie in memory that is about to be somebody else's.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { adopt, framed, lengthPrefixed, lines, NOT_READY, separated, TransportError } from 'miniproto';
import { nodePair, startProgram, until } from '../support/node-sockets.js';
import { clearFaults, describeNative, FAIL, type SocketPair, setFaults, socketPairs } from '../support/socket-pairs.js';

let pairs: SocketPair[] = [];
let sockets: Socket[] = [];

async function connected(count = 1): Promise<SocketPair[]> {
  const made = await socketPairs('unix', count);
  pairs.push(...made);
  return made;
}

/** Everything that arrives, as text. */
function listenTo(socket: Socket): { text: string } {
  const heard = { text: '' };
  sockets.push(socket);
  socket.on('data', (chunk) => {
    heard.text += chunk;
  });
  socket.resume();
  return heard;
}

async function turns(count = 3): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

describeNative('A handler over native sockets', () => {
  afterEach(() => {
    clearFaults();
    for (const { one, other } of pairs) {
      one.destroy();
      other.destroy();
    }
    for (const socket of sockets) socket.destroy();
    pairs = [];
    sockets = [];
  });

  for (const how of ['switches', 'closes'] as const) {
    it(`that echoes a large record and ${how} keeps its memory from other connections until it has left`, async function () {
      this.timeout(20_000);
      const [echo, flood] = (await connected(2)) as [SocketPair, SocketPair];
      const size = 1 << 20;
      const codec = () => lengthPrefixed({ maxLength: 2 * size });
      const talk = framed(echo.one, codec());
      let count = 0;
      const push = talk.onRecord((record, out) => {
        // The second one lies in a block that was used before.
        if (++count < 2) return;
        out.write(record);
        if (how === 'switches') talk.switchTo(codec());
        else void talk.close();
      });
      await turns();
      const peer = framed(echo.other, codec());
      await Promise.all([peer.write(Buffer.alloc(size, 'a')), peer.write(Buffer.alloc(size, 'a'))]);
      await push;
      let others = 0;
      framed(flood.one, codec())
        .onRecord(() => {
          others++;
        })
        .catch(() => {});
      await turns(2);
      const flooder = framed(flood.other, codec());
      for (let i = 0; i < 4; i++) void flooder.write(Buffer.alloc(size, 'Z'));
      await until(() => others === 4);
      assert.equal(Buffer.compare((await peer.read()) as Buffer, Buffer.alloc(size, 'a')), 0);
    });
  }

  it('that writes what it has borrowed sends that, although others get the memory before it has left', async () => {
    const [echo, flood] = (await connected(2)) as [SocketPair, SocketPair];
    const size = 40_000;
    const push = framed(echo.one, lengthPrefixed()).onRecord((record, out) => {
      setFaults({ send: [100, FAIL.again, FAIL.again] }, { repeats: false });
      out.write(record.borrow());
    });
    push.catch(() => {});
    let others = 0;
    const count = () => {
      others++;
    };
    framed(flood.one, lengthPrefixed())
      .onRecord(count)
      .catch(() => {});
    await turns();
    const peer = framed(echo.other, lengthPrefixed());
    const flooder = framed(flood.other, lengthPrefixed());
    await peer.write(Buffer.alloc(size, 'a'));
    // The answer is stuck as long as the system takes nothing.
    await until(() => echo.one.counters().sends > 0);
    await flooder.write(Buffer.alloc(size, 'Z'));
    await until(() => others === 1);
    assert.equal(Buffer.compare((await peer.read()) as Buffer, Buffer.alloc(size, 'a')), 0);
  });

  /** Runs `handler` for a line of one connection while the turn has still to tell of a line of another. */
  async function withinATurn(handler: (other: SocketPair) => void, watch: (other: SocketPair) => void): Promise<void> {
    const [first, second] = (await connected(2)) as [SocketPair, SocketPair];
    framed(first.one, lines())
      .onRecord(() => handler(second))
      .catch(() => {});
    watch(second);
    await turns();
    // Of the second connection's bytes, the turn gets four.
    setFaults({ receive: [0, 4] }, { repeats: false });
    first.other.tryWrite(Buffer.from('go\n'));
    second.other.tryWrite(Buffer.from('one\ntwo\n'));
    await turns();
  }

  it("that ends another connection's push and reads from it gets what the turn has still to tell first", async () => {
    const seen: unknown[] = [];
    const abort = new AbortController();
    let talk: ReturnType<typeof framed<string>> | undefined;
    const handler = () => {
      abort.abort();
      seen.push(talk!.tryRead(), talk!.tryRead());
    };
    await withinATurn(handler, ({ one }) => {
      talk = framed(one, lines());
      talk.onRecord((record) => seen.push(`push: ${record.text()}`), { signal: abort.signal }).catch(() => {});
    });
    assert.deepEqual(seen, ['one', 'two']);
    assert.equal(talk!.tryRead(), NOT_READY);
  });

  it('that releases another connection releases what the turn has still to tell of it', async () => {
    const seen: string[] = [];
    let unread = '';
    let descriptor = -1;
    const handler = ({ one }: SocketPair) => {
      const released = one.releaseDescriptor();
      unread = String(released.unread);
      descriptor = released.descriptor;
    };
    await withinATurn(handler, ({ one }) => {
      framed(one, lines())
        .onRecord((record) => seen.push(record.text()))
        .catch(() => {});
    });
    closeSync(descriptor);
    assert.deepEqual({ seen, unread }, { seen: [], unread: 'one\n' });
  });

  it('that destroys its byte stream is given no further record', async () => {
    const [{ one, other }] = (await connected()) as [SocketPair];
    const seen: string[] = [];
    const push = framed(one, lines()).onRecord((record) => {
      seen.push(record.text());
      one.destroy();
    });
    push.catch(() => {});
    await turns();
    other.tryWrite(Buffer.from('a\nb\nc\n'));
    await assert.rejects(push, { code: 'ERR_STREAM_DESTROYED' });
    assert.deepEqual(seen, ['a']);
  });

  it('that releases its connection gives on what follows the record, and sends its answers before', async () => {
    const { accepted, connected: client } = await nodePair('unix');
    const stream = adopt(accepted);
    const answers = listenTo(client);
    let rest = { text: '' };
    const seen: string[] = [];
    const push = framed(stream, lines()).onRecord((record, out) => {
      seen.push(record.text());
      out.write(record);
      if (seen.length === 2) rest = listenTo(stream.release().socket);
    });
    push.catch(() => {});
    await turns();
    client.write('a\nb\nc\nd');
    await assert.rejects(push, TransportError);
    await until(() => rest.text.length === 3 && answers.text.length === 4);
    assert.deepEqual(
      { seen, rest: rest.text, answers: answers.text },
      { seen: ['a', 'b'], rest: 'c\nd', answers: 'a\nb\n' },
    );
  });

  it('is told of by cork as well: what it sends as it lies waits for uncork', async () => {
    const [{ one, other }] = (await connected()) as [SocketPair];
    const talk = framed(one, lines());
    talk.cork();
    let count = 0;
    talk
      .onRecord((record, out) => {
        count++;
        out.write(record);
      })
      .catch(() => {});
    await turns();
    other.tryWrite(Buffer.from('a\nb\n'));
    await until(() => count === 2);
    await turns();
    assert.equal(other.tryFill(1), NOT_READY);
    talk.uncork();
    await turns();
    assert.equal(other.tryFill(4), 4);
  });

  it('that sends a record as it lies is refused where a longer separator would come of it', async () => {
    const [{ one, other }] = (await connected()) as [SocketPair];
    const talk = framed(one, separated(['\n', '\n\n'], { encoding: 'latin1' }));
    const push = talk.onRecord((record, out) => void (record.length === 0 && out.write(record)));
    push.catch(() => {});
    await turns();
    other.tryWrite(Buffer.from('a\n\n\nb\n'));
    await assert.rejects(push, { code: 'ERR_RECORD_CONTAINS_SEPARATOR' });
  });
});

describeNative('A process with native sockets', () => {
  it('that exits in a handler sends its answers, also when it has destroyed another connection before', async () => {
    const program = startProgram(`
      import { connect, framed, lines, listen } from 'miniproto';
      const streams = [];
      const server = await listen({ port: 0 }, (stream) => {
        streams.push(stream);
        return framed(stream, lines()).onRecord((record, out) => {
          out.write('bye');
          streams.find((other) => other !== stream).destroy();
          process.exit(3);
        }).catch(() => {});
      });
      await connect({ port: server.port });
      console.log(server.port);`);
    const client = connect(Number(await program.line()), '127.0.0.1');
    const heard = listenTo(client);
    client.write('go\n');
    await once(client, 'close');
    assert.equal(await program.end(), 3);
    assert.equal(heard.text, 'bye\n');
  });
});

describe('Released with output that has not left', () => {
  it('a connection sends it all the same, over the socket of Node', async () => {
    const { accepted, connected: client } = await nodePair();
    const stream = adopt(accepted);
    const size = 8 << 20;
    const talk = framed(stream, lines({ maxLength: size }));
    assert.equal(talk.tryWrite('x'.repeat(size)), true);
    const { socket } = stream.release();
    let count = 0;
    client.on('data', (chunk) => {
      count += chunk.length;
    });
    client.resume();
    await until(() => count === size + 1);
    socket.destroy();
    client.destroy();
  });
});
