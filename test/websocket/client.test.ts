/** Clients over real sockets, with `ws` and bare bytes as servers: addresses, redirects, transports, and the ways to fail. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { type MiniprotoError, memoryPair } from 'miniproto';
import { TlsContext } from 'miniproto/tls';
import {
  type ConnectWebSocketOptions,
  connectWebSocket,
  HandshakeRefusedError,
  listenWebSocket,
  type WebSocketAddress,
} from 'miniproto/websocket';
import { type ServerOptions, WebSocketServer } from 'ws';
import { acceptFor } from '#lib/websocket/handshake/key';
import { identity } from '../support/certificates.js';
import { ACCEPT, KEY, response } from '../support/handshakes.js';
import { NATIVE, until } from '../support/node-sockets.js';
import { TLS_CLIENT, TLS_SERVER } from '../support/tls-ends.js';

const HERE = { port: 0, host: '127.0.0.1' };
const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;

/** A server of `ws` that echoes; what it was asked is kept. */
async function wsServer(
  options: ServerOptions = HERE,
): Promise<AsyncDisposable & { url: string; asked: http.IncomingMessage[] }> {
  const server = new WebSocketServer(options);
  const asked: http.IncomingMessage[] = [];
  server.on('connection', (socket, message) => {
    asked.push(message);
    socket.on('message', (data, binary) => socket.send(data, { binary }));
  });
  await once(server, 'listening');
  const url = `ws://127.0.0.1:${portOf(options.server ?? server)}`;
  return {
    url,
    asked,
    [Symbol.asyncDispose]: () => {
      for (const client of server.clients) client.terminate();
      options.server?.close();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** A server that answers with these bytes, where KEY was sent. */
async function rawServer(
  answer: string | Buffer | ((socket: net.Socket) => void),
): Promise<AsyncDisposable & { url: string }> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    if (typeof answer === 'function') answer(socket);
    else socket.once('data', () => socket.write(answer, 'latin1'));
  });
  await once(server.listen(HERE), 'listening');
  return {
    url: `ws://127.0.0.1:${portOf(server)}`,
    [Symbol.asyncDispose]: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

const FIXED = { keys: () => Buffer.from(KEY, 'base64') };

describe('connectWebSocket', () => {
  it('talks with ws, natively where it can', async () => {
    await using server = await wsServer({ ...HERE, handleProtocols: (offered) => [...offered].at(-1)! });
    const socket = await connectWebSocket(`${server.url}/a?b=c`, {
      protocols: ['x', 'y'],
      headers: { Cookie: 'd=e', Origin: 'https://f' },
    });
    assert.equal(socket.protocol, 'y');
    assert.equal((socket.stream as unknown as { native: boolean }).native, NATIVE);
    const [asked] = server.asked;
    assert.equal(asked!.url, '/a?b=c');
    assert.equal(`ws://${asked!.headers.host}`, server.url);
    assert.equal(asked!.headers.cookie, 'd=e');
    assert.equal(asked!.headers.origin, 'https://f');
    for (const message of ['hello', '\u{1f600}', '', Buffer.from([0, 255]), Buffer.alloc(100_000, 7)]) {
      await socket.write(message);
      assert.deepEqual(await socket.read(), message);
    }
    assert.deepEqual(await socket.close(1000, 'bye'), { code: 1000, reason: 'bye', clean: true });
  });

  it('sends another key each time, or the one that it is given', async () => {
    await using server = await wsServer();
    for (let i = 0; i < 2; i++) await (await connectWebSocket(server.url)).close();
    await (await connectWebSocket(server.url, FIXED)).close();
    const keys = server.asked.map(({ headers }) => headers['sec-websocket-key']);
    assert.equal(new Set(keys).size, 3);
    assert.equal(keys[2], KEY);
    await assert.rejects(connectWebSocket(server.url, { keys: () => Buffer.alloc(15) }), {
      code: 'ERR_INVALID_ARG_VALUE',
    });
  });

  it('reads frames that came with the answer, wherever the bytes are cut', async () => {
    const bytes = Buffer.from(`${response()}\x81\x05hello\x88\x02\x03\xe8`, 'latin1');
    for (const cut of [bytes.length, 1, 50, bytes.length - 11, bytes.length - 12, bytes.length - 5]) {
      await using server = await rawServer((socket) => {
        socket.setNoDelay().once('data', () => {
          socket.write(bytes.subarray(0, cut));
          setImmediate(() => socket.write(bytes.subarray(cut)));
        });
        socket.on('data', (frame) => frame[0] === 0x88 && socket.end());
      });
      const socket = await connectWebSocket(server.url, FIXED);
      assert.equal(await socket.read(), 'hello', `cut at ${cut}`);
      assert.equal((await socket.closed).code, 1000);
    }
  });

  it('speaks over TLS', async () => {
    await using server = await wsServer({ server: https.createServer(TLS_SERVER as https.ServerOptions).listen(HERE) });
    for (const scheme of ['wss', 'https']) {
      const socket = await connectWebSocket(server.url.replace('ws', scheme), { tls: TLS_CLIENT });
      await socket.write('x');
      assert.equal(await socket.read(), 'x');
      await socket.close();
    }
    await assert.rejects(connectWebSocket(server.url.replace('ws', 'wss')), { code: 'ERR_TLS_CERTIFICATE' });
  });

  it('speaks over a Unix socket', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'miniproto-'));
    const server = await listenWebSocket({ socketPath: join(folder, 'a b'), path: '/p' }, (socket, asked) => {
      socket.send(asked.target);
    });
    const socket = await connectWebSocket(`ws+unix:${join(folder, 'a b')}:/p?q`);
    assert.equal(await socket.read(), '/p?q');
    await socket.close();
    await server.close();
    rmSync(folder, { recursive: true });
  });

  it('keeps the async context of who called', async () => {
    await using server = await wsServer();
    const storage = new AsyncLocalStorage<number>();
    await storage.run(7, async () => {
      const socket = await connectWebSocket(server.url);
      assert.equal(storage.getStore(), 7);
      await socket.write('a');
      await socket.read();
      assert.equal(storage.getStore(), 7);
      await socket.close();
    });
  });

  it('sends what the URL says of who asks, unless the headers do', async () => {
    await using server = await wsServer();
    const url = server.url.replace('//', '//us%20er:p%3Aw@');
    await (await connectWebSocket(url)).close();
    await (await connectWebSocket(url, { headers: { authorization: 'Bearer x' } })).close();
    const sent = server.asked.map(({ headers }) => headers.authorization);
    assert.deepEqual(sent, [`Basic ${Buffer.from('us er:p:w').toString('base64')}`, 'Bearer x']);
  });
});

describe('what carries a client', () => {
  it('is a socket that is given', async () => {
    await using server = await wsServer();
    const { port } = new URL(server.url);
    const carrier = net.connect(Number(port), '127.0.0.1');
    const socket = await connectWebSocket('ws://example.org/', { socket: carrier });
    await socket.write('x');
    assert.equal(await socket.read(), 'x');
    assert.equal(server.asked[0]!.headers.host, 'example.org');
    await socket.close();
  });

  it('is any byte stream', async () => {
    const [client, server] = memoryPair();
    server.tryWrite(Buffer.from(`${response()}\x81\x01a`, 'latin1'));
    const socket = await connectWebSocket('wss://example.org/', { socket: client, ...FIXED });
    assert.equal(await socket.read(), 'a');
    socket.destroy();
  });

  it('is a tunnel through a proxy', async () => {
    await using server = await wsServer();
    const proxy = http.createServer();
    proxy.on('connect', (message: http.IncomingMessage, socket: Duplex) => {
      const [host, port] = message.url!.split(':');
      const target = net.connect(Number(port), host);
      target.on('connect', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
      target
        .on('error', () => socket.destroy())
        .pipe(socket.on('error', () => target.destroy()))
        .pipe(target);
    });
    await once(proxy.listen(HERE), 'listening');
    const seen: WebSocketAddress[] = [];
    const socket = await connectWebSocket(server.url, {
      createConnection: async (address, { signal }) => {
        seen.push(address);
        const path = `${address.hostname}:${address.port}`;
        const asking = http.request({ port: portOf(proxy), host: '127.0.0.1', method: 'CONNECT', path, signal }).end();
        const [, carrier] = (await once(asking, 'connect')) as [unknown, net.Socket];
        return carrier;
      },
    });
    await socket.write('x');
    assert.equal(await socket.read(), 'x');
    assert.deepEqual([seen.length, seen[0]!.secure, seen[0]!.target], [1, false, '/']);
    await socket.close();
    proxy.close();
    proxy.closeAllConnections();
  });

  it('may fail to be made', async () => {
    const mistake = new Error('no proxy');
    const createConnection = () => Promise.reject(mistake);
    await assert.rejects(connectWebSocket('ws://127.0.0.1:1', { createConnection }), mistake);
  });

  it('is destroyed when it comes too late', async () => {
    const [client] = memoryPair();
    let give = (_: typeof client) => {};
    const createConnection = () => new Promise<typeof client>((resolve) => (give = resolve));
    const options = { createConnection, handshakeTimeoutMs: 5 };
    await assert.rejects(connectWebSocket('ws://127.0.0.1:1', options), { code: 'ERR_HANDSHAKE_TIMEOUT' });
    give(client);
    await until(() => client.destroyed);
  });
});

describe('a client fails', () => {
  const fails = async (url: string, options: ConnectWebSocketOptions = {}): Promise<MiniprotoError> => {
    try {
      (await connectWebSocket(url, options)).destroy();
    } catch (error) {
      return error as MiniprotoError;
    }
    return assert.fail('it did not');
  };

  it('where nobody listens', async () => {
    const server = net.createServer().listen(HERE);
    await once(server, 'listening');
    const port = portOf(server);
    server.close();
    const { code, cause } = await fails(`ws://127.0.0.1:${port}`);
    assert.equal(code, 'ERR_TRANSPORT');
    assert.equal((cause as NodeJS.ErrnoException).code, 'ECONNREFUSED');
  });

  it('where the answer never comes, or never ends', async () => {
    for (const answer of ['', 'HTTP/1.1 101', 'HTTP/1.1 101 a\r\nX: ']) {
      await using server = await rawServer(answer);
      assert.equal((await fails(server.url, { handshakeTimeoutMs: 20 })).code, 'ERR_HANDSHAKE_TIMEOUT');
    }
  });

  it('where the server resets, or ends', async () => {
    await using resets = await rawServer((socket) => socket.once('data', () => socket.resetAndDestroy()));
    assert.equal((await fails(resets.url)).code, 'ERR_TRANSPORT');
    await using ends = await rawServer((socket) => socket.end());
    assert.equal((await fails(ends.url)).code, 'ERR_UNEXPECTED_EOF');
  });

  it('where the answer breaks the rules, and lets go of the connection', async () => {
    let closed = 0;
    await using server = await rawServer((socket) => {
      socket.once('data', () => socket.write(response({ 'Sec-WebSocket-Accept': 'x' })));
      socket.on('close', () => closed++);
    });
    assert.equal((await fails(server.url)).code, 'ERR_HANDSHAKE');
    await until(() => closed === 1);
  });

  it('where the answer is too large', async () => {
    await using server = await rawServer(response({ 'X-A': Array.from({ length: 200 }, () => 'b') }));
    assert.equal((await fails(server.url)).code, 'ERR_TOO_MANY_HEADERS');
    assert.equal((await fails(server.url, { maxHeaderBytes: 100 })).code, 'ERR_HEAD_TOO_LARGE');
  });

  it('where the server refuses, and says what the server said', async () => {
    await using server = await wsServer({
      ...HERE,
      verifyClient: (_, answer) => answer(false, 402, 'pay', { 'X-A': 'b' }),
    });
    const error = await fails(server.url);
    assert.ok(error instanceof HandshakeRefusedError);
    assert.deepEqual([error.status, error.headers.get('x-a'), error.body.toString()], [402, 'b', 'pay']);
    assert.match(error.message, /402/);
  });

  it('with the reason of a signal, in every state', async () => {
    const reason = new Error('enough');
    assert.equal(await fails('ws://127.0.0.1:1', { signal: AbortSignal.abort(reason) }), reason);
    const late = new AbortController();
    await using silent = await rawServer((socket) => socket.once('data', () => late.abort(reason)));
    assert.equal(await fails(silent.url, { signal: late.signal }), reason);
    const connecting = new AbortController();
    const failing = fails(silent.url, { signal: connecting.signal });
    connecting.abort(reason);
    assert.equal(await failing, reason);
    const tls = new AbortController();
    const shaking = fails(silent.url.replace('ws', 'wss'), { signal: tls.signal });
    setImmediate(() => tls.abort(reason));
    assert.equal(await shaking, reason);
  });

  it('but not by a signal once it is connected', async () => {
    await using server = await wsServer();
    const controller = new AbortController();
    const socket = await connectWebSocket(server.url, { signal: controller.signal, handshakeTimeoutMs: 1000 });
    controller.abort();
    await socket.write('x');
    assert.equal(await socket.read(), 'x');
    await socket.close();
  });

  const WRONG: [string, object, string][] = [
    ['no url', {}, 'ERR_INVALID_ARG_VALUE'],
    ['ftp://a', {}, 'ERR_INVALID_ARG_VALUE'],
    ['ws://a/#b', {}, 'ERR_INVALID_ARG_VALUE'],
    ['ws+unix:', {}, 'ERR_INVALID_ARG_VALUE'],
    ['ws://a', { protocols: 'a b' }, 'ERR_INVALID_ARG_VALUE'],
    ['ws://a', { protocols: ['a', 'a'] }, 'ERR_INVALID_ARG_VALUE'],
    ['ws://a', { protocols: [''] }, 'ERR_INVALID_ARG_VALUE'],
    ['ws://a', { protocols: 1 }, 'ERR_INVALID_ARG_TYPE'],
    ['ws://a', { headers: { 'Sec-WebSocket-Key': KEY } }, 'ERR_INVALID_ARG_VALUE'],
    ['ws://a', { headers: { connection: 'close' } }, 'ERR_INVALID_ARG_VALUE'],
    ['ws://a', { headers: { a: 'b\r\nc: d' } }, 'ERR_INVALID_ARG_VALUE'],
    ['ws://a', { headers: { a: 5 } }, 'ERR_INVALID_ARG_TYPE'],
    ['ws://a', { headers: [['a']] }, 'ERR_INVALID_ARG_TYPE'],
    ['ws://a', { headers: [5] }, 'ERR_INVALID_ARG_TYPE'],
    ['ws://a', { socket: 5 }, 'ERR_INVALID_ARG_TYPE'],
    ['ws://a', { maxRedirects: -1 }, 'ERR_OUT_OF_RANGE'],
    ['ws://a', { handshakeTimeoutMs: 1.5 }, 'ERR_OUT_OF_RANGE'],
    ['ws://a', { signal: 1 }, 'ERR_INVALID_ARG_TYPE'],
    ['ws://a', { createConnection: 1 }, 'ERR_INVALID_ARG_TYPE'],
    ['ws://a', { tls: 1 }, 'ERR_INVALID_ARG_TYPE'],
    ['ws://a', { deflate: { level: -1 } }, 'ERR_OUT_OF_RANGE'],
    ['ws://a', { maxMessageLength: 'a' }, 'ERR_INVALID_ARG_TYPE'],
  ];
  for (const [url, options, code] of WRONG) {
    it(`for a caller's mistake: ${url} ${JSON.stringify(options)}`, async () => {
      assert.equal((await fails(url, options)).code, code);
    });
  }
});

describe('redirects', () => {
  type Redirects = Record<string, [status: number, location: string | undefined]>;

  /** An HTTP server whose paths redirect; what it was asked is kept, and by whom. Others are accepted. */
  async function redirecting(paths: Redirects, tls?: https.ServerOptions) {
    const asked: { url: string; headers: http.IncomingHttpHeaders; client: unknown }[] = [];
    const server = tls === undefined ? http.createServer() : https.createServer(tls);
    server.on('upgrade', (message, socket) => {
      socket.on('error', () => {});
      const client = socket instanceof TLSSocket ? socket.getPeerCertificate().subject?.CN : undefined;
      asked.push({ url: message.url!, headers: message.headers, client });
      const [status, location] = paths[message.url!] ?? [];
      if (status !== undefined) {
        const line = location === undefined ? '' : `Location: ${location}\r\n`;
        return socket.end(`HTTP/1.1 ${status} See\r\n${line}Content-Length: 0\r\n\r\n`);
      }
      const accept = acceptFor(message.headers['sec-websocket-key']!);
      return socket.end(`${response({ 'Sec-WebSocket-Accept': accept })}\x88\x02\x03\xe8`, 'latin1');
    });
    await once(server.listen(HERE), 'listening');
    const url = `${tls === undefined ? 'ws' : 'wss'}://127.0.0.1:${portOf(server)}`;
    const stop = async () => {
      server.close();
      server.closeAllConnections();
    };
    return { url, asked, paths, [Symbol.asyncDispose]: stop };
  }

  it('are refusals unless they are asked for', async () => {
    await using server = await redirecting({ '/a': [302, '/b'] });
    const refused = { code: 'ERR_HANDSHAKE_REFUSED', status: 302 };
    await assert.rejects(connectWebSocket(`${server.url}/a`), refused);
    const [client, other] = memoryPair();
    other.tryWrite(Buffer.from('HTTP/1.1 302 a\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n'));
    await assert.rejects(connectWebSocket('ws://a', { socket: client, maxRedirects: 1 }), refused);
  });

  it('are followed, relative and whole, as often as allowed', async () => {
    await using server = await redirecting({ '/a': [301, '/b?c'], '/b?c': [307, 'd#fragment'], '/d': [308, ''] });
    server.paths['/d'] = [308, `${server.url.replace('ws', 'http')}/e`];
    const socket = await connectWebSocket(`${server.url}/a`, { maxRedirects: 3, protocols: [] });
    await socket.closed;
    assert.deepEqual(
      server.asked.map(({ url }) => url),
      ['/a', '/b?c', '/d', '/e'],
    );
    const most = connectWebSocket(`${server.url}/a`, { maxRedirects: 2 });
    await assert.rejects(most, { code: 'ERR_TOO_MANY_REDIRECTS' });
  });

  it('keep credentials on the same server, and take them to no other', async () => {
    await using other = await redirecting({});
    await using server = await redirecting({ '/a': [302, '/b'], '/b': [302, other.url] });
    const headers = { Authorization: 'x', Cookie: 'y', 'Proxy-Authorization': 'z', 'X-A': 'b' };
    await connectWebSocket(`${server.url}/a`, { maxRedirects: 5, headers });
    assert.equal(server.asked[1]!.headers.authorization, 'x');
    const { authorization, cookie, 'proxy-authorization': proxy, 'x-a': kept } = other.asked[0]!.headers;
    assert.deepEqual([authorization, cookie, proxy, kept], [undefined, undefined, undefined, 'b']);
    await connectWebSocket(`${server.url.replace('//', '//user:word@')}/a`, { maxRedirects: 5 });
    assert.equal(other.asked[1]!.headers.authorization, undefined);
  });

  /** A server that asks for certificates. */
  const asking: https.ServerOptions = { ...TLS_SERVER, ...TLS_CLIENT, requestCert: true, rejectUnauthorized: false };
  for (const [what, tls] of [
    ['key and certificate', { ...TLS_CLIENT, ...identity('client') }],
    ['context', { context: new TlsContext({ ...TLS_CLIENT, ...identity('client') }) }],
  ] as const) {
    it(`show the certificate to the same server, and to no other: ${what}`, async () => {
      await using other = await redirecting({ '/a': [302, '/b'] }, asking);
      await using server = await redirecting({ '/a': [302, '/b'], '/b': [302, `${other.url}/a`] }, asking);
      other.paths['/b'] = [302, `${server.url}/c`];
      await connectWebSocket(`${server.url}/a`, { maxRedirects: 4, tls });
      // Who was led away and back is not known any more either.
      assert.deepEqual(
        [server, other].map(({ asked }) => asked.map(({ url, client }) => `${url} ${client}`)),
        [
          ['/a client', '/b client', '/c undefined'],
          ['/a undefined', '/b undefined'],
        ],
      );
    });
  }

  it('show it to nobody where they lead into TLS: whoever is in between may have sent them', async () => {
    await using other = await redirecting({}, asking);
    await using server = await redirecting({ '/a': [302, `${other.url}/b`] });
    const tls = { ...TLS_CLIENT, ...identity('client') };
    await connectWebSocket(`${server.url}/a`, { maxRedirects: 1, tls });
    assert.deepEqual(
      other.asked.map(({ client }) => client),
      [undefined],
    );
  });

  const NOWHERE: [string, string | undefined, string][] = [
    ['another scheme', 'ftp://a/', 'ERR_HANDSHAKE'],
    ['a Unix socket', 'ws+unix:/tmp/a:/b', 'ERR_HANDSHAKE'],
    ['what is no URL', 'http://[', 'ERR_HANDSHAKE'],
    ['no place', undefined, 'ERR_HANDSHAKE_REFUSED'],
  ];
  for (const [name, location, code] of NOWHERE) {
    it(`lead not to ${name}`, async () => {
      await using server = await redirecting({ '/a': [302, location] });
      await assert.rejects(connectWebSocket(`${server.url}/a`, { maxRedirects: 1 }), { code });
    });
  }

  it('lead not out of TLS', async () => {
    const server = https.createServer(TLS_SERVER as https.ServerOptions);
    server.on('upgrade', (_, socket) =>
      socket.end('HTTP/1.1 302 a\r\nLocation: ws://127.0.0.1/\r\nContent-Length: 0\r\n\r\n'),
    );
    await once(server.listen(HERE), 'listening');
    const connecting = connectWebSocket(`wss://127.0.0.1:${portOf(server)}`, { maxRedirects: 1, tls: TLS_CLIENT });
    await assert.rejects(connecting, { code: 'ERR_HANDSHAKE' });
    server.close();
  });

  it('share one time limit', async () => {
    await using server = await redirecting({ '/a': [302, '/a'] });
    const connecting = connectWebSocket(`${server.url}/a`, { maxRedirects: 1e6, handshakeTimeoutMs: 100 });
    await assert.rejects(connecting, { code: 'ERR_HANDSHAKE_TIMEOUT' });
  });
});

describe('the key of the RFC', () => {
  it('is answered as the RFC says', async () => {
    await using server = await rawServer(response({ 'Sec-WebSocket-Accept': ACCEPT }));
    (await connectWebSocket(server.url, FIXED)).destroy();
  });
});
