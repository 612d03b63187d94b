/** The way back: a socket of Node's with what was read and not consumed in front, or the bare descriptor for others. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { adopt, framed, lines, type MiniprotoError } from 'miniproto';
import { readExactly, readToEnd, writeAll } from '../support/byte-stream-contract.js';
import { closed, NATIVE, nodePair, openDescriptors, readAll, turn, until } from '../support/node-sockets.js';
import { TLS_CLIENT, TLS_SERVER } from '../support/tls-ends.js';

const code = (expected: string) => (error: MiniprotoError) => error.code === expected;

for (const family of ['tcp', 'unix'] as const) {
  describe(`release of a ${family} connection`, () => {
    it('gives a socket that begins with the unread bytes, and reads, writes and ends', async () => {
      const { accepted, connected } = await nodePair(family);
      const talk = framed(adopt(accepted), lines());
      connected.write('for us\nfor them, ');
      assert.equal(await talk.read(), 'for us');
      const { socket, readable, writable } = (talk.stream as ReturnType<typeof adopt>).release();
      assert.ok(socket === readable && socket === writable);
      const got = readAll(socket);
      connected.end('and more');
      assert.equal(String(await got), 'for them, and more');
      const answer = readAll(connected);
      socket.write('an answer, ');
      socket.end('the last one');
      assert.equal(String(await answer), 'an answer, the last one');
      await Promise.all([closed(socket), closed(connected)]);
      assert.throws(() => talk.tryRead(), code('ERR_STREAM_DESTROYED'));
    });

    it('gives a socket that can be adopted again, and again', async () => {
      const { accepted, connected } = await nodePair(family);
      let socket = accepted;
      connected.write('0123456789');
      for (let i = 0; i < 10; i++) {
        const stream = adopt(socket);
        assert.equal(stream.native, NATIVE);
        assert.equal(String(await readExactly(stream, 1)), String(i));
        await writeAll(stream, Buffer.from(String(i)));
        socket = stream.release().socket;
        // What Node reads meanwhile comes along.
        await turn();
      }
      socket.end();
      assert.equal(String(await readAll(connected)), '0123456789');
      connected.end();
      socket.resume();
      await closed(socket);
    });

    it('knows that our side was ended', async () => {
      const { accepted, connected } = await nodePair(family);
      const stream = adopt(accepted);
      await writeAll(stream, Buffer.from('all'));
      await stream.end();
      const { socket } = stream.release();
      assert.equal(socket.writable, false);
      assert.equal(String(await readAll(connected)), 'all');
      const got = readAll(socket);
      connected.end('what they say');
      assert.equal(String(await got), 'what they say');
      await closed(socket);
    });
  });
}

describe('release', () => {
  it('leaves a framed stream that takes nothing more, in the same tick', async () => {
    const { accepted, connected } = await nodePair();
    const talk = framed(adopt(accepted), lines());
    await talk.write('ours');
    const { socket } = (talk.stream as ReturnType<typeof adopt>).release();
    assert.throws(() => talk.tryWrite('lost'), code('ERR_STREAM_DESTROYED'));
    assert.throws(() => talk.tryBegin(), code('ERR_STREAM_DESTROYED'));
    await assert.rejects(talk.write('lost'), code('ERR_STREAM_DESTROYED'));
    socket.end('theirs');
    assert.equal(String(await readAll(connected)), 'ours\ntheirs');
    connected.end();
    socket.resume();
    await closed(socket);
  });

  it('has a push refuse what its handler writes after it', async () => {
    const { accepted, connected } = await nodePair();
    const stream = adopt(accepted);
    let socket: Duplex | undefined;
    const end = framed(stream, lines()).onRecord((record, out) => {
      out.write(record);
      socket = stream.release().socket;
      assert.throws(() => out.write('lost'), code('ERR_STREAM_DESTROYED'));
    });
    connected.write('ours\n');
    await assert.rejects(end, code('ERR_STREAM_DESTROYED'));
    socket!.end('theirs');
    assert.equal(String(await readAll(connected)), 'ours\ntheirs');
    connected.end();
    socket!.resume();
    await closed(socket as never);
  });

  it('reads nothing before somebody reads the socket', async function () {
    if (!NATIVE) this.skip();
    const { accepted, connected } = await nodePair();
    const { socket } = adopt(accepted).release();
    connected.write('waits');
    await turn();
    await turn();
    assert.equal(socket.readableLength, 0);
    // So the descriptor can still be handed on, with every byte.
    const again = adopt(socket);
    assert.equal(String(await readExactly(again, 5)), 'waits');
    again.destroy();
    connected.destroy();
  });

  it('is refused once the connection is gone', async () => {
    const { accepted, connected } = await nodePair();
    const stream = adopt(accepted);
    stream.destroy();
    if (NATIVE) {
      assert.throws(() => stream.release(), code('ERR_TRANSPORT'));
      assert.throws(() => stream.releaseDescriptor(), code('ERR_TRANSPORT'));
    }
    connected.destroy();
  });

  it('tells whoever waits that the stream is gone, and not that the connection is', async () => {
    const { accepted, connected } = await nodePair();
    const stream = adopt(accepted);
    let told = 0;
    stream.whenClosed(() => told++);
    const read = stream.ready('read');
    const { socket } = stream.release();
    await assert.rejects(read, code('ERR_STREAM_DESTROYED'));
    assert.equal(stream.destroyed, true);
    assert.equal(told, 1);
    socket.write('alive');
    assert.equal(String((await once(connected.resume(), 'data'))[0]), 'alive');
    socket.destroy();
    connected.destroy();
  });

  it('leaves no descriptor open', async () => {
    const before = openDescriptors();
    for (let i = 0; i < 20; i++) {
      const { accepted, connected } = await nodePair();
      adopt(accepted).release().socket.destroy();
      connected.destroy();
      await closed(connected);
    }
    await until(() => openDescriptors() <= before);
  });

  it("serves STARTTLS: a line in the clear, then Node's tls over the same connection", async () => {
    const { accepted, connected } = await nodePair();
    const server = (async () => {
      const talk = framed(adopt(accepted), lines());
      assert.equal(await talk.read(), 'STARTTLS');
      await talk.write('READY');
      await talk.flush();
      const { socket } = (talk.stream as ReturnType<typeof adopt>).release();
      const secure = framed(new tls.TLSSocket(socket, TLS_SERVER), lines());
      for await (const line of secure) await secure.write(line.toUpperCase());
      await secure.close();
    })();
    connected.write('STARTTLS\n');
    connected.resume();
    assert.equal(String((await once(connected, 'data'))[0]), 'READY\n');
    const client = framed(tls.connect({ ...TLS_CLIENT, socket: connected }), lines());
    await client.write('secret');
    assert.equal(await client.read(), 'SECRET');
    await client.close();
    await server;
  });

  it('serves STARTTLS also where the first bytes of TLS were read already', async () => {
    const { accepted, connected } = await nodePair();
    const wire = await nodePair();
    // Everything that the client says goes through here, the line and the first flight of TLS in one write.
    const client = tls.connect({ ...TLS_CLIENT, socket: wire.connected });
    const [hello] = (await once(wire.accepted.resume(), 'data')) as [Buffer];
    connected.write(Buffer.concat([Buffer.from('STARTTLS\n'), hello]));
    wire.accepted.pipe(connected).pipe(wire.accepted);
    const talk = framed(adopt(accepted), lines());
    assert.equal(await talk.read(), 'STARTTLS');
    assert.ok(talk.stream.input.length > 0);
    const { socket } = (talk.stream as ReturnType<typeof adopt>).release();
    const secure = new tls.TLSSocket(socket, TLS_SERVER);
    secure.write('through');
    assert.equal(String((await once(client, 'data'))[0]), 'through');
    for (const one of [client, secure, connected, wire.accepted]) one.destroy();
  });
});

describe('releaseDescriptor', () => {
  it('is refused over a socket of Node, and changes nothing', async function () {
    if (NATIVE) this.skip();
    const { accepted, connected } = await nodePair();
    const stream = adopt(accepted);
    assert.throws(() => stream.releaseDescriptor(), code('ERR_NOT_NATIVE'));
    connected.end('still works');
    assert.equal(String(await readToEnd(stream)), 'still works');
    await stream.close();
  });

  it('hands the connection to a child as its standard input and output', async function () {
    if (!NATIVE) this.skip();
    const { accepted, connected } = await nodePair();
    connected.write('for us\nfor the child');
    const talk = framed(adopt(accepted), lines());
    assert.equal(await talk.read(), 'for us');
    const { descriptor, unread } = (talk.stream as ReturnType<typeof adopt>).releaseDescriptor();
    assert.equal(String(unread), 'for the child');
    const child = spawn('cat', { stdio: [descriptor, descriptor, 'inherit'] });
    // The child has a copy.
    closeSync(descriptor);
    connected.end('to the cat');
    assert.equal(String(await readAll(connected)), 'to the cat');
    if (child.exitCode === null) await once(child, 'close');
  });
});
