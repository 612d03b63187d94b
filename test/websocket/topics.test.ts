/**
 * Topics: who is subscribed, and that a message published comes behind what each subscriber was sent before, whole and
 * once, whether it went past the connection's queue or through it.
 */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { memoryPair } from 'miniproto';
import {
  connectWebSocket,
  listenWebSocket,
  prepareMessage,
  Topics,
  type WebSocketConnection,
  type WebSocketOptions,
} from 'miniproto/websocket';
import { isBypassOpen } from '#lib/net/bypasses';
import type { SocketStream } from '#lib/net/socket-stream';
import { broadcast } from '#lib/websocket/broadcast';
import { Members } from '#lib/websocket/members';
import { turn, until } from '../support/node-sockets.js';
import { clearFaults, describeNative, FAIL, type SocketPair, setFaults, socketPairs } from '../support/socket-pairs.js';
import { connectionOn } from '../support/websocket-cases.js';
import { FIN, RawPeer, TEXT } from '../support/websocket-peer.js';

interface Begun {
  readonly socket: WebSocketConnection;
  readonly peer: RawPeer;
}

/** Server's connections over native sockets where `native`, else over memory. */
async function begin(count: number, transport: 'native' | 'memory', options?: WebSocketOptions): Promise<Begun[]> {
  const pairs =
    transport === 'native'
      ? await socketPairs('unix', count)
      : Array.from({ length: count }, () => {
          const [one, other] = memoryPair();
          return { one, other };
        });
  const begun = pairs.map(({ one, other }) => ({
    socket: connectionOn(one, 'server', options),
    peer: new RawPeer(other, { role: 'server' }),
  }));
  await turn();
  await turn();
  return begun;
}

function end(...all: readonly Begun[]): void {
  for (const { socket } of all) socket.destroy();
}

const code = (expected: string) => (error: unknown) => (error as { code?: string }).code === expected;

describe('Topics, subscribers', () => {
  it('subscribes once, and takes back once', async () => {
    const [one, two] = (await begin(2, 'memory')) as [Begun, Begun];
    const topics = new Topics();
    assert.equal(topics.subscribe(one.socket, 'a'), true);
    assert.equal(topics.subscribe(one.socket, 'a'), false);
    assert.equal(topics.subscribe(one.socket, 'b'), true);
    assert.equal(topics.subscribe(two.socket, 'a'), true);
    assert.deepEqual([...topics.names], ['a', 'b']);
    assert.deepEqual([topics.count('a'), topics.count('b'), topics.count('c')], [2, 1, 0]);
    assert.deepEqual(topics.of(one.socket), ['a', 'b']);
    assert.equal(topics.unsubscribe(one.socket, 'a'), true);
    assert.equal(topics.unsubscribe(one.socket, 'a'), false);
    assert.equal(topics.unsubscribe(two.socket, 'b'), false);
    assert.deepEqual([topics.count('a'), topics.count('b')], [1, 1]);
    assert.equal(topics.unsubscribe(two.socket, 'a'), true);
    assert.deepEqual([...topics.names], ['b']);
    end(one, two);
  });

  it('forgets connections that are closed, and takes none', async () => {
    const [one, two] = (await begin(2, 'memory')) as [Begun, Begun];
    const topics = new Topics();
    for (const topic of ['a', 'b']) for (const { socket } of [one, two]) topics.subscribe(socket, topic);
    one.socket.destroy();
    assert.deepEqual([topics.count('a'), topics.count('b')], [1, 1]);
    assert.deepEqual(topics.of(one.socket), []);
    assert.equal(topics.subscribe(one.socket, 'a'), false);
    assert.deepEqual(topics.publish('a', 'still there'), { sent: 1, skipped: 0 });
    await two.peer.received(1);
    end(two);
    assert.deepEqual([...topics.names], []);
  });

  it('refuses what is no connection, no topic and no message', async () => {
    const [one] = (await begin(1, 'memory')) as [Begun];
    const topics = new Topics();
    const wrong = code('ERR_INVALID_ARG_TYPE');
    assert.throws(() => topics.subscribe({} as WebSocketConnection, 'a'), wrong);
    assert.throws(() => topics.subscribe(one.socket, 1 as unknown as string), wrong);
    assert.throws(() => topics.publish(1 as unknown as string, 'x'), wrong);
    assert.throws(() => topics.publish('a', 1 as unknown as string), wrong);
    assert.throws(() => topics.publish('a', 'x', null as unknown as object), wrong);
    assert.deepEqual(topics.publish('a', 'to nobody'), { sent: 0, skipped: 0 });
    end(one);
  });
});

for (const transport of ['memory', 'native'] as const) {
  const suite = transport === 'native' ? describeNative : describe;
  suite(`Topics.publish over ${transport === 'native' ? 'native sockets' : 'memory'}`, () => {
    it('sends to those who are subscribed, whoever has left before, and not to `except`', async () => {
      const all = await begin(6, transport);
      const topics = new Topics();
      const told = all.map(() => [] as string[]);
      const here = new Set<number>();
      let messages = 0;
      const publish = (except?: number) => {
        const message = `message ${messages++}`;
        const options = except === undefined ? {} : { except: all[except]!.socket };
        const to = [...here].filter((i) => i !== except);
        assert.deepEqual(topics.publish('room', message, options), { sent: to.length, skipped: 0 });
        for (const i of to) told[i]!.push(`text ${message}`);
      };
      const enter = (i: number) => {
        here.add(i);
        topics.subscribe(all[i]!.socket, 'room');
      };
      const leave = (i: number) => {
        here.delete(i);
        topics.unsubscribe(all[i]!.socket, 'room');
      };
      for (const i of [0, 1, 2, 3, 4]) enter(i);
      publish();
      publish(0);
      // The first, one in the middle, the last.
      for (const i of [0, 2, 4]) {
        leave(i);
        publish();
        publish(3);
      }
      for (const i of [5, 0, 2]) {
        enter(i);
        await turn();
        publish();
        publish(i);
      }
      for (const [i, { peer }] of all.entries()) {
        await peer.received(told[i]!.length);
        assert.deepEqual(peer.told, told[i]);
      }
      end(...all);
    });

    it('gives the type that was asked for, and a prepared message as it is', async () => {
      const all = await begin(2, transport);
      const topics = new Topics();
      for (const { socket } of all) topics.subscribe(socket, 'room');
      const messages = [
        () => topics.publish('room', 'a text'),
        () => topics.publish('room', Buffer.from('bytes')),
        () => topics.publish('room', Buffer.from('text of bytes'), { type: 'text' }),
        () => topics.publish('room', prepareMessage('prepared')),
        () => topics.publish('room', 'x'.repeat(70_000), { type: 'binary' }),
      ];
      for (const publish of messages) {
        assert.deepEqual(publish(), { sent: 2, skipped: 0 });
        await Promise.all(all.map(({ socket }) => socket.flush()));
      }
      for (const { peer } of all) {
        const frames = await peer.received(5);
        assert.deepEqual(peer.told.slice(0, 4), [
          'text a text',
          `binary ${Buffer.from('bytes').toString('hex')}`,
          'text text of bytes',
          'text prepared',
        ]);
        assert.equal(String(frames[4]!.payload), 'x'.repeat(70_000));
      }
      end(...all);
    });
  });
}

/** What happens to a subscriber, and what it gets, between the messages 'first' and 'second'. */
interface Way {
  readonly happens: (begun: Begun, publish: () => void) => unknown;
  readonly gets: readonly string[];
  /** Absent: it takes the second message too. */
  readonly refuses?: 'skipped' | 'closed';
}

const WAYS: { readonly [name: string]: Way } = {
  'a message': { happens: ({ socket }) => socket.send('own'), gets: ['text own'] },
  'a ping': { happens: ({ socket }) => socket.ping('own'), gets: [`ping ${Buffer.from('own').toString('hex')}`] },
  'a message that is corked': {
    happens: ({ socket }, publish) => {
      socket.cork();
      socket.send('own');
      publish();
      socket.uncork();
    },
    gets: ['text own'],
  },
  'a cork alone': {
    happens: ({ socket, peer }, publish) => {
      socket.cork();
      publish();
      assert.ok(socket.bufferedAmount > 0 && peer.frames.length <= 1);
      socket.uncork();
    },
    gets: [],
  },
  'the answer to a message': {
    happens: async ({ socket, peer }, publish) => {
      const answered = new Promise<void>((resolve) => {
        void socket.onMessage((message) => {
          socket.send(message);
          publish();
          resolve();
        });
      });
      await peer.send({ first: FIN | TEXT, payload: 'own' });
      await answered;
    },
    gets: ['text own'],
  },
  'what the system does not take': {
    happens: ({ socket }) => {
      setFaults({ send: [3, FAIL.again] }, { repeats: false });
      socket.send('own');
      socket.channel.pushOn();
    },
    gets: ['text own'],
  },
  'bytes pushed that the system does not take, with a listener': {
    happens: ({ socket }, publish) => {
      // Of the frame, then the other subscriber's message, then the rest of the frame.
      setFaults({ send: [3, 0, FAIL.again] }, { repeats: false });
      subscribe('miniproto:stall', publish);
      // Large, so that it is sent within the call.
      socket.outbound.push(Buffer.alloc(100_000, 'o'), { type: 'text' });
      unsubscribe('miniproto:stall', publish);
    },
    gets: [`text ${'o'.repeat(60)}... (100000)`],
  },
  'a message in pieces': {
    happens: ({ socket }, publish) => {
      const writer = socket.beginMessage({ type: 'text' });
      assert.ok(typeof writer === 'object');
      publish();
      writer.end('own');
    },
    gets: ['text own'],
    refuses: 'skipped',
  },
  'a close frame': { happens: ({ socket }) => void socket.close(1000), gets: ['close 1000'], refuses: 'closed' },
  'the end of what can be sent': { happens: ({ socket }) => socket.outbound.stop(), gets: [], refuses: 'closed' },
};

describeNative('Topics.publish, past the queue', () => {
  afterEach(clearFaults);

  const idOf = ({ socket }: Begun) => (socket.stream as SocketStream).id;
  const isOpen = (begun: Begun) => isBypassOpen(idOf(begun));

  for (const [name, { happens, gets, refuses }] of Object.entries(WAYS)) {
    it(`comes behind ${name}`, async () => {
      const [one, other] = (await begin(2, 'native', { writeHighWaterMark: 1 << 20 })) as [Begun, Begun];
      const topics = new Topics();
      for (const { socket } of [one, other]) topics.subscribe(socket, 'room');
      assert.deepEqual(topics.publish('room', 'first'), { sent: 2, skipped: 0 });
      assert.deepEqual([one, other].map(isOpen), [true, true]);
      let published = false;
      const publish = () => {
        if (published) return;
        published = true;
        assert.equal(isOpen(one), false);
        const skipped = refuses === 'skipped' ? 1 : 0;
        assert.deepEqual(topics.publish('room', 'second'), { sent: refuses === undefined ? 2 : 1, skipped });
      };
      await happens(one, publish);
      publish();
      assert.equal(isOpen(other), true);
      const expected = ['text first', ...gets, ...(refuses === undefined ? ['text second'] : [])];
      await one.peer.received(expected.length);
      await other.peer.received(2);
      await turn();
      assert.deepEqual(one.peer.told, expected);
      assert.deepEqual(other.peer.told, ['text first', 'text second']);
      end(one, other);
    });
  }

  it('masks for subscribers that mask', async () => {
    const [{ one, other }] = (await socketPairs('unix', 1)) as [SocketPair];
    const client = { socket: connectionOn(one, 'client'), peer: new RawPeer(other, { role: 'client' }) };
    const topics = new Topics();
    topics.subscribe(client.socket, 'room');
    for (const message of ['first', 'second']) {
      assert.deepEqual(topics.publish('room', message), { sent: 1, skipped: 0 });
      assert.equal(isOpen(client), false);
      await turn();
    }
    const frames = await client.peer.received(2);
    assert.ok(frames.every(({ key }) => key !== undefined));
    assert.deepEqual(client.peer.told, ['text first', 'text second']);
    end(client);
  });

  it('goes past it again when what waited has left', async () => {
    const [one] = (await begin(1, 'native')) as [Begun];
    const topics = new Topics();
    topics.subscribe(one.socket, 'room');
    for (let i = 0; i < 3; i++) {
      topics.publish('room', 'past');
      assert.equal(isOpen(one), true);
      one.socket.send('own');
      assert.equal(isOpen(one), false);
      topics.publish('room', 'queued');
      assert.equal(isOpen(one), false);
      await turn();
    }
    await one.peer.received(9);
    assert.deepEqual(
      one.peer.told,
      [0, 1, 2].flatMap(() => ['text past', 'text own', 'text queued']),
    );
    end(one);
  });

  it('looks at a subscriber again only when something has happened to it', async () => {
    const [one, other] = (await begin(2, 'native')) as [Begun, Begun];
    const topics = new Topics();
    let looks = 0;
    for (const { socket } of [one, other]) {
      topics.subscribe(socket, 'room');
      const { outbound } = socket;
      const openBypass = outbound.openBypass.bind(outbound);
      Object.assign(outbound, {
        openBypass: () => {
          looks++;
          return openBypass();
        },
      });
    }
    const looked: number[] = [];
    for (let i = 0; i < 6; i++) {
      if (i === 3) {
        one.socket.send('own');
        await turn();
      }
      looks = 0;
      assert.deepEqual(topics.publish('room', 'a message'), { sent: 2, skipped: 0 });
      looked.push(looks);
    }
    assert.deepEqual(looked, [2, 0, 0, 1, 0, 0]);
    await one.peer.received(7);
    await other.peer.received(6);
    end(one, other);
  });

  it('queues what the system does not take, and what follows behind it', async () => {
    const all = await begin(4, 'native');
    const topics = new Topics();
    for (const { socket } of all) topics.subscribe(socket, 'room');
    topics.publish('room', 'first');
    setFaults({ send: [0, 4, FAIL.again, FAIL.noBuffers] }, { repeats: false });
    assert.deepEqual(topics.publish('room', 'second'), { sent: 4, skipped: 0 });
    assert.deepEqual(topics.publish('room', 'third'), { sent: 4, skipped: 0 });
    for (const { peer } of all) {
      await peer.received(3);
      assert.deepEqual(peer.told, ['text first', 'text second', 'text third']);
    }
    end(...all);
  });

  it('counts nobody whose stream is gone, or whose peer is', async () => {
    const all = (await begin(3, 'native')) as [Begun, Begun, Begun];
    const [gone, reset, other] = all;
    const topics = new Topics();
    for (const { socket } of all) topics.subscribe(socket, 'room');
    topics.publish('room', 'first');
    gone.socket.destroy();
    setFaults({ send: [FAIL.reset] }, { repeats: false });
    // The order of subscribers is nobody's business: the one that is refused may be either.
    assert.deepEqual(topics.publish('room', 'second'), { sent: 1, skipped: 0 });
    await until(() => topics.count('room') === 1);
    assert.deepEqual(topics.publish('room', 'third'), { sent: 1, skipped: 0 });
    const [left] = [reset, other].filter(({ socket }) => socket.state === 'open');
    await left!.peer.received(3);
    assert.deepEqual(left!.peer.told, ['text first', 'text second', 'text third']);
    end(...all);
  });

  it('sends to more than one call has room for', async () => {
    const all = await begin(40, 'native');
    const members = new Members();
    // Each many times over: as many sockets would be more than the system may give.
    for (let i = 0; i < 110; i++) for (const { socket } of all) members.add(socket);
    assert.ok(members.size > 4096);
    for (const message of ['first', 'second']) {
      const counts = broadcast(prepareMessage(message), members, undefined);
      assert.deepEqual(counts, { sent: members.size, skipped: 0 });
      await Promise.all(all.map(({ socket }) => socket.flush()));
    }
    for (const { peer } of all) {
      await peer.received(220);
      assert.deepEqual(new Set(peer.told.slice(0, 110)), new Set(['text first']));
      assert.deepEqual(new Set(peer.told.slice(110)), new Set(['text second']));
    }
    end(...all);
  });
});

describe('Topics.publish, deflate', () => {
  it('gives each what it has agreed on, and its own messages refer to nothing that it has not got', async () => {
    const topics = new Topics();
    const sockets: WebSocketConnection[] = [];
    const server = await listenWebSocket({ port: 0, host: '127.0.0.1', deflate: true }, async (socket) => {
      topics.subscribe(socket, 'room');
      sockets.push(socket);
      await socket.closed;
    });
    const url = `ws://127.0.0.1:${server.port}/`;
    const clients = await Promise.all(
      [true, false, true, false].map((deflate) => connectWebSocket(url, deflate ? { deflate } : {})),
    );
    await until(() => sockets.length === 4);
    const expected: string[] = [];
    for (let i = 0; i < 20; i++) {
      const message = `${'all the same '.repeat(200)}${i}`;
      expected.push(message, message, message, 'short');
      for (let times = 0; times < 2; times++) {
        assert.deepEqual(topics.publish('room', message), { sent: 4, skipped: 0 });
      }
      for (const socket of sockets) assert.equal(socket.send(message), true);
      assert.deepEqual(topics.publish('room', 'short'), { sent: 4, skipped: 0 });
      if (i % 3 === 0) await turn();
    }
    for (const client of clients) {
      const read: unknown[] = [];
      while (read.length < expected.length) read.push(await client.read());
      assert.deepEqual(read, expected);
    }
    const bytes = clients.map((client) => client.stream.input.offset);
    assert.ok(bytes[0]! < bytes[1]! / 10 && bytes[2]! < bytes[3]! / 10, 'those who have agreed on it get less');
    await Promise.all(clients.map((client) => client.close(1000)));
    await server.close();
  });
});
