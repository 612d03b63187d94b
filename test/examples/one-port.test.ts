/** examples/one-port.mjs: WebSockets, lines, records and requests of HTTP, each in every way that leads to it. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { type ByteStream, type Codec, connect, EOF, framed, lengthPrefixed, lines } from 'miniproto';
import { sendProxyHeader } from 'miniproto/proxy-protocol';
import { connectTls, tlsClient } from 'miniproto/tls';
import { connectWebSocket } from 'miniproto/websocket';
import { certificate, fixture } from '../support/certificates.js';
import { type Companion, findProgram, skipLoudly } from '../support/installed.js';
import { curl } from '../support/proxied.js';
import { startExample } from '../support/starttls.js';

const PROGRAM = 'examples/one-port.mjs';
const CURL = findProgram('curl');
const HOST = '127.0.0.1';
const CA = certificate('ca');

/** The ways: what is in front of the protocol, from the outside to the inside. */
const LAYERS = {
  proxy1: (stream: ByteStream) => proxied(stream, 1),
  proxy2: (stream: ByteStream) => proxied(stream, 2),
  tls12: (stream: ByteStream) => secured(stream, 'TLSv1.2'),
  tls13: (stream: ByteStream) => secured(stream, 'TLSv1.3'),
};
type Layer = keyof typeof LAYERS;
const WAYS: readonly Layer[][] = [
  [],
  ['tls12'],
  ['tls13'],
  ['proxy1'],
  ['proxy2'],
  ['proxy1', 'tls12'],
  ['proxy2', 'tls13'],
];

/** What is spoken, and how it is told in the program's log. */
const SPOKEN: Record<string, (stream: ByteStream) => Promise<void>> = {
  WebSocket: async (stream) => {
    const socket = await connectWebSocket(`ws://${HOST}/`, { socket: stream });
    for (const message of ['h\u00e9llo', Buffer.alloc(100_000, 7), '']) {
      await socket.write(message);
      assert.deepEqual(await socket.read(), message);
    }
    assert.equal((await socket.close(4000, 'bye')).code, 4000);
  },
  lines: (stream) => echoed(stream, lines({ encoding: 'buffer', newline: 'lf' }), ['GET off', 'a\r', '\0']),
  records: (stream) => echoed(stream, lengthPrefixed({ bytes: 4 }), ['PROXY', '', 'GET / HTTP/1.1\r\n\r\n']),
  HTTP: async (stream) => {
    const talk = framed(stream, lines({ newline: 'crlf' }));
    for (const line of ['GET / HTTP/1.1', `Host: ${HOST}`, '']) await talk.write(line);
    const answer: string[] = [];
    for await (const line of talk) answer.push(line);
    assert.equal(answer[0], 'HTTP/1.1 200 OK');
    assert.match(answer.join('\n'), /\n\n(?:.*\n)?Here are WebSockets/);
    await talk.close();
  },
};

describe(PROGRAM, function () {
  this.timeout(60_000);
  let program: Companion;
  let port: number;
  before(async () => {
    ({ program, port } = await startExample(PROGRAM));
  });
  after(() => program.stop());

  const open = async (way: readonly Layer[]): Promise<ByteStream> => {
    let stream: ByteStream = await connect({ port, host: HOST });
    for (const layer of way) stream = await LAYERS[layer](stream);
    return stream;
  };

  for (const [what, speak] of Object.entries(SPOKEN)) {
    for (const way of WAYS) {
      it(`serves ${[...way, what].join(', ')}`, async () => {
        await speak(await open(way));
        const from = way.some((layer) => layer.startsWith('proxy')) ? '192.0.2.1' : HOST;
        const over = way.some((layer) => layer.startsWith('tls')) ? ' over TLS' : '';
        assert.equal(await program.line(), `${what}${over} from ${from}`);
      });
    }
  }

  it('serves all of them at once', async () => {
    const all = Object.values(SPOKEN).flatMap((speak) => WAYS.map(async (way) => speak(await open(way))));
    await Promise.all(all);
    for (const _ of all) assert.match(await program.line(), / from /);
  });

  it('serves wss by its address, and tells apart what comes a byte at a time', async () => {
    await using socket = await connectWebSocket(`wss://${HOST}:${port}/`, { tls: { ca: CA } });
    await socket.write('one');
    assert.equal(await socket.read(), 'one');
    assert.equal(await program.line(), `WebSocket over TLS from ${HOST}`);
    for (const bytes of ['PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGETTING\n', '\0\0\0\x01a']) {
      const plain = net.connect({ port, host: HOST, noDelay: true });
      for (const byte of Buffer.from(bytes)) {
        plain.write(Buffer.of(byte));
        await new Promise(setImmediate);
      }
      plain.end();
      const [answer] = await Promise.all([plain.toArray(), program.lineLike(/ from /)]);
      assert.equal(Buffer.concat(answer).toString(), bytes.slice(bytes.indexOf('\r\n') + 1).replace(/^\n/, ''));
    }
  });

  it('says why a peer is refused, and serves the others', async () => {
    const other = certificate('other-ca');
    await assert.rejects(connectTls({ port, host: HOST, ca: other }), { code: 'ERR_TLS_CERTIFICATE' });
    assert.match(await program.line(), /^failed: ERR_TLS_(?:ALERT|HANDSHAKE): /);
    const liar = framed(await connect({ port, host: HOST }), lines({ newline: 'crlf' }));
    await liar.write('PROXY TCP4 somewhere 192.0.2.2 1 2');
    await liar
      .read()
      .then((answer) => assert.equal(answer, EOF))
      .catch(() => {});
    assert.match(await program.line(), /^failed: ERR_PROXY_HEADER: /);
    await SPOKEN.lines!(await open([]));
    assert.equal(await program.line(), `lines from ${HOST}`);
  });

  describe('with curl', () => {
    before(function () {
      if (CURL === undefined) skipLoudly(this, 'curl', 'curl');
    });

    for (const words of [[], ['--haproxy-protocol']]) {
      it(`answers requests over http and https ${words.join('')}`, async () => {
        for (const scheme of ['http', 'https']) {
          const url = `${scheme}://${HOST}:${port}/`;
          const { code, text } = await curl(CURL!, '--cacert', fixture('ca.cert.pem'), ...words, url);
          assert.equal(code, 0);
          assert.match(text, /^Here are WebSockets, lines/);
          assert.match(await program.line(), /^HTTP/);
        }
      });
    }
  });
});

async function proxied(stream: ByteStream, version: 1 | 2): Promise<ByteStream> {
  const header = { source: { address: '192.0.2.1', port: 1 }, destination: { address: '192.0.2.2', port: 2 } };
  await sendProxyHeader(stream, header, { version });
  return stream;
}

async function secured(stream: ByteStream, version: 'TLSv1.2' | 'TLSv1.3'): Promise<ByteStream> {
  const secure = tlsClient(stream, { host: HOST, ca: CA, minVersion: version, maxVersion: version });
  await secure.handshake();
  return secure;
}

/** Records go there and come back, and then the end does. */
async function echoed(stream: ByteStream, codec: Codec<Buffer, Uint8Array>, records: readonly string[]): Promise<void> {
  const talk = framed(stream, codec);
  for (const record of records) {
    await talk.write(Buffer.from(record));
    assert.equal(String(await talk.read()), record);
  }
  await talk.end();
  assert.equal(await talk.read(), EOF);
  await talk.close();
}
