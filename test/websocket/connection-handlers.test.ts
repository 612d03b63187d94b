/** What handlers may do to connections, their own and others, in the middle of handing out messages. */
import assert from 'node:assert/strict';
import { EOF, NOT_READY } from 'miniproto';
import type { WebSocketConnection } from '#lib/websocket/connection';
import type { WebSocketOptions } from '#lib/websocket/connection-options';
import { turn, until } from '../support/node-sockets.js';
import { bytePair, overSockets } from '../support/pairs.js';
import { connectionOn } from '../support/websocket-cases.js';
import { BINARY, CLOSE, CONTINUATION, closing, FIN, PING, PONG, RawPeer, TEXT } from '../support/websocket-peer.js';

/** Long enough for what must not happen. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

function begin(options?: WebSocketOptions): { socket: WebSocketConnection; peer: RawPeer } {
  const [ours, theirs] = bytePair();
  return { socket: connectionOn(ours, 'server', options), peer: new RawPeer(theirs, { role: 'server' }) };
}

const texts = (...list: string[]) => list.map((payload) => ({ first: FIN | TEXT, payload }));

/** Sends frames so that they arrive together. */
async function together(peer: RawPeer, ...frames: { first: number; payload: string | Uint8Array }[]): Promise<void> {
  await peer.write(Buffer.concat(frames.map(({ first, payload }) => peer.bytesOf(first, payload))));
}

describe('WebSocketConnection, handlers', () => {
  it('sends answers in the order of messages, one that is large among them', async () => {
    const { socket, peer } = begin();
    void socket.onMessage((message, self) => {
      self.send(message.length === 1 ? Buffer.alloc(40_000, message.byteAt(0)) : message);
    });
    await together(peer, ...texts('first', 'x', 'third'));
    const frames = await peer.received(3);
    assert.deepEqual(
      frames.map(({ payload }) => payload.length),
      [5, 40_000, 5],
    );
    socket.destroy();
  });

  it('hands out nothing more once it has destroyed its connection', async () => {
    const { socket, peer } = begin();
    const got: string[] = [];
    const done = socket.onMessage((message, self) => {
      got.push(message.text());
      self.destroy();
    });
    await together(
      peer,
      ...texts('a', 'b', 'c'),
      { first: FIN | PING, payload: 'p' },
      { first: FIN | CLOSE, payload: closing(1000) },
    );
    assert.deepEqual(await done, { code: 1006, reason: '', clean: false });
    await until(() => got.length >= 1);
    await turns(2);
    assert.deepEqual(got, ['a']);
    assert.equal(socket.state, 'closed');
    assert.deepEqual(peer.told, []);
  });

  it('closes with 1011 when it throws, rejects, and is called no more', async () => {
    const { socket, peer } = begin();
    const got: string[] = [];
    const done = socket.onMessage((message) => {
      got.push(message.text());
      throw new Error('no');
    });
    await together(peer, ...texts('a', 'b'));
    await assert.rejects(done, { message: 'no' });
    const { code, clean, error } = await socket.closed;
    assert.deepEqual([code, clean, error?.message], [1006, false, 'no']);
    assert.deepEqual(got, ['a']);
    assert.deepEqual(peer.told, ['close 1011']);
  });

  it('closes with 1011 when it throws at messages that were kept', async () => {
    const { socket, peer } = begin();
    await together(peer, ...texts('a', 'b', 'c'));
    await turns(3);
    const got: string[] = [];
    const done = socket.onMessage((message) => {
      got.push(message.text());
      throw new Error('no');
    });
    await assert.rejects(done, { message: 'no' });
    await socket.closed;
    assert.deepEqual(got, ['a']);
    assert.deepEqual(peer.told, ['close 1011']);
  });

  it('pings for the next who asks for the round trip when a ping could not be made', async () => {
    const [ours, theirs] = bytePair();
    const failure = new Error('no keys');
    let keys = 0;
    const maskKeys = () => {
      if (keys++ === 0) throw failure;
      return 1;
    };
    const socket = connectionOn(ours, 'client', { maskKeys });
    const peer = new RawPeer(theirs, { role: 'client' });
    await assert.rejects(socket.roundTrip(), failure);
    const trip = socket.roundTrip();
    const [ping] = await peer.received(1);
    await peer.write(peer.bytesOf(FIN | PONG, ping!.payload));
    assert.ok((await trip) >= 0);
    socket.destroy();
  });

  it('rejects nothing that nobody waits for when it throws at what was kept until after the end', async () => {
    const rejections: unknown[] = [];
    const hear = (reason: unknown) => rejections.push(reason);
    process.prependListener('unhandledRejection', hear);
    const { socket, peer } = begin();
    let calls = 0;
    const done = socket.onMessage(() => {
      calls++;
      throw new Error('mistake');
    });
    socket.pause();
    await together(peer, ...texts('kept'), { first: FIN | CLOSE, payload: closing(1000) });
    assert.equal((await done).code, 1000);
    socket.resume();
    await until(() => calls === 1);
    await turns(5);
    process.off('unhandledRejection', hear);
    assert.deepEqual(rejections, []);
  });

  it('closes with 1011 when what it throws is the failure of another stream', async () => {
    const { socket, peer } = begin();
    const [dead] = bytePair();
    dead.destroy();
    const done = socket.onMessage(() => {
      dead.tryWrite(Buffer.from('x'));
    });
    await together(peer, ...texts('a'));
    await assert.rejects(done, { code: 'ERR_STREAM_DESTROYED' });
    await socket.closed;
    assert.deepEqual(peer.told, ['close 1011']);
  });

  it('leaves no timer when it destroys its connection and throws', async () => {
    const { socket, peer } = begin({ closeTimeoutMs: 3_600_000 });
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    // Behind the one that mocha sets for this test.
    await turn();
    const before = timers();
    const done = socket.onMessage((_, self) => {
      self.destroy();
      throw new Error('no');
    });
    await together(peer, ...texts('a', 'b'));
    await assert.rejects(done, { message: 'no' });
    await turns(3);
    assert.equal(timers(), before);
  });

  it('gets the messages before a close that it begins, and after it, until the peer answers', async () => {
    const { socket, peer } = begin();
    const got: string[] = [];
    const done = socket.onMessage((message, self) => {
      got.push(message.text());
      if (got.length === 2) void self.close(3000, 'enough');
    });
    await together(peer, ...texts('a', 'b', 'c'));
    await peer.received(1);
    assert.deepEqual(peer.told, ['close 3000 enough']);
    await peer.send({ first: FIN | CLOSE, payload: closing(3000) });
    // The peer has ended its side with the close frame; what it says behind that is lost.
    const { clean } = await done;
    assert.deepEqual(got, ['a', 'b', 'c']);
    assert.equal(typeof clean, 'boolean');
  });

  it('is called no more from pause to resume, wherever it pauses', async () => {
    const { socket, peer } = begin();
    const got: string[] = [];
    void socket.onMessage((message, self) => {
      got.push(message.text());
      if (got.length % 2 === 1) self.pause();
    });
    await together(peer, ...texts('a', 'b', 'c', 'd', 'e'));
    await until(() => got.length >= 1);
    await turns(2);
    assert.deepEqual(got, ['a']);
    socket.resume();
    await until(() => got.length >= 3);
    await turns(2);
    assert.deepEqual(got, ['a', 'b', 'c']);
    socket.resume();
    socket.pause();
    await until(() => got.length >= 3);
    await turns(2);
    assert.deepEqual(got, ['a', 'b', 'c']);
    socket.resume();
    await until(() => got.length >= 5);
    await turns(2);
    assert.deepEqual(got, ['a', 'b', 'c', 'd', 'e']);
    socket.destroy();
  });

  it('answers pings while it is paused, and sees a close', async () => {
    const { socket, peer } = begin();
    const got: string[] = [];
    const done = socket.onMessage((message) => got.push(message.text()));
    socket.pause();
    await together(peer, ...texts('a'), { first: FIN | PING, payload: '1' }, ...texts('b'));
    await peer.received(1);
    await peer.send({ first: FIN | CLOSE, payload: closing(1001, 'gone') });
    assert.deepEqual(await done, { code: 1001, reason: 'gone', clean: true });
    assert.deepEqual(got, []);
    socket.resume();
    await until(() => got.length >= 2);
    await turns(2);
    assert.deepEqual(got, ['a', 'b']);
    assert.deepEqual(peer.told, ['pong 31', 'close 1001 gone']);
  });

  it('may resume where it has paused, without a gap', async () => {
    const { socket, peer } = begin();
    const got: string[] = [];
    void socket.onMessage((message, self) => {
      got.push(message.text());
      self.pause();
      self.resume();
    });
    await together(peer, ...texts('a', 'b', 'c'));
    await until(() => got.length >= 3);
    await turns(2);
    assert.deepEqual(got, ['a', 'b', 'c']);
    socket.destroy();
  });

  it('may not read by itself, and the connection goes on when it catches that', async () => {
    const { socket, peer } = begin();
    const got: unknown[] = [];
    void socket.onMessage((message, self) => {
      got.push(message.text());
      assert.throws(() => self.tryRead(), { code: 'ERR_READ_IN_PROGRESS' });
      assert.throws(() => self.onMessage(() => {}), { code: 'ERR_READ_IN_PROGRESS' });
      assert.throws(() => self.batches(), { code: 'ERR_READ_IN_PROGRESS' });
      assert.throws(() => self.pieces(), { code: 'ERR_READ_IN_PROGRESS' });
    });
    await together(peer, ...texts('a', 'b'));
    await until(() => got.length >= 2);
    await turns(2);
    assert.deepEqual(got, ['a', 'b']);
    socket.destroy();
  });

  it('may not take over from a loop over batches that waits, and a loop not from it', async () => {
    const { socket, peer } = begin();
    const batches = socket.batches()[Symbol.asyncIterator]();
    const waiting = batches.next();
    assert.throws(() => socket.onMessage(() => {}), { code: 'ERR_READ_IN_PROGRESS' });
    assert.throws(() => socket.tryRead(), { code: 'ERR_READ_IN_PROGRESS' });
    await assert.rejects(batches.next(), { code: 'ERR_READ_IN_PROGRESS' });
    await together(peer, ...texts('a', 'b'));
    const { value } = await waiting;
    const got: unknown[] = [];
    for (const message of value!) got.push(message.text());
    void socket.onMessage((message) => got.push(message.text()));
    await assert.rejects(batches.next(), { code: 'ERR_READ_IN_PROGRESS' });
    await together(peer, ...texts('c'));
    await until(() => got.length >= 3);
    assert.deepEqual(got, ['a', 'b', 'c']);
    socket.destroy();
  });

  it('reads, sends to and destroys other connections, in the middle of a turn of both', async () => {
    const one = begin();
    const other = begin();
    const third = begin();
    const read: unknown[] = [];
    void one.socket.onMessage((message) => {
      for (let next = other.socket.tryRead(); next !== NOT_READY && next !== EOF; next = other.socket.tryRead()) {
        read.push(next);
      }
      other.socket.send(message);
      third.socket.destroy();
    });
    void third.socket.onMessage((message) => read.push(message.text()));
    await Promise.all([
      together(other.peer, ...texts('o1', 'o2')),
      together(one.peer, ...texts('a', 'b')),
      together(third.peer, ...texts('t1', 't2')),
    ]);
    await other.peer.received(2);
    assert.deepEqual(other.peer.told, ['text a', 'text b']);
    while (read.filter((text) => String(text).startsWith('o')).length < 2) {
      const next = other.socket.tryRead();
      if (next !== NOT_READY) read.push(next);
      await turn();
    }
    assert.deepEqual(
      read.filter((text) => String(text).startsWith('o')),
      ['o1', 'o2'],
    );
    one.socket.destroy();
    other.socket.destroy();
  });

  it('relays what it is given to others, and each gets it whole', async () => {
    const from = begin();
    const to = [begin(), begin(), begin()];
    void from.socket.onMessage((message) => {
      for (const { socket } of to) socket.send(message);
    });
    const payloads = [
      Buffer.alloc(10, 1),
      Buffer.alloc(20_000, 2),
      Buffer.alloc(100_000, 3),
      Buffer.alloc(0),
      Buffer.alloc(126, 4),
    ];
    for (const payload of payloads) await from.peer.send({ first: FIN | BINARY, payload });
    await from.peer.send(
      { first: BINARY, payload: 'in ' },
      { first: CONTINUATION, payload: 'three ' },
      { first: FIN, payload: 'pieces' },
    );
    for (const { peer, socket } of to) {
      const frames = await peer.received(6);
      assert.ok(frames.slice(0, 5).every(({ payload }, index) => payload.equals(payloads[index]!)));
      assert.equal(frames[5]!.payload.toString(), 'in three pieces');
      socket.destroy();
    }
    from.socket.destroy();
  });

  it('is held back while its answers do not leave, and loses none', async () => {
    const [ours, theirs] = bytePair({ capacity: 4096 });
    const socket = connectionOn(ours, 'server', { writeHighWaterMark: 5000 });
    const peer = new RawPeer(theirs, { role: 'server', reads: false });
    const refused: unknown[] = [];
    void socket.onMessage((message, self) => {
      if (self.send(message) !== true) refused.push(message.value());
    });
    const sending = (async () => {
      for (let i = 0; i < 300; i++) await peer.send({ first: FIN | BINARY, payload: Buffer.alloc(700, i) });
    })();
    await turns(20);
    // What memory holds for a peer counts as well.
    assert.ok(socket.bufferedAmount < 10_500, `${socket.bufferedAmount} bytes`);
    peer.startReading();
    const frames = await peer.received(300);
    assert.ok(frames.every(({ payload }, index) => payload.equals(Buffer.alloc(700, index))));
    assert.deepEqual(refused, []);
    await sending;
    socket.destroy();
  });

  it('is not held back when it never answers: two sides that fill each other go on', async () => {
    const [ours, theirs] = bytePair();
    const server = connectionOn(ours, 'server');
    const client = connectionOn(theirs, 'client');
    const serving = (async () => {
      for await (const message of server) for (let i = 0; i < 10; i++) await server.write(message);
    })();
    let got = 0;
    const done = client.onMessage(() => {
      if (++got === 2000) void client.close(1000);
    });
    for (let i = 0; i < 200; i++) await client.write(Buffer.alloc(1000, i));
    assert.equal((await done).clean, true);
    await serving;
    assert.equal(got, 2000);
  });

  it('gives the scope in which it was set, not that of whoever wrote', async () => {
    const { AsyncLocalStorage } = await import('node:async_hooks');
    const storage = new AsyncLocalStorage<string>();
    const { socket, peer } = begin();
    const seen: unknown[] = [];
    storage.run('handler', () => void socket.onMessage(() => seen.push(storage.getStore())));
    await storage.run('writer', () => together(peer, ...texts('a', 'b')));
    await until(() => seen.length >= 2);
    await turns(2);
    assert.deepEqual(seen, ['handler', 'handler']);
    socket.destroy();
  });

  it('is given what was kept before it came, and then the rest', async () => {
    const { socket, peer } = begin();
    await together(peer, ...texts('a', 'b', 'c'));
    await turns(3);
    assert.equal(await socket.read(), 'a');
    const got: string[] = [];
    const done = socket.onMessage((message) => got.push(message.text()));
    await together(peer, ...texts('d'), { first: FIN | CLOSE, payload: closing(1000) });
    assert.equal((await done).code, 1000);
    assert.deepEqual(got, ['b', 'c', 'd']);
  });

  it('is given what was kept although the connection is closed', async () => {
    const { socket, peer } = begin();
    await together(peer, ...texts('a', 'b'), { first: FIN | CLOSE, payload: closing(1000) });
    await socket.closed;
    const got: string[] = [];
    assert.equal((await socket.onMessage((message) => got.push(message.text()))).code, 1000);
    assert.deepEqual(got, ['a', 'b']);
  });
});

if (!import.meta.url.includes('over=')) await overSockets(import.meta.url);
