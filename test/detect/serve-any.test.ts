/** One port for many protocols: routes, layers that are taken off, errors and ends. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { text } from 'node:stream/consumers';
import tls from 'node:tls';
import { type ByteStream, framed, lengthPrefixed, lines, memoryPair } from 'miniproto';
import { type Arrival, dispatch, handToNode, type ProtocolHandlers, serveAny } from 'miniproto/detect';
import { tlsServer } from 'miniproto/tls';
import { writeAll } from '../support/byte-stream-contract.js';
import { certificate, identity } from '../support/certificates.js';
import { firstBytes } from '../support/first-bytes.js';
import { socketPair, TRANSPORT } from '../support/socket-pairs.js';

const PORT = { port: 0, host: '127.0.0.1' };
const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

/** Lines in capitals. */
async function shout(stream: ByteStream): Promise<void> {
  const talk = framed(stream, lines());
  for await (const line of talk) await talk.write(line.toUpperCase());
}

/** Everything that is answered to these bytes and the end. */
function answerTo(port: number, said: string | Buffer): Promise<string> {
  const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  client.on('error', () => {}).end(said, 'latin1');
  return text(client).catch(() => '');
}

/** Takes version 1 of PROXY off. */
async function takeProxy(stream: ByteStream): Promise<string> {
  while (stream.input.indexOf(10) < 0) {
    if (typeof stream.tryFill(stream.input.length + 1) !== 'number') await stream.ready('read');
  }
  return stream.input
    .take(stream.input.indexOf(10) + 1)
    .toString('latin1')
    .trim();
}

/** Takes TLS off; the handshake is done when somebody reads. */
function takeTls(stream: ByteStream): ByteStream {
  return tlsServer(stream, identity('server'));
}

describe(`serveAny over ${TRANSPORT}`, () => {
  it("serves lines, lengths, HTTP and a protocol of one's own at one port", async () => {
    const node = http.createServer((_request, response) => response.end('over http'));
    const server = await serveAny(PORT, {
      http1: (stream) => void handToNode(stream, node),
      own: {
        len32: {
          detect: (bytes) => bytes[0] === 0,
          handle: async (stream) => {
            const talk = framed(stream, lengthPrefixed({ bytes: 4 }));
            for await (const record of talk) await talk.write(record);
          },
        },
      },
      default: shout,
    });
    assert.equal(await answerTo(server.port, 'hello\nworld\n'), 'HELLO\nWORLD\n');
    assert.equal(await answerTo(server.port, '\0\0\0\x02hi'), '\0\0\0\x02hi');
    assert.match(await answerTo(server.port, REQUEST), /over http$/);
    assert.equal(await answerTo(server.port, 'GET key\n'), 'GET KEY\n');
    assert.equal(await answerTo(server.port, ''), '');
    await server.close();
    assert.equal(server.connections.size, 0);
  });

  it('takes PROXY and TLS off, once each, and tells the handler', async () => {
    const arrivals: Arrival[] = [];
    const server = await serveAny(PORT, {
      proxy: takeProxy,
      tls: takeTls,
      default: async (stream, arrival) => {
        arrivals.push(arrival);
        await shout(stream);
      },
    });
    const client = net.connect({ ...PORT, port: server.port });
    client.write('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n');
    const secure = tls.connect({
      socket: client,
      ca: certificate('ca'),
      servername: 'localhost',
      ALPNProtocols: ['x'],
    });
    secure.end('hello\n');
    assert.equal(await text(secure), 'HELLO\n');
    const [arrival] = arrivals;
    assert.equal(arrival?.proxy, 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2');
    assert.deepEqual([arrival?.tls?.serverName, arrival?.tls?.alpn], ['localhost', ['x']]);
    assert.ok(arrival?.connection !== undefined);
    assert.equal(
      await answerTo(server.port, 'PROXY UNKNOWN\r\nPROXY twice\n'),
      'PROXY TWICE\n',
      'no layer comes twice',
    );
    assert.deepEqual([arrivals[1]?.proxy, arrivals[1]?.tls], ['PROXY UNKNOWN', undefined]);
    await server.close();
  });

  it('serves requests in the clear and over TLS with one server of http', async () => {
    const node = http.createServer(({ socket }, response) => {
      const { encrypted } = socket as { encrypted?: boolean };
      response.end(`${encrypted === true ? 'securely' : 'in the clear'} for ${socket.remoteAddress}`);
    });
    const server = await serveAny(PORT, { tls: takeTls, http1: (stream) => void handToNode(stream, node) });
    assert.match(await answerTo(server.port, REQUEST), /in the clear for 127\.0\.0\.1$/);
    const secure = tls.connect({ ...PORT, port: server.port, ca: certificate('ca'), servername: 'localhost' });
    secure.end(REQUEST);
    assert.match(await text(secure), /securely for 127\.0\.0\.1$/);
    await server.close();
  });

  it('tells onError who does not finish a handshake, and who speaks nothing inside of TLS', async () => {
    const errors: string[] = [];
    const onError = (error: unknown) => errors.push((error as { code: string }).code);
    const server = await serveAny({ ...PORT, onError }, { tls: takeTls, http1: shout });
    await answerTo(server.port, firstBytes('openssl'));
    const secure = tls.connect({ ...PORT, port: server.port, ca: certificate('ca'), servername: 'localhost' });
    secure.on('error', () => {}).write('hello\n');
    await once(secure, 'close');
    assert.equal(errors.length, 2);
    assert.match(errors[0]!, /^ERR_/);
    assert.equal(errors[1], 'ERR_DETECT_UNKNOWN');
    await server.close();
  });

  it('tells onError what nobody serves, and who is too slow', async () => {
    const errors: unknown[] = [];
    const server = await serveAny(
      { ...PORT, onError: (error) => errors.push((error as { code: string }).code), detection: { timeoutMs: 30 } },
      { http1: shout },
    );
    assert.equal(await answerTo(server.port, 'hello\n'), '');
    const slow = net.connect({ ...PORT, port: server.port }).on('error', () => {});
    slow.write('GE');
    await once(slow, 'close');
    const silent = net.connect({ ...PORT, port: server.port }).on('error', () => {});
    await once(silent, 'close');
    assert.deepEqual(errors, ['ERR_DETECT_UNKNOWN', 'ERR_DETECT_TIMEOUT', 'ERR_DETECT_TIMEOUT']);
    // Somebody who only looks whether the port is open is no error.
    assert.equal(await answerTo(server.port, ''), '');
    assert.equal(errors.length, 3);
    await server.close();
  });

  it('tells onError what a handler throws, and destroys the connection', async () => {
    const errors: unknown[] = [];
    const failure = new Error('no');
    const fail = () => {
      throw failure;
    };
    const server = await serveAny(
      { ...PORT, onError: (error) => errors.push(error) },
      { socks: fail, default: async () => fail() },
    );
    assert.equal(await answerTo(server.port, '\x05\x01\x00'), '');
    assert.equal(await answerTo(server.port, 'hello\n'), '');
    assert.deepEqual(errors, [failure, failure]);
    await server.close();
  });

  it('keeps a connection whose handler gives no promise', async () => {
    const kept: ByteStream[] = [];
    const server = await serveAny(PORT, { default: (stream) => void kept.push(stream) });
    const client = net.connect({ ...PORT, port: server.port });
    client.write('hello\n');
    while (kept.length === 0) await new Promise(setImmediate);
    await writeAll(kept[0]!, Buffer.from('later'));
    await kept[0]!.end();
    assert.equal(await text(client), 'later');
    await server.close();
  });

  it('speaks first to those who wait for it', async () => {
    const server = await serveAny(
      { ...PORT, detection: { silent: 'default', silentMs: 20 } },
      {
        http1: () => assert.fail('it is no HTTP'),
        default: async (stream, { detected }) => {
          const talk = framed(stream, lines());
          await talk.write(`220 ${detected.because}`);
          await talk.write(`250 ${String(await talk.read())}`);
        },
      },
    );
    const client = net.connect({ ...PORT, port: server.port });
    client.once('data', () => client.end('EHLO a\n'));
    assert.equal(await text(client), '220 silence\n250 EHLO a\n');
    await server.close();
  });

  it('ends connections that are still being told apart when it is closed', async () => {
    const errors: unknown[] = [];
    const server = await serveAny({ ...PORT, onError: (error) => errors.push(error) }, { default: shout });
    const client = net.connect({ ...PORT, port: server.port });
    client.on('error', () => {}).resume();
    await once(client, 'connect');
    while (server.connections.size === 0) await new Promise(setImmediate);
    const closed = once(client, 'close');
    await server.close({ timeoutMs: 200 });
    client.destroy();
    await closed;
    assert.equal(server.connections.size, 0);
  });

  it('checks handlers and options', async () => {
    const cases: readonly (readonly [object, object, string])[] = [
      [PORT, { http1: 1 }, 'ERR_INVALID_ARG_TYPE'],
      [PORT, { default: 'x' }, 'ERR_INVALID_ARG_TYPE'],
      [PORT, { gopher: () => {} }, 'ERR_INVALID_ARG_VALUE'],
      [PORT, { own: { a: () => true } }, 'ERR_INVALID_ARG_TYPE'],
      [PORT, { own: { a: { detect: () => true } } }, 'ERR_INVALID_ARG_TYPE'],
      [PORT, { own: { a: { handle: () => true } } }, 'ERR_INVALID_ARG_TYPE'],
      [PORT, { own: { tls: { detect: () => true, handle: () => {} } } }, 'ERR_INVALID_ARG_VALUE'],
      [{ ...PORT, detection: { maxBytes: 0 } }, {}, 'ERR_OUT_OF_RANGE'],
      [{ ...PORT, detection: 1 }, {}, 'ERR_INVALID_ARG_TYPE'],
    ];
    for (const [options, handlers, code] of cases) {
      await assert.rejects(serveAny(options, handlers as ProtocolHandlers), { code }, JSON.stringify(handlers));
    }
  });
});

describe('dispatch', () => {
  it('resolves when the handler has, with the stream left to the caller', async () => {
    const [peer, ours] = memoryPair();
    await writeAll(peer, firstBytes('curl-socks5'));
    let done = false;
    await dispatch(ours, {
      socks: async (stream, { detected }) => {
        assert.equal(detected.version, 5);
        await new Promise(setImmediate);
        assert.equal(stream.input.length, 4);
        done = true;
      },
    });
    assert.ok(done && !ours.destroyed);
  });

  it('goes on inside of what a handler gives back', async () => {
    const { one: peer, other: ours } = await socketPair();
    const [inner, opened] = memoryPair();
    await writeAll(peer, firstBytes('curl-socks5'));
    await writeAll(inner, firstBytes('node-http2'));
    const way: string[] = [];
    await dispatch(ours, {
      socks: () => {
        way.push('socks');
        return Promise.resolve(opened);
      },
      http2: (stream, { connection }) => {
        way.push('http2');
        assert.ok(stream === opened && connection === ours);
      },
    });
    assert.deepEqual(way, ['socks', 'http2']);
    peer.destroy();
    ours.destroy();
  });

  it('rejects with what nobody serves, and with the reason of its signal', async () => {
    const [peer, ours] = memoryPair();
    await assert.rejects(dispatch(ours, {}, { signal: AbortSignal.abort(new Error('enough')) }), /enough/);
    await writeAll(peer, Buffer.from('hello'));
    await assert.rejects(dispatch(ours, { tls: () => {} }), { code: 'ERR_DETECT_UNKNOWN' });
    assert.equal(ours.input.length, 5);
    await assert.rejects(dispatch({} as ByteStream, {}), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});
