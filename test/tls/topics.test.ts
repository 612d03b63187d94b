/**
 * Topics whose subscribers came over TLS and over plain sockets, of ours and of `ws`: everybody gets every message in order,
 * and one that does not keep up is treated by its own policy while the others miss nothing.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { MiniprotoError } from 'miniproto';
import {
  connectWebSocket,
  type ListeningWebSocketServer,
  listenWebSocket,
  Topics,
  type WebSocketConnection,
  type WebSocketOptions,
} from 'miniproto/websocket';
import * as ws from 'ws';
import { SecureSocketStream } from '#lib/tls/secure-socket-stream';
import { certificate, identity } from '../support/certificates.js';
import { turn, until } from '../support/node-sockets.js';
import { Random } from '../support/random.js';
import { WITHOUT_SECURE } from '../support/secure-sockets.js';

const HERE = { port: 0, host: '127.0.0.1' };
const TRUST = { ca: certificate('ca') };
/** Bytes. More than any output may hold before messages are refused. */
const LARGE = 100_000;
/** Messages of which a subscriber that does not read has to miss some: more than the system holds. */
const MOST_MESSAGES = 2000;
const MESSAGE = Buffer.alloc(32 * 1024);

type Scheme = 'ws' | 'wss';

/** One topic, and a server of each kind whose connections are subscribed to it. */
class House implements AsyncDisposable {
  readonly topics = new Topics();
  readonly #servers = new Map<Scheme, ListeningWebSocketServer>();
  /** Connections in the order in which they came, by their paths. */
  readonly here = new Map<string, WebSocketConnection>();

  static async open(options: (scheme: Scheme) => WebSocketOptions = () => ({})): Promise<House> {
    const house = new House();
    for (const scheme of ['ws', 'wss'] as const) {
      const secure = scheme === 'wss' ? { tls: identity('server') } : {};
      const server = await listenWebSocket({ ...HERE, ...secure, ...options(scheme) }, async (socket, { path }) => {
        house.here.set(path, socket);
        house.topics.subscribe(socket, 'news');
        await socket.closed;
      });
      house.#servers.set(scheme, server);
    }
    return house;
  }

  url(scheme: Scheme, name: string): string {
    return `${scheme}://127.0.0.1:${this.#servers.get(scheme)!.port}/${name}`;
  }

  /** @returns the client's side, subscribed. */
  async enter(scheme: Scheme, name: string): Promise<WebSocketConnection> {
    const socket = await connectWebSocket(this.url(scheme, name), { tls: TRUST });
    await until(() => this.here.has(`/${name}`));
    const native = this.here.get(`/${name}`)!.stream instanceof SecureSocketStream;
    assert.equal(native, scheme === 'wss' && WITHOUT_SECURE === undefined);
    return socket;
  }

  /** Waits until all of them have room. */
  async drain(...names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => this.here.get(`/${name}`)!.drain()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#servers.values()].map((server) => server.close()));
    assert.equal(this.topics.count('news'), 0);
  }
}

/** Each message says which one it is. */
function numbered(index: number, size: number): Buffer {
  const bytes = Buffer.alloc(4 + size, index & 0xff);
  bytes.writeUInt32BE(index);
  return bytes;
}

/** Everything that comes, until the end, in order. */
async function numbersOf(socket: WebSocketConnection): Promise<number[]> {
  const numbers: number[] = [];
  for await (const message of socket) {
    const bytes = message as Buffer;
    const index = bytes.readUInt32BE();
    assert.ok(bytes.equals(numbered(index, bytes.length - 4)), `message ${index} is whole`);
    numbers.push(index);
  }
  return numbers;
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

describe('topics with subscribers over TLS and in the clear', function () {
  this.timeout(30_000);

  it('give every message to all, in order, whatever its size', async () => {
    await using house = await House.open();
    const schemes = upTo(12).map((i) => (i % 2 === 0 ? 'ws' : 'wss'));
    const clients = await Promise.all(schemes.map((scheme, i) => house.enter(scheme, `${i}`)));
    const reading = clients.map(numbersOf);
    const theirs = await Promise.all(
      (['ws', 'wss'] as const).map(async (scheme) => {
        const socket = new ws.WebSocket(house.url(scheme, `theirs-${scheme}`), TRUST);
        const numbers: number[] = [];
        socket.on('message', (data: Buffer) => numbers.push(data.readUInt32BE()));
        await once(socket, 'open');
        return { numbers, closed: once(socket, 'close') };
      }),
    );
    await until(() => house.topics.count('news') === 14);
    const random = new Random();
    const count = 400;
    for (let index = 0; index < count; index++) {
      const size = random.oneIn(20) ? random.below(LARGE) : random.below(300);
      assert.deepEqual(house.topics.publish('news', numbered(index, size)), { sent: 14, skipped: 0 });
      // Several in a turn, and several turns for some.
      if (size > 300) await house.drain(...[...house.here.keys()].map((path) => path.slice(1)));
      else if (random.oneIn(5)) await turn();
    }
    await Promise.all([...house.here.values()].map((socket) => socket.close(1000)));
    for (const numbers of await Promise.all(reading)) assert.deepEqual(numbers, upTo(count));
    for (const { numbers, closed } of theirs) {
      await closed;
      assert.deepEqual(numbers, upTo(count));
    }
  });

  it('give what is published within a publish to all once, behind it', async () => {
    await using house = await House.open();
    const names = ['ws', 'wss', 'ws', 'wss'] as const;
    const clients = await Promise.all(names.map((scheme, i) => house.enter(scheme, `${i}`)));
    // The one that leaves is told of by a message, published as soon as it is noticed.
    house.here.get('/1')!.whenClosed(() => house.topics.publish('news', '1 has left'));
    const gone = house.here.get('/1')!;
    gone.destroy();
    const { sent } = house.topics.publish('news', 'a message');
    assert.equal(sent, 3);
    for (const i of [0, 2, 3]) {
      const told = [await clients[i]!.read(), await clients[i]!.read()];
      assert.deepEqual(told, ['1 has left', 'a message']);
    }
    clients[1]!.destroy();
  });

  for (const whenFull of ['wait', 'drop', 'close'] as const) {
    for (const slowScheme of ['wss', 'ws'] as const) {
      it(`a slow one of ${slowScheme}: is treated by '${whenFull}', and nobody else misses anything`, async () => {
        await using house = await House.open(() => ({ whenFull }));
        const slow = await house.enter(slowScheme, 'slow');
        slow.pause();
        const others = ['a', 'b', 'c', 'd'];
        const schemes = ['ws', 'wss', 'ws', 'wss'] as const;
        const clients = await Promise.all(others.map((name, i) => house.enter(schemes[i]!, name)));
        const reading = clients.map(numbersOf);
        const held = house.here.get('/slow')!;
        let count = 0;
        /** The messages that the slow one has not missed. */
        const taken: number[] = [];
        const publish = async () => {
          MESSAGE.writeUInt32BE(count++);
          // Where it lies it must not change while it leaves.
          const counts = house.topics.publish('news', Buffer.from(MESSAGE.fill(MESSAGE[3]!, 4)));
          assert.ok(counts.sent >= others.length);
          // Only the slow one can have missed it: the others had room.
          if (counts.skipped === 0) taken.push(count - 1);
          await house.drain(...others);
        };
        const missed = () => (whenFull === 'close' ? held.state === 'closed' : house.topics.skipped > 0);
        while (!missed()) {
          assert.ok(count < MOST_MESSAGES, 'it is noticed');
          await publish();
        }
        for (let i = 0; i < 20; i++) await publish();
        assert.ok(held.bufferedAmount < 256 * 1024);
        slow.resume();
        const heard = numbersOf(slow);
        if (whenFull === 'close') {
          const { error } = await held.closed;
          assert.equal((error as MiniprotoError).code, 'ERR_SLOW_PEER');
          await assert.rejects(heard);
        } else {
          assert.equal(held.dropped, whenFull === 'drop' ? house.topics.skipped : 0);
          await house.drain('slow');
          const { skipped } = house.topics;
          await publish();
          assert.equal(house.topics.skipped, skipped, 'it has room again');
          assert.equal(taken.length, count - skipped);
          await held.close(1000);
          // What it took came whole and in order, without what it has missed.
          assert.deepEqual(await heard, taken);
        }
        await Promise.all(others.map((name) => house.here.get(`/${name}`)!.close(1000)));
        for (const numbers of await Promise.all(reading)) assert.deepEqual(numbers, upTo(count));
        slow.destroy();
      });
    }
  }
});
