/** The server's side of CONNECT: requests in every cut, what is refused with which status, hooks, deadlines, Node's server. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request as requestOfNode } from 'node:http';
import { type AddressInfo, connect as connectNode, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ErrorCode, type MiniprotoError, memoryPair } from 'miniproto';
import {
  acceptHttpConnect,
  type ConnectRequest,
  HttpConnectRefusedError,
  type HttpConnectServerOptions,
  httpConnectServer,
} from 'miniproto/http-connect';
import { turn } from '../support/handshakes.js';
import { cuts, unreadOf, withFar } from '../support/proxies.js';
import { socketPair } from '../support/socket-pairs.js';

/** A request for `target`, with a good Host. */
const ask = (target: string, more = '', method = 'CONNECT') =>
  `${method} ${target} HTTP/1.1\r\nHost: example.org\r\n${more}\r\n`;
const GRANTED = 'HTTP/1.1 200 Connection established\r\n\r\n';

const GOOD: Record<string, { sent: string; wish: Partial<ConnectRequest> }> = {
  'a name': { sent: ask('example.org:443'), wish: { host: 'example.org', port: 443, type: 'name', version: '1.1' } },
  IPv4: { sent: ask('192.0.2.1:80'), wish: { host: '192.0.2.1', port: 80, type: 'ipv4' } },
  IPv6: { sent: ask('[2001:db8::1]:65535'), wish: { host: '2001:db8::1', port: 65_535, type: 'ipv6' } },
  'HTTP/1.0 without Host': { sent: 'CONNECT a:1 HTTP/1.0\r\n\r\n', wish: { host: 'a', port: 1, version: '1.0' } },
  'user and password': {
    sent: ask('a:1', 'Proxy-Authorization: Basic dXM6cHc6OQ==\r\n'),
    wish: { credentials: { user: 'us', password: 'pw:9' } },
  },
  'another scheme': { sent: ask('a:1', 'Proxy-Authorization: Bearer 42\r\n'), wish: { credentials: undefined } },
};

describe('httpConnectServer', () => {
  for (const [name, { sent, wish }] of Object.entries(GOOD)) {
    it(`reads a request in every cut, and leaves what follows: ${name}`, async () => {
      for (const pieces of cuts(Buffer.from(`${sent}behind`))) {
        const { ours, far } = withFar();
        const serving = httpConnectServer(ours);
        await far.send(...pieces);
        const request = await serving;
        assert.deepEqual({ ...request, ...wish }, { ...request });
        assert.equal(far.text, '');
        await request.accept();
        assert.equal(await unreadOf(request.stream, 6), 'behind');
        await turn();
        assert.equal(far.text, GRANTED);
        ours.destroy();
      }
    });

    it(`does so where one byte is in flight: ${name}`, async () => {
      const { ours, far } = withFar({ capacity: 1 });
      const sending = far.send(Buffer.from(`${sent}behind`));
      const request = await httpConnectServer(ours);
      const accepting = request.accept({ 'Proxy-Agent': 'x' });
      assert.equal(await unreadOf(request.stream, 6), 'behind');
      await Promise.all([sending, accepting]);
      await far.hears(GRANTED.length + 16);
      assert.equal(far.text, GRANTED.replace(/\r\n$/, 'Proxy-Agent: x\r\n\r\n'));
      ours.destroy();
    });
  }

  it('has the request in the turn in which it is there, and answers at once', async () => {
    const [ours, theirs] = memoryPair();
    theirs.tryWrite(Buffer.from(ask('a:1')));
    let given: ConnectRequest | undefined;
    void httpConnectServer(ours, { authorize: () => true }).then((request) => {
      given = request;
    });
    for (let ticks = 0; ticks < 20; ticks++) await Promise.resolve();
    const accepting = given!.accept();
    assert.equal(theirs.tryFill(GRANTED.length), GRANTED.length);
    await accepting;
  });

  it('serves native sockets', async () => {
    const { one, other } = await socketPair('tcp');
    other.tryWrite(Buffer.from(`${ask('a:1')}behind`));
    const request = await httpConnectServer(one);
    await request.accept();
    assert.equal(await unreadOf(request.stream, 6), 'behind');
    assert.equal(await unreadOf(other, GRANTED.length), GRANTED);
    one.destroy();
    other.destroy();
  });
});

interface Bad {
  readonly sent: string;
  readonly options?: HttpConnectServerOptions;
  readonly code: ErrorCode;
  readonly message: RegExp;
  readonly said: RegExp;
}

const BROKEN = 'ERR_HTTP_CONNECT';
const REFUSED = 'ERR_HTTP_CONNECT_REFUSED';
const target = (text: string, message: RegExp): Bad => ({
  sent: ask(text),
  code: BROKEN,
  message,
  said: /^HTTP\/1.1 400 /,
});
const BAD: Record<string, Bad> = {
  'another method': {
    sent: ask('/', '', 'GET'),
    code: REFUSED,
    message: /refused with 405 the method is GET/,
    said: /^HTTP\/1.1 405 .*\r\nAllow: CONNECT\r\n/,
  },
  'another protocol': {
    sent: '\x05\x01\x00',
    code: 'ERR_INVALID_HEAD',
    message: /control character/,
    said: /^HTTP\/1.1 400 /,
  },
  'a target without a port': target('example.org', /not host:port/),
  'a target with an empty port': target('example.org:', /not host:port/),
  'a target with port 0': target('example.org:0', /port 0 is none/),
  'a target with port 65536': target('example.org:65536', /port 65536 is none/),
  'a target without a host': target(':80', /host is empty/),
  'a target that is a URL': target('http://example.org:80/', /not host:port/),
  'a target with a user': target('me@example.org:80', /"me@example.org" is no host/),
  'IPv6 without brackets': target('2001:db8::1:80', /not host:port/),
  'IPv6 with a zone': target('[fe80::1%25eth0]:80', /is no host/),
  'a name in brackets': target('[example.org]:80', /is no host/),
  'a name that is too long': target(`${'a'.repeat(256)}:80`, /is no host/),
  'no Host': { sent: 'CONNECT a:1 HTTP/1.1\r\n\r\n', code: BROKEN, message: /one Host/, said: /^HTTP\/1.1 400 / },
  'two Hosts': { sent: ask('a:1', 'Host: b\r\n'), code: BROKEN, message: /one Host/, said: /^HTTP\/1.1 400 / },
  'a length': { sent: ask('a:1', 'Content-Length: 3\r\n'), code: BROKEN, message: /no body/, said: /^HTTP\/1.1 400 / },
  'a coding': {
    sent: ask('a:1', 'Transfer-Encoding: chunked\r\n'),
    code: BROKEN,
    message: /no body/,
    said: /^HTTP\/1.1 400 /,
  },
  'a folded line': { sent: ask('a:1', ' b\r\n'), code: 'ERR_INVALID_HEAD', message: /folded/, said: /^HTTP\/1.1 400 / },
  'a large head': {
    sent: ask('a:1', `A: ${'b'.repeat(100)}\r\n`),
    options: { maxHeaderBytes: 100 },
    code: 'ERR_HEAD_TOO_LARGE',
    message: /100 bytes/,
    said: /^HTTP\/1.1 431 /,
  },
  'many fields': {
    sent: ask('a:1', 'A: b\r\n'.repeat(5)),
    options: { maxHeaderCount: 5 },
    code: 'ERR_TOO_MANY_HEADERS',
    message: /maxHeaderCount, 5/,
    said: /^HTTP\/1.1 431 /,
  },
  'who is not known': {
    sent: ask('a:1'),
    options: { authorize: ({ credentials }) => credentials?.user === 'us' },
    code: REFUSED,
    message: /407/,
    said: /^HTTP\/1.1 407 .*\r\nProxy-Authenticate: Basic realm="proxy"\r\n/,
  },
  'what a hook answers so': {
    sent: ask('a:25'),
    options: { authorize: async () => ({ status: 403, reason: 'no mail', headers: { 'X-Why': 'rules' } }) },
    code: REFUSED,
    message: /403 no mail/,
    said: /^HTTP\/1.1 403 Forbidden\r\nX-Why: rules\r\n[\s\S]*\r\n\r\nno mail\n$/,
  },
};

describe('httpConnectServer refuses', () => {
  for (const [name, { sent, options, code, message, said }] of Object.entries(BAD)) {
    it(`${name}, in every cut`, async () => {
      for (const pieces of cuts(Buffer.from(sent, 'latin1'))) {
        const { ours, far } = withFar();
        const serving = assert.rejects(httpConnectServer(ours, options), (error: MiniprotoError) => {
          assert.equal(error.code, code);
          assert.match(error.message, message);
          assert.equal(error instanceof HttpConnectRefusedError, code === REFUSED);
          return true;
        });
        await far.sendInVain(...pieces);
        await serving;
        await far.over;
        assert.match(far.text, said);
        await far.stream.close();
      }
    });
  }

  it('what has no place in an answer', async () => {
    const { ours, far } = withFar();
    await far.send(Buffer.from(ask('a:1')));
    const request = await httpConnectServer(ours);
    await assert.rejects(request.accept({ 'Content-Length': '5' }), { code: 'ERR_INVALID_ARG_VALUE' });
    await assert.rejects(request.accept({ A: 'b\r\nC: d' }), { code: 'ERR_INVALID_ARG_VALUE' });
    await assert.rejects(request.refuse(200), { code: 'ERR_OUT_OF_RANGE' });
    void far.over.then(() => far.stream.close());
    await request.refuse(504, 'nobody answers');
    assert.match(far.text, /^HTTP\/1.1 504 Gateway Timeout\r\n[\s\S]*Connection: close\r\n\r\nnobody answers\n$/);
    await assert.rejects(request.accept(), { code: 'ERR_ALREADY_ANSWERED' });
    await assert.rejects(request.refuse(502), { code: 'ERR_ALREADY_ANSWERED' });
  });

  it('an end in the middle', async () => {
    for (const sent of ['', 'CONN', 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n']) {
      const { ours, far } = withFar();
      const serving = httpConnectServer(ours);
      await far.send(Buffer.from(sent));
      await far.stream.end();
      await assert.rejects(serving, { code: 'ERR_UNEXPECTED_EOF' });
      ours.destroy();
    }
  });

  it('a request that does not come in time, with 408', async () => {
    const { ours, far } = withFar();
    await assert.rejects(httpConnectServer(ours, { timeoutMs: 20 }), {
      code: 'ERR_HANDSHAKE_TIMEOUT',
      protocol: 'http-connect',
    });
    await far.over;
    assert.match(far.text, /^HTTP\/1.1 408 /);
    await far.stream.close();
  });

  it('with 500 where a hook throws, and rejects with that', async () => {
    const failure = new Error('the database is gone');
    const { ours, far } = withFar();
    await far.send(Buffer.from(ask('a:1')));
    await assert.rejects(httpConnectServer(ours, { authorize: () => Promise.reject(failure) }), failure);
    await far.over;
    assert.match(far.text, /^HTTP\/1.1 500 /);
    assert.ok(!far.text.includes('database'));
    await far.stream.close();
  });

  it('with the reason of the signal', async () => {
    const controller = new AbortController();
    const { ours, far } = withFar();
    const serving = httpConnectServer(ours, { signal: controller.signal });
    const reason = new Error('enough');
    controller.abort(reason);
    await assert.rejects(serving, reason);
    await far.over;
    assert.equal(far.text, '');
  });
});

describe('acceptHttpConnect', () => {
  async function served(handler: (message: IncomingMessage, socket: Duplex, head: Buffer) => unknown) {
    const server = createServer().on('connect', handler);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return { server, port: (server.address() as AddressInfo).port };
  }

  it('adopts the socket with its head, and answers', async () => {
    const { server, port } = await served(async (message, socket, head) => {
      const request = await acceptHttpConnect(message, socket, head, { authorize: ({ port: to }) => to === 9 });
      assert.deepEqual([request.host, request.port, request.message], ['::1', 9, message]);
      await request.accept();
      const text = await unreadOf(request.stream, 11);
      request.stream.tryWrite(Buffer.from(text.toUpperCase()));
      await request.stream.close();
    });
    const socket = connectNode(port, '127.0.0.1');
    socket.write(`${ask('[::1]:9')}in the head`);
    let text = '';
    for await (const chunk of socket.setEncoding('latin1')) text += chunk;
    assert.equal(text, `${GRANTED}IN THE HEAD`);
    server.close();
  });

  it('refuses to who asks with a client of Node', async () => {
    const { server, port } = await served((message, socket, head) =>
      assert.rejects(acceptHttpConnect(message, socket, head, { authorize: () => false }), { code: REFUSED }),
    );
    const asking = requestOfNode({ port, host: '127.0.0.1', method: 'CONNECT', path: 'example.org:443' }).end();
    const [response, socket] = (await once(asking, 'connect')) as [IncomingMessage, Socket];
    assert.equal(response.statusCode, 407);
    assert.equal(response.headers['proxy-authenticate'], 'Basic realm="proxy"');
    socket.resume().end();
    await once(socket, 'close');
    server.close();
  });
});
