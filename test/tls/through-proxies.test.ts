/**
 * TLS to a proxy, SOCKS or HTTP CONNECT on it, and TLS to somebody behind it in the tunnel, with lines inside. Each switch
 * is made by the book and with the next protocol's first bytes in the same record, in both directions: nothing is lost.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { type ByteStream, connect, EOF, framed, lines, memoryPair, relay } from 'miniproto';
import { acceptHttpConnect, httpConnectClient, httpConnectServer } from 'miniproto/http-connect';
import { socksClient, socksServer } from 'miniproto/socks';
import { connectTls, listenTls, type SecureStream, tlsClient, tlsServer } from 'miniproto/tls';
import { nativeTls } from '#lib/native';
import { readExactly, readToEnd, writeAll } from '../support/byte-stream-contract.js';
import { certificate, identity } from '../support/certificates.js';
import { talkTo } from '../support/proxied.js';
import { bytes } from '../support/proxies.js';
import { TLS_SERVER } from '../support/tls-ends.js';
import { CLIENT, SERVER } from '../support/tls-pairs.js';

const HERE = { port: 0, host: '127.0.0.1' };
const TRUST = { ca: certificate('ca') };
const OVERLONG = 200_000;

/** What the two ends of a proxy's handshake have in common. */
interface Accepting {
  readonly host: string;
  readonly port: number;
  readonly stream: ByteStream;
  accept(): Promise<unknown>;
}

interface Way {
  readonly server: (stream: SecureStream) => Promise<Accepting>;
  readonly client: (stream: SecureStream, port: number) => Promise<{ readonly stream: ByteStream }>;
  /** The same as bytes: everything that the client says, and how long what it is answered is. */
  readonly said: (port: number) => Buffer;
  readonly answer: (stream: ByteStream) => Promise<void>;
}

const portBytes = (port: number) => Buffer.of(port >> 8, port & 255);

async function socksAnswer(stream: ByteStream, before: string): Promise<void> {
  const answer = await readExactly(stream, before.length / 2 + 10);
  assert.equal(answer.toString('hex'), `${before}05000001000000000000`);
}

async function headAnswer(stream: ByteStream): Promise<void> {
  let head = '';
  while (!head.endsWith('\r\n\r\n')) head += String(await readExactly(stream, 1));
  assert.match(head, /^HTTP\/1\.1 200 /);
}

const connectHead = (port: number) =>
  Buffer.from(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);

const WAYS: { readonly [name: string]: Way } = {
  'SOCKS 5': {
    server: (stream) => socksServer(stream),
    client: (stream, port) => socksClient(stream, { host: '127.0.0.1', port }),
    said: (port) => Buffer.concat([bytes('05 01 00 05 01 00 01 7f 00 00 01'), portBytes(port)]),
    answer: (stream) => socksAnswer(stream, '0500'),
  },
  'SOCKS 5 with a password': {
    server: (stream) =>
      socksServer(stream, { authenticate: async (user, password) => user + password! === 'mesecret' }),
    client: (stream, port) =>
      socksClient(stream, { host: '127.0.0.1', port, user: 'me', password: 'secret', pipelined: true }),
    said: (port) => Buffer.concat([bytes("05 01 02 01 02 'me' 06 'secret' 05 01 00 01 7f 00 00 01"), portBytes(port)]),
    answer: (stream) => socksAnswer(stream, '05020100'),
  },
  'SOCKS 4a': {
    server: (stream) => socksServer(stream),
    client: (stream, port) => socksClient(stream, { host: 'localhost', port, version: '4a' }),
    said: (port) => Buffer.concat([bytes('04 01'), portBytes(port), bytes("00 00 00 01 00 'localhost' 00")]),
    answer: async (stream) => assert.equal((await readExactly(stream, 8)).toString('hex'), '005a000000000000'),
  },
  'HTTP CONNECT': {
    server: (stream) => httpConnectServer(stream),
    client: (stream, port) => httpConnectClient(stream, { host: '127.0.0.1', port }),
    said: connectHead,
    answer: headAnswer,
  },
};

/** Lines in capitals, behind a greeting that comes without being asked for. */
async function capitals(stream: ByteStream): Promise<void> {
  const talk = framed(stream, lines());
  await talk.write('hello');
  for await (const line of talk) await talk.write(line.toUpperCase());
  await talk.end();
}

/** A client's first flight, and the stream to go on with. */
async function firstFlight(): Promise<{ inner: SecureStream; far: ByteStream; flight: Buffer }> {
  const [near, far] = memoryPair();
  const inner = tlsClient(near, CLIENT);
  while (typeof far.tryFill() !== 'number') await far.ready('read');
  return { inner, far, flight: far.input.take(far.input.length) };
}

for (const [name, way] of Object.entries(WAYS)) {
  describe(`${name} on TLS, with TLS inside`, function () {
    this.timeout(20_000);
    let sessions: number | undefined;
    beforeEach(() => {
      sessions = nativeTls()?.counters().sessions;
    });

    /** The proxy, to a server behind it that speaks TLS. */
    async function proxied(): Promise<AsyncDisposable & { proxyPort: number; port: number }> {
      const upper = await listenTls({ ...HERE, ...SERVER }, capitals);
      const proxy = await listenTls({ ...HERE, ...SERVER }, async (client) => {
        const request = await way.server(client);
        const there = await connect({ host: '127.0.0.1', port: request.port });
        await request.accept();
        await relay(request.stream, there);
      });
      return {
        proxyPort: proxy.port,
        port: upper.port,
        async [Symbol.asyncDispose]() {
          await Promise.all([proxy.close(), upper.close()]);
          assert.equal(nativeTls()?.counters().sessions, sessions);
        },
      };
    }

    it('leads to a server behind the proxy', async () => {
      await using place = await proxied();
      const outer = await connectTls({ host: '127.0.0.1', port: place.proxyPort, ...TRUST });
      const { stream } = await way.client(outer, place.port);
      assert.equal(stream, outer);
      await talkTo(tlsClient(stream, CLIENT));
    });

    it('loses no hello that comes with the request, in one record', async () => {
      await using place = await proxied();
      const outer = await connectTls({ host: '127.0.0.1', port: place.proxyPort, ...TRUST });
      const { inner, far, flight } = await firstFlight();
      await writeAll(outer, Buffer.concat([way.said(place.port), flight]));
      await way.answer(outer);
      const relaying = relay(far, outer);
      await talkTo(inner);
      await relaying;
    });

    it('ends in the proxy itself, whose first flight comes with its answer', async () => {
      await using server = await listenTls({ ...HERE, ...SERVER }, async (client) => {
        const request = await way.server(client);
        const accepting = request.accept();
        // Not waited for: what TLS says next leaves with the answer, where it has something to say.
        const secure = tlsServer(request.stream, SERVER);
        await Promise.all([accepting, capitals(secure)]);
      });
      for (const together of [false, true]) {
        const outer = await connectTls({ host: '127.0.0.1', port: server.port, ...TRUST });
        if (!together) {
          const { stream } = await way.client(outer, 1234);
          await talkTo(tlsClient(stream, CLIENT));
          continue;
        }
        const { inner, far, flight } = await firstFlight();
        await writeAll(outer, Buffer.concat([way.said(1234), flight]));
        await way.answer(outer);
        const relaying = relay(far, outer);
        await talkTo(inner);
        await relaying;
      }
    });

    it('gives what comes in the record of the answer to whoever reads next, however much it is', async () => {
      const greeting = Buffer.alloc(OVERLONG, 'greeting ');
      await using server = await listenTls({ ...HERE, ...SERVER }, async (client) => {
        const request = await way.server(client);
        await Promise.all([request.accept(), writeAll(request.stream, greeting)]);
        assert.equal(String(await readToEnd(request.stream)), 'and back');
        await request.stream.end();
      });
      const outer = await connectTls({ host: '127.0.0.1', port: server.port, ...TRUST });
      const { stream } = await way.client(outer, 1234);
      assert.ok((await readExactly(stream, OVERLONG)).equals(greeting));
      await writeAll(stream, Buffer.from('and back'));
      await stream.end();
      assert.equal((await readToEnd(stream)).length, 0);
      await stream.close();
    });

    it('is cut off with the TLS outside: inside, that is a truncation as well', async () => {
      const upperEnds: unknown[] = [];
      await using server = await listenTls({ ...HERE, ...SERVER }, async (client) => {
        const request = await way.server(client);
        await request.accept();
        const talk = framed(tlsServer(request.stream, SERVER), lines());
        assert.equal(await talk.read(), 'whole');
        await talk.write('whole as well');
        upperEnds.push(await talk.read().catch((error) => error.code));
      });
      const outer = await connectTls({ host: '127.0.0.1', port: server.port, ...TRUST });
      const { stream } = await way.client(outer, 1234);
      const talk = framed(tlsClient(stream, CLIENT), lines());
      await talk.write('whole');
      assert.equal(await talk.read(), 'whole as well');
      // The outer one says close_notify, the inner one does not.
      await outer.end();
      await assert.rejects(talk.read(), { code: 'ERR_TLS_TRUNCATED' });
      await outer.close();
      assert.deepEqual(upperEnds, ['ERR_TLS_TRUNCATED']);
    });
  });
}

describe("HTTP CONNECT to a server of Node's https, with TLS inside", () => {
  it('leads on from where Node has read, the hello in the head included', async () => {
    await using upper = await listenTls({ ...HERE, ...identity('server') }, capitals);
    const server = https.createServer(TLS_SERVER as https.ServerOptions);
    server.on('connect', async (message, socket, head) => {
      const request = (await acceptHttpConnect(message, socket, head))!;
      const there = await connect({ host: '127.0.0.1', port: request.port });
      await request.accept();
      await relay(request.stream, there);
    });
    await once(server.listen(HERE), 'listening');
    const { port } = server.address() as AddressInfo;
    for (const together of [false, true]) {
      const outer = await connectTls({ host: '127.0.0.1', port, ...TRUST });
      if (!together) {
        await talkTo(
          tlsClient((await httpConnectClient(outer, { host: '127.0.0.1', port: upper.port })).stream, CLIENT),
        );
        continue;
      }
      const { inner, far, flight } = await firstFlight();
      await writeAll(outer, Buffer.concat([connectHead(upper.port), flight]));
      await headAnswer(outer);
      const relaying = relay(far, outer);
      await talkTo(inner);
      await relaying;
    }
    server.close();
    await once(server, 'close');
  });
});

describe('TLS in TLS in TLS, through two proxies', () => {
  it('says lines', async () => {
    await using upper = await listenTls({ ...HERE, ...SERVER }, capitals);
    const proxying = (handshake: Way['server']) => async (client: SecureStream) => {
      const request = await handshake(client);
      const there = await connect({ host: '127.0.0.1', port: request.port });
      await request.accept();
      await relay(request.stream, there);
    };
    await using second = await listenTls({ ...HERE, ...SERVER }, proxying(WAYS['HTTP CONNECT']!.server));
    await using first = await listenTls({ ...HERE, ...SERVER }, proxying(WAYS['SOCKS 5']!.server));
    const outer = await connectTls({ host: '127.0.0.1', port: first.port, ...TRUST });
    const toSecond = await WAYS['SOCKS 5']!.client(outer, second.port);
    const middle = tlsClient(toSecond.stream, CLIENT);
    const toUpper = await WAYS['HTTP CONNECT']!.client(middle, upper.port);
    const talk = framed(tlsClient(toUpper.stream, CLIENT), lines());
    assert.equal(await talk.read(), 'hello');
    for (const word of ['one', 'x'.repeat(50_000), 'three']) {
      await talk.write(word);
      assert.equal(await talk.read(), word.toUpperCase());
    }
    await talk.end();
    assert.equal(await talk.read(), EOF);
    await talk.close();
  });
});
