/** `wss:`: servers that listen with TLS, clients that connect with it, and what becomes of handshakes that fail. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { duplexPair } from 'node:stream';
import { WebSocket } from 'ws';
import { listen } from '#lib/index';
import { TlsContext, tlsServer } from '#lib/tls/index';
import { acceptWebSocketStream, connectWebSocket, listenWebSocket, type WebSocketHandler } from '#lib/websocket/index';
import { certificate, identity } from '../support/certificates.js';

const HERE = { port: 0, host: '127.0.0.1' };
const TRUSTED = { ca: certificate('ca') };

const echo: WebSocketHandler = (socket) => socket.onMessage((message) => void socket.send(message));

describe('WebSockets over TLS', () => {
  it('are served by a listener with a certificate, to clients of ours and to ws', async () => {
    await using server = await listenWebSocket({ ...HERE, tls: identity('server') }, echo);
    await using socket = await connectWebSocket(`wss://127.0.0.1:${server.port}`, { tls: TRUSTED });
    await socket.write('one');
    const { value } = await socket[Symbol.asyncIterator]().next();
    assert.equal(value, 'one');

    const other = new WebSocket(`wss://127.0.0.1:${server.port}`, TRUSTED);
    await once(other, 'open');
    other.send(Buffer.alloc(100_000, 7));
    const [data] = await once(other, 'message');
    assert.deepEqual(data, Buffer.alloc(100_000, 7));
    other.close(1000);
    assert.equal((await once(other, 'close'))[0], 1000);
  });

  it('take a context that says itself what is spoken', async () => {
    const context = new TlsContext(identity('server-rsa'));
    await using server = await listenWebSocket({ ...HERE, tls: { context } }, echo);
    const tls = { context: new TlsContext({ ...TRUSTED, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }) };
    const socket = await connectWebSocket(`wss://127.0.0.1:${server.port}`, { tls });
    await socket.close();
  });

  it('are looked for where the URL says, whomever the certificate has to be for', async () => {
    // Another address than that of localhost.
    await using server = await listenWebSocket({ port: 0, host: '127.0.0.2', tls: identity('server') }, echo);
    const url = `wss://127.0.0.2:${server.port}`;
    for (const named of [
      { host: 'localhost' },
      { host: '127.0.0.1' },
      { host: false as const },
      { servername: 'localhost' },
    ]) {
      const socket = await connectWebSocket(url, { tls: { ...TRUSTED, ...named } });
      await socket.close();
    }
    await assert.rejects(connectWebSocket(url, { tls: TRUSTED }), { code: 'ERR_TLS_CERTIFICATE' });
  });

  it('are not made where the certificate is refused, and the server says so', async () => {
    let told: (error: unknown) => void = () => {};
    const failed = new Promise((resolve) => {
      told = resolve;
    });
    await using server = await listenWebSocket({ ...HERE, tls: identity('expired'), onError: told }, echo);
    const connecting = connectWebSocket(`wss://127.0.0.1:${server.port}`, { tls: TRUSTED });
    await assert.rejects(connecting, { code: 'ERR_TLS_CERTIFICATE' });
    // A client that is Node's hangs up without an alert.
    assert.match(((await failed) as { code: string }).code, /^ERR_TLS_(ALERT|HANDSHAKE)$/);
  });

  it('are refused to who speaks in the clear', async () => {
    let told: (error: unknown) => void = () => {};
    const failed = new Promise((resolve) => {
      told = resolve;
    });
    await using server = await listenWebSocket({ ...HERE, tls: identity('server'), onError: told }, echo);
    const socket = net.connect(server.port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    let answer = Buffer.alloc(0);
    for await (const chunk of socket) answer = Buffer.concat([answer, chunk]);
    // At most an alert: nothing that a client in the clear could take for an answer.
    assert.ok(answer.length === 0 || answer[0] === 21, answer.toString());
    assert.equal(((await failed) as { code: string }).code, 'ERR_TLS_RECORD');
  });
});

describe('acceptWebSocketStream', () => {
  it('does a handshake on TLS that somebody else put on a connection', async () => {
    await using server = await listen(HERE, async (stream) => {
      const socket = await acceptWebSocketStream(tlsServer(stream, identity('server')), { path: '/a' });
      if (socket !== undefined) await echo(socket, undefined as never);
    });
    const url = `wss://127.0.0.1:${server.port}`;
    await using socket = await connectWebSocket(`${url}/a`, { tls: TRUSTED });
    await socket.write('one');
    assert.equal(await socket.read(), 'one');
    await assert.rejects(connectWebSocket(`${url}/b`, { tls: TRUSTED }), {
      code: 'ERR_HANDSHAKE_REFUSED',
      status: 404,
    });
  });

  it('does one on a Duplex, and tells what it refused', async () => {
    const [one, other] = duplexPair();
    const refused: unknown[] = [];
    const accepting = acceptWebSocketStream(other, { onRefused: (error) => refused.push(error.code) });
    one.end('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.equal(await accepting, undefined);
    assert.deepEqual(refused, ['ERR_HANDSHAKE']);
    assert.match(String(await one.setEncoding('latin1').toArray()), /^HTTP\/1\.1 426 /);
  });

  it('checks what it is given', async () => {
    await assert.rejects(acceptWebSocketStream(1 as never), { code: 'ERR_INVALID_ARG_TYPE' });
    const [, other] = duplexPair();
    for (const options of [{ handshakeTimeoutMs: 0 }, { path: 1 as never }, { maxHeaderBytes: -1 }])
      await assert.rejects(acceptWebSocketStream(other, options), /options\./);
  });
});
