/** Detection on byte streams: of every kind, byte by byte, with nothing consumed; silence, deadlines, floods, failures. */
import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { type ByteStream, DuplexStream, LimitError, memoryPair, ProtocolError } from 'miniproto';
import { type DetectStreamOptions, detect, detectProtocol } from 'miniproto/detect';
import { NEED_WRITE } from '#lib/status';
import { readExactly, writeAll } from '../support/byte-stream-contract.js';
import { FailingStream } from '../support/failing-stream.js';
import { firstBytes, PROGRAMS, plain } from '../support/first-bytes.js';
import { socketPair, TRANSPORT } from '../support/socket-pairs.js';

interface Ends {
  readonly peer: ByteStream;
  readonly ours: ByteStream;
}

function memory(capacity: number): Promise<Ends> {
  const [peer, ours] = memoryPair({ capacity });
  return Promise.resolve({ peer, ours });
}

async function sockets(family: 'tcp' | 'unix'): Promise<Ends> {
  const { one, other } = await socketPair(family);
  return { peer: one, ours: other };
}

/** Begins to write; a small capacity takes the rest as it is read. */
function say(peer: ByteStream, bytes: Uint8Array): Promise<void> {
  const writing = writeAll(peer, bytes);
  writing.catch(() => {});
  return writing;
}

/** Node Duplexes of small chunks that hold their writer back. */
function duplexes(): Promise<Ends> {
  const one: PipedDuplex = new PipedDuplex(() => two);
  const two: PipedDuplex = new PipedDuplex(() => one);
  return Promise.resolve({ peer: new DuplexStream(one), ours: new DuplexStream(two) });
}

class PipedDuplex extends Duplex {
  readonly #other: () => PipedDuplex;
  #wanted: (() => void) | undefined;

  constructor(other: () => PipedDuplex) {
    super();
    this.#other = other;
  }

  override _read(): void {
    const wanted = this.#wanted;
    this.#wanted = undefined;
    wanted?.();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    const other = this.#other();
    const rest = chunk.subarray(1000);
    const next = () => (rest.length === 0 ? callback() : this._write(rest, encoding, callback));
    if (other.push(chunk.subarray(0, 1000))) next();
    else other.#wanted = next;
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#other().push(null);
    callback();
  }
}

const TRANSPORTS: readonly (readonly [name: string, connect: () => Promise<Ends>])[] = [
  ['a memory pair of capacity 1', () => memory(1)],
  ['a memory pair of capacity 7', () => memory(7)],
  ['a memory pair', () => memory(65_536)],
  ['Duplexes', duplexes],
  [`TCP, ${TRANSPORT}`, () => sockets('tcp')],
  [`a Unix socket, ${TRANSPORT}`, () => sockets('unix')],
];

function both({ peer, ours }: Ends): void {
  peer.destroy();
  ours.destroy();
}

for (const [transport, connect] of TRANSPORTS) {
  describe(`detect over ${transport}`, () => {
    for (const [program, expected] of PROGRAMS) {
      it(`tells ${program}, and every byte can still be read`, async () => {
        const ends = await connect();
        const bytes = Buffer.concat([firstBytes(program), Buffer.from('what follows')]);
        const writing = writeAll(ends.peer, bytes).then(() => ends.peer.end());
        assert.deepEqual(plain(await detect(ends.ours)), expected);
        assert.equal(ends.ours.input.offset, 0);
        assert.deepEqual(await readExactly(ends.ours, bytes.length), bytes);
        await writing;
        both(ends);
      });
    }

    it('tells a request for a WebSocket that comes byte by byte', async () => {
      const ends = await connect();
      const bytes = firstBytes('ws');
      const detecting = detect(ends.ours);
      for (const byte of bytes) {
        await writeAll(ends.peer, Uint8Array.of(byte));
        await new Promise(setImmediate);
      }
      assert.equal((await detecting).protocol, 'websocket');
      assert.deepEqual(await readExactly(ends.ours, bytes.length), bytes);
      both(ends);
    });

    it('tells what is decided when the peer ends', async () => {
      const ends = await connect();
      void say(ends.peer, Buffer.from('PRI')).then(() => ends.peer.end());
      assert.deepEqual(plain(await detect(ends.ours)), { protocol: 'default', because: 'end' });
      assert.equal((await readExactly(ends.ours, 3)).toString(), 'PRI');
      both(ends);
    });

    it('is told that nobody is there when the peer ends at once', async () => {
      const ends = await connect();
      await ends.peer.end();
      assert.deepEqual(plain(await detect(ends.ours)), { protocol: 'default', because: 'end' });
      await assert.rejects(detect(ends.ours, { rest: 'error' }), { code: 'ERR_DETECT_UNKNOWN' });
      both(ends);
    });

    it('fails as the stream does', async () => {
      const ends = await connect();
      const detecting = detect(ends.ours);
      await new Promise(setImmediate);
      ends.ours.destroy();
      await assert.rejects(detecting, { code: 'ERR_STREAM_DESTROYED' });
      both(ends);
    });

    it('goes no further than maxBytes when a peer floods', async () => {
      const ends = await connect();
      // A target without an end decides nothing.
      const flood = Buffer.alloc(300_000, 'a');
      flood.write('GET /');
      void say(ends.peer, flood);
      assert.deepEqual(plain(await detect(ends.ours)), { protocol: 'default', because: 'bytes' });
      assert.ok(ends.ours.input.length <= 65_536 + 65_536, `${ends.ours.input.length} bytes are held`);
      both(ends);
    });

    it('is over in time when a peer says too little, and nothing is lost', async () => {
      const ends = await connect();
      await say(ends.peer, Buffer.from('G'));
      const error = await rejection(detect(ends.ours, { timeoutMs: 30 }));
      assert.ok(error instanceof LimitError);
      assert.equal(error.code, 'ERR_DETECT_TIMEOUT');
      assert.match(error.message, /not said what it speaks within 30 ms, but 1 bytes/);
      void say(ends.peer, Buffer.from('ET / HTTP/1.0\r\n'));
      assert.equal((await detect(ends.ours)).protocol, 'http1');
      both(ends);
    });

    it('takes a peer that says nothing for what it was told to', async () => {
      const ends = await connect();
      const found = await detect(ends.ours, { silent: 'default', silentMs: 20 });
      assert.deepEqual(plain(found), { protocol: 'default', because: 'silence' });
      const error = (await rejection(detect(ends.ours, { silentMs: 20 }))) as LimitError;
      assert.deepEqual([error.code, error.protocol], ['ERR_DETECT_TIMEOUT', 'detection']);
      assert.match(error.message, /said nothing within 20 ms/);
      // The stream is as it was: the server may speak first.
      void say(ends.ours, Buffer.from('220 hello\r\n'));
      assert.equal((await readExactly(ends.peer, 11)).toString(), '220 hello\r\n');
      both(ends);
    });

    it('is ended by a signal, with its reason', async () => {
      const ends = await connect();
      const controller = new AbortController();
      const detecting = detect(ends.ours, { signal: controller.signal });
      await new Promise(setImmediate);
      const reason = new Error('enough');
      controller.abort(reason);
      assert.equal(await rejection(detecting), reason);
      assert.equal(await rejection(detect(ends.ours, { signal: controller.signal })), reason);
      void say(ends.peer, firstBytes('curl-socks5'));
      assert.equal((await detect(ends.ours)).protocol, 'socks');
      both(ends);
    });

    it('does not take a busy thread for a silent peer', async () => {
      const ends = await connect();
      const detecting = detect(ends.ours, { silent: 'default', silentMs: 10, timeoutMs: 20 });
      await new Promise(setImmediate);
      const writing = writeAll(ends.peer, Buffer.from('\x05\x01\x00', 'latin1'));
      for (const end = performance.now() + 50; performance.now() < end; );
      assert.equal((await detecting).protocol, 'socks');
      await writing;
      both(ends);
    });
  });
}

describe('detect', () => {
  it('waits for no byte that it does not need', async () => {
    for (const [program] of PROGRAMS) {
      const bytes = firstBytes(program);
      let decisive = 0;
      while (detectProtocol(bytes.subarray(0, decisive)).need !== undefined) decisive++;
      const [peer, ours] = memoryPair();
      await writeAll(peer, bytes.subarray(0, decisive));
      assert.notEqual((await detect(ours, { timeoutMs: 5 })).protocol, 'default', program);
    }
  });

  it('looks behind what was consumed before', async () => {
    const [peer, ours] = memoryPair();
    await writeAll(peer, Buffer.from('STARTTLS\r\n\x05\x01\x00', 'latin1'));
    ours.tryFill(10);
    ours.input.consume(10);
    assert.equal((await detect(ours)).protocol, 'socks');
    assert.equal(ours.input.offset, 10);
  });

  it('shows what no protocol begins with', async () => {
    const [peer, ours] = memoryPair();
    await writeAll(peer, Buffer.from('hello\r\nand a lot more'));
    const error = (await rejection(detect(ours, { rest: 'error' }))) as ProtocolError;
    assert.ok(error instanceof ProtocolError);
    assert.deepEqual([error.code, error.protocol, error.offset], ['ERR_DETECT_UNKNOWN', 'detection', 0]);
    assert.match(error.message, /no protocol that is expected: "hello\\r\\nand a lot"/);
  });

  it('waits for our own bytes to leave where the stream needs that to read', async () => {
    const [peer, ours] = memoryPair();
    await writeAll(peer, Buffer.from('\x05\x01\x00', 'latin1'));
    const waits: string[] = [];
    const { tryFill, ready } = ours;
    ours.tryFill = (count) => (waits.length < 2 ? (NEED_WRITE as never) : tryFill.call(ours, count));
    ours.ready = (direction, options) => {
      waits.push(direction);
      return direction === 'write' ? Promise.resolve() : ready.call(ours, direction, options);
    };
    assert.equal((await detect(ours)).protocol, 'socks');
    assert.deepEqual(waits, ['write', 'write']);
  });

  it('fails with whatever operation of the stream fails', async () => {
    for (let failAt = 0; ; failAt++) {
      const [peer, below] = memoryPair({ capacity: 3 });
      const ours = new FailingStream(below, failAt);
      const writing = writeAll(peer, firstBytes('curl-post')).catch(() => {});
      const result = await detect(ours).catch((error: unknown) => error);
      peer.destroy();
      await writing;
      if (!ours.failed) {
        assert.ok(!(result instanceof Error) && failAt > 3);
        break;
      }
      assert.ok(
        result instanceof Error && result.message.includes(ours.error.message),
        `operation ${failAt}: ${result}`,
      );
    }
  });

  it("tells protocols of one's own by name", async () => {
    const [peer, ours] = memoryPair({ capacity: 1 });
    const writing = writeAll(peer, Buffer.from('SSH-2.0-x\r\n'));
    const found = await detect(ours, {
      own: { ssh: (bytes) => (bytes.length < 4 ? 4 : bytes.toString('latin1', 0, 4) === 'SSH-') },
    });
    const name: 'ssh' | 'proxy' | 'tls' | 'http1' | 'http2' | 'websocket' | 'socks' | 'default' = found.protocol;
    assert.equal(name, 'ssh');
    ours.destroy();
    await writing.catch(() => {});
  });

  const wrong: readonly (readonly [options: object, code: string])[] = [
    [{ timeoutMs: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ timeoutMs: '1' }, 'ERR_INVALID_ARG_TYPE'],
    [{ silent: 'no' }, 'ERR_INVALID_ARG_VALUE'],
    [{ silentMs: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ rest: true }, 'ERR_INVALID_ARG_VALUE'],
    [{ signal: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ maxBytes: 0 }, 'ERR_OUT_OF_RANGE'],
  ];
  for (const [options, code] of wrong) {
    it(`checks its options: ${JSON.stringify(options)}`, async () => {
      const [, ours] = memoryPair();
      await assert.rejects(detect(ours, options as DetectStreamOptions), { code });
    });
  }
});

function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => assert.fail('it was fulfilled'),
    (error: unknown) => error,
  );
}
