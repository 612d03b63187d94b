/** Connections that go on as those of servers of Node's: of every server, from every kind of byte stream. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import { Duplex } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import tls from 'node:tls';
import { asByteStream, type ByteServer, type ByteStream, type Connection, EOF, listen, memoryPair } from 'miniproto';
import { detect, handToNode } from 'miniproto/detect';
import { attachWebSocket, connectWebSocket } from 'miniproto/websocket';
import { writeAll } from '../support/byte-stream-contract.js';
import { certificate, identity } from '../support/certificates.js';
import { TRANSPORT } from '../support/socket-pairs.js';

type Server = Parameters<typeof handToNode>[1];

/** A listener of ours that tells what comes and gives it to a server of Node's. */
function serving(server: Server, seen: string[] = []): Promise<ByteServer> {
  return listen({ port: 0, host: '127.0.0.1' }, async (connection) => {
    seen.push((await detect(connection)).protocol);
    handToNode(connection, server);
  });
}

function echo(request: http.IncomingMessage, response: http.ServerResponse): void {
  const { remoteAddress } = request.socket;
  void buffer(request).then((body) => {
    response.writeHead(200, { 'X-Peer': String(remoteAddress), 'Content-Length': body.length }).end(body);
  });
}

function post(
  options: https.RequestOptions,
  body: Buffer,
  agent: http.Agent,
): Promise<{ peer: unknown; body: string }> {
  const { request } = options.ca === undefined ? http : https;
  return new Promise((resolve, reject) => {
    const message = request({ host: '127.0.0.1', method: 'POST', agent, ...options }, (response) => {
      text(response).then((read) => resolve({ peer: response.headers['x-peer'], body: read }), reject);
    });
    message.on('error', reject).end(body);
  });
}

describe(`handToNode from ${TRANSPORT}`, () => {
  it('gives requests to a server of http, the first and those after it', async () => {
    const seen: string[] = [];
    const server = await serving(http.createServer(echo), seen);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (const size of [0, 10, 100_000, 1]) {
      const body = Buffer.alloc(size, 'x');
      assert.deepEqual(await post({ port: server.port }, body, agent), { peer: '127.0.0.1', body: body.toString() });
    }
    assert.deepEqual(seen, ['http1']);
    agent.destroy();
    await server.close();
  });

  it('answers a client that has ended its side', async () => {
    const server = await serving(http.createServer(echo));
    const client = net.connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true });
    client.end('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    assert.match(await text(client), /^HTTP\/1\.1 200 OK\r\n/);
    await server.close();
  });

  it('gives a request that came in pieces to a server of http', async () => {
    const server = await serving(http.createServer(echo));
    const client = net.connect({ port: server.port, host: '127.0.0.1' });
    for (const byte of 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello') {
      client.write(byte);
      await new Promise(setImmediate);
    }
    assert.match(await text(client), /hello$/);
    await server.close();
  });

  it('gives sessions to a server of http2', async () => {
    const seen: string[] = [];
    const node = http2.createServer((request, response) => request.pipe(response));
    const server = await serving(node, seen);
    const client = http2.connect(`http://127.0.0.1:${server.port}`);
    for (const body of ['hello', 'x'.repeat(100_000)]) {
      const stream = client.request({ ':method': 'POST' });
      stream.end(body);
      assert.equal(await text(stream), body);
    }
    assert.deepEqual(seen, ['http2']);
    client.close();
    await once(client, 'close');
    await server.close();
  });

  it('gives handshakes to a server of https, with SNI and ALPN', async () => {
    const seen: string[] = [];
    const node = https.createServer({ ...identity('server') }, echo);
    const server = await serving(node, seen);
    const agent = new https.Agent();
    const options = { port: server.port, ca: certificate('ca'), servername: 'localhost' };
    assert.equal((await post(options, Buffer.from('hello'), agent)).body, 'hello');
    assert.deepEqual(seen, ['tls']);
    agent.destroy();
    await server.close();
  });

  it('gives connections to servers of tls and net', async () => {
    const plain = net.createServer((socket) => socket.pipe(socket));
    const secure = tls.createServer({ ...identity('server') }, (socket) => socket.pipe(socket));
    const server = await serving(plain);
    const client = net.connect(server.port, '127.0.0.1');
    client.end('GET / HTTP/1.1\r\n\r\n');
    assert.equal(await text(client), 'GET / HTTP/1.1\r\n\r\n');
    await server.close();
    const other = await serving(secure);
    const { port } = other;
    const securely = tls.connect({ port, host: '127.0.0.1', ca: certificate('ca'), servername: 'localhost' });
    securely.end('hello');
    assert.equal(await text(securely), 'hello');
    await other.close();
  });

  it('gives requests for WebSockets to a server that they are attached to', async () => {
    const node = http.createServer();
    const sockets = attachWebSocket(node, {}, (socket) => {
      void socket.onMessage((message) => void socket.send(message));
    });
    const seen: string[] = [];
    const server = await serving(node, seen);
    const client = await connectWebSocket(`ws://127.0.0.1:${server.port}/`);
    await client.write('hello');
    assert.equal(await client.read(), 'hello');
    assert.deepEqual(seen, ['websocket']);
    await client.close();
    await sockets.close();
    await server.close();
  });

  it('leaves a connection that is gone to nobody', async () => {
    const server = await listen({ port: 0, host: '127.0.0.1' }, (connection: Connection) => {
      connection.destroy();
      assert.throws(() => handToNode(connection, http.createServer(echo)));
    });
    await text(net.connect(server.port, '127.0.0.1'));
    await server.close();
  });
});

/** All that a client hears while it says something. */
async function conversation(client: ByteStream, said: string): Promise<string> {
  const writing = writeAll(client, Buffer.from(said, 'latin1'));
  const heard: Buffer[] = [];
  for (;;) {
    const filled = client.tryFill();
    if (filled === EOF) break;
    if (typeof filled === 'number') heard.push(client.input.take(filled));
    else await client.ready('read');
  }
  await writing;
  return Buffer.concat(heard).toString('latin1');
}

describe('handToNode from other byte streams', () => {
  for (const capacity of [1, 100, 65_536]) {
    it(`serves a request over a memory pair of capacity ${capacity}`, async () => {
      const [client, ours] = memoryPair({ capacity });
      const size = capacity === 1 ? 100 : 200_000;
      const head = `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${size}\r\n\r\n`;
      const answer = conversation(client, head + 'y'.repeat(size));
      assert.equal((await detect(ours)).protocol, 'http1');
      handToNode(ours, http.createServer(echo));
      assert.match(await answer, /^HTTP\/1\.1 200 OK\r\n/);
      assert.ok((await answer).endsWith(`\r\n\r\n${'y'.repeat(size)}`));
    });
  }

  it('serves HTTP/2 over a memory pair', async () => {
    const [client, ours] = memoryPair();
    const node = http2.createServer((request, response) => request.pipe(response));
    // The client's side is a Duplex of the same make.
    const other = net.createServer();
    const given = once(other, 'connection') as Promise<[Duplex]>;
    handToNode(client, other);
    const [duplex] = await given;
    const session = http2.connect('http://a.example', { createConnection: () => duplex });
    const stream = session.request({ ':method': 'POST' });
    stream.end('x'.repeat(100_000));
    assert.equal((await detect(ours)).protocol, 'http2');
    handToNode(ours, node);
    assert.ok((await text(stream)) === 'x'.repeat(100_000));
    session.close();
    await once(session, 'close');
  });

  it('gives the Duplex itself back where there is one', async () => {
    const duplex = new Duplex({ read() {}, write: (_chunk, _encoding, callback) => callback() });
    const stream = asByteStream(duplex);
    duplex.push('GET / HT');
    duplex.push('TP/1.0\r\n\r\n');
    assert.equal((await detect(stream)).protocol, 'http1');
    const other = net.createServer();
    const given = once(other, 'connection');
    assert.equal(handToNode(stream, other), duplex);
    assert.deepEqual(await given, [duplex]);
    assert.equal(String(duplex.read()), 'GET / HTTP/1.0\r\n\r\n');
  });

  it('ends one side when Node ends it, and destroys both when Node does', async () => {
    const [client, ours] = memoryPair();
    const other = net.createServer({ allowHalfOpen: true });
    const duplex = handToNode(ours, other);
    duplex.end('bye');
    assert.equal(await conversation(client, ''), 'bye');
    client.tryWrite(Buffer.from('still here'));
    await once(duplex, 'readable');
    assert.equal(String(duplex.read()), 'still here');
    duplex.destroy();
    await once(duplex, 'close');
    assert.ok(ours.destroyed);
  });

  it('tells Node when the byte stream fails', async () => {
    const [client, ours] = memoryPair();
    const duplex = handToNode(ours, net.createServer());
    duplex.resume();
    client.destroy();
    const [error] = (await once(duplex, 'error')) as [Error];
    assert.equal((error as Error & { code: string }).code, 'ERR_STREAM_PREMATURE_CLOSE');
  });

  it('gives nobody what lies below TLS', () => {
    const [, below] = memoryPair();
    let released = false;
    const secure = Object.assign(below, {
      secured: true,
      info: { alpnProtocol: 'h2' },
      addresses: { remoteAddress: '192.0.2.1', remotePort: 7 },
      release: () => {
        released = true;
      },
    });
    const duplex = handToNode(secure, net.createServer()) as unknown as tls.TLSSocket;
    assert.equal(released, false);
    const { encrypted, alpnProtocol, remoteAddress, remotePort } = duplex;
    assert.deepEqual([encrypted, alpnProtocol, remoteAddress, remotePort], [true, 'h2', '192.0.2.1', 7]);
    duplex.destroy();
  });

  it('checks its arguments', () => {
    const [, ours] = memoryPair();
    assert.throws(() => handToNode({} as typeof ours, net.createServer()), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => handToNode(ours, {} as net.Server), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});
