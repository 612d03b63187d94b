/** WebSockets over HTTP/2 (RFC 8441), both sides over real sessions, beside ordinary requests and HTTP/1.1. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2, { type ClientHttp2Session, type ClientHttp2Stream, type Http2Server } from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import type { MiniprotoError } from 'miniproto';
import {
  acceptWebSocketHttp2,
  attachWebSocket,
  connectWebSocket,
  connectWebSocketHttp2,
  HandshakeRefusedError,
  type WebSocketHandler,
  type WebSocketServerOptions,
} from 'miniproto/websocket';
import { readAll, until } from '../support/node-sockets.js';
import { TLS_CLIENT, TLS_SERVER } from '../support/tls-ends.js';

const HERE = { port: 0, host: '127.0.0.1' };
const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;

const echo: WebSocketHandler = async (socket) => {
  for await (const message of socket) await socket.write(message);
};

interface Running extends AsyncDisposable {
  readonly server: Http2Server;
  readonly session: ClientHttp2Session;
}

/** A server with something attached, and a session with it. */
async function running(
  options: WebSocketServerOptions = {},
  handler: WebSocketHandler = echo,
  server = http2.createServer(),
): Promise<Running> {
  const attached = attachWebSocket(server, options, handler);
  const session = await sessionWith(server);
  const stop = async () => {
    await attached.close();
    await stopped(server, session);
  };
  return { server, session, [Symbol.asyncDispose]: stop };
}

async function sessionWith(server: Http2Server): Promise<ClientHttp2Session> {
  await once(server.listen(HERE), 'listening');
  return http2.connect(`http://127.0.0.1:${portOf(server)}`);
}

async function stopped(server: Http2Server, session: ClientHttp2Session): Promise<void> {
  const closed = Promise.all([once(server, 'close'), session.closed ? undefined : once(session, 'close')]);
  server.close();
  session.close();
  await closed;
}

/** An extended CONNECT with these fields. */
function ask(session: ClientHttp2Session, fields: http2.OutgoingHttpHeaders = {}): ClientHttp2Stream {
  return session.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':path': '/chat',
    'sec-websocket-version': '13',
    ...fields,
  });
}

async function answerOf(
  stream: ClientHttp2Stream,
): Promise<{ status: number; body: string; headers: http2.IncomingHttpHeaders }> {
  const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
  return { status: Number(headers[':status']), body: (await readAll(stream)).toString(), headers };
}

describe('a WebSocket over HTTP/2', () => {
  it('carries messages, beside others and ordinary requests of the same session', async () => {
    const server = http2.createServer((_, response) => response.end('page'));
    await using it = await running({ path: '/chat', protocols: ['b'] }, echo, server);
    const options = { protocols: ['a', 'b'] };
    const sockets = await Promise.all([1, 2, 3].map(() => connectWebSocketHttp2(it.session, '/chat?x', options)));
    const large = Buffer.alloc(200_000, 7);
    await Promise.all(
      sockets.map(async (socket, index) => {
        assert.equal(socket.protocol, 'b');
        for (const message of [`hello ${index}`, '', Buffer.from([0, 255]), large]) {
          await socket.write(message);
          assert.deepEqual(await socket.read(), message);
        }
      }),
    );
    assert.equal((await answerOf(it.session.request({ ':path': '/' }))).body, 'page');
    for (const socket of sockets) {
      assert.deepEqual(await socket.close(1000, 'bye'), { code: 1000, reason: 'bye', clean: true });
    }
    assert.ok(!it.session.destroyed);
  });

  it('gives hooks the request as over HTTP/1.1', async () => {
    const seen: unknown[] = [];
    const verify: WebSocketServerOptions['verify'] = ({ method, version, path, query, origin, headers, addresses }) => {
      seen.push(method, version, path, query, origin, headers.get('cookie'), headers.get('host'));
      seen.push(addresses.remoteAddress, headers.has(':path'));
      return true;
    };
    await using it = await running({ verify, headers: { 'X-A': 'b', 'Set-Cookie': ['c', 'd'] } });
    const stream = ask(it.session, { ':path': '/a?b', origin: 'o', cookie: ['e=f', 'g=h'] });
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
    const host = `127.0.0.1:${portOf(it.server)}`;
    assert.deepEqual(seen, ['CONNECT', '2.0', '/a', 'b', 'o', 'e=f; g=h', host, '127.0.0.1', false]);
    assert.deepEqual([headers[':status'], headers['x-a'], headers['set-cookie']], [200, 'b', ['c', 'd']]);
    assert.equal(headers['sec-websocket-accept'], undefined);
    stream.close();
  });

  it('reads frames that came with the request', async () => {
    await using it = await running();
    await new Promise<void>((resolve) => it.session.once('remoteSettings', () => resolve()));
    const stream = ask(it.session);
    stream.write(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x61]));
    const chunks: Buffer[] = [];
    stream.on('data', (chunk) => chunks.push(chunk));
    await until(() => Buffer.concat(chunks).equals(Buffer.from([0x81, 1, 0x61])));
    stream.close();
  });

  it('agrees on compression', async () => {
    await using it = await running({ deflate: true });
    const socket = await connectWebSocketHttp2(it.session, '/', { deflate: true });
    assert.match(socket.extensions, /^permessage-deflate/);
    await socket.write('hello '.repeat(1000));
    assert.equal(await socket.read(), 'hello '.repeat(1000));
    await socket.close();
  });

  it('ends with 1001 when what is attached is closed, and with its session', async () => {
    const server = http2.createServer();
    const attached = attachWebSocket(server, {}, echo);
    const session = await sessionWith(server);
    const socket = await connectWebSocketHttp2(session, '/');
    await attached.close();
    assert.equal((await socket.closed).code, 1001);
    const again = attachWebSocket(server, {}, echo);
    const other = await connectWebSocketHttp2(session, '/');
    session.destroy();
    assert.equal((await other.closed).code, 1006);
    await until(() => again.connections.size === 0);
    server.close();
  });

  it('comes by acceptWebSocketHttp2 as well', async () => {
    const server = http2.createServer({ settings: { enableConnectProtocol: true } });
    const results: unknown[] = [];
    server.on('stream', async (stream, headers) => {
      const verify = () => (headers[':path'] === '/mistake' ? assert.fail('mistake') : headers[':path'] === '/');
      try {
        const socket = await acceptWebSocketHttp2(stream, headers, { verify });
        results.push(socket?.role);
        if (socket !== undefined) await echo(socket, undefined as never);
      } catch (error) {
        results.push((error as Error).message);
      }
    });
    const session = await sessionWith(server);
    const socket = await connectWebSocketHttp2(session, '/');
    await socket.write('x');
    assert.equal(await socket.read(), 'x');
    await socket.close();
    assert.equal((await answerOf(ask(session, { ':path': '/no' }))).status, 403);
    assert.equal((await answerOf(ask(session, { ':path': '/mistake' }))).status, 500);
    const wrong = session.request({ ':path': '/' });
    await until(() => results.length === 4);
    wrong.close();
    assert.deepEqual(results.slice(0, 3), ['server', undefined, 'mistake']);
    assert.match(String(results[3]), /a request for a WebSocket/);
    await stopped(server, session);
  });
});

describe('a request for a WebSocket over HTTP/2 is refused', () => {
  const CASES: [string, http2.OutgoingHttpHeaders, number][] = [
    ['another path', { ':path': '/other' }, 404],
    ['another version', { 'sec-websocket-version': '8' }, 426],
    ['a subprotocol twice', { 'sec-websocket-protocol': 'a, a' }, 400],
    ['malformed extensions', { 'sec-websocket-extensions': 'a;' }, 400],
    ['another origin', { origin: 'https://other' }, 403],
  ];
  for (const [name, fields, status] of CASES) {
    it(`with ${status} for ${name}`, async () => {
      const refused: (string | undefined)[] = [];
      const options = {
        path: '/chat',
        origin: 'https://good',
        onRefused: (_: unknown, asked?: { path: string }) => refused.push(asked?.path),
      };
      await using it = await running(options);
      await new Promise<void>((resolve) => it.session.once('remoteSettings', () => resolve()));
      const answer = await answerOf(ask(it.session, fields));
      assert.equal(answer.status, status);
      assert.ok(answer.body.length > 0);
      assert.deepEqual([answer.headers.upgrade, answer.headers.connection], [undefined, undefined]);
      assert.deepEqual(refused, [fields[':path'] ?? '/chat']);
    });
  }

  it('with 500 when a hook throws, and who asked for errors is told', async () => {
    const errors: unknown[] = [];
    await using it = await running({ verify: () => assert.fail('mistake'), onError: (error) => errors.push(error) });
    await new Promise<void>((resolve) => it.session.once('remoteSettings', () => resolve()));
    assert.equal((await answerOf(ask(it.session))).status, 500);
    assert.equal(errors.length, 1);
  });

  it('and one that is reset before verify has decided is no harm', async () => {
    let decide = (_: boolean) => {};
    let asked = false;
    const verify = () =>
      new Promise<boolean>((resolve) => {
        asked = true;
        decide = resolve;
      });
    await using it = await running({ verify });
    await new Promise<void>((resolve) => it.session.once('remoteSettings', () => resolve()));
    const stream = ask(it.session).on('error', () => {});
    await until(() => asked);
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await once(stream, 'close');
    decide(true);
    asked = false;
    const later = connectWebSocketHttp2(it.session, '/');
    await until(() => asked);
    decide(true);
    await (await later).close();
  });

  it('and other CONNECTs as Node does it', async () => {
    const server = http2.createServer((_, response) => response.end('page'));
    await using it = await running({}, echo, server);
    const plain = it.session.request({ ':method': 'CONNECT', ':authority': 'a:1' });
    assert.equal((await answerOf(plain)).status, 405);
    plain.close();
  });
});

describe('connectWebSocketHttp2 fails', () => {
  const fails = async (connecting: Promise<{ destroy(): void }>): Promise<MiniprotoError> => {
    try {
      (await connecting).destroy();
    } catch (error) {
      return error as MiniprotoError;
    }
    return assert.fail('it did not');
  };

  it('where the server does not speak it', async () => {
    const server = http2.createServer();
    const session = await sessionWith(server);
    assert.equal((await fails(connectWebSocketHttp2(session, '/'))).code, 'ERR_HANDSHAKE');
    assert.equal((await fails(connectWebSocketHttp2(session, '/'))).code, 'ERR_HANDSHAKE');
    await stopped(server, session);
    assert.equal((await fails(connectWebSocketHttp2(session, '/'))).code, 'ERR_STREAM_PREMATURE_CLOSE');
  });

  it('where it is refused, with what was said', async () => {
    await using it = await running({
      verify: () => ({ status: 402, headers: { 'x-a': 'b' }, body: 'pay'.repeat(9000) }),
    });
    const error = await fails(connectWebSocketHttp2(it.session, '/'));
    assert.ok(error instanceof HandshakeRefusedError);
    assert.deepEqual([error.status, error.headers.get('x-a')], [402, 'b']);
    assert.equal(error.body.toString(), 'pay'.repeat(9000).slice(0, 16_384));
  });

  /** A server of HTTP/2 that answers with these fields. */
  async function answering(fields: http2.OutgoingHttpHeaders | undefined): Promise<Running> {
    const server = http2.createServer({ settings: { enableConnectProtocol: true } });
    server.on('stream', (stream) => {
      stream.on('error', () => {});
      if (fields === undefined) stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
      else if (':status' in fields) stream.respond(fields);
    });
    const session = await sessionWith(server);
    const stop = async () => {
      session.destroy();
      server.close();
    };
    return { server, session, [Symbol.asyncDispose]: stop };
  }

  const ANSWERS: [string, http2.OutgoingHttpHeaders | undefined, string][] = [
    ['a subprotocol that was not asked for', { ':status': 200, 'sec-websocket-protocol': 'b' }, 'ERR_HANDSHAKE'],
    ['an extension that was not asked for', { ':status': 200, 'sec-websocket-extensions': 'a' }, 'ERR_HANDSHAKE'],
    ['a reset', undefined, 'ERR_TRANSPORT'],
    ['nothing', {}, 'ERR_HANDSHAKE_TIMEOUT'],
  ];
  for (const [name, fields, code] of ANSWERS) {
    it(`where the answer is ${name}`, async () => {
      await using it = await answering(fields);
      const connecting = connectWebSocketHttp2(it.session, '/', { protocols: 'a', handshakeTimeoutMs: 200 });
      assert.equal((await fails(connecting)).code, code);
    });
  }

  it('where no session comes about', async () => {
    const silent = net.createServer((socket) => socket.on('error', () => {})).listen(HERE);
    await once(silent, 'listening');
    const session = http2.connect(`http://127.0.0.1:${portOf(silent)}`).on('error', () => {});
    const error = await fails(connectWebSocketHttp2(session, '/', { handshakeTimeoutMs: 20 }));
    assert.equal(error.code, 'ERR_HANDSHAKE_TIMEOUT');
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    assert.equal(await fails(connectWebSocketHttp2(session, '/', { signal })), reason);
    session.destroy();
    silent.close();
  });

  it("for a caller's mistake", async () => {
    await using it = await running();
    const code = async (connecting: Promise<{ destroy(): void }>) => (await fails(connecting)).code as string;
    assert.equal(await code(connectWebSocketHttp2(it.session, 'a')), 'ERR_INVALID_ARG_VALUE');
    assert.equal(await code(connectWebSocketHttp2(it.session, '/#a')), 'ERR_INVALID_ARG_VALUE');
    assert.equal(await code(connectWebSocketHttp2({} as never, '/')), 'ERR_INVALID_ARG_TYPE');
    assert.equal(
      await code(connectWebSocketHttp2(it.session, '/', { headers: { upgrade: 'a' } })),
      'ERR_INVALID_ARG_VALUE',
    );
  });
});

describe('a server of both versions', () => {
  it('takes WebSockets over HTTP/1.1 and HTTP/2 at the same path', async () => {
    const server = http2.createSecureServer({ ...TLS_SERVER, allowHTTP1: true } as http2.SecureServerOptions);
    const attached = attachWebSocket(server, { path: '/a' }, (socket, { version }) => void socket.send(version));
    await once(server.listen(HERE), 'listening');
    const url = `https://127.0.0.1:${portOf(server)}`;
    const session = http2.connect(url, TLS_CLIENT as http2.SecureClientSessionOptions);
    const sockets = [
      await connectWebSocketHttp2(session, '/a'),
      await connectWebSocket(`${url}/a`, { tls: TLS_CLIENT }),
    ] as const;
    assert.deepEqual(await Promise.all(sockets.map((socket) => socket.read())), ['2.0', '1.1']);
    assert.equal(attached.connections.size, 2);
    await attached.close();
    await stopped(server as unknown as Http2Server, session);
  });
});
