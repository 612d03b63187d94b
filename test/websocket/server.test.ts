/** Servers over real sockets, with `ws` and bare bytes as clients: every way in, routes, handlers that fail, the end. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProtocolError } from 'miniproto';
import {
  acceptWebSocket,
  attachWebSocket,
  connectWebSocket,
  type ListenWebSocketOptions,
  listenWebSocket,
  type WebSocketConnection,
  type WebSocketHandler,
  type WebSocketServerOptions,
} from 'miniproto/websocket';
import WebSocket from 'ws';
import { request } from '../support/handshakes.js';
import { NATIVE, readAll, until } from '../support/node-sockets.js';
import { TLS_CLIENT, TLS_SERVER } from '../support/tls-ends.js';

const HERE = { port: 0, host: '127.0.0.1' };

const echo: WebSocketHandler = async (socket) => {
  for await (const message of socket) await socket.write(message);
};

interface Running extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** What `ws` needs to connect. */
  readonly client: WebSocket.ClientOptions;
}

/** The ways in which a server comes to a WebSocket. */
const WAYS: Record<string, (options: WebSocketServerOptions, handler: WebSocketHandler) => Promise<Running>> = {
  listenWebSocket: async (options, handler) => {
    const server = await listenWebSocket({ ...HERE, ...options }, handler);
    const stop = () => server.close();
    return { port: server.port, url: `ws://127.0.0.1:${server.port}`, client: {}, [Symbol.asyncDispose]: stop };
  },
  'attachWebSocket, http': (options, handler) =>
    onNode(http.createServer(), 'ws', {}, (server) => attachWebSocket(server, options, handler)),
  'attachWebSocket, https': (options, handler) =>
    onNode(https.createServer(TLS_SERVER as https.ServerOptions), 'wss', TLS_CLIENT as object, (server) =>
      attachWebSocket(server, options, handler),
    ),
  acceptWebSocket: (options, handler) =>
    onNode(http.createServer(), 'ws', {}, (server) => {
      const sockets = new Set<WebSocketConnection>();
      server.on('upgrade', async (message, stream, head) => {
        const socket = await acceptWebSocket(message, stream, head, options);
        if (socket === undefined) return;
        sockets.add(socket);
        await handler(socket, undefined as never);
      });
      return { close: () => Promise.all([...sockets].map((socket) => socket.close(1001))) };
    }),
};

/** Has a server of Node's listen. */
async function onNode(
  server: http.Server,
  scheme: 'ws' | 'wss',
  client: WebSocket.ClientOptions,
  attach: (server: http.Server) => { close(): Promise<unknown> },
): Promise<Running> {
  const attached = attach(server);
  await once(server.listen(HERE), 'listening');
  const { port } = server.address() as AddressInfo;
  const stop = async () => {
    await attached.close();
    server.close();
    server.closeAllConnections();
  };
  return { port, url: `${scheme}://127.0.0.1:${port}`, client, [Symbol.asyncDispose]: stop };
}

/** A client of `ws` that is open. */
async function open(url: string, options: WebSocket.ClientOptions = {}, protocols: string[] = []): Promise<WebSocket> {
  const client = new WebSocket(url, protocols, options);
  await once(client, 'open');
  return client;
}

async function next(client: WebSocket): Promise<string | Buffer> {
  const [data, binary] = (await once(client, 'message')) as [Buffer, boolean];
  return binary ? data : data.toString();
}

/** Sends bytes and reads to the end. */
async function exchange(port: number, ...pieces: (string | Buffer)[]): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  for (const piece of pieces) socket.write(piece, 'latin1');
  return (await readAll(socket)).toString('latin1');
}

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+) /.exec(answer)?.[1]);

for (const [name, begin] of Object.entries(WAYS)) {
  describe(`a server by ${name}`, () => {
    it('talks with ws', async () => {
      await using server = await begin({ protocols: ['b'] }, echo);
      const client = await open(server.url, server.client, ['a', 'b']);
      assert.equal(client.protocol, 'b');
      for (const message of ['hello', 'h\u00e9llo \u{1f600}', '', Buffer.from([0, 255]), Buffer.alloc(100_000, 7)]) {
        const answer = next(client);
        client.send(message);
        assert.deepEqual(await answer, message);
      }
      client.close(1000, 'bye');
      assert.deepEqual(await once(client, 'close'), [1000, Buffer.from('bye')]);
    });

    it('has its connections end with 1001 when it is closed', async () => {
      const server = await begin({}, echo);
      const clients = await Promise.all([1, 2, 3].map(() => open(server.url, server.client)));
      const closed = clients.map((client) => once(client, 'close'));
      await server[Symbol.asyncDispose]();
      for (const [code] of await Promise.all(closed)) assert.equal(code, 1001);
    });

    it('refuses what verify refuses, with a body', async () => {
      const refused: string[] = [];
      const verify = async () => ({ status: 401, body: 'who?' });
      await using server = await begin({ verify, onRefused: ({ code }) => refused.push(code) }, echo);
      const client = new WebSocket(server.url, server.client);
      const [, response] = (await once(client, 'unexpected-response')) as [unknown, http.IncomingMessage];
      assert.equal(response.statusCode, 401);
      assert.equal((await readAll(response)).toString(), 'who?');
      await until(() => refused.length > 0);
      assert.deepEqual(refused, ['ERR_HANDSHAKE']);
    });

    it('survives a peer that is gone before verify has decided', async () => {
      let decide = (_: boolean) => {};
      let asked = false;
      const verify = () =>
        new Promise<boolean>((resolve) => {
          asked = true;
          decide = resolve;
        });
      let connections = 0;
      await using server = await begin({ verify }, () => connections++);
      const client = new WebSocket(server.url, server.client).on('error', () => {});
      await until(() => asked);
      const closed = new Promise((resolve) => client.on('close', resolve));
      client.terminate();
      await closed;
      decide(true);
      const later = open(server.url, server.client);
      asked = false;
      await until(() => asked);
      decide(true);
      (await later).terminate();
      await until(() => connections > 0);
    });
  });
}

describe('first frames in the segment of the request', () => {
  const FRAME = Buffer.from([0x81, 0x85, 1, 2, 3, 4, 0x68 ^ 1, 0x65 ^ 2, 0x6c ^ 3, 0x6c ^ 4, 0x6f ^ 1]);

  for (const name of ['listenWebSocket', 'attachWebSocket, http', 'acceptWebSocket']) {
    it(`are read by ${name}, wherever the bytes are cut`, async () => {
      await using server = await WAYS[name]!({}, echo);
      const bytes = Buffer.concat([Buffer.from(request({ 'X-Long': 'a'.repeat(40) })), FRAME]);
      for (const cut of [
        bytes.length,
        1,
        20,
        bytes.length - 17,
        bytes.length - 18,
        bytes.length - 8,
        bytes.length - 1,
      ]) {
        const socket = net.connect(server.port, '127.0.0.1').setNoDelay();
        socket.write(bytes.subarray(0, cut));
        await new Promise<void>((resolve) => setImmediate(resolve));
        socket.write(bytes.subarray(cut));
        let answer = '';
        for await (const chunk of socket) {
          answer += chunk.toString('latin1');
          if (answer.endsWith('\r\n\r\n\x81\x05hello')) break;
        }
        assert.equal(statusOf(answer), 101, `cut at ${cut}`);
      }
    });
  }
});

describe('listenWebSocket', () => {
  const listening = (options: Partial<ListenWebSocketOptions>, handler: WebSocketHandler = echo) =>
    listenWebSocket({ ...HERE, ...options }, handler);

  it('has native connections, its address, and counts', async () => {
    const seen: unknown[] = [];
    await using server = await listening({ path: '/a' }, (socket, asked) => {
      seen.push((socket.stream as unknown as { native: boolean }).native, asked.path, asked.query);
      seen.push(asked.addresses.remoteAddress);
    });
    assert.deepEqual(server.address, { address: '127.0.0.1', family: 'IPv4', port: server.port });
    const client = await open(`ws://127.0.0.1:${server.port}/a?b=c`);
    await until(() => server.connections.size === 1);
    assert.deepEqual(seen, [NATIVE, '/a', 'b=c', '127.0.0.1']);
    client.terminate();
    await until(() => server.connections.size === 0);
    server.unref().ref();
  });

  it('answers what is no request for a WebSocket, and the connection ends', async () => {
    await using server = await listening({ path: '/a', maxHeaderBytes: 500 });
    const cases: [string, number][] = [
      ['GET /a HTTP/1.1\r\nHost: a\r\n\r\n', 426],
      [request({}, 'GET /b HTTP/1.1'), 404],
      [request({}, 'POST /a HTTP/1.1'), 405],
      [`GET /${'a'.repeat(600)}`, 431],
      ['\x16\x03\x01\x02\0', 400],
    ];
    for (const [input, status] of cases) assert.equal(statusOf(await exchange(server.port, input)), status);
  });

  it('gives the whole answer to a peer that is still sending', async () => {
    await using server = await listening({});
    const answer = await exchange(
      server.port,
      'POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n',
      'a'.repeat(300_000),
    );
    assert.equal(statusOf(answer), 405);
    assert.match(answer, /not GET\n$/);
  });

  it('answers a request that does not come in time with 408, and one that comes in crumbs as well', async () => {
    const refused: string[] = [];
    await using server = await listening({ handshakeTimeoutMs: 50, onRefused: ({ code }) => refused.push(code) });
    assert.equal(statusOf(await exchange(server.port)), 408);
    const socket = net.connect(server.port, '127.0.0.1').on('error', () => {});
    const crumbs = setInterval(() => socket.write('G'), 10);
    assert.equal(statusOf((await readAll(socket)).toString()), 408);
    clearInterval(crumbs);
    assert.deepEqual(refused, ['ERR_HANDSHAKE_TIMEOUT', 'ERR_HANDSHAKE_TIMEOUT']);
  });

  it('is closed although a request is still to come', async () => {
    const server = await listening({});
    const socket = net.connect(server.port, '127.0.0.1');
    socket.write('GET /');
    await once(socket, 'connect');
    const closed = once(socket.resume(), 'close');
    await Promise.all([server.close({ timeoutMs: 100 }), closed]);
  });

  it('destroys connections whose peer does not answer its close', async () => {
    const server = await listening({}, () => {});
    const socket = net.connect(server.port, '127.0.0.1').on('error', () => {});
    socket.write(request());
    await once(socket, 'data');
    await until(() => server.connections.size === 1);
    await Promise.all([server.close({ timeoutMs: 20, code: 1012, reason: 'again' }), server.close()]);
    assert.equal(server.connections.size, 0);
    socket.destroy();
  });

  it('listens at a Unix socket', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'miniproto-'));
    const socketPath = join(folder, 'socket');
    const server = await listenWebSocket({ socketPath, path: '/a' }, echo);
    const client = await open(`ws+unix:${socketPath}:/a`);
    const answer = next(client);
    client.send('x');
    assert.equal(await answer, 'x');
    await server.close();
    rmSync(folder, { recursive: true });
  });

  it('keeps to maxConnections', async () => {
    await using server = await listening({ maxConnections: 1 });
    const client = await open(`ws://127.0.0.1:${server.port}`);
    assert.equal(await exchange(server.port, request()).catch(() => ''), '');
    client.terminate();
  });

  it('rejects where it cannot listen', async () => {
    await using server = await listening({});
    await assert.rejects(listening({ port: server.port }), { code: 'ERR_TRANSPORT' });
  });
});

function failingWith(error: Error): WebSocketHandler {
  return (socket) =>
    socket.onMessage(() => {
      throw error;
    });
}

async function codeAfterMessage(url: string): Promise<number> {
  const client = new WebSocket(url);
  client.on('open', () => client.send('hello'));
  return (await once(client, 'close'))[0];
}

/** What is rejected meanwhile and handled by nobody. */
async function rejectionsDuring(run: () => Promise<void>): Promise<unknown[]> {
  const unhandled: unknown[] = [];
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', (error) => unhandled.push(error));
  try {
    await run();
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.removeAllListeners('unhandledRejection');
    for (const other of others) process.on('unhandledRejection', other);
  }
  return unhandled;
}

describe('a connection handler', () => {
  const CASES: [string, WebSocketHandler, number, boolean][] = [
    ['has returned a promise that is fulfilled', async () => {}, 1000, false],
    ['throws', () => assert.fail('mistake'), 1011, true],
    ['rejects', () => Promise.reject(new Error('mistake')), 1011, true],
    ['rejects with an error of the protocol', () => Promise.reject(new ProtocolError('ERR_INVALID_JSON')), 1011, true],
  ];
  for (const [name, handler, code, reported] of CASES) {
    it(`that ${name} has its connection closed with ${code}`, async () => {
      const errors: unknown[] = [];
      await using server = await WAYS.listenWebSocket!({ onError: (error) => errors.push(error) }, handler);
      const client = new WebSocket(server.url);
      assert.equal((await once(client, 'close'))[0], code);
      assert.equal(errors.length, reported ? 1 : 0);
    });
  }

  it("that rejects with an error of the protocol is nobody's concern by default", async () => {
    await using server = await WAYS.listenWebSocket!({}, () => Promise.reject(new ProtocolError('ERR_INVALID_JSON')));
    assert.equal((await once(new WebSocket(server.url), 'close'))[0], 1011);
  });

  it('that gives back the promise of onMessage has its mistakes told of with the request', async () => {
    const errors: [unknown, string | undefined][] = [];
    const onError = (error: unknown, asked: { path: string } | undefined) => errors.push([error, asked?.path]);
    const mistake = new Error('mistake');
    await using server = await WAYS.listenWebSocket!({ onError }, failingWith(mistake));
    assert.equal(await codeAfterMessage(server.url), 1011);
    assert.deepEqual(errors, [[mistake, '/']]);
  });

  for (const [name, error, count] of [
    ['a mistake is an unhandled rejection', new Error('mistake'), 1],
    ["an error of the protocol is nobody's concern", new ProtocolError('ERR_INVALID_JSON'), 0],
  ] as const) {
    it(`that gives back the promise of onMessage is not waited for by default: ${name}`, async () => {
      const unhandled = await rejectionsDuring(async () => {
        await using server = await WAYS.listenWebSocket!({}, failingWith(error));
        assert.equal(await codeAfterMessage(server.url), 1011);
      });
      assert.deepEqual(unhandled, Array(count).fill(error));
    });
  }

  it('hears of hooks that throw', async () => {
    const errors: [unknown, string | undefined][] = [];
    const onError = (error: unknown, asked: { path: string } | undefined) => errors.push([error, asked?.path]);
    const mistake = new Error('mistake');
    const verify = () => {
      throw mistake;
    };
    await using server = await WAYS.listenWebSocket!({ verify, onError }, echo);
    assert.equal(statusOf(await exchange(server.port, request())), 500);
    assert.deepEqual(errors, [[mistake, '/chat']]);
  });

  it('of acceptWebSocket rejects with what a hook threw, and with nothing that a peer did', async () => {
    const results: unknown[] = [];
    const server = http.createServer();
    server.on('upgrade', (message, socket, head) => {
      const verify = () => (message.url === '/mistake' ? assert.fail('mistake') : true);
      acceptWebSocket(message, socket, head, { verify }).then(
        (value) => results.push(value),
        (error) => results.push(error.message),
      );
    });
    await once(server.listen(HERE), 'listening');
    const { port } = server.address() as AddressInfo;
    assert.equal(statusOf(await exchange(port, request({}, 'GET /mistake HTTP/1.1'))), 500);
    assert.equal(statusOf(await exchange(port, request({ 'Sec-WebSocket-Key': 'x' }))), 400);
    assert.deepEqual(results, ['mistake', undefined]);
    server.close();
  });

  it('and hooks run in the async context of the request', async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const server = http.createServer();
    server.on('upgrade', (message, socket, head) => {
      storage.run(message.url!, async () => {
        const verify = async () => {
          await new Promise<void>((resolve) => setImmediate(resolve));
          seen.push(storage.getStore());
          return true;
        };
        const peer = await acceptWebSocket(message, socket, head, { verify });
        seen.push(storage.getStore());
        for await (const text of peer!) seen.push(storage.getStore(), text);
      });
    });
    await once(server.listen(HERE), 'listening');
    const { port } = server.address() as AddressInfo;
    const [one, other] = await Promise.all([open(`ws://127.0.0.1:${port}/1`), open(`ws://127.0.0.1:${port}/2`)]);
    assert.deepEqual([...seen].sort(), ['/1', '/1', '/2', '/2']);
    seen.length = 0;
    one.send('a');
    await until(() => seen.length === 2);
    other.send('b');
    await until(() => seen.length === 4);
    assert.deepEqual(seen, ['/1', 'a', '/2', 'b']);
    one.terminate();
    other.terminate();
    server.close();
  });
});

describe("a server's onMessage", () => {
  const ECHO: WebSocketServerOptions = { onMessage: (message, socket) => socket.send(message) };
  for (const way of ['listenWebSocket', 'attachWebSocket, http'] as const) {
    it(`is given the messages of all connections of ${way}, and onConnection each of them first`, async () => {
      await using server = await WAYS[way]!(ECHO, (socket) => {
        socket.send('welcome');
      });
      const [one, other] = await Promise.all([open(server.url), open(server.url)]);
      const heard: string[] = [];
      one.on('message', (data) => heard.push(`one: ${data}`));
      other.on('message', (data) => heard.push(`other: ${data}`));
      one.send('a');
      await until(() => heard.includes('one: a'));
      other.send('b');
      await until(() => heard.includes('other: b'));
      assert.deepEqual(
        heard.filter((text) => !text.endsWith('welcome')),
        ['one: a', 'other: b'],
      );
    });
  }

  it('does without onConnection', async () => {
    await using server = await listenWebSocket({ ...HERE, ...ECHO });
    await using socket = await connectWebSocket(`ws://127.0.0.1:${server.port}`);
    socket.send('hello');
    assert.equal(await socket.read(), 'hello');
  });

  it('closes with 1011 when it throws, and onError is told', async () => {
    const mistake = new Error('mistake');
    const errors: unknown[][] = [];
    const options: WebSocketServerOptions = {
      onMessage: () => {
        throw mistake;
      },
      onError: (...told) => errors.push(told),
    };
    await using server = await WAYS.listenWebSocket!(options, async (socket) => void (await socket.closed));
    assert.equal(await codeAfterMessage(server.url), 1011);
    assert.deepEqual(errors, [[mistake, undefined]]);
  });

  it('makes an unhandled rejection of what onError throws, and closes with 1011 nevertheless', async () => {
    const mistake = new Error('mistake');
    const onMessage = () => {
      throw new Error('the first');
    };
    const onError = () => {
      throw mistake;
    };
    const unhandled = await rejectionsDuring(async () => {
      await using server = await listenWebSocket({ ...HERE, onMessage, onError });
      assert.equal(await codeAfterMessage(`ws://127.0.0.1:${server.port}`), 1011);
    });
    assert.deepEqual(unhandled, [mistake]);
  });

  for (const [name, onConnection] of [
    ['threw', () => assert.fail('not this one')],
    ['has rejected', async () => assert.fail('not this one')],
  ] as const) {
    it(`is given nothing of a connection of which onConnection ${name}`, async () => {
      const heard: string[] = [];
      const options: WebSocketServerOptions = { onMessage: (message) => heard.push(message.text()), onError: () => {} };
      await using server = await WAYS.listenWebSocket!(options, onConnection);
      assert.equal(await codeAfterMessage(server.url), 1011);
      assert.deepEqual(heard, []);
    });
  }

  it('makes an unhandled rejection of a mistake by default', async () => {
    const mistake = new Error('mistake');
    const onMessage = () => {
      throw mistake;
    };
    const unhandled = await rejectionsDuring(async () => {
      await using server = await WAYS.listenWebSocket!({ onMessage }, () => {});
      assert.equal(await codeAfterMessage(server.url), 1011);
    });
    assert.deepEqual(unhandled, [mistake]);
  });

  it('is the one reader of each connection', async () => {
    const codes: unknown[] = [];
    await using server = await WAYS.listenWebSocket!(ECHO, (socket) => {
      assert.throws(() => socket.onMessage(() => {}), { code: 'ERR_READ_IN_PROGRESS' });
      assert.throws(() => socket.tryRead(), { code: 'ERR_READ_IN_PROGRESS' });
      codes.push('refused');
    });
    await open(server.url);
    assert.deepEqual(codes, ['refused']);
  });

  it('runs in the async context that the server was made in', async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const onMessage = () => seen.push(storage.getStore());
    const handler: WebSocketHandler = () => storage.enterWith('connection');
    await using server = await storage.run('server', () => WAYS.listenWebSocket!({ onMessage }, handler));
    const client = await open(server.url);
    client.send('a');
    await until(() => seen.length === 1);
    assert.deepEqual(seen, ['server']);
  });
});

describe('attachWebSocket', () => {
  it('tells several apart by path, leaves requests alone, and answers the rest with 404', async () => {
    const server = http.createServer((_, response) => response.end('page'));
    const says =
      (text: string): WebSocketHandler =>
      (socket, asked) => {
        assert.ok(asked.message instanceof http.IncomingMessage);
        assert.ok(asked.addresses.remoteAddress);
        socket.send(text);
      };
    const a = attachWebSocket(server, { path: '/a' }, says('a'));
    const b = attachWebSocket(server, { path: '/b' }, says('b'));
    await once(server.listen(HERE), 'listening');
    const { port } = server.address() as AddressInfo;
    const says1 = async (path: string) => {
      const client = new WebSocket(`ws://127.0.0.1:${port}${path}`);
      return next(client);
    };
    assert.equal(await says1('/a?x'), 'a');
    assert.equal(await says1('/b'), 'b');
    assert.equal(statusOf(await exchange(port, request({}, 'GET /c HTTP/1.1'))), 404);
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/a`)).text(), 'page');
    const all = attachWebSocket(server, {}, says('all'));
    assert.equal(await says1('/a'), 'a');
    assert.equal(await says1('/c'), 'all');
    await all.close();
    assert.equal(a.connections.size, 2);
    await a.close();
    assert.equal(a.connections.size, 0);
    assert.equal(b.connections.size, 1);
    assert.equal(statusOf(await exchange(port, request({}, 'GET /a HTTP/1.1'))), 404);
    await b.close();
    assert.equal(server.listenerCount('upgrade'), 0);
    server.close();
    server.closeAllConnections();
  });

  it('leaves what it does not take to others that listen', async () => {
    const server = http.createServer();
    await using _ = attachWebSocket(server, { path: '/a' }, echo);
    server.on('upgrade', (message, socket) => {
      if (message.url !== '/a') socket.end('HTTP/1.1 418 I am\r\n\r\n');
    });
    await once(server.listen(HERE), 'listening');
    const { port } = server.address() as AddressInfo;
    assert.equal(statusOf(await exchange(port, request({}, 'GET /b HTTP/1.1'))), 418);
    (await open(`ws://127.0.0.1:${port}/a`)).terminate();
    server.close();
  });

  it('refuses a request that keeps no rule, also of one with a body', async () => {
    await using server = await WAYS['attachWebSocket, http']!({}, echo);
    assert.equal(statusOf(await exchange(server.port, request({ 'Sec-WebSocket-Key': 'x' }))), 400);
    assert.equal(
      statusOf(await exchange(server.port, request({ 'Sec-WebSocket-Key': ['dGhlIHNhbXBsZSBub25jZQ==', 'x'] }))),
      400,
    );
    assert.equal(statusOf(await exchange(server.port, request({ 'Content-Length': '3' }), 'abc')), 400);
    assert.equal(statusOf(await exchange(server.port, request({ 'Sec-WebSocket-Version': '8' }))), 426);
  });

  it('works where requests come over a stream that is no socket', async () => {
    const server = http.createServer();
    await using _ = attachWebSocket(server, {}, echo);
    const gate = net.createServer((socket) => {
      // A class of its own, as that of a proxy protocol is.
      class Wrapped extends net.Socket {}
      server.emit('connection', Object.setPrototypeOf(socket, Wrapped.prototype));
    });
    await once(gate.listen(HERE), 'listening');
    const client = await open(`ws://127.0.0.1:${(gate.address() as AddressInfo).port}`);
    const answer = next(client);
    client.send('x');
    assert.equal(await answer, 'x');
    client.close();
    await once(client, 'close');
    gate.close();
  });
});

describe('options of servers', () => {
  const WRONG: [string, object, string][] = [
    ['path', { path: 'a' }, 'ERR_INVALID_ARG_VALUE'],
    ['path', { path: 1 }, 'ERR_INVALID_ARG_TYPE'],
    ['protocols', { protocols: ['a b'] }, 'ERR_INVALID_ARG_VALUE'],
    ['a list of protocols', { protocols: 'chat' }, 'ERR_INVALID_ARG_TYPE'],
    ['a list of origins', { origin: 1 }, 'ERR_INVALID_ARG_TYPE'],
    ['origin', { origin: [1] }, 'ERR_INVALID_ARG_TYPE'],
    ['verify', { verify: true }, 'ERR_INVALID_ARG_TYPE'],
    ['headers', { headers: { upgrade: 'x' } }, 'ERR_INVALID_ARG_VALUE'],
    ['headers', { headers: { a: 'b\n' } }, 'ERR_INVALID_ARG_VALUE'],
    ['onError', { onError: 1 }, 'ERR_INVALID_ARG_TYPE'],
    ['onMessage', { onMessage: 1 }, 'ERR_INVALID_ARG_TYPE'],
    ['onRefused', { onRefused: 1 }, 'ERR_INVALID_ARG_TYPE'],
    ['maxMessageLength', { maxMessageLength: -1 }, 'ERR_OUT_OF_RANGE'],
    ['deflate', { deflate: { level: 10 } }, 'ERR_OUT_OF_RANGE'],
    ['handshakeTimeoutMs', { handshakeTimeoutMs: 0 }, 'ERR_OUT_OF_RANGE'],
    ['maxHeaderBytes', { maxHeaderBytes: 0 }, 'ERR_OUT_OF_RANGE'],
  ];
  for (const [name, options, code] of WRONG) {
    it(`${name} is checked: ${JSON.stringify(options)}`, async () => {
      await assert.rejects(listenWebSocket({ ...HERE, ...options } as ListenWebSocketOptions, echo), { code });
      if (name === 'handshakeTimeoutMs' || name === 'maxHeaderBytes') return;
      assert.throws(() => attachWebSocket(http.createServer(), options, echo), { code });
    });
  }

  it('are about connections as well', async () => {
    await using server = await WAYS.listenWebSocket!({ maxMessageLength: 3 }, echo);
    const client = await open(server.url);
    client.send('four');
    assert.equal((await once(client, 'close'))[0], 1009);
  });

  it('a handler has to be one, and a server too', async () => {
    await assert.rejects(listenWebSocket(HERE, 1 as never), { code: 'ERR_INVALID_ARG_TYPE' });
    await assert.rejects(listenWebSocket(HERE), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => attachWebSocket({} as never, {}, echo), { code: 'ERR_INVALID_ARG_TYPE' });
  });

  it('deflate is agreed on with ws', async () => {
    await using server = await WAYS.listenWebSocket!({ deflate: true }, echo);
    const client = await open(server.url, { perMessageDeflate: { threshold: 0 } });
    assert.match(client.extensions, /^permessage-deflate/);
    const answer = next(client);
    client.send('hello '.repeat(1000));
    assert.equal(await answer, 'hello '.repeat(1000));
    client.terminate();
    const ours = await connectWebSocket(server.url, { deflate: true });
    assert.match(ours.extensions, /^permessage-deflate/);
    await ours.close();
  });
});
