/** The client's side of CONNECT: what is said, answers in every cut, refusals with all they say, Node's server. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect as connectNode, type Socket } from 'node:net';
import { connect, framed, lines, listen, memoryPair, relay } from 'miniproto';
import {
  connectThroughHttp,
  type HttpConnectClientOptions,
  HttpConnectRefusedError,
  httpConnectClient,
  httpConnectServer,
} from 'miniproto/http-connect';
import { FailingStream } from '../support/failing-stream.js';
import { turn } from '../support/handshakes.js';
import { cuts, unreadOf, withFar } from '../support/proxies.js';

const TARGET = { host: 'example.org', port: 443 };
const ASKED = 'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n';

describe('httpConnectClient', () => {
  const answers: Record<string, string> = {
    'a 200': 'HTTP/1.1 200 OK\r\n\r\n',
    'a 200 of HTTP/1.0': 'HTTP/1.0 200 Connection established\r\nProxy-Agent: x\r\n\r\n',
    'a 204': 'HTTP/1.1 204 \r\n\r\n',
    'a 200 with lengths, which mean nothing':
      'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n',
    'interim answers first': 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n',
  };
  for (const [name, answer] of Object.entries(answers)) {
    it(`takes no byte behind the answer, in every cut: ${name}`, async () => {
      for (const pieces of cuts(Buffer.from(`${answer}behind`))) {
        const { ours, far } = withFar();
        const asking = httpConnectClient(ours, TARGET);
        await far.send(...pieces);
        const reply = await asking;
        assert.ok(reply.status >= 200 && reply.status < 300);
        assert.equal(reply.stream, ours);
        assert.equal(await unreadOf(ours, 6), 'behind');
        assert.equal(far.text, ASKED);
        ours.destroy();
      }
    });
  }

  it('works where one byte is in flight', async () => {
    const { ours, far } = withFar({ capacity: 1 });
    const [reply] = await Promise.all([
      httpConnectClient(ours, TARGET).then(async (given) => {
        assert.equal(await unreadOf(given.stream, 6), 'behind');
        return given;
      }),
      far.send(Buffer.from('HTTP/1.1 200 OK\r\nA: b\r\n\r\nbehind')),
    ]);
    assert.equal(reply.headers.get('a'), 'b');
    await far.hears(ASKED.length);
    assert.equal(far.text, ASKED);
    ours.destroy();
  });

  const said: [string, HttpConnectClientOptions, string][] = [
    ['IPv6 in brackets', { host: '::1', port: 1 }, 'CONNECT [::1]:1 HTTP/1.1\r\nHost: [::1]:1\r\n\r\n'],
    [
      'user and password',
      { host: 'a', port: 1, authorization: { user: 'us', password: 'pw:é' } },
      `CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nProxy-Authorization: Basic ${Buffer.from('us:pw:é').toString('base64')}\r\n\r\n`,
    ],
    [
      'another scheme, and headers',
      { host: 'a', port: 1, authorization: 'Bearer 42', headers: { 'User-Agent': 'x', Host: 'other' } },
      'CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: Bearer 42\r\nUser-Agent: x\r\nHost: other\r\n\r\n',
    ],
  ];
  for (const [name, options, text] of said) {
    it(`has said everything when it returns: ${name}`, async () => {
      const [ours, theirs] = memoryPair();
      const asking = httpConnectClient(ours, options);
      assert.equal(theirs.tryFill(text.length), text.length);
      assert.equal(theirs.input.take(theirs.input.length).toString('latin1'), text);
      ours.destroy();
      await assert.rejects(asking, { code: 'ERR_STREAM_DESTROYED' });
    });
  }
});

describe('httpConnectClient ends with an error and destroys its stream on', () => {
  const refusals: [string, string, number, string][] = [
    ['a 407', 'HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic\r\nContent-Length: 4\r\n\r\nwho?more', 407, 'who?'],
    ['a redirect', 'HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n', 302, ''],
    ['a chunked body', 'HTTP/1.1 502 Bad\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n', 502, 'no'],
    ['a switch', 'HTTP/1.1 101 Switching\r\nContent-Length: 0\r\n\r\n', 101, ''],
  ];
  for (const [name, answer, status, body] of refusals) {
    it(`${name}, in every cut, with all that it says`, async () => {
      for (const pieces of cuts(Buffer.from(answer))) {
        const { ours, far } = withFar();
        const asking = assert.rejects(httpConnectClient(ours, TARGET), (error: HttpConnectRefusedError) => {
          assert.ok(error instanceof HttpConnectRefusedError);
          assert.deepEqual([error.code, error.status], ['ERR_HTTP_CONNECT_REFUSED', status]);
          assert.equal(error.body.toString(), body);
          assert.match(error.message, new RegExp(`http-connect: the proxy answered with ${status} `));
          return true;
        });
        await far.sendInVain(...pieces);
        await asking;
        await far.over;
        assert.throws(() => ours.tryWrite(Buffer.of(1)));
      }
    });
  }

  it('a long body, of which it keeps 16 KiB', async () => {
    const { ours, far } = withFar();
    const asking = httpConnectClient(ours, TARGET).catch((error) => error);
    await far.sendInVain(Buffer.from(`HTTP/1.1 403 No\r\n\r\n${'x'.repeat(50_000)}`));
    const error = await asking;
    assert.equal(error.body.length, 16_384);
  });

  const broken: [string, string, string][] = [
    ['another protocol', 'SSH-2.0-x\r\n', 'ERR_INVALID_HEAD'],
    ['SOCKS', '\x05\xff', 'ERR_INVALID_HEAD'],
    ['a folded line', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n', 'ERR_INVALID_HEAD'],
    ['a bare LF', 'HTTP/1.1 200 OK\n\n', 'ERR_BARE_LF'],
    ['an end in the middle', 'HTTP/1.1 200 OK\r\n', 'ERR_UNEXPECTED_EOF'],
    ['an end', '', 'ERR_UNEXPECTED_EOF'],
    ['a large head', `HTTP/1.1 200 OK\r\nA: ${'b'.repeat(20_000)}\r\n\r\n`, 'ERR_HEAD_TOO_LARGE'],
    ['interim answers for ever', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(11), 'ERR_HTTP_CONNECT'],
  ];
  for (const [name, answer, code] of broken) {
    it(name, async () => {
      const { ours, far } = withFar();
      const asking = assert.rejects(httpConnectClient(ours, TARGET), { code });
      await far.sendInVain(Buffer.from(answer, 'latin1'));
      await far.stream.end().catch(() => undefined);
      await asking;
      await far.over;
    });
  }

  it('the deadline, and the signal', async () => {
    const slow = withFar();
    const options = { ...TARGET, timeoutMs: 20 };
    await assert.rejects(httpConnectClient(slow.ours, options), { code: 'ERR_HANDSHAKE_TIMEOUT' });
    await slow.far.over;
    const controller = new AbortController();
    const { ours, far } = withFar();
    const asking = httpConnectClient(ours, { ...TARGET, signal: controller.signal });
    const reason = new Error('enough');
    controller.abort(reason);
    await assert.rejects(asking, reason);
    await far.over;
  });

  it('a failure of the stream at operation 0, 1, 2, …', async () => {
    for (let failAt = 0; ; failAt++) {
      const { ours, far } = withFar();
      const stream = new FailingStream(ours, failAt);
      const asking = httpConnectClient(stream, TARGET).catch((error: unknown) => error);
      await far.sendInVain(Buffer.from('HTTP/1.1 200'), Buffer.from(' OK\r\n\r\n'));
      const result = await asking;
      if (!stream.failed) {
        assert.ok(!(result instanceof Error) && failAt > 2, `operation ${failAt}: ${String(result)}`);
        ours.destroy();
        break;
      }
      assert.ok((result as Error).message.includes(stream.error.message), `operation ${failAt}: ${String(result)}`);
    }
  });
});

describe('options of httpConnectClient', () => {
  const wrong: Record<string, [unknown, string]> = {
    'no host': [{ port: 1 }, 'ERR_INVALID_ARG_TYPE'],
    'a line break in a host': [{ host: 'a\r\nb', port: 1 }, 'ERR_INVALID_ARG_VALUE'],
    'port 0': [{ host: 'a', port: 0 }, 'ERR_OUT_OF_RANGE'],
    'a line break in a header': [{ host: 'a', port: 1, headers: { A: 'b\r\nC: d' } }, 'ERR_INVALID_ARG_VALUE'],
    'a length': [{ host: 'a', port: 1, headers: { 'content-length': '3' } }, 'ERR_INVALID_ARG_VALUE'],
    'a line break in what authorizes': [{ host: 'a', port: 1, authorization: 'a\r\n' }, 'ERR_INVALID_ARG_VALUE'],
    'a colon in a user': [
      { host: 'a', port: 1, authorization: { user: 'a:b', password: '' } },
      'ERR_INVALID_ARG_VALUE',
    ],
    'no password': [{ host: 'a', port: 1, authorization: { user: 'a' } }, 'ERR_INVALID_ARG_TYPE'],
    'no time': [{ host: 'a', port: 1, timeoutMs: 0 }, 'ERR_OUT_OF_RANGE'],
    'no head': [{ host: 'a', port: 1, maxHeaderBytes: 0 }, 'ERR_OUT_OF_RANGE'],
  };
  for (const [name, [options, code]] of Object.entries(wrong)) {
    it(`are refused before the stream is touched: ${name}`, async () => {
      const { ours, far } = withFar();
      await assert.rejects(httpConnectClient(ours, options as HttpConnectClientOptions), { code });
      await turn();
      assert.equal(far.text, '');
      assert.equal(ours.tryWrite(Buffer.of(1)), 1);
      ours.destroy();
    });
  }
});

describe('connectThroughHttp', () => {
  const startUpper = () =>
    listen({ port: 0, host: '127.0.0.1' }, async (stream) => {
      const talk = framed(stream, lines());
      await talk.write('hello');
      for await (const line of talk) await talk.write(line.toUpperCase());
    });

  it('gives a connection to who is behind the proxy', async () => {
    await using upper = await startUpper();
    await using server = await listen({ port: 0, host: '127.0.0.1' }, async (client) => {
      const request = await httpConnectServer(client, { authorize: ({ credentials }) => credentials?.user === 'us' });
      const { host, port } = request;
      const there = await connect({ host, port });
      await request.accept();
      await relay(client, there);
    });
    const where = { host: '127.0.0.1', port: server.port };
    const proxy = { ...where, authorization: { user: 'us', password: '' } };
    const talk = framed(await connectThroughHttp({ proxy, host: 'localhost', port: upper.port }), lines());
    assert.equal(await talk.read(), 'hello');
    await talk.write('there');
    assert.equal(await talk.read(), 'THERE');
    await talk.close();
    await assert.rejects(connectThroughHttp({ proxy: where, host: 'localhost', port: upper.port }), {
      code: 'ERR_HTTP_CONNECT_REFUSED',
      status: 407,
    });
  });

  it("goes through a server of Node's, whose answer and first bytes come at once", async () => {
    await using upper = await startUpper();
    const server = createServer().on('connect', (_, socket: Socket) => {
      const there = connectNode(upper.port, '127.0.0.1');
      there.once('data', (first) => {
        socket.write(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), first]));
        there.pipe(socket).pipe(there);
      });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const proxy = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
    const talk = framed(await connectThroughHttp({ proxy, host: 'localhost', port: upper.port }), lines());
    assert.equal(await talk.read(), 'hello');
    await talk.write('there');
    assert.equal(await talk.read(), 'THERE');
    await talk.close();
    server.close();
  });

  it('goes no other way when the proxy is not there, or says nothing', async () => {
    await using silent = await listen({ port: 0, host: '127.0.0.1' }, () => undefined);
    const gone = await listen({ port: 0, host: '127.0.0.1' }, () => undefined);
    const { port } = gone;
    await gone.close();
    await assert.rejects(connectThroughHttp({ proxy: { host: '127.0.0.1', port }, ...TARGET }), {
      code: 'ERR_TRANSPORT',
    });
    const proxy = { host: '127.0.0.1', port: silent.port };
    const asking = connectThroughHttp({ proxy, ...TARGET, timeoutMs: 30 });
    await assert.rejects(asking, { code: 'ERR_HANDSHAKE_TIMEOUT', protocol: 'http-connect' });
  });
});
