/**
 * The contract of ByteStream, as one suite that every implementation has to pass.
 *
 * It is given a factory of connected pairs: what one end writes, the other reads. Nothing here knows what is between
 * the two, so no test says how many bytes a single attempt moves, only what has to hold whatever that number is.
 */
import assert from 'node:assert/strict';
import { EOF, NOT_READY } from '#lib/status';
import type { ByteStream } from '#lib/streams/byte-stream';
import { type Random, seeded } from './random.js';

export interface Pair {
  readonly one: ByteStream;
  readonly other: ByteStream;
  /** Lets go of what the test did not. */
  dispose?(): void | Promise<void>;
}

export interface ContractTraits {
  /** Ending one side leaves the other open. Default: true. */
  readonly halfOpen?: boolean;
  /** Destroying one end makes the other fail, or end, without a read. Default: true. */
  readonly noticesDestroy?: boolean;
  /** A writer that nobody reads is refused at some point. Default: true. */
  readonly backpressure?: boolean;
  /** Bytes that make a large amount; less for a stream that moves single ones. Default: 200,000. */
  readonly bulk?: number;
}

/** Bytes that tell where they stand. */
export function pattern(length: number, from = 0): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) bytes[i] = ((from + i) * 31 + ((from + i) >> 8)) & 0xff;
  return bytes;
}

/** Writes everything, waiting where it must. */
export async function writeAll(stream: ByteStream, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const taken = stream.tryWrite(bytes.subarray(at));
    if (typeof taken === 'number') {
      assert.ok(taken > 0 && taken <= bytes.length - at, 'a write takes at least one byte, and no more than there are');
      at += taken;
    } else {
      assert.equal(taken, NOT_READY);
      await stream.ready('write');
    }
  }
}

/** Reads until `count` bytes have come, or the end. */
export async function readExactly(stream: ByteStream, count: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let left = count; left > 0; ) {
    const filled = stream.tryFill();
    if (filled === EOF) break;
    if (typeof filled !== 'number') {
      await stream.ready('read');
      continue;
    }
    assert.equal(filled, stream.input.length);
    const piece = stream.input.take(Math.min(filled, left));
    pieces.push(piece);
    left -= piece.length;
  }
  return Buffer.concat(pieces);
}

export async function readToEnd(stream: ByteStream): Promise<Buffer> {
  return readExactly(stream, Number.POSITIVE_INFINITY);
}

/** Writes until the stream refuses, or `most` bytes are taken. @returns the bytes taken. */
export function fillUp(stream: ByteStream, most = 64 * 1024 * 1024): number {
  let total = 0;
  while (total < most) {
    const taken = stream.tryWrite(pattern(8192, total));
    if (typeof taken !== 'number') {
      assert.equal(taken, NOT_READY);
      break;
    }
    total += taken;
  }
  return total;
}

function detached(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

/** Runs the contract over the pairs that `connect` makes. */
export function byteStreamContract(
  title: string,
  connect: () => Pair | Promise<Pair>,
  traits: ContractTraits = {},
): void {
  describe(`ByteStream contract: ${title}`, () => {
    let pair: Pair;

    beforeEach(async () => {
      pair = await connect();
    });

    afterEach(async () => {
      pair.one.destroy();
      pair.other.destroy();
      await pair.dispose?.();
    });

    readingSuite(() => pair, traits);
    writingSuite(() => pair, traits);
    waitingSuite(() => pair);
    endingSuite(() => pair, traits);
  });
}

function readingSuite(pair: () => Pair, { bulk = 200_000 }: ContractTraits): void {
  it('tryFill answers NOT_READY while nothing has come, and changes nothing', () => {
    const { other } = pair();
    assert.equal(other.tryFill(), NOT_READY);
    assert.equal(other.tryFill(100), NOT_READY);
    assert.equal(other.pendingRead, NOT_READY);
    assert.equal(other.input.length, 0);
  });

  it('tryFill answers the buffered length when enough is there, without another attempt', async () => {
    const { one, other } = pair();
    await Promise.all([writeAll(one, pattern(10)), fillTo(other, 10)]);
    assert.equal(other.tryFill(), 10);
    assert.equal(other.tryFill(10), 10);
    assert.equal(other.tryFill(11), NOT_READY);
    assert.equal(other.input.length, 10);
    assert.ok(other.input.peek(10).equals(pattern(10)));
  });

  it('tryFill keeps what arrived although it is less than asked for', async () => {
    const { one, other } = pair();
    await writeAll(one, pattern(1));
    while (other.input.length === 0) {
      assert.equal(other.tryFill(5), NOT_READY);
      if (other.input.length === 0) await other.ready('read');
    }
    assert.equal(other.input.length, 1);
    await Promise.all([writeAll(one, pattern(4, 1)), fillTo(other, 5)]);
    assert.ok(other.input.peek(5).equals(pattern(5)));
  });

  it('tryFill gets more than the high-water mark when more is asked for', async () => {
    const { one, other } = pair();
    const bytes = pattern(bulk);
    await Promise.all([writeAll(one, bytes), fillTo(other, bytes.length)]);
    assert.ok(other.input.peek(bytes.length).equals(bytes));
  });

  seeded('gives every byte in order, in both directions at once', async (random) => {
    const { one, other } = pair();
    const [there, back] = [pattern(bulk), pattern(bulk >> 1, 7)];
    const results = await Promise.all([
      writeInPieces(one, there, random),
      writeInPieces(other, back, random),
      readExactly(other, there.length),
      readExactly(one, back.length),
    ]);
    assert.ok(results[2].equals(there));
    assert.ok(results[3].equals(back));
  });
}

async function fillTo(stream: ByteStream, count: number): Promise<void> {
  for (;;) {
    const filled = stream.tryFill(count);
    if (typeof filled === 'number') return;
    assert.equal(filled, NOT_READY);
    await stream.ready('read');
  }
}

async function writeInPieces(stream: ByteStream, bytes: Buffer, random: Random): Promise<void> {
  let start = 0;
  for (const end of random.cuts(bytes.length, 40)) {
    await writeAll(stream, bytes.subarray(start, end));
    start = end;
  }
}

function writingSuite(pair: () => Pair, { backpressure = true }: ContractTraits): void {
  it('tryWrite takes several parts in order and counts their bytes', async () => {
    const { one, other } = pair();
    const parts = [pattern(3), new Uint8Array(0), pattern(4, 3), pattern(5, 7)];
    let at = 0;
    const reading = readExactly(other, 12);
    while (at < 12) {
      const rest = Buffer.concat(parts).subarray(at);
      const taken = at === 0 ? one.tryWrite(parts) : one.tryWrite(rest);
      if (typeof taken === 'number') at += taken;
      else await one.ready('write');
    }
    assert.ok((await reading).equals(pattern(12)));
  });

  it('tryWrite answers 0 for an empty write, which sends nothing', async () => {
    const { one, other } = pair();
    assert.equal(one.tryWrite(new Uint8Array(0)), 0);
    assert.equal(one.tryWrite([]), 0);
    assert.equal(one.tryWrite([new Uint8Array(0), new Uint8Array(0)]), 0);
    assert.equal(one.tryFlush(), true);
    assert.equal(other.tryFill(), NOT_READY);
  });

  it('tryWrite copies a small payload before it returns', async () => {
    const { one, other } = pair();
    const payload = pattern(1);
    assert.equal(one.tryWrite(payload), 1);
    payload.fill(0xee);
    assert.ok((await readExactly(other, 1)).equals(pattern(1)));
  });

  it('tryWrite takes shared and resizable memory, and does not look at it later', async () => {
    const { one, other } = pair();
    const shared = new Uint8Array(new SharedArrayBuffer(20_000)).fill(7);
    const reading = readExactly(other, 20_000);
    for (let at = 0; at < shared.length; ) {
      const taken = one.tryWrite(shared.subarray(at));
      if (typeof taken === 'number') {
        shared.fill(9, at, at + taken);
        at += taken;
      } else await one.ready('write');
    }
    assert.ok((await reading).equals(Buffer.alloc(20_000, 7)));
  });

  it('tryWrite refuses what is no bytes, and detached memory', () => {
    const { one } = pair();
    const wrong = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
    for (const value of ['text', 5, undefined, null, {}, ['x'], [null], new ArrayBuffer(3)]) {
      assert.throws(() => one.tryWrite(value as never), wrong);
    }
    assert.throws(() => one.tryWrite(detached(10)), { name: 'UsageError', code: 'ERR_PAYLOAD_DETACHED' });
    assert.throws(() => one.tryWrite([detached(10)]), { name: 'UsageError', code: 'ERR_PAYLOAD_DETACHED' });
  });

  if (!backpressure) return;
  it('tryWrite answers NOT_READY when the peer does not read, and goes on when it does', async () => {
    const { one, other } = pair();
    let total = 0;
    // What is on the way takes some: a stream is full when it refuses although time has passed.
    for (let refused = 0; refused < 3; ) {
      const taken = fillUp(one);
      refused = taken === 0 ? refused + 1 : 0;
      total += taken;
      assert.ok(total < 64 * 1024 * 1024, 'no backpressure');
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(one.pendingWrite, NOT_READY);
    const [bytes] = await Promise.all([readExactly(other, total), one.ready('write')]);
    assert.equal(bytes.length, total);
    assert.equal(await flushed(one), true);
    assert.equal(one.pendingWrite, undefined);
  });
}

async function flushed(stream: ByteStream): Promise<true> {
  for (;;) {
    const answer = stream.tryFlush();
    if (answer === true) return true;
    await stream.ready('write');
  }
}

function waitingSuite(pair: () => Pair): void {
  it('ready wakes all that wait', async () => {
    const { one, other } = pair();
    const waits = [other.ready('read'), other.ready('read'), other.ready('read')];
    await writeAll(one, pattern(1));
    await Promise.all(waits);
  });

  it('ready rejects with the reason of its signal, and loses nothing', async () => {
    const { one, other } = pair();
    const controller = new AbortController();
    const reason = new Error('enough');
    const aborted = other.ready('read', { signal: controller.signal });
    const waiting = other.ready('read');
    controller.abort(reason);
    await assert.rejects(aborted, reason);
    await assert.rejects(other.ready('read', { signal: AbortSignal.abort(reason) }), reason);
    const writing = writeAll(one, pattern(3));
    await waiting;
    assert.ok((await readExactly(other, 3)).equals(pattern(3)));
    await writing;
  });

  it('ready("write") resolves at once while there is room', async () => {
    await pair().one.ready('write');
  });

  it('ready refuses wrong arguments', () => {
    const { one } = pair();
    assert.throws(() => one.ready('sideways' as never), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => one.ready('read', { signal: 'x' as never }), { code: 'ERR_INVALID_ARG_TYPE' });
  });

  it('ready rejects for everybody when the stream is destroyed while they wait', async () => {
    const { one } = pair();
    const cause = new Error('why');
    const waits = [one.ready('read'), one.ready('read')];
    one.destroy(cause);
    for (const wait of waits) await assert.rejects(wait, { code: 'ERR_TRANSPORT', cause });
    await assert.rejects(one.ready('write'), { code: 'ERR_TRANSPORT', cause });
    assert.throws(() => one.tryFill(), { code: 'ERR_TRANSPORT', cause });
    assert.throws(() => one.tryWrite(pattern(1)), { code: 'ERR_TRANSPORT', cause });
    await assert.rejects(one.end(), { code: 'ERR_TRANSPORT' });
  });
}

function endingSuite(
  pair: () => Pair,
  { halfOpen = true, noticesDestroy = true, bulk = 200_000 }: ContractTraits,
): void {
  it('end lets everything written leave, and the peer answers EOF after the last byte', async () => {
    const { one, other } = pair();
    const bytes = pattern(bulk);
    const writing = writeAll(one, bytes).then(() => one.end());
    const read = await readToEnd(other);
    assert.ok(read.equals(bytes));
    await writing;
    assert.equal(other.tryFill(), EOF);
    assert.equal(other.pendingRead, EOF);
    await other.ready('read');
    assert.throws(() => one.tryWrite(pattern(1)), { name: 'UsageError', code: 'ERR_STREAM_ENDED' });
    await one.end();
  });

  it('tryFill answers EOF when fewer bytes than asked for will ever come, and leaves those', async () => {
    const { one, other } = pair();
    await Promise.all([writeAll(one, pattern(3)).then(() => one.end()), untilEnd(other, 10)]);
    assert.equal(other.tryFill(3), 3);
    assert.ok(other.input.take(3).equals(pattern(3)));
    assert.equal(other.tryFill(), EOF);
  });

  if (halfOpen) {
    it('goes on in the other direction after one side has ended', async () => {
      const { one, other } = pair();
      await Promise.all([one.end(), readToEnd(other)]);
      const bytes = pattern(bulk >> 2);
      const [read] = await Promise.all([readExactly(one, bytes.length), writeAll(other, bytes)]);
      assert.ok(read.equals(bytes));
    });
  }

  it('close lets the last record reach a peer that is still sending', async () => {
    const { one, other } = pair();
    await writeAll(other, pattern(1));
    const answer = pattern(bulk >> 2);
    const [read] = await Promise.all([
      readToEnd(other).then(async (bytes) => {
        await other.close();
        return bytes;
      }),
      writeAll(one, answer).then(() => one.close()),
    ]);
    assert.ok(read.equals(answer));
    assert.throws(() => one.tryFill(), { code: 'ERR_STREAM_DESTROYED' });
  });

  it('close is over at its deadline when the peer never ends', async () => {
    const { one } = pair();
    await one.close({ timeoutMs: 10 });
    assert.throws(() => one.tryWrite(pattern(1)), { code: 'ERR_STREAM_DESTROYED' });
    await one.close();
    await one[Symbol.asyncDispose]();
  });

  it('destroy twice is destroy once', () => {
    const { one } = pair();
    one.destroy();
    one.destroy(new Error('too late'));
    assert.throws(() => one.tryFill(), { name: 'TransportError', code: 'ERR_STREAM_DESTROYED' });
  });

  if (!noticesDestroy) return;
  it('a peer that is gone without an end ends or fails the wait, and nobody hangs', async () => {
    const { one, other } = pair();
    const waiting = other.ready('read').then(
      () => undefined,
      () => undefined,
    );
    one.destroy();
    await waiting;
    await assertOver(other);
  });
}

async function untilEnd(stream: ByteStream, wanted: number): Promise<void> {
  for (;;) {
    const filled = stream.tryFill(wanted);
    if (filled === EOF) return;
    assert.equal(filled, NOT_READY);
    await stream.ready('read');
  }
}

/** The stream comes to its end or to a documented failure. */
async function assertOver(stream: ByteStream): Promise<void> {
  try {
    await readToEnd(stream);
  } catch (error) {
    const { code } = error as { code: string };
    assert.ok(OVER.includes(code), code);
  }
}

const OVER = ['ERR_STREAM_PREMATURE_CLOSE', 'ERR_TRANSPORT', 'ERR_STREAM_DESTROYED', 'ERR_TLS_TRUNCATED'];
