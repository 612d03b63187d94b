/** Accepting: who accepts makes no difference to a handler, to whoever else listens to Node's server, or to its end. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Connection, connect, framed, lines, listen, type ServerOptions } from 'miniproto';
import { NATIVE, openDescriptors, until } from '../support/node-sockets.js';
import { clearFaults, describeNative, FAIL, setFaults } from '../support/socket-pairs.js';

const HERE = { port: 0, host: '127.0.0.1' };
const MANY = 20;

/** Gives lines back, until the peer ends. */
async function echo(stream: Connection): Promise<void> {
  await framed(stream, lines()).onRecord((record, out) => void out.write(record));
}

/** One conversation after the other: each connection finds the server at rest. */
async function converse(address: { port: number } | { path: string }, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const talk = framed(await connect(address), lines());
    await talk.write(`hello ${i}`);
    assert.equal(await talk.read(), `hello ${i}`);
    await talk.close();
  }
}

/** What the handlers' connections are, natively or not. */
async function kindsOf(options: ServerOptions, count = MANY): Promise<boolean[]> {
  const kinds: boolean[] = [];
  await using server = await listen(options, (stream) => {
    kinds.push(stream.native);
    return echo(stream);
  });
  const address = typeof server.address === 'string' ? { path: server.address } : { port: server.port };
  await converse(address, count);
  return kinds;
}

describe('The connections of a server', () => {
  for (const noDelay of [true, false]) {
    it(`are native where any is, with noDelay ${noDelay}`, async () => {
      assert.deepEqual(await kindsOf({ ...HERE, noDelay }, 3), Array(3).fill(NATIVE));
    });
  }

  it('are native with keepAlive', async () => {
    assert.deepEqual(await kindsOf({ ...HERE, keepAlive: true }, 3), Array(3).fill(NATIVE));
  });

  it('are native at a path', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'miniproto-'));
    try {
      assert.deepEqual(await kindsOf({ path: join(folder, 'socket') }, 3), Array(3).fill(NATIVE));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('know the addresses of both ends', async () => {
    const told: Connection['addresses'][] = [];
    await using server = await listen(HERE, (stream) => {
      told.push(stream.addresses);
      return echo(stream);
    });
    const client = net.connect({ port: server.port, host: HERE.host });
    await once(client, 'connect');
    const { localPort } = client;
    client.end();
    await until(() => told.length === 1);
    assert.equal(told[0]!.remoteAddress, HERE.host);
    assert.equal(told[0]!.remotePort, localPort);
    assert.equal(told[0]!.localPort, server.port);
  });

  it('are handled in the context of whoever listens', async () => {
    const storage = new AsyncLocalStorage<string>();
    const stores: unknown[] = [];
    const handler = (stream: Connection) => {
      stores.push(storage.getStore());
      return echo(stream);
    };
    // Another one begins first, so that the reactor is not this one's.
    await using other = await listen(HERE, handler);
    await using server = await storage.run('ours', () => listen(HERE, handler));
    await converse({ port: other.port }, 1);
    await converse({ port: server.port }, 3);
    assert.deepEqual(stores, [undefined, 'ours', 'ours', 'ours']);
  });

  it('are all served where many come at once', async () => {
    await using server = await listen(HERE, echo);
    await Promise.all(Array.from({ length: 200 }, () => converse({ port: server.port }, 1)));
    await until(() => server.connections.size === 0);
  });

  it('are sockets where somebody else listens for them, from then on', async () => {
    await using server = await listen(HERE, echo);
    await converse({ port: server.port }, 2);
    const sockets: net.Socket[] = [];
    server.server.on('connection', (socket) => sockets.push(socket));
    await converse({ port: server.port }, 3);
    assert.equal(sockets.length, 3);
    for (const socket of sockets) assert.ok(socket instanceof net.Socket);
  });

  it("come no more once Node's server is closed, while those that are there go on", async () => {
    const server = await listen(HERE, echo);
    const { port } = server;
    const talk = framed(await connect({ port }), lines());
    await talk.write('before');
    assert.equal(await talk.read(), 'before');
    server.server.close();
    const [error] = (await once(net.connect({ port, host: HERE.host }), 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNREFUSED');
    await talk.write('after');
    assert.equal(await talk.read(), 'after');
    await talk.close();
    await server.close();
  });

  it('come no more once the server is closing', async () => {
    const server = await listen(HERE, echo);
    const { port } = server;
    const closed = server.close();
    const [error] = (await once(net.connect({ port, host: HERE.host }), 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNREFUSED');
    await closed;
  });

  it('leave no descriptor behind, and nor does the server', async () => {
    await kindsOf(HERE, 1);
    const before = openDescriptors();
    await kindsOf(HERE, 3);
    await until(() => openDescriptors() <= before);
  });
});

describeNative('A listening socket of the reactor', () => {
  afterEach(clearFaults);

  it('needs no descriptor of Node’s to be duplicated for a connection', async () => {
    const kinds: boolean[] = [];
    await using server = await listen(HERE, (stream) => {
      kinds.push(stream.native);
      return echo(stream);
    });
    setFaults({ duplicate: [FAIL.noDescriptor] }, { repeats: true });
    for (let i = 0; i < MANY; i++) {
      const client = net.connect({ port: server.port, host: HERE.host });
      client.end('hello\n');
      const [answer] = (await once(client, 'data')) as [Buffer];
      assert.equal(answer.toString(), 'hello\n');
    }
    // Node may have been first now and then.
    assert.equal(kinds.length, MANY);
    assert.ok(kinds.includes(true));
  });

  it('leaves to Node what it cannot accept', async () => {
    setFaults({ accept: [FAIL.noDescriptor] }, { repeats: true });
    assert.deepEqual(await kindsOf(HERE, 5), Array(5).fill(true));
  });

  it("is closed with Node's, which waits for its own connections", async () => {
    const kinds: boolean[] = [];
    const server = await listen(HERE, (stream) => {
      kinds.push(stream.native);
      return echo(stream);
    });
    const { port } = server;
    setFaults({ accept: [FAIL.noDescriptor], duplicate: [FAIL.noDescriptor] }, { repeats: true });
    const client = net.connect({ port, host: HERE.host });
    client.write('hello\n');
    await once(client, 'data');
    assert.deepEqual(kinds, [false]);
    server.server.close();
    const [error] = (await once(net.connect({ port, host: HERE.host }), 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNREFUSED');
    client.end();
    await server.close();
  });

  it('is none where it cannot be duplicated: then Node accepts', async () => {
    setFaults({ duplicate: [FAIL.noDescriptor, 0, 0, 0, 0, 0, 0] }, { repeats: false });
    assert.deepEqual(await kindsOf(HERE, 3), Array(3).fill(true));
  });
});
