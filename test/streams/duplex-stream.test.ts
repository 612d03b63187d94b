/**
 * What is particular to DuplexStream: streams in the middle of their life, the way back to Node, refusals, and the
 * failures of the stream below. The contract that it shares is in duplex-stream.contract.test.ts.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { Duplex, PassThrough, Readable, Writable } from 'node:stream';
import { ReadableStream, WritableStream } from 'node:stream/web';
import { TLSSocket } from 'node:tls';
import { asByteStream, EOF, framed, lines, type MiniprotoError, NOT_READY } from 'miniproto';
import { DuplexStream } from '#lib/streams/duplex-stream';
import { pattern, readExactly, readToEnd, writeAll } from '../support/byte-stream-contract.js';
import { nodePair } from '../support/node-sockets.js';
import { OneChunkReadable } from '../support/one-chunk-readable.js';

/** A writable that takes what it is given when it is told to. */
class Valve extends Writable {
  readonly chunks: Buffer[] = [];
  #open: (() => void) | undefined;

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    if (chunk.length === 0) return callback();
    this.chunks.push(chunk);
    this.#open = callback;
  }

  /** Lets one chunk through. */
  pass(): void {
    const open = this.#open;
    this.#open = undefined;
    open?.();
  }
}

/** `once` would reject with the error that the test is about. */
const closed = (stream: Readable) => new Promise<void>((resolve) => stream.once('close', () => resolve()));

const code = (expected: string) => (error: MiniprotoError) => error.code === expected;

describe('DuplexStream', () => {
  for (const [name, make] of [
    ['Readable', () => new Readable({ read() {} })],
    ['Readable of Node 26', () => new OneChunkReadable({ read() {} })],
  ] as const) {
    it(`begins with the bytes that a ${name} in the middle of its life has buffered`, async () => {
      const source = make();
      source.push('one\ntwo\nthr');
      source.push('ee\n');
      // Some of it has been read by somebody else before.
      assert.equal(String(source.read(4)), 'one\n');
      const stream = framed(source, lines());
      assert.equal(stream.tryRead(), 'two');
      assert.equal(stream.tryRead(), 'three');
      assert.equal(stream.tryRead(), NOT_READY);
      source.push('four');
      source.push(null);
      assert.equal(await stream.read(), 'four');
      assert.equal(await stream.read(), EOF);
    });

    it(`reads a ${name} no further than its mark`, () => {
      const source = make();
      for (let i = 0; i < 50; i++) source.push(pattern(10));
      const stream = new DuplexStream(source, { readHighWaterMark: 25 });
      const filled = stream.tryFill();
      assert.ok(typeof filled === 'number' && filled >= 25 && filled <= 500);
      assert.equal(stream.tryFill(450), stream.input.length);
      assert.ok(stream.input.peek(20).equals(Buffer.concat([pattern(10), pattern(10)])));
    });
  }

  it('begins with what was put back in front of a stream that had been flowing', async () => {
    const source = new PassThrough();
    const head: Buffer[] = [];
    source.on('data', (chunk: Buffer) => head.push(chunk));
    source.write('GET /\r\nrest');
    await new Promise((resolve) => setImmediate(resolve));
    source.removeAllListeners('data');
    source.pause();
    source.unshift(Buffer.concat(head).subarray(5));
    const stream = framed({ readable: source }, lines());
    assert.equal(await stream.read(), '');
    source.end('\n');
    assert.equal(await stream.read(), 'rest');
    assert.equal(await stream.read(), EOF);
  });

  it('gives unread bytes back by release, and the Node stream lives on', async () => {
    const source = new PassThrough();
    const stream = new DuplexStream(source);
    source.write('abcdef');
    while (stream.tryFill(6) === NOT_READY) await stream.ready('read');
    stream.input.consume(2);
    const waiting = stream.ready('read');
    assert.deepEqual(stream.release(), { readable: source, writable: source });
    await assert.rejects(waiting, { code: 'ERR_STREAM_DESTROYED' });
    assert.throws(() => stream.tryWrite(pattern(1)), { code: 'ERR_STREAM_DESTROYED' });
    assert.equal(source.destroyed, false);
    for (const event of ['readable', 'end', 'close', 'error', 'drain', 'finish']) {
      const ours = source.listeners(event).filter((listener) => String(listener).includes('=>'));
      assert.equal(ours.length, 0, event);
    }
    source.end('gh');
    const rest: Buffer[] = [];
    for await (const chunk of source) rest.push(chunk as Buffer);
    assert.equal(Buffer.concat(rest).toString(), 'cdefgh');
  });

  it('lets a released stream be taken again', () => {
    const source = new PassThrough();
    const stream = new DuplexStream(source);
    assert.throws(() => new DuplexStream(source), { name: 'UsageError', code: 'ERR_STREAM_IN_USE' });
    stream.release();
    new DuplexStream(source).destroy();
  });

  it('refuses to release unread bytes that an ended stream cannot take back, and keeps them', async () => {
    const source = Readable.from([Buffer.from('abc')], { objectMode: false });
    const stream = new DuplexStream(source);
    while (stream.tryFill(10) !== EOF) await stream.ready('read');
    assert.throws(() => stream.release(), { name: 'UsageError', code: 'ERR_UNREAD_INPUT' });
    assert.equal(stream.input.take(3).toString(), 'abc');
    stream.release();
  });

  it('reads a Readable.from, which is in object mode, and refuses one that gives no bytes', async () => {
    const read: string[] = [];
    for await (const line of framed(
      Readable.from([Buffer.from('a\nb'), Buffer.alloc(0), Buffer.from('c\n')]),
      lines(),
    )) {
      read.push(line);
    }
    assert.deepEqual(read, ['a', 'bc']);
    await assert.rejects(framed(Readable.from(['text\n']), lines()).read(), {
      code: 'ERR_TRANSPORT',
      message: "the Node stream gave type string ('text\\n'), and no bytes",
    });
  });

  it('lets an answer to the end leave, then ends by itself, on a socket that is not half open', async () => {
    const server = net.createServer(async (socket) => {
      const talk = framed(socket, lines());
      let count = 0;
      for await (const _ of talk) count++;
      talk.tryWrite(`${count} lines`);
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as net.AddressInfo;
    const client = framed(net.connect({ port, host: '127.0.0.1', allowHalfOpen: true }), lines());
    await client.write('one');
    await client.write('two');
    await client.end();
    // The server's code never ends its side: the stream does, as Node's would have.
    assert.equal(await client.read(), '2 lines');
    assert.equal(await client.read(), EOF);
    server.close();
    await once(server, 'close');
  });

  it('gives a stream that is not half open back as it was', () => {
    const socket = new net.Socket();
    const stream = new DuplexStream(socket);
    assert.equal(stream.keepOpen(), true);
    assert.equal(socket.allowHalfOpen, true);
    stream.release();
    assert.equal(socket.allowHalfOpen, false);
  });

  it('refuses a writable in object mode, an encoding, and what is no stream', () => {
    const value = { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' };
    const type = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
    assert.throws(() => new DuplexStream(new PassThrough({ objectMode: true })), value);
    assert.throws(() => new DuplexStream(new PassThrough({ writableObjectMode: true })), value);
    assert.throws(() => new DuplexStream(new PassThrough().setEncoding('utf8')), value);
    for (const source of [undefined, null, 'x', 5, {}, [], { readable: {} }, { readable: undefined }]) {
      assert.throws(() => new DuplexStream(source as never), type);
      assert.throws(() => framed(source as never, lines()), type);
    }
  });

  it('fails when the stream gives strings although none were announced', () => {
    const source = new Readable({ read() {} });
    const stream = new DuplexStream(source);
    source.push('abc');
    source.setEncoding('utf8');
    assert.throws(() => stream.tryFill(), { code: 'ERR_TRANSPORT' });
  });

  it('passes a byte stream on as it is', () => {
    const stream = new DuplexStream(new PassThrough());
    assert.equal(asByteStream(stream), stream);
    stream.destroy();
  });

  it('reads a stream that cannot be written to, and refuses the write', async () => {
    const stream = new DuplexStream(Readable.from([Buffer.from('abc')], { objectMode: false }));
    assert.equal((await readToEnd(stream)).toString(), 'abc');
    assert.throws(() => stream.tryWrite(pattern(1)), { name: 'UsageError', code: 'ERR_STREAM_ENDED' });
    await stream.end();
  });

  it('writes to a stream that cannot be read, whose input has ended', async () => {
    const target = new Valve();
    const stream = new DuplexStream(target);
    assert.equal(stream.tryFill(), EOF);
    assert.equal(stream.tryWrite(pattern(5)), 5);
    assert.equal(stream.tryFlush(), NOT_READY);
    const flushed = stream.ready('write');
    target.pass();
    await flushed;
    assert.equal(stream.tryFlush(), true);
    await Promise.all([stream.end(), once(target, 'finish')]);
  });

  for (const form of ['alone', 'as one of a pair'] as const) {
    it(`takes what a web stream gives and has, ${form}`, async () => {
      const written: Uint8Array[] = [];
      const readable = new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(pattern(3));
          controller.close();
        },
      });
      const reading = asByteStream(form === 'alone' ? readable : { readable });
      assert.ok((await readToEnd(reading)).equals(pattern(3)));
      const writable = new WritableStream<Uint8Array>({ write: (chunk) => void written.push(chunk) });
      const writing = asByteStream(form === 'alone' ? writable : { writable });
      await writeAll(writing, pattern(4));
      await writing.end();
      assert.ok(Buffer.concat(written).equals(pattern(4)));
    });
  }

  it('flushes after what somebody else had written before', async () => {
    const target = new Valve();
    target.write('before');
    const stream = new DuplexStream(target);
    assert.equal(stream.tryFlush(), NOT_READY);
    const ready = stream.ready('write');
    target.pass();
    await ready;
    target.pass();
    while (stream.tryFlush() !== true) await stream.ready('write');
    assert.equal(Buffer.concat(target.chunks).toString(), 'before');
  });

  it('answers NOT_READY at the mark of its writable and hands over several parts in one go', async () => {
    const calls: number[] = [];
    const callbacks: (() => void)[] = [];
    const target = new Writable({
      highWaterMark: 10,
      writev(chunks, callback) {
        calls.push(chunks.length);
        callbacks.push(callback);
      },
    });
    const stream = new DuplexStream(target);
    assert.equal(stream.tryWrite([pattern(6), pattern(6, 6), pattern(6, 12)]), 18);
    assert.deepEqual(calls, [3]);
    assert.equal(stream.pendingWrite, NOT_READY);
    assert.equal(stream.tryWrite(pattern(1)), NOT_READY);
    const ready = stream.ready('write');
    callbacks[0]!();
    await ready;
    assert.equal(stream.tryWrite(pattern(1)), 1);
    stream.destroy();
  });
});

describe('DuplexStream when the stream below fails', () => {
  it('gives the bytes that the Node stream holds before its error', async () => {
    const source = new Readable({ read() {} });
    const stream = framed(source, lines());
    assert.equal(stream.tryRead(), NOT_READY);
    const cause = new Error('wire cut');
    source.push('one\ntwo\nhalf');
    source.destroy(cause);
    await closed(source);
    assert.equal(stream.tryRead(), 'one');
    assert.equal(stream.tryRead(), 'two');
    for (let i = 0; i < 2; i++) {
      assert.throws(() => stream.tryRead(), { name: 'TransportError', code: 'ERR_TRANSPORT', cause });
    }
    await assert.rejects(stream.read(), { code: 'ERR_TRANSPORT', cause });
  });

  it('fails with ERR_STREAM_PREMATURE_CLOSE when it is closed before its end', async () => {
    const source = new PassThrough();
    const stream = new DuplexStream(source);
    const waiting = stream.ready('read');
    const writing = stream.ready('write');
    source.destroy();
    await waiting;
    await writing;
    assert.throws(() => stream.tryFill(), code('ERR_STREAM_PREMATURE_CLOSE'));
    assert.throws(() => stream.tryWrite(pattern(1)), code('ERR_STREAM_PREMATURE_CLOSE'));
    await assert.rejects(stream.end(), code('ERR_STREAM_PREMATURE_CLOSE'));
  });

  it('fails when it is made of a stream that was destroyed', () => {
    const source = new PassThrough();
    source.destroy();
    const stream = new DuplexStream(source);
    assert.throws(() => stream.tryFill(), code('ERR_STREAM_PREMATURE_CLOSE'));
  });

  it('ends when it is made of a stream that has ended', async () => {
    const source = Readable.from([], { objectMode: false });
    source.resume();
    await once(source, 'end');
    assert.equal(new DuplexStream(source).tryFill(), EOF);
  });

  it('rejects a waiting flush and end when the writable goes, although the input had ended', async () => {
    const target = new Valve();
    const pair = Duplex.from({ readable: Readable.from([]), writable: target });
    const stream = new DuplexStream({ readable: Readable.from([], { objectMode: false }), writable: target });
    pair.on('error', () => {});
    await readToEnd(stream);
    assert.equal(stream.tryWrite(pattern(100)), 100);
    const flush = stream.ready('write');
    target.destroy();
    await assert.rejects(flush, code('ERR_STREAM_PREMATURE_CLOSE'));
    assert.throws(() => stream.tryFlush(), code('ERR_STREAM_PREMATURE_CLOSE'));
    await assert.rejects(stream.end(), code('ERR_STREAM_PREMATURE_CLOSE'));
    assert.equal(stream.tryFill(), EOF);
  });

  it('rejects an end that waits when the socket is destroyed', async () => {
    const target = new Valve();
    const stream = new DuplexStream(target);
    stream.tryWrite(pattern(10));
    const end = stream.end();
    target.destroy(new Error('gone'));
    await assert.rejects(end, code('ERR_STREAM_PREMATURE_CLOSE'));
  });

  it('reads on from a child that has closed its stdin', async () => {
    const script = 'process.stdin.destroy(); setTimeout(() => console.log("last words"), 20)';
    const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
    const stream = framed({ readable: child.stdout, writable: child.stdin }, lines());
    const reading = stream.read();
    child.stdin.destroy(new Error('EPIPE'));
    assert.equal(await reading, 'last words');
    assert.equal(await stream.read(), EOF);
    assert.throws(() => stream.stream.tryWrite(pattern(1)), { name: 'TransportError' });
  });

  it('lets go of the layer below when it is destroyed after a failure', async () => {
    const target = new Valve();
    const source = new Readable({ read() {} });
    const stream = new DuplexStream({ readable: source, writable: target });
    source.destroy(new Error('half of it'));
    await closed(source);
    assert.throws(() => stream.tryFill(), code('ERR_TRANSPORT'));
    assert.equal(target.destroyed, false);
    stream.destroy();
    assert.equal(target.destroyed, true);
  });

  it('destroys the Node stream with the error, which does not reach the process', async () => {
    const source = new PassThrough();
    const stream = new DuplexStream(source);
    const reason = new Error('mine');
    stream.destroy(reason);
    await closed(source);
    assert.equal(source.errored, reason);
  });

  it('harms no neighbour: of two connections one fails, the other goes on', async () => {
    const server = net.createServer((socket) => socket.pipe(socket).on('error', () => {})).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const [one, other] = [net.connect(port), net.connect(port)].map((socket) => framed(socket, lines()));
    await one!.write('a');
    await other!.write('b');
    assert.equal(await one!.read(), 'a');
    one!.destroy(new Error('only this one'));
    await assert.rejects(one!.read(), { code: 'ERR_TRANSPORT' });
    assert.equal(await other!.read(), 'b');
    await other!.write('c');
    assert.equal(await other!.read(), 'c');
    await other!.close();
    server.close();
    await once(server, 'close');
  });
});

describe('DuplexStream and the memory of what was written', () => {
  it('says that a plain socket is done with it once it has left, and no other stream', async () => {
    const { accepted, connected } = await nodePair();
    const patched = new net.Socket();
    patched.write = () => true;
    const own = new net.Socket();
    own._write = (_chunk, _encoding, callback) => callback();
    const others = [new PassThrough(), new (class extends net.Socket {})(), new TLSSocket(accepted), patched, own];
    assert.equal(new DuplexStream(connected).freesSent, true);
    assert.deepEqual(
      others.map((stream) => new DuplexStream(stream).freesSent),
      others.map(() => false),
    );
    for (const stream of [connected, accepted, ...others]) stream.destroy();
  });

  it('leaves to a socket what the system has not taken, although others write', async () => {
    const [slow, fast] = [await nodePair(), await nodePair()];
    const writer = framed(new DuplexStream(slow.connected), lines());
    let count = 0;
    while (slow.connected.writableLength === 0) {
      while (writer.tryWrite(`${count}`.padEnd(5000, '.')) === true) count++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    const other = framed(new DuplexStream(fast.connected), lines());
    const far = framed(new DuplexStream(fast.accepted), lines());
    for (let i = 0; i < 200; i++) {
      assert.equal(other.tryWrite('!'.repeat(5000)), true);
      assert.equal(await far.read(), '!'.repeat(5000));
    }
    const reader = framed(new DuplexStream(slow.accepted), lines());
    for (let i = 0; i < count; i++) assert.equal(await reader.read(), `${i}`.padEnd(5000, '.'));
    for (const stream of [writer, other, far, reader]) stream.destroy();
  });
});

describe('DuplexStream over a stream that writes at once', () => {
  it('takes more before the stream has told of that, however much a write was', () => {
    const chunks: Buffer[] = [];
    const sink = new Writable({
      highWaterMark: 100,
      write(chunk: Buffer, _encoding, callback) {
        chunks.push(chunk);
        callback();
      },
    });
    const stream = new DuplexStream(sink);
    for (let i = 0; i < 3; i++) {
      // Two parts are corked, and what is corked is over the mark until it has left.
      assert.equal(stream.tryWrite([pattern(300), pattern(300)]), 600);
      assert.equal(stream.pendingWrite, undefined);
    }
    assert.ok(Buffer.concat(chunks).equals(Buffer.concat(Array.from({ length: 6 }, () => pattern(300)))));
    stream.destroy();
  });
});

describe('DuplexStream over a socket that is ended while output waits', () => {
  for (const [name, end] of [
    ['by us', (stream: DuplexStream) => stream.end()],
    ['by somebody else', (_: DuplexStream, socket: net.Socket) => socket.end()],
  ] as const) {
    for (const order of ['before', 'after'] as const) {
      it(`tells who began to wait ${order} that, ${name}, and the peer's side stays open`, async () => {
        const { accepted, connected } = await nodePair();
        const stream = new DuplexStream(connected);
        stream.tryWrite(pattern(8 * 1024 * 1024));
        if (order === 'after') void end(stream, connected);
        const left = stream.ready('write');
        if (order === 'before') void end(stream, connected);
        accepted.resume();
        await left;
        assert.equal(stream.tryFlush(), true);
        stream.destroy();
        accepted.destroy();
      });
    }
  }
});

describe('DuplexStream over streams of older packages', () => {
  /** What a readable-stream 2 has: no errored, no readableEnded, no writableNeedDrain. */
  class OldStream extends PassThrough {}
  for (const name of ['errored', 'readableEnded', 'writableNeedDrain', 'writableEnded', 'writableFinished']) {
    Object.defineProperty(OldStream.prototype, name, { get: () => undefined });
  }

  it('reads and writes them, with backpressure and to the end', async () => {
    const old = new OldStream({ highWaterMark: 100 });
    const stream = new DuplexStream(old);
    assert.equal(stream.tryWrite(pattern(300)), 300);
    assert.equal(stream.tryWrite(pattern(1)), NOT_READY);
    assert.ok((await readExactly(stream, 300)).equals(pattern(300)));
    while (stream.tryFlush() !== true) await stream.ready('write');
    assert.equal(stream.tryWrite(pattern(1)), 1);
    old.end();
    assert.ok((await readToEnd(stream)).equals(pattern(1)));
  });
});
