/** `WebSocketServer` of `miniproto/ws`: ways to come by requests, hooks, refusals, tracking, the end. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { Duplex } from 'node:stream';
import { type ServerOptions, WebSocket, WebSocketServer } from 'miniproto/ws';
import * as ws from 'ws';
import { request } from '../support/handshakes.js';
import { TLS_CLIENT, TLS_SERVER } from '../support/tls-ends.js';
import { answerTo, closeOf, HERE, httpServer, listening, pair, stopAll } from '../support/ws-pairs.js';

describe('WebSocketServer of miniproto/ws', () => {
  afterEach(stopAll);

  it('wants exactly one of port, server and noServer', () => {
    const message = /^TypeError: One and only one of the "port", "server", or "noServer" options must be specified/;
    const server = http.createServer();
    for (const options of [
      {},
      undefined,
      { port: 1, server },
      { port: 1, noServer: true },
      { server, noServer: true },
    ]) {
      assert.throws(() => new WebSocketServer(options), message);
    }
    assert.throws(() => new WebSocketServer({ noServer: true }).address(), /"noServer" mode/);
  });

  it('listens by itself, calls back, and answers ordinary requests with a 426', async () => {
    const server = await new Promise<WebSocketServer>((resolve) => {
      const begun: WebSocketServer = new WebSocketServer(HERE, () => resolve(begun));
    });
    const { port, address } = server.address() as AddressInfo;
    assert.equal(address, '127.0.0.1');
    assert.deepEqual(server._server?.address(), server.address());
    const answer = await answerTo(`ws://127.0.0.1:${port}`, { Upgrade: undefined, Connection: undefined });
    assert.deepEqual([answer.statusCode, answer.text], [426, 'Upgrade Required']);
    await new Promise((resolve) => server.close(resolve));
    assert.equal(server.address(), null);
    assert.equal(server._server, null);
  });

  it('tells of a port that is taken', async () => {
    const { url } = await listening();
    const [error] = await once(new WebSocketServer({ ...HERE, port: Number(new URL(url).port) }), 'error');
    assert.equal(error.code, 'EADDRINUSE');
  });

  it('gives connections with their request, whose socket knows its addresses', async () => {
    const { server, url } = await listening();
    const client = new ws.WebSocket(`${url}/path?query`, { headers: { Cookie: 'a=b' } });
    const [socket, request] = await once(server, 'connection');
    assert.ok(socket instanceof WebSocket);
    assert.equal(request.url, '/path?query');
    assert.equal(request.headers.cookie, 'a=b');
    assert.equal(request.socket.remoteAddress, '127.0.0.1');
    assert.ok(request.socket.remotePort > 0);
    assert.equal(request.socket.localPort, (server.address() as AddressInfo).port);
    assert.equal(socket.url, undefined);
    await once(client, 'open');
  });

  it('emits what came with the request behind it', async () => {
    const { server, url } = await listening();
    server.on('connection', (socket) => socket.on('message', (data) => socket.send(`${data}!`)));
    const socket = net.connect(Number(new URL(url).port), '127.0.0.1');
    socket.write(Buffer.concat([Buffer.from(request()), Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69])]));
    let answer = '';
    for await (const chunk of socket) {
      answer += chunk.toString('latin1');
      if (answer.endsWith('\r\n\r\n\x81\x03hi!')) break;
    }
    assert.match(answer, /^HTTP\/1\.1 101 /);
  });

  describe('on a server of the program', () => {
    it('takes only its path, as shouldHandle says', async () => {
      const { server, port } = await httpServer();
      const sockets = new WebSocketServer({ server, path: '/chat' });
      assert.equal((await answerTo(`ws://127.0.0.1:${port}/other`)).statusCode, 400);
      assert.equal((await answerTo(`ws://127.0.0.1:${port}/chat?room=1`)).statusCode, 101);
      sockets.shouldHandle = (request) => request.url === '/mine';
      assert.equal((await answerTo(`ws://127.0.0.1:${port}/mine`)).statusCode, 101);
    });

    it('passes on that it listens, and leaves it running when it closes', async () => {
      const server = http.createServer();
      const sockets = new WebSocketServer({ server });
      const told = once(sockets, 'listening');
      server.listen(0, '127.0.0.1');
      await told;
      assert.equal((await answerTo(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)).statusCode, 101);
      await new Promise((resolve) => sockets.close(resolve));
      assert.equal(server.listening, true);
      assert.equal(server.listenerCount('upgrade'), 0);
      server.close();
    });

    it('works over https, where the socket is Node’s', async () => {
      const server = https.createServer(TLS_SERVER as https.ServerOptions);
      const sockets = new WebSocketServer({ server, verifyClient: ({ secure }: { secure: boolean }) => secure });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      sockets.on('connection', (socket, request) => {
        assert.equal((socket._socket as { encrypted?: boolean }).encrypted, true);
        assert.equal(request.socket, socket._socket);
        socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
      });
      const client = new WebSocket(`wss://127.0.0.1:${(server.address() as AddressInfo).port}`, TLS_CLIENT as object);
      await once(client, 'open');
      for (const size of [10, 100_000]) {
        await new Promise((resolve) => client.send(Buffer.alloc(size, 1), resolve));
        assert.deepEqual((await once(client, 'message'))[0], Buffer.alloc(size, 1));
      }
      client.close(1000);
      assert.deepEqual(await closeOf(client), [1000, '']);
      server.close();
      await once(server, 'close');
    });
  });

  describe('handleUpgrade', () => {
    async function upgrading(
      options: Partial<ServerOptions>,
      then: (sockets: WebSocketServer, request: http.IncomingMessage, socket: Duplex, head: Buffer) => void,
    ): Promise<string> {
      const { server, port } = await httpServer();
      const sockets = new WebSocketServer({ noServer: true, ...options });
      server.on('upgrade', (request, socket, head) => then(sockets, request, socket, head));
      return `ws://127.0.0.1:${port}`;
    }

    it('calls back at once with the WebSocket, and emits nothing', async () => {
      const order: string[] = [];
      const url = await upgrading({}, (sockets, request, socket, head) => {
        sockets.on('connection', () => order.push('connection'));
        sockets.handleUpgrade(request, socket, head, (client, same) => {
          order.push('callback');
          assert.equal(same, request);
          assert.equal(client.readyState, WebSocket.OPEN);
          client.send('welcome');
        });
        order.push('behind');
      });
      const client = new ws.WebSocket(url);
      assert.equal(String((await once(client, 'message'))[0]), 'welcome');
      assert.deepEqual(order, ['callback', 'behind']);
      client.terminate();
    });

    it('cannot be called twice for a socket', async () => {
      const thrown = new Promise<Error>((resolve) => {
        void upgrading({}, (sockets, request, socket, head) => {
          sockets.handleUpgrade(request, socket, head, (client) => client.terminate());
          try {
            sockets.handleUpgrade(request, socket, head, () => {});
          } catch (error) {
            resolve(error as Error);
          }
        }).then((url) => new ws.WebSocket(url).on('error', () => {}));
      });
      assert.match((await thrown).message, /called more than once with the same socket/);
    });

    it('works on a Duplex that is no socket', async () => {
      let written = Buffer.alloc(0);
      const duplex: Duplex = new Duplex({
        read() {},
        write(chunk, _encoding, callback) {
          written = Buffer.concat([written, chunk]);
          callback();
        },
      });
      const request = Object.assign(new http.IncomingMessage(duplex as never), {
        method: 'GET',
        url: '/',
        httpVersion: '1.1',
        headers: {
          host: 'a',
          upgrade: 'websocket',
          connection: 'upgrade',
          'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
          'sec-websocket-version': '13',
        },
      });
      const sockets = new WebSocketServer({ noServer: true });
      const client = await new Promise<WebSocket>((resolve) => {
        sockets.handleUpgrade(request, duplex, Buffer.alloc(0), resolve);
      });
      // What is pushed into a stream that flows is heard of within the push.
      const heard = once(client, 'message');
      duplex.push(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
      assert.equal(String((await heard)[0]), 'hi');
      await new Promise((resolve) => client.send('yes', resolve));
      assert.match(written.toString('latin1'), /^HTTP\/1\.1 101 /);
      assert.ok(written.toString('latin1').endsWith('\r\n\r\n\x81\x03yes'));
      client.terminate();
      await once(client, 'close');
    });
  });

  describe('requests that break the rules', () => {
    const WRONG: [string, Record<string, string | undefined>, string, string?][] = [
      ['another method', {}, 'Invalid HTTP method', 'POST'],
      ['another protocol', { Upgrade: 'other' }, 'Invalid Upgrade header'],
      ['no key', { 'Sec-WebSocket-Key': undefined }, 'Missing or invalid Sec-WebSocket-Key header'],
      ['a short key', { 'Sec-WebSocket-Key': 'abc' }, 'Missing or invalid Sec-WebSocket-Key header'],
      ['another version', { 'Sec-WebSocket-Version': '12' }, 'Missing or invalid Sec-WebSocket-Version header'],
      ['subprotocols that are none', { 'Sec-WebSocket-Protocol': 'a, a' }, 'Invalid Sec-WebSocket-Protocol header'],
      [
        'extensions that are none',
        { 'Sec-WebSocket-Extensions': 'a;;' },
        'Invalid or unacceptable Sec-WebSocket-Extensions header',
      ],
    ];
    for (const [what, headers, message, method = 'GET'] of WRONG) {
      it(`${what}: ${message}`, async () => {
        const { server, url } = await listening();
        const answer = await answerTo(url, headers, method);
        assert.deepEqual([answer.statusCode, answer.text], [method === 'GET' ? 400 : 405, message]);
        if (headers['Sec-WebSocket-Version']) assert.equal(answer.headers['sec-websocket-version'], '13');
        server.on('wsClientError', (error, socket, request) => {
          assert.ok(error instanceof Error);
          assert.equal(error.message, message);
          assert.equal(request.method, method);
          socket.end('HTTP/1.1 418 Mine\r\nContent-Length: 0\r\n\r\n');
        });
        assert.equal((await answerTo(url, headers, method)).statusCode, 418);
      });
    }

    it('of ours alone are told of in our words', async () => {
      const { url } = await listening();
      const answer = await answerTo(url, { 'Content-Length': '1' });
      assert.deepEqual([answer.statusCode, answer.text], [400, 'websocket: a request for a WebSocket has no body']);
    });
  });

  describe('verifyClient', () => {
    it('decides at once', async () => {
      const { url } = await listening({
        verifyClient: ({ origin, secure, req }: { origin: string; secure: boolean; req: http.IncomingMessage }) => {
          assert.deepEqual([secure, req.method], [false, 'GET']);
          return origin === 'http://good';
        },
      });
      assert.equal((await answerTo(url, { Origin: 'http://bad' })).statusCode, 401);
      assert.equal((await answerTo(url, { Origin: 'http://good' })).statusCode, 101);
    });

    it('decides later, with status, text and headers', async () => {
      const { url } = await listening({
        verifyClient: (info, callback) => {
          const { url: path } = info.req;
          setImmediate(() => {
            if (path === '/yes') callback(true);
            else if (path === '/no') callback(false);
            else callback(false, 429, 'slowly', { 'Retry-After': 10, 'Set-Cookie': ['a=1', 'b=2'] });
          });
        },
      });
      assert.equal((await answerTo(`${url}/yes`)).statusCode, 101);
      assert.equal((await answerTo(`${url}/no`)).statusCode, 401);
      const answer = await answerTo(url);
      assert.deepEqual([answer.statusCode, answer.text, answer.headers['retry-after']], [429, 'slowly', '10']);
      assert.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2']);
    });

    it('may find the client gone', async () => {
      let decided = () => {};
      const over = new Promise<void>((resolve) => {
        decided = resolve;
      });
      const { server, url } = await listening({
        verifyClient: ({ req }, callback) => {
          client.destroy();
          req.socket.resume().once('end', () => {
            callback(true);
            decided();
          });
        },
      });
      server.on('connection', () => assert.fail());
      const client = net.connect(Number(new URL(url).port), '127.0.0.1');
      client.write(request());
      await over;
      assert.equal(server.clients.size, 0);
    });
  });

  it('chooses the first subprotocol, or what handleProtocols says', async () => {
    for (const [handleProtocols, expected] of [
      [undefined, 'a'],
      [(protocols: Set<string>) => [...protocols].at(-1)!, 'b'],
      [() => false as const, ''],
    ] as const) {
      const { server, url } = await listening(handleProtocols === undefined ? {} : { handleProtocols });
      const connected = once(server, 'connection');
      const answer = await answerTo(url, { 'Sec-WebSocket-Protocol': 'a, b' });
      assert.equal(answer.headers['sec-websocket-protocol'] ?? '', expected);
      assert.equal((await connected)[0].protocol, expected);
    }
  });

  it('lets the lines of its answer be changed', async () => {
    const { server, url } = await listening();
    server.on('headers', (lines, request) => {
      assert.equal(lines[0], 'HTTP/1.1 101 Switching Protocols');
      lines.push(`X-Path: ${request.url}`);
    });
    assert.equal((await answerTo(`${url}/here`)).headers['x-path'], '/here');
  });

  it('makes what options.WebSocket says', async () => {
    class Client extends WebSocket {
      readonly name = 'mine';
      readonly given: unknown[];

      constructor(address: null, protocols: undefined, options: object) {
        super(address, protocols, options);
        this.given = [address, protocols, options];
      }
    }
    const { server, url } = await listening({ WebSocket: Client as unknown as typeof WebSocket });
    const client = new ws.WebSocket(url);
    const [socket] = await once(server, 'connection');
    assert.equal(socket.name, 'mine');
    assert.deepEqual(socket.given, [null, undefined, server.options]);
    await once(client, 'open');
  });

  describe('clients', () => {
    it('are those that are not closed', async () => {
      const { here, there, server } = await pair();
      assert.deepEqual([...server.clients], [here]);
      const left = new Promise((resolve) => here.on('close', () => resolve(server.clients.size)));
      there.close();
      assert.equal(server.clients.size, 1);
      assert.equal(await left, 0);
    });

    it('are not kept with clientTracking: false', async () => {
      const { here, server } = await pair({ clientTracking: false });
      assert.equal(server.clients, undefined);
      here.terminate();
    });
  });

  describe('close', () => {
    it('waits for connections, and ends none', async () => {
      const { here, there, server } = await pair();
      let closed = false;
      const end = new Promise<void>((resolve) => {
        server.close(() => {
          closed = true;
          resolve();
        });
      });
      there.send('still here');
      assert.equal(String((await once(here, 'message'))[0]), 'still here');
      assert.equal(closed, false);
      there.close();
      await end;
      const error = await new Promise<Error | undefined>((resolve) => server.close(resolve));
      assert.equal(error?.message, 'The server is not running');
    });

    it('refuses requests with a 503 from then on', async () => {
      const { server, port } = await httpServer();
      const sockets = new WebSocketServer({ noServer: true });
      server.on('upgrade', (request, socket, head) =>
        sockets.handleUpgrade(request, socket, head, () => assert.fail()),
      );
      sockets.close();
      assert.equal((await answerTo(`ws://127.0.0.1:${port}`)).statusCode, 503);
    });
  });

  it('tells a client that is let go at once that it was connected', async () => {
    const { server, url } = await listening();
    server.on('connection', (socket) => socket.terminate());
    const client = new ws.WebSocket(url);
    const events: string[] = [];
    for (const event of ['open', 'error', 'close']) client.on(event, () => events.push(event));
    await closeOf(client);
    assert.deepEqual(events, ['open', 'close']);
  });
});
