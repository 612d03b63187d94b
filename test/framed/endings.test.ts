/**
 * What is left at the end of things: answers to a peer that has ended, records that wait when the process exits, streams
 * that are closed twice, unread bytes one layer below a switch, and memory that somebody still looks at.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duplexPair, PassThrough, Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  type Codec,
  EOF,
  type FramedStream,
  framed,
  lengthPrefixed,
  lines,
  memoryPair,
  NEED_READ,
  NOT_READY,
  openFileStream,
} from 'miniproto';
import { FailingStream } from '../support/failing-stream.js';

const code = (expected: string) => ({ code: expected });

/** Runs a module that imports miniproto, and gives what it wrote to its standard output. */
async function outputOf(source: string): Promise<string> {
  const url = JSON.stringify(import.meta.resolve('miniproto'));
  const child = spawn(process.execPath, ['--input-type=module', '-e', source.replaceAll("'miniproto'", url)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk) => chunks.push(chunk));
  await once(child, 'close');
  return Buffer.concat(chunks).toString();
}

/** Reads to the end, in one way or the other. */
async function collect(talk: FramedStream<string, string | Uint8Array>, way: string, seen: string[]): Promise<void> {
  if (way === 'tryRead') return;
  if (way !== 'batches') for await (const record of talk) seen.push(record);
  else for await (const batch of talk.batches()) seen.push(...batch.values());
}

/** Of a record of four bytes one has come, and was read. */
async function recordBegun() {
  const [one, other] = memoryPair();
  const talk = framed(other, lengthPrefixed({ bytes: 1 }));
  one.tryWrite(Buffer.from('\x04a'));
  const pieces = await talk.readPieces();
  assert.ok(pieces !== EOF);
  assert.equal(String(await pieces.read()), 'a');
  return { one, talk, pieces };
}

describe('FramedStream at the end of its peer', () => {
  it('lets a server answer each record of a client that has ended, however long that takes', async () => {
    const server = net.createServer(async (socket) => {
      const talk = framed(socket, lines());
      for await (const line of talk) {
        for (let i = 0; i < 5; i++) await turn();
        await talk.write(`re ${line}`);
      }
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const client = net.connect({ port: (server.address() as net.AddressInfo).port, host: '127.0.0.1' });
    client.end('a\nb\nc\nd\n');
    let answer = '';
    for await (const chunk of client) answer += chunk;
    assert.equal(answer, 're a\nre b\nre c\nre d\n');
    server.close();
    await once(server, 'close');
  });

  it('refuses a write at the call once our side has ended with the peer', async () => {
    const server = net.createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const client = net.connect({ port: (server.address() as net.AddressInfo).port, host: '127.0.0.1' });
    const [peer] = (await once(server, 'connection')) as [net.Socket];
    peer.end();
    const talk = framed(client, lines());
    assert.equal(await talk.read(), EOF);
    await turn();
    await turn();
    assert.throws(() => talk.tryWrite('late'), code('ERR_STREAM_ENDED'));
    client.destroy();
    peer.destroy();
    server.close();
    await once(server, 'close');
  });

  it('refuses a write at the call once a read has said that the stream failed', async () => {
    const source = new PassThrough();
    const talk = framed(source, lines());
    const reading = talk.read();
    source.destroy(new Error('gone'));
    await assert.rejects(reading, code('ERR_TRANSPORT'));
    assert.throws(() => talk.tryWrite('an answer that nobody can get'), code('ERR_TRANSPORT'));
    await assert.rejects(talk.write('another'), code('ERR_TRANSPORT'));
    const waits = [
      (waiting: typeof talk) => waiting.read(),
      (waiting: typeof talk) => waiting.onRecord(() => {}),
      async (waiting: typeof talk) => {
        for await (const batch of waiting.batches()) void batch;
      },
    ];
    for (const wait of waits) {
      const [one] = memoryPair();
      const waiting = framed(one, lines());
      const ended = wait(waiting);
      await turn();
      one.destroy(new Error('gone'));
      await assert.rejects(ended, code('ERR_TRANSPORT'));
      assert.throws(() => waiting.tryWrite('x'), code('ERR_TRANSPORT'));
    }
  });

  for (const way of ['tryRead', 'read'] as const) {
    it(`refuses a write at the call once a record in pieces has said that the stream failed: ${way}`, async () => {
      const { one, talk, pieces } = await recordBegun();
      const rest = way === 'read' ? pieces.read() : undefined;
      await turn();
      one.destroy(new Error('gone'));
      if (rest === undefined) assert.throws(() => pieces.tryRead(), code('ERR_STREAM_PREMATURE_CLOSE'));
      else await assert.rejects(rest, code('ERR_STREAM_PREMATURE_CLOSE'));
      assert.throws(() => talk.tryWrite('x'), code('ERR_STREAM_PREMATURE_CLOSE'));
    });
  }

  it('keeps the output where only a wait for a piece was given up', async () => {
    const [one, other] = memoryPair();
    const talk = framed(other, lengthPrefixed({ bytes: 1 }));
    one.tryWrite(Buffer.from('\x04a'));
    const pieces = await talk.readPieces();
    assert.ok(pieces !== EOF);
    await pieces.read();
    const controller = new AbortController();
    const rest = pieces.read({ signal: controller.signal });
    controller.abort();
    await assert.rejects(rest, { name: 'AbortError' });
    assert.equal(talk.tryWrite('x'), true);
    one.tryWrite(Buffer.from('bcd'));
    assert.equal(String(await pieces.read()), 'bcd');
  });

  it('refuses a write to a stream that only reads, which goes on', async () => {
    const file = await openFileStream(fileURLToPath(import.meta.url));
    for (const source of [Readable.from([Buffer.from('a line\n')]), file]) {
      const talk = framed(source, lines());
      assert.throws(() => talk.tryWrite('x'), { code: 'ERR_STREAM_ENDED', message: 'the stream only reads' });
      await assert.rejects(talk.write('x'), code('ERR_STREAM_ENDED'));
      assert.equal(typeof (await talk.read()), 'string');
      await talk.end();
      await talk.close();
    }
  });

  it('writes to standard output and to the input of a child, which never were readable', async () => {
    const text = await outputOf(`import { framed, lines } from 'miniproto';
      import { setImmediate as turn } from 'node:timers/promises';
      const out = framed(process.stdout, lines());
      for (let i = 0; i < 3; i++) { await out.write('line ' + i); await turn(); await turn(); }`);
    assert.equal(text, 'line 0\nline 1\nline 2\n');
    const child = spawn('cat', { stdio: ['pipe', 'pipe', 'inherit'] });
    const input = framed(child.stdin, lines());
    for (let i = 0; i < 3; i++) {
      await input.write(`line ${i}`);
      await turn();
    }
    await input.end();
    let echoed = '';
    for await (const chunk of child.stdout) echoed += chunk;
    assert.equal(echoed, 'line 0\nline 1\nline 2\n');
  });
});

describe('FramedStream at the end of the process', () => {
  it('sends the records whose writes nobody has awaited', async () => {
    // No more than a pipe holds: what the system does not take at once is lost with the process.
    const text = await outputOf(`import { framed, lines } from 'miniproto';
      const out = framed(process.stdout, lines(), { writeHighWaterMark: 1000 });
      for (let i = 0; i < 500; i++) void out.write(String(i).padStart(99, '.'));
      process.exit(0);`);
    assert.equal(text.length, 500 * 100);
    assert.ok(text.endsWith('.499\n'));
  });
});

describe('FramedStream close', () => {
  it('says farewell once, however often it is called, and refuses writes from then on', async () => {
    const [one, other] = memoryPair();
    const farewell: Codec<never, never> = {
      name: 'farewell',
      decode: (input) => input.need(1),
      encode: () => true,
      end: (output) => output.write(Buffer.from('BYE')),
    };
    const talk = framed(one, farewell);
    const closing = Promise.all([talk.close(), talk.close()]);
    assert.throws(() => talk.tryWrite(undefined as never), code('ERR_STREAM_ENDED'));
    await turn();
    await other.end();
    await closing;
    other.tryFill(10);
    assert.equal(other.input.peek(other.input.length).toString(), 'BYE');
  });

  it('with records looked ahead at leaves a stream that says it is destroyed', async () => {
    const [one, other] = memoryPair();
    one.tryWrite(Buffer.from('one\ntwo\nthree\nfour\n'));
    await one.end();
    const talk = framed(other, lines());
    assert.equal(await talk.read(), 'one');
    await talk.close();
    await assert.rejects(talk.read(), code('ERR_STREAM_DESTROYED'));
  });

  for (const way of ['read', 'tryRead', 'onRecord', 'batches', 'the stream itself']) {
    it(`gives no record of what it drops, which begins anywhere: ${way}`, async () => {
      const [one, other] = memoryPair();
      const talk = framed(other, lengthPrefixed({ bytes: 1, encoding: 'latin1' }));
      const seen: string[] = [];
      const reading =
        way === 'onRecord' ? talk.onRecord((record) => void seen.push(record.text())) : collect(talk, way, seen);
      one.tryWrite(Buffer.from('\x05\x01a'));
      for (let i = 0; i < 3; i++) await turn();
      const closing = way === 'the stream itself' ? other.close() : talk.close();
      for (let i = 0; i < 3; i++) {
        await turn();
        one.tryWrite(Buffer.from('\x01b\x01c'));
        if (way === 'tryRead') assert.equal(talk.tryRead(), EOF);
      }
      await one.end();
      await Promise.all([closing, reading]);
      assert.deepEqual(seen, []);
    });
  }

  it('fails a record in pieces whose bytes it drops', async () => {
    const { one, talk, pieces } = await recordBegun();
    const rest = pieces.read();
    const closing = talk.close();
    await turn();
    one.tryWrite(Buffer.from('bcd'));
    await assert.rejects(rest, code('ERR_STREAM_DESTROYED'));
    await one.end();
    await closing;
  });

  for (const [between, pair] of [
    ['a small memory pair', () => memoryPair({ capacity: 1000 })],
    ["Node's duplexPair", () => duplexPair()],
  ] as const) {
    it(`reads while what was written leaves: both ends close, with more unsent than lies between them, over ${between}`, async () => {
      const [one, other] = pair();
      const ends = [framed(one, lines()), framed(other, lines())];
      // The last of them wait as records.
      const record = 'x'.repeat(10_000);
      const writes = ends.flatMap((end) => Array.from({ length: 40 }, () => end.write(record)));
      // No deadline to be saved by.
      await Promise.all(ends.map((end) => end.close({ timeoutMs: 2 ** 31 - 1 })));
      await Promise.all(writes);
    });
  }

  it('is the end for whoever reads while it drops what comes for its output to leave', async () => {
    const [one, other] = memoryPair({ capacity: 10 });
    const talk = framed(one, lengthPrefixed({ bytes: 1, encoding: 'latin1' }));
    const writing = talk.write('x'.repeat(100));
    const reading = talk.read();
    const closing = talk.close({ timeoutMs: 2 ** 31 - 1 });
    for (let i = 0; i < 3; i++) {
      await turn();
      other.tryWrite(Buffer.from('\x02a'));
    }
    assert.equal(await reading, EOF);
    for (let left = 101; left > 0; await turn()) {
      other.tryFill(1);
      left -= other.input.length;
      other.input.consume(other.input.length);
    }
    await other.end();
    await Promise.all([writing, closing]);
  });

  it('sends a record that waits for the peer, and drops nothing that it waits for', async () => {
    const [one, other] = memoryPair();
    let heard = false;
    const shy: Codec<string, string> = {
      name: 'shy',
      decode: (input) => {
        if (input.length === 0) return input.need(1);
        heard = true;
        return input.take(1).toString();
      },
      encode: (record, output) => {
        if (!heard) return NEED_READ;
        output.write(Buffer.from(record));
        return true;
      },
    };
    const talk = framed(one, shy);
    const writing = talk.write('hello');
    const closing = talk.close({ timeoutMs: 2 ** 31 - 1 });
    await turn();
    other.tryWrite(Buffer.from('!'));
    await writing;
    await other.end();
    await closing;
    other.tryFill(5);
    assert.equal(other.input.peek(other.input.length).toString(), 'hello');
  });

  it('refuses wrong options without closing', async () => {
    const talk = framed(memoryPair()[0], lines());
    await assert.rejects(talk.close({ timeoutMs: Number.NaN }), code('ERR_OUT_OF_RANGE'));
    await assert.rejects(talk.close(null as never), code('ERR_INVALID_ARG_TYPE'));
    assert.equal(talk.tryRead(), NOT_READY);
  });
});

describe('switchTo and bytes one layer below', () => {
  it("'refuse' sees what the Node stream has buffered, and changes nothing", async () => {
    const source = new PassThrough();
    const talk = framed(source, lines());
    source.write('STARTTLS\r\n');
    assert.equal(await talk.read(), 'STARTTLS');
    source.write('INJECTED\r\n');
    await turn();
    assert.throws(() => talk.switchTo(lines(), { unread: 'refuse' }), code('ERR_UNREAD_INPUT'));
    assert.equal(await talk.read(), 'INJECTED');
  });

  it("'discard' drops it", async () => {
    const [one, other] = memoryPair();
    const talk = framed(other, lines());
    one.tryWrite(Buffer.from('first\n'));
    assert.equal(await talk.read(), 'first');
    one.tryWrite(Buffer.alloc(3000, 'x'));
    const next = talk.switchTo(lines(), { unread: 'discard' });
    one.tryWrite(Buffer.from('second\n'));
    assert.equal(await next.read(), 'second');
  });
});

describe('a push handler', () => {
  it('fails when it writes what cannot be encoded, also behind writes that wait', async () => {
    const [one, other] = memoryPair({ capacity: 10 });
    const server = framed(one, lines(), { writeHighWaterMark: 20 });
    for (let i = 0; i < 10; i++) void server.write(`broadcast${i}`);
    other.tryWrite(Buffer.from('hello\n'));
    const pushed = server.onRecord((_record, out) => {
      out.write('bad\nrecord');
    });
    await assert.rejects(pushed, code('ERR_RECORD_CONTAINS_SEPARATOR'));
  });
});

describe('input that others look at', () => {
  it('stays what it was while records of it are looked ahead at', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'miniproto-endings-'));
    try {
      const line = (index: number) => `line ${String(index).padStart(5, '0')} of a file that is longer than some pages`;
      writeFileSync(join(folder, 'file'), Array.from({ length: 20_000 }, (_, index) => `${line(index)}\n`).join(''));
      const talk = framed(await openFileStream(join(folder, 'file')), lines({ encoding: 'buffer' }));
      for (let i = 0; i < 300; i++) assert.equal(String(await talk.read()), line(i));
      for (const size of [70_000, 200_000]) {
        while (talk.stream.tryFill(size) === NOT_READY) await talk.stream.ready('read');
        talk.stream.input.peek(size);
      }
      let next = 300;
      for await (const record of talk) assert.equal(record.toString(), line(next++));
      assert.equal(next, 20_000);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('may be consumed between two reads', async () => {
    const [one, other] = memoryPair();
    one.tryWrite(Buffer.from('one\ntwo\nthree\nfour\nfive\nsix\n'));
    const talk = framed(other, lines());
    assert.equal(await talk.read(), 'one');
    other.input.consume('two\nth'.length);
    assert.deepEqual([await talk.read(), await talk.read()], ['ree', 'four']);
  });

  it('belongs to one framed stream', () => {
    const [one] = memoryPair();
    framed(one, lines());
    assert.throws(() => framed(one, lines()), code('ERR_STREAM_IN_USE'));
  });

  it('belongs to one framed stream also where the stream is none of the library', () => {
    const own = new FailingStream(memoryPair()[0], Number.POSITIVE_INFINITY);
    const talk = framed(own, lines());
    assert.throws(() => framed(own, lines()), code('ERR_STREAM_IN_USE'));
    talk.upgrade(() => undefined);
    framed(own, lines());
  });
});
