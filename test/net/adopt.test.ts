/**
 * Adopting a socket of Node's at any moment of its life: nothing is lost or reordered, whatever cannot be native stays
 * over Node's socket behind the same call. Without the addon for sockets that is all of them, and the tests are the same.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import tls from 'node:tls';
import {
  adopt,
  type Connection,
  EOF,
  framed,
  lengthPrefixed,
  lines,
  type MiniprotoError,
  NOT_READY,
  socketCounters,
} from 'miniproto';
import { nativeInfo, nativeNet } from '#lib/native';
import { CALL_DUPLICATE } from '#lib/net-interface';
import { pattern, readExactly, readToEnd, writeAll } from '../support/byte-stream-contract.js';
import {
  buffered,
  closed,
  eventsOf,
  NATIVE,
  nodePair,
  openDescriptors,
  readAll,
  until,
} from '../support/node-sockets.js';
import { TLS_CLIENT, TLS_SERVER } from '../support/tls-ends.js';

const LARGE = 8 << 20;
const EMFILE = -24;

const code = (expected: string) => (error: MiniprotoError) => error.code === expected;

/** Bytes go both ways, then both sides end. */
async function converse(stream: Connection, peer: net.Socket, already: Buffer = Buffer.alloc(0)): Promise<void> {
  peer.write('question');
  const bytes = pattern(300_000);
  const answer = readAll(peer);
  const [question] = await Promise.all([readExactly(stream, already.length + 8), writeAll(stream, bytes)]);
  assert.deepEqual(question, Buffer.concat([already, Buffer.from('question')]));
  await stream.end();
  assert.deepEqual(await answer, bytes);
  peer.end('bye');
  assert.equal(String(await readToEnd(stream)), 'bye');
  await stream.close();
}

for (const family of ['tcp', 'unix'] as const) {
  for (const side of ['accepted', 'connected'] as const) {
    describe(`adopt of a ${family} socket that ${side}`, () => {
      const pairOf = async (options?: Parameters<typeof nodePair>[1]) => {
        const pair = await nodePair(family, options);
        const peer = side === 'accepted' ? pair.connected : pair.accepted;
        return { socket: pair[side], peer };
      };

      it('carries a conversation to its end', async () => {
        const { socket, peer } = await pairOf();
        const stream = adopt(socket);
        assert.equal(stream.native, NATIVE);
        assert.equal(socket.destroyed, NATIVE);
        await converse(stream, peer);
      });

      it('begins with what Node has read, then with what it has not', async () => {
        const { socket, peer } = await pairOf({ reading: true });
        peer.write('one, ');
        await buffered(socket, 5);
        socket.pause();
        peer.write('two, ');
        const stream = adopt(socket);
        assert.equal(stream.tryFill(5), stream.input.length);
        await converse(stream, peer, Buffer.from('one, two, '));
      });

      it('begins with the head, then with what Node has read', async () => {
        const { socket, peer } = await pairOf({ reading: true });
        peer.write('read ahead ');
        await buffered(socket, 11);
        const head = Buffer.from('head ');
        const stream = adopt(socket, { head });
        head.fill(0);
        await converse(stream, peer, Buffer.from('head read ahead '));
      });

      it('lets leave first what Node has not sent, 8 MB to a peer that does not read yet', async () => {
        const { socket, peer } = await pairOf();
        const bytes = pattern(LARGE);
        for (let at = 0; at < LARGE; at += 1 << 20) socket.write(bytes.subarray(at, at + (1 << 20)));
        peer.write('early');
        const stream = adopt(socket);
        if (NATIVE) {
          assert.equal(stream.tryWrite(Buffer.from('not before')), NOT_READY);
          assert.equal(stream.pendingWrite, NOT_READY);
          assert.equal(stream.tryFlush(), NOT_READY);
        }
        const written = writeAll(stream, Buffer.from('behind it')).then(() => stream.end());
        const [got] = await Promise.all([readAll(peer), written]);
        assert.equal(got.length, LARGE + 9);
        assert.deepEqual(got, Buffer.concat([bytes, Buffer.from('behind it')]));
        peer.end();
        assert.equal(String(await readToEnd(stream)), 'early');
        await stream.close();
      });

      it('keeps what was written behind it, while it waits', async () => {
        const { socket, peer } = await pairOf();
        const bytes = pattern(LARGE / 2);
        socket.write(bytes);
        const stream = adopt(socket);
        socket.write('late');
        const [got] = await Promise.all([readAll(peer), stream.end()]);
        assert.deepEqual(got, Buffer.concat([bytes, Buffer.from('late')]));
        stream.destroy();
        peer.destroy();
      });

      it('goes on where the peer has ended its side', async () => {
        const { socket, peer } = await pairOf();
        peer.end('last words');
        const stream = adopt(socket);
        assert.equal(String(await readToEnd(stream)), 'last words');
        assert.equal(stream.tryFill(), EOF);
        const [got] = await Promise.all([
          readAll(peer),
          writeAll(stream, Buffer.from('answer')).then(() => stream.close()),
        ]);
        assert.equal(String(got), 'answer');
      });

      it('goes on where Node has read the end of the peer, and bytes before it', async () => {
        const { socket, peer } = await pairOf({ reading: true });
        peer.end('last words');
        await buffered(socket, 10);
        // The end comes behind the bytes, and they are not read yet.
        await until(() => (socket as unknown as { _readableState: { ended: boolean } })._readableState.ended);
        const stream = adopt(socket);
        assert.equal(String(await readToEnd(stream)), 'last words');
        const [got] = await Promise.all([
          readAll(peer),
          writeAll(stream, Buffer.from('answer')).then(() => stream.close()),
        ]);
        assert.equal(String(got), 'answer');
      });

      it('goes on where our side has been ended', async () => {
        const { socket, peer } = await pairOf();
        socket.end('all that we say');
        await once(socket, 'finish');
        const stream = adopt(socket);
        peer.write('and what they say');
        assert.equal(String(await readExactly(stream, 17)), 'and what they say');
        assert.equal(String(await readAll(peer)), 'all that we say');
        peer.end();
        assert.equal((await readToEnd(stream)).length, 0);
        await stream.close();
      });

      it('fails as the connection fails', async () => {
        const { socket, peer } = await pairOf();
        const stream = adopt(socket);
        const waiting = stream.ready('read').then(() => stream.tryFill());
        if (family === 'tcp') {
          peer.resetAndDestroy();
          await assert.rejects(waiting, code('ERR_TRANSPORT'));
        } else {
          peer.destroy();
          assert.equal(await waiting, EOF);
        }
        stream.destroy();
      });
    });
  }
}

describe('adopt', () => {
  it('knows the addresses, also when Node has let go of them', async () => {
    const { accepted, connected } = await nodePair();
    const { remotePort, localPort } = accepted;
    const stream = adopt(accepted);
    connected.end();
    await readToEnd(stream);
    await stream.close();
    const { addresses } = stream;
    assert.deepEqual(
      [addresses.remoteAddress, addresses.remoteFamily, addresses.remotePort, addresses.localPort],
      ['127.0.0.1', 'IPv4', remotePort, localPort],
    );
    assert.deepEqual([addresses.localAddress, addresses.localFamily], ['127.0.0.1', 'IPv4']);
  });

  it('keeps the options of the socket: it is the same one, and Node has them again after release', async function () {
    if (!NATIVE) this.skip();
    const { accepted, connected } = await nodePair();
    accepted.setNoDelay(true);
    accepted.setKeepAlive(true, 60_000);
    const { descriptor } = adopt(accepted).releaseDescriptor();
    const python = `import socket
s = socket.socket(fileno=3)
print(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))`;
    const child = spawn('python3', ['-c', python], { stdio: ['ignore', 'pipe', 'inherit', descriptor] });
    const failed = new Promise<undefined>((resolve) => child.once('error', () => resolve(undefined)));
    const text = await Promise.race([failed, readAll(child.stdout!)]);
    new net.Socket({ fd: descriptor }).destroy();
    connected.destroy();
    if (text === undefined) this.skip();
    else assert.equal(String(text), '1 1\n');
  });

  it("has Node's object say 'close' and nothing else, whoever listened", async () => {
    const { accepted, connected } = await nodePair('tcp', { reading: true });
    connected.write('bytes');
    await buffered(accepted, 5);
    const heard: unknown[] = [];
    for (const event of ['data', 'end', 'readable', 'error']) accepted.on(event, (value) => heard.push(event, value));
    const events = eventsOf(accepted);
    const stream = adopt(accepted);
    if (!NATIVE) {
      assert.equal(stream.reason, nativeInfo().sockets.reason);
      return stream.destroy();
    }
    await closed(accepted);
    // `read` itself says 'data', which has no listeners any more; 'resume' is what `on` and `pause` asked for above.
    assert.deepEqual(
      events.filter((name) => name !== 'data' && name !== 'resume'),
      ['close'],
    );
    assert.deepEqual(heard, []);
    assert.equal(String(await readExactly(stream, 5)), 'bytes');
    stream.destroy();
    connected.destroy();
  });

  it('takes a socket that is still connecting', async () => {
    const server = net.createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const socket = net.connect(port, '127.0.0.1');
    const stream = adopt(socket);
    const talk = framed(stream, lines());
    await talk.write('hello');
    assert.equal(await talk.read(), 'hello');
    assert.equal(stream.native, NATIVE);
    assert.equal(stream.addresses.remotePort, port);
    await talk.close();
    server.close();
  });

  it('wakes those who wait for what Node has read meanwhile, readers and pushes', async () => {
    for (const form of ['read', 'push'] as const) {
      const { accepted, connected } = await nodePair('tcp', { reading: true });
      connected.write('early\n');
      await buffered(accepted, 6);
      accepted.write(pattern(LARGE));
      const talk = framed(adopt(accepted), lines());
      const heard: string[] = [];
      const ended =
        form === 'push'
          ? talk.onRecord((record) => void heard.push(record.text()))
          : talk.read().then((line) => void heard.push(String(line)));
      connected.resume();
      await until(() => heard.length > 0);
      assert.deepEqual(heard, ['early']);
      talk.destroy();
      await ended.catch(() => {});
      connected.destroy();
    }
  });

  it('says why a connection was not made', async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    server.close();
    await once(server, 'close');
    const stream = adopt(net.connect(port, '127.0.0.1'));
    await assert.rejects(
      async () => {
        await stream.ready('read');
        stream.tryFill();
      },
      (error: MiniprotoError) =>
        error.code === 'ERR_TRANSPORT' && (error.cause as { code: string }).code === 'ECONNREFUSED',
    );
    stream.destroy();
  });

  it('lets go of the socket when the stream is destroyed while Node still writes', async () => {
    const { accepted, connected } = await nodePair();
    accepted.write(pattern(LARGE));
    const stream = adopt(accepted);
    let told = 0;
    stream.whenClosed(() => told++);
    assert.equal(told, 0);
    stream.destroy();
    await closed(accepted);
    await until(() => told > 0);
    assert.equal(told, 1);
    connected.destroy();
  });

  it('rejects those who wait when the connection fails while Node still writes', async () => {
    const { accepted, connected } = await nodePair();
    accepted.write(pattern(LARGE));
    const stream = adopt(accepted);
    const write = stream.ready('write');
    connected.resetAndDestroy();
    await assert.rejects(write, (error: MiniprotoError) => error.code.startsWith('ERR_'));
    stream.destroy();
  });

  it('is refused while another stream has the socket, and the other way round', async () => {
    const { accepted, connected } = await nodePair();
    const stream = adopt(accepted);
    assert.throws(() => adopt(accepted), code('ERR_STREAM_IN_USE'));
    assert.throws(() => framed(accepted, lines()), code('ERR_STREAM_IN_USE'));
    const talk = framed(connected, lines());
    assert.throws(() => adopt(connected), code('ERR_STREAM_IN_USE'));
    const read = talk.read();
    await writeAll(stream, Buffer.from('still works\n'));
    assert.equal(await read, 'still works');
    talk.destroy();
    stream.destroy();
  });

  it('checks its arguments before anything else', async () => {
    const { accepted, connected } = await nodePair();
    const before = openDescriptors();
    for (const options of [null, { head: 'text' }, { idleTimeoutMs: -1 }, { readHighWaterMark: 0 }]) {
      assert.throws(() => adopt(accepted, options as never), /ERR_INVALID_ARG_TYPE|ERR_OUT_OF_RANGE|must be/);
    }
    assert.throws(() => adopt({} as never), code('ERR_INVALID_ARG_TYPE'));
    assert.equal(openDescriptors(), before);
    await converse(adopt(accepted), connected);
  });
});

describe('adopt falls back to Node', () => {
  const expectNode = (stream: Connection, reason: RegExp) => {
    assert.equal(stream.native, false);
    if (NATIVE) assert.match(stream.reason, reason);
    else assert.equal(stream.reason, nativeInfo().sockets.reason);
  };

  it('for a TLS socket, and what is written is encrypted', async () => {
    const { accepted, connected } = await nodePair();
    const wire: Buffer[] = [];
    // A man in the middle, who only looks.
    const middle = await nodePair();
    connected.pipe(middle.connected).pipe(connected);
    connected.on('data', (chunk: Buffer) => wire.push(chunk));
    const secure = new tls.TLSSocket(accepted, TLS_SERVER);
    const client = tls.connect({ ...TLS_CLIENT, socket: middle.accepted });
    const stream = adopt(secure);
    expectNode(stream, /encrypted/);
    await writeAll(stream, Buffer.from('a very secret secret'));
    const [answer] = (await once(client, 'data')) as [Buffer];
    assert.equal(String(answer), 'a very secret secret');
    client.write('an answer');
    assert.equal(String(await readExactly(stream, 9)), 'an answer');
    assert.ok(wire.length > 0 && !Buffer.concat(wire).includes('secret'));
    for (const socket of [client, connected, middle.connected, accepted]) socket.destroy();
    stream.destroy();
  });

  it('for a class of its own, and for methods of its own', async () => {
    class Shouting extends net.Socket {}
    const { accepted, connected } = await nodePair();
    const { _handle: handle } = accepted as unknown as { _handle: unknown };
    expectNode(adopt(new Shouting({ handle } as never)), /class of its own/);
    const written: string[] = [];
    const { write } = connected;
    connected.write = function (this: net.Socket, ...args: unknown[]) {
      written.push(String(args[0]));
      return write.apply(this, args as never);
    } as never;
    const stream = adopt(connected);
    expectNode(stream, /class of its own/);
    await writeAll(stream, Buffer.from('through it'));
    assert.deepEqual(written, ['through it']);
    stream.destroy();
    accepted.destroy();
  });

  it('for a socket that is closed', async () => {
    const { accepted, connected } = await nodePair();
    accepted.destroy();
    const stream = adopt(accepted);
    expectNode(stream, /closed/);
    assert.throws(() => stream.tryFill(), code('ERR_STREAM_PREMATURE_CLOSE'));
    connected.destroy();
  });

  it('for one whose end has been given out, and answers it', async () => {
    const { accepted, connected } = await nodePair();
    connected.end();
    accepted.resume();
    await once(accepted, 'end');
    const stream = adopt(accepted);
    expectNode(stream, /ended/);
    assert.equal(stream.tryFill(), EOF);
    await writeAll(stream, Buffer.from('answer'));
    const [got] = await Promise.all([readAll(connected), stream.close()]);
    assert.equal(String(got), 'answer');
  });

  it('not for one with an encoding, whose bytes are gone, and leaves it as it was', async () => {
    const { accepted, connected } = await nodePair();
    accepted.setEncoding('utf8');
    for (let i = 0; i < 2; i++) assert.throws(() => adopt(accepted), code('ERR_INVALID_ARG_VALUE'));
    connected.write('text');
    assert.equal((await once(accepted.resume(), 'data'))[0], 'text');
    accepted.destroy();
    connected.destroy();
  });

  it('for one that is ending', async () => {
    const { accepted, connected } = await nodePair();
    accepted.end(pattern(LARGE));
    const stream = adopt(accepted);
    expectNode(stream, /ending/);
    assert.equal((await readAll(connected)).length, LARGE);
    connected.end();
    await stream.close();
  });

  it('for what is not connected, and for the pipe of a child', async () => {
    const idle = adopt(new net.Socket());
    expectNode(idle, /no handle/);
    idle.destroy();
    const child = spawn('sh', ['-c', 'echo from a child'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const stream = adopt(child.stdout as unknown as net.Socket);
    assert.equal(String(await readToEnd(stream)), 'from a child\n');
    stream.destroy();
  });

  it('when no descriptor is left, without losing a byte', async function () {
    if (!NATIVE) this.skip();
    const { accepted, connected } = await nodePair('tcp', { reading: true });
    connected.write('read ahead ');
    await buffered(accepted, 11);
    accepted.write('queued ');
    nativeNet()!.setFaults(CALL_DUPLICATE, Int32Array.of(EMFILE), 0);
    const stream = adopt(accepted, { head: Buffer.from('head ') });
    assert.equal(stream.native, false);
    assert.match(stream.reason, /could not be duplicated.*EMFILE/);
    connected.write('and more');
    assert.equal(String(await readExactly(stream, 24)), 'head read ahead and more');
    await writeAll(stream, Buffer.from('answer'));
    const [got] = await Promise.all([readAll(connected), stream.end()]);
    assert.equal(String(got), 'queued answer');
    stream.destroy();
    connected.destroy();
  });

  it('and fails when no descriptor is left by the time that it has connected', async function () {
    if (!NATIVE) this.skip();
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
    const stream = adopt(socket);
    nativeNet()!.setFaults(CALL_DUPLICATE, Int32Array.of(EMFILE), 0);
    await assert.rejects(stream.ready('write'), /EMFILE/);
    await closed(socket);
    server.close();
  });
});

describe('adopt with keepShell', () => {
  it("keeps Node's object, which its server counts and which says 'close' with the connection", async () => {
    const { accepted, connected } = await nodePair();
    const { server } = accepted as unknown as { server: net.Server };
    const heard: string[] = [];
    accepted.on('close', () => heard.push('close'));
    const stream = adopt(accepted, { keepShell: true });
    assert.equal(stream.native, NATIVE);
    // It was told to close, and waits for its connections.
    const over = once(server, 'close').then(() => heard.push('server'));
    connected.resume();
    connected.write('hello');
    assert.equal(String(await readExactly(stream, 5)), 'hello');
    await writeAll(stream, Buffer.from('answer'));
    assert.equal(String((await once(connected, 'data'))[0]), 'answer');
    assert.deepEqual([accepted.destroyed, accepted.remotePort, heard], [false, connected.localPort, []]);
    connected.end();
    await stream.close();
    await Promise.all([over, closed(accepted)]);
    assert.deepEqual(heard.sort(), ['close', 'server']);
    connected.destroy();
  });

  it("ends with Node's object, by its end and by its destruction", async () => {
    for (const way of ['end', 'destroy'] as const) {
      const { accepted, connected } = await nodePair();
      connected.resume();
      const stream = adopt(accepted, { keepShell: true });
      accepted[way]();
      await once(connected, 'end');
      assert.equal(stream.destroyed, way === 'destroy');
      stream.destroy();
      connected.destroy();
    }
  });

  it("lets records that wait in a framed stream leave before the end of Node's object is the connection's", async function () {
    if (!NATIVE) this.skip();
    const { accepted, connected } = await nodePair();
    const stream = adopt(accepted, { keepShell: true });
    const talk = framed(stream, lines());
    const record = 'x'.repeat(65_535);
    // More than the system takes: the last of them wait as records.
    const writes = Array.from({ length: 400 }, () => talk.write(record));
    const received = readAll(connected).then((bytes) => assert.equal(bytes.length, 400 * 65_536));
    accepted.end();
    await Promise.all([once(accepted, 'finish'), received, ...writes]);
    assert.throws(() => talk.tryWrite('more'), { code: 'ERR_STREAM_ENDED' });
    stream.destroy();
    connected.destroy();
  });

  it("gives up a record that is being written in pieces at the end of Node's object, whose holder knows of none", async function () {
    if (!NATIVE) this.skip();
    const { accepted, connected } = await nodePair();
    const stream = adopt(accepted, { keepShell: true });
    const talk = framed(stream, lengthPrefixed());
    const parts = talk.tryBegin(100);
    assert.ok(typeof parts === 'object');
    parts.tryWrite(Buffer.alloc(50));
    const over = closed(accepted);
    accepted.end();
    await over;
    assert.equal(accepted.errored, null);
    await assert.rejects(parts.write(Buffer.alloc(50)), { code: 'ERR_RECORD_UNFINISHED' });
    await assert.rejects(talk.read(), { code: 'ERR_RECORD_UNFINISHED' });
    assert.equal(stream.destroyed, true);
    connected.destroy();
  });

  it('leaves nothing to whoever reads the shell, and takes nothing from whoever writes to it', async function () {
    if (!NATIVE) this.skip();
    const { accepted, connected } = await nodePair();
    connected.write('first ');
    const stream = adopt(accepted, { keepShell: true });
    accepted.on('data', () => assert.fail('the bytes are the stream’s')).resume();
    connected.write('second');
    assert.equal(String(await readExactly(stream, 12)), 'first second');
    const failed = once(accepted, 'error');
    accepted.write('between');
    assert.equal((await failed)[0].code, 'ERR_STREAM_IN_USE');
    await until(() => stream.destroyed);
    connected.destroy();
  });

  it('lets go of the shell when the connection is released, and of the connection with what has become of it', async function () {
    if (!NATIVE) this.skip();
    const { accepted, connected } = await nodePair();
    const stream = adopt(accepted, { keepShell: true });
    const { socket } = stream.release();
    await closed(accepted);
    connected.resume();
    socket.end('still there');
    assert.equal(String((await once(connected, 'data'))[0]), 'still there');
    connected.destroy();
    socket.destroy();
  });

  it('does so once Node has written what it had taken', async () => {
    const { accepted, connected } = await nodePair();
    accepted.write(Buffer.alloc(8_000_000, 'x'));
    const stream = adopt(accepted, { keepShell: true });
    let size = 0;
    connected.on('data', (bytes) => {
      size += bytes.length;
    });
    connected.resume();
    await writeAll(stream, Buffer.from('end'));
    await until(() => size === 8_000_003);
    assert.equal(accepted.destroyed, false);
    stream.destroy();
    await closed(accepted);
    connected.destroy();
  });

  it('checks its argument', async () => {
    const { accepted, connected } = await nodePair();
    assert.throws(() => adopt(accepted, { keepShell: 1 as never }), { code: 'ERR_INVALID_ARG_TYPE' });
    accepted.destroy();
    connected.destroy();
  });
});

describe('adopt of upgraded sockets of http', () => {
  it('begins at the head, on both sides', async () => {
    const server = http.createServer();
    server.on('upgrade', (_request, socket, head) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: lines\r\n\r\nfirst\n');
      const talk = framed(adopt(socket as net.Socket, { head }), lines());
      assert.equal((talk.stream as Connection).native, NATIVE);
      void talk.onRecord((record, out) => void out.write(`echo ${record.text()}`)).then(() => talk.close());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    // A client that does not wait for the answer: what follows the request is the head.
    const early = net.connect(port, '127.0.0.1');
    early.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: lines\r\n\r\none\ntw');
    early.end('o\n');
    const text = String(await readAll(early));
    assert.match(text, /^HTTP\/1.1 101 [\s\S]*\r\n\r\nfirst\necho one\necho two\n$/);
    const request = http.get({ port, host: '127.0.0.1', headers: { connection: 'upgrade', upgrade: 'lines' } });
    const [, socket, head] = (await once(request, 'upgrade')) as [unknown, net.Socket, Buffer];
    const talk = framed(adopt(socket, { head }), lines());
    assert.equal(await talk.read(), 'first');
    await talk.write('hello');
    assert.equal(await talk.read(), 'echo hello');
    await talk.close();
    server.close();
    await once(server, 'close');
  });
});

describe('adopt, again and again', () => {
  it('leaves no descriptor open and no connection counted', async () => {
    const pair = await nodePair();
    adopt(pair.accepted).destroy();
    pair.connected.destroy();
    await closed(pair.connected);
    const before = [openDescriptors(), socketCounters()?.connections];
    for (let i = 0; i < 50; i++) {
      const { accepted, connected } = await nodePair(i % 2 === 0 ? 'tcp' : 'unix');
      const [one, other] = [adopt(accepted), adopt(connected)];
      await writeAll(one, Buffer.from('x'));
      assert.equal((await readExactly(other, 1)).length, 1);
      await Promise.all([one.close(), other.close()]);
      await Promise.all([closed(accepted), closed(connected)]);
    }
    await until(() => openDescriptors() <= before[0]!);
    assert.equal(socketCounters()?.connections, before[1]);
  });
});
