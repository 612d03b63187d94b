/** Clients of `miniproto/ws`: addresses, requests, redirects, answers that are refused, giving up. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClientOptions, WebSocket, WebSocketServer } from 'miniproto/ws';
import { ACCEPT, response } from '../support/handshakes.js';
import { closeOf, httpServer, listening, stopAll, theirListening } from '../support/ws-pairs.js';

/** What 'error' is emitted with; 'close' has to follow, with 1006. */
async function failureOf(socket: WebSocket): Promise<Error & { code?: string }> {
  const closed = closeOf(socket);
  const [error] = await once(socket, 'error');
  assert.deepEqual(await closed, [1006, '']);
  assert.equal(socket.readyState, WebSocket.CLOSED);
  return error;
}

describe('WebSocket of miniproto/ws as a client', () => {
  afterEach(stopAll);

  it('refuses addresses, subprotocols and versions that may not be', () => {
    const wrong: [string, RegExp][] = [
      ['nothing', /^SyntaxError: Invalid URL: nothing$/],
      ['ftp://a', /protocol must be one of/],
      ['ws://a/#b', /contains a fragment identifier/],
      ['ws+unix:', /pathname is empty/],
    ];
    for (const [address, message] of wrong) assert.throws(() => new WebSocket(address), message);
    for (const protocols of [['a', 'a'], 'a b', [''], '', null, 7]) {
      assert.throws(() => new WebSocket('ws://127.0.0.1:1', protocols as string), /invalid or duplicated subprotocol/);
    }
    assert.throws(() => new WebSocket('ws://127.0.0.1:1', { protocolVersion: 8 }), RangeError);
  });

  it('sends what it is told, with headers, origin, authorization and subprotocols', async () => {
    const { server, url } = await theirListening();
    const asked = once(server, 'connection');
    const options = { headers: { 'X-A': '1' }, origin: 'http://b', auth: 'user:word' };
    const socket = new WebSocket(`${url}/path?q=1`, ['one', 'two'], options);
    assert.equal(socket.readyState, WebSocket.CONNECTING);
    assert.equal(socket.url, `${url}/path?q=1`);
    const [response] = await once(socket, 'upgrade');
    assert.equal(response.statusCode, 101);
    if (socket.readyState === WebSocket.CONNECTING) await once(socket, 'open');
    const [, { url: path, headers }] = await asked;
    assert.equal(path, '/path?q=1');
    assert.deepEqual([headers['x-a'], headers.origin], ['1', 'http://b']);
    assert.equal(headers.authorization, `Basic ${btoa('user:word')}`);
    assert.equal(headers['sec-websocket-protocol'], 'one,two');
    assert.match(headers['sec-websocket-extensions'] as string, /^permessage-deflate/);
    assert.equal(socket.protocol, 'one');
  });

  it('takes null for options that it is not given', async () => {
    const { server, url } = await theirListening();
    const asked = once(server, 'connection');
    const options = { headers: null, origin: null, perMessageDeflate: null, agent: null };
    const others = { generateMask: null, finishRequest: null, closeTimeout: null };
    const socket = new WebSocket(url, { ...options, ...others } as object);
    await once(socket, 'open');
    socket.send('masked');
    const [, { headers }] = await asked;
    assert.deepEqual([headers.origin, headers['sec-websocket-extensions']], [undefined, undefined]);
  });

  it('takes credentials of the address, http: for ws:, and an URL', async () => {
    const { server, url } = await theirListening();
    const asked = once(server, 'connection');
    const socket = new WebSocket(new URL(url.replace('ws://', 'http://a:b%20c@')), { perMessageDeflate: false });
    await once(socket, 'open');
    assert.equal(new URL(socket.url).protocol, 'ws:');
    const [, { headers }] = await asked;
    assert.equal(headers.authorization, `Basic ${btoa('a:b c')}`);
    assert.equal(headers['sec-websocket-extensions'], undefined);
  });

  it('connects to a Unix socket', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'miniproto-'));
    const server = http.createServer();
    const sockets = new WebSocketServer({ server });
    server.listen(join(folder, 'a'));
    await once(server, 'listening');
    const asked = once(sockets, 'connection');
    const socket = new WebSocket(`ws+unix:${join(folder, 'a')}:/path?q`);
    await once(socket, 'open');
    assert.equal((await asked)[1].url, '/path?q');
    socket.close();
    await once(socket, 'close');
    server.close();
    rmSync(folder, { recursive: true });
  });

  it('has its request until the answer, made by what the program has put into node:http', async () => {
    const { url } = await listening();
    const { request } = http;
    let made: http.ClientRequest | undefined;
    http.request = ((...given: Parameters<typeof request>) => {
      made = request(...given);
      return made;
    }) as typeof request;
    const socket = new WebSocket(url);
    http.request = request;
    assert.equal(socket._req, made);
    assert.equal(socket._req!.getHeader('upgrade'), 'websocket');
    await once(socket, 'open');
    assert.equal(socket._req, null);
  });

  it('lets finishRequest finish the request', async () => {
    const { server, url } = await listening();
    const asked = once(server, 'connection');
    const finishRequest: ClientOptions['finishRequest'] = (request, socket) => {
      assert.equal(socket.readyState, WebSocket.CONNECTING);
      setImmediate(() => request.setHeader('X-Late', '1').end());
    };
    await once(new WebSocket(url, { finishRequest }), 'open');
    assert.equal((await asked)[1].headers['x-late'], '1');
  });

  describe('answers', () => {
    async function answered(
      text: string,
      options: ClientOptions = {},
      protocols: string[] = [],
    ): Promise<Error & { code?: string }> {
      const server = net.createServer((socket) => {
        socket
          .on('error', () => {})
          .once('data', (data) => {
            const key = /Sec-WebSocket-Key: (\S+)/.exec(data.toString())![1]!;
            socket.end(text.replace(ACCEPT, acceptOf(key)));
          });
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const failure = await failureOf(new WebSocket(`ws://127.0.0.1:${port}`, protocols, options));
      server.close();
      return failure;
    }

    it('that break the rules are errors', async () => {
      const extension = (value: string) => response({ 'Sec-WebSocket-Extensions': value });
      const wrong: [string, string[], string][] = [
        [response({ Upgrade: 'other' }), [], 'Invalid Upgrade header'],
        [response({ 'Sec-WebSocket-Accept': 'wrong' }), [], 'Invalid Sec-WebSocket-Accept header'],
        [response({ 'Sec-WebSocket-Protocol': 'b' }), ['a'], 'Server sent an invalid subprotocol'],
        [response({ 'Sec-WebSocket-Protocol': 'b' }), [], 'Server sent a subprotocol but none was requested'],
        [response(), ['a'], 'Server sent no subprotocol'],
        [extension('other'), [], 'Server indicated an extension that was not requested'],
        [extension('a;;'), [], 'Invalid Sec-WebSocket-Extensions header'],
        [extension('permessage-deflate; a'), [], 'Invalid Sec-WebSocket-Extensions header'],
      ];
      for (const [text, protocols, message] of wrong) {
        const error = await answered(text, {}, protocols);
        assert.deepEqual([error.message, error.code], [message, 'ERR_HANDSHAKE']);
        assert.ok(error.cause instanceof Error);
      }
      const unasked = await answered(extension('permessage-deflate'), { perMessageDeflate: false });
      assert.equal(unasked.message, 'Server sent a Sec-WebSocket-Extensions header but no extension was requested');
    });

    it('of another status are errors, unless the program looks after them', async () => {
      const { server, port } = await httpServer();
      server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 401 No\r\nContent-Length: 3\r\n\r\nbad'));
      const url = `ws://127.0.0.1:${port}`;
      assert.equal((await failureOf(new WebSocket(url))).message, 'Unexpected server response: 401');
      const socket = new WebSocket(url);
      const [request, answer] = await once(socket, 'unexpected-response');
      assert.ok(request instanceof http.ClientRequest);
      let text = '';
      for await (const chunk of answer) text += chunk;
      assert.equal(text, 'bad');
      assert.equal(socket.readyState, WebSocket.CONNECTING);
      const failure = failureOf(socket);
      socket.terminate();
      assert.match((await failure).message, /before the connection was established/);
    });
  });

  describe('redirects', () => {
    async function redirecting(
      location: (port: number) => string,
    ): Promise<{ url: string; asked: http.IncomingMessage[] }> {
      const { server, port } = await httpServer();
      const asked: http.IncomingMessage[] = [];
      const sockets = new WebSocketServer({ noServer: true });
      server.on('upgrade', (request, socket, head) => {
        asked.push(request);
        if (request.url === '/there') sockets.handleUpgrade(request, socket, head, (client) => client.close(1000));
        else socket.end(`HTTP/1.1 302 There\r\nLocation: ${location(port)}\r\n\r\n`);
      });
      return { url: `ws://127.0.0.1:${port}/here`, asked };
    }

    it('are followed when asked to, and told of', async () => {
      const { url, asked } = await redirecting(() => '/there');
      assert.match((await failureOf(new WebSocket(url))).message, /302/);
      const socket = new WebSocket(url, { followRedirects: true, headers: { Authorization: 'a' } });
      const told = once(socket, 'redirect');
      assert.deepEqual(await closeOf(socket), [1000, '']);
      const [to, request] = await told;
      assert.equal(to, socket.url);
      assert.match(to, /\/there$/);
      assert.ok(request instanceof http.ClientRequest);
      assert.deepEqual(
        asked.slice(1).map(({ headers }) => headers.authorization),
        ['a', 'a'],
      );
    });

    it('take no credentials to another host', async () => {
      const { url, asked } = await redirecting((port) => `ws://localhost:${port}/there`);
      const headers = { Authorization: 'a', Cookie: 'b', 'X-C': 'c' };
      const socket = new WebSocket(url, { followRedirects: true, headers });
      await closeOf(socket);
      const { authorization, cookie, 'x-c': kept } = asked[1]!.headers;
      assert.deepEqual([authorization, cookie, kept], [undefined, undefined, 'c']);
    });

    it('keep the first credentials of a host', async () => {
      const { url, asked } = await redirecting((port) => `ws://c:d@127.0.0.1:${port}/there`);
      await closeOf(new WebSocket(url.replace('//', '//a:b@'), { followRedirects: true }));
      assert.deepEqual(
        asked.map(({ headers }) => headers.authorization),
        Array(2).fill(`Basic ${Buffer.from('a:b').toString('base64')}`),
      );
    });

    it('come to an end', async () => {
      const { url, asked } = await redirecting(() => '/here');
      const failure = await failureOf(new WebSocket(url, { followRedirects: true, maxRedirects: 3 }));
      assert.equal(failure.message, 'Maximum redirects exceeded');
      assert.equal(asked.length, 4);
      const { url: wrong } = await redirecting(() => 'ftp://a');
      assert.ok((await failureOf(new WebSocket(wrong, { followRedirects: true }))) instanceof SyntaxError);
    });
  });

  describe('gives up', () => {
    it('by close and terminate, which are failures then', async () => {
      for (const end of ['close', 'terminate'] as const) {
        const { server, port } = await httpServer();
        server.on('upgrade', (_request, socket) => socket.on('error', () => {}));
        const socket = new WebSocket(`ws://127.0.0.1:${port}`);
        const failure = failureOf(socket);
        socket[end]();
        assert.equal(socket.readyState, WebSocket.CLOSING);
        socket[end]();
        assert.equal((await failure).message, 'WebSocket was closed before the connection was established');
      }
    });

    it('after an answer that is no switch, and lets go of the connection', async () => {
      const { server, port } = await httpServer();
      const ended = new Promise<void>((resolve) => {
        server.on('upgrade', (_request, socket) => {
          socket
            .on('error', resolve)
            .on('end', () => socket.end(resolve))
            .resume();
          socket.write('HTTP/1.1 502 No\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nbad');
        });
      });
      const socket = new WebSocket(`ws://127.0.0.1:${port}`);
      socket.on('unexpected-response', (_request, answer) => answer.resume().on('end', () => socket.close()));
      assert.equal((await failureOf(socket)).message, 'WebSocket was closed before the connection was established');
      await ended;
    });

    it('in the listener of upgrade', async () => {
      const { url } = await listening();
      const socket = new WebSocket(url);
      socket.on('upgrade', () => socket.terminate());
      socket.on('open', () => assert.fail());
      assert.match((await failureOf(socket)).message, /before the connection was established/);
    });

    it('after handshakeTimeout', async () => {
      const { server, port } = await httpServer();
      server.on('upgrade', (_request, socket) => socket.on('error', () => {}));
      const failure = await failureOf(new WebSocket(`ws://127.0.0.1:${port}`, { handshakeTimeout: 20 }));
      assert.equal(failure.message, 'Opening handshake has timed out');
    });

    it('when nobody listens', async () => {
      assert.equal((await failureOf(new WebSocket('ws://127.0.0.1:1'))).code, 'ECONNREFUSED');
    });
  });
});

function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}
