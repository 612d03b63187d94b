/**
 * Wire cases for codecs: an input and what a framed stream has to make of it, run in every way that bytes can arrive
 * and be read.
 *
 * Each case runs whole, byte by byte and cut at every place; by tryRead, tryReadBatch, read, async iteration, batches
 * and onRecord; followed by foreign bytes that the next codec must find untouched; and cut short by the end of the
 * stream at every place, where no record may be cut and nothing may hang. Characters of `input` are bytes (latin1).
 */
import assert from 'node:assert/strict';
import {
  type Codec,
  EOF,
  type FramedStream,
  fixed,
  framed,
  isStatus,
  type MiniprotoError,
  memoryPair,
  NOT_READY,
} from 'miniproto';

export interface CodecCase {
  readonly name: string;
  readonly codec: () => Codec<unknown, never>;
  readonly input: string | Buffer;
  /** Records with the offset in the stream at which each ends, what is consumed with it included. */
  readonly records: readonly (readonly [record: unknown, end: number])[];
  /** Absent: EOF. Else what is thrown after the records: its class, code and offset. */
  readonly error?: readonly [name: string, code: string, offset: number];
  /** The last record was ended by the stream's end, so nothing can follow it. Default: false. */
  readonly unterminated?: boolean;
  /** What an input that is cut inside a record gives: an error, or what the codec makes of tails. Default: 'error'.
   * 'pieces': records may differ from those of the whole input, where what follows decides; they agree with each other.
   */
  readonly cut?: 'error' | 'tail' | 'drop' | 'pieces';
}

interface Outcome {
  records: unknown[];
  end: 'EOF' | 'NOT_READY' | { name: string; code: string; offset: number | undefined; protocol: string | undefined };
}

type Reader = (chunks: readonly Buffer[], codec: Codec<unknown, never>) => Outcome | Promise<Outcome>;

/** What a protocol may say of bytes that it cannot take. */
const DOCUMENTED =
  /^ERR_(UNEXPECTED_EOF|PROXY_HEADER|BARE_|INVALID_|LENGTH_|TRAILER_MISSING|RECORD_TOO_LARGE|HEAD_TOO_LARGE|TOO_MANY_HEADERS)/;

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

function describeError(error: unknown): Outcome['end'] {
  const { name, code, offset, protocol } = error as MiniprotoError;
  return { name, code, offset, protocol };
}

/** Copies what is given in memory that lives on, so that records can be compared later. */
const kept = (record: unknown) => (record instanceof Uint8Array ? Buffer.from(record) : record);

function pull(stream: FramedStream<unknown, never>, attempt: () => unknown, outcome: Outcome): boolean {
  for (;;) {
    let answer: unknown;
    try {
      answer = attempt();
    } catch (error) {
      outcome.end = describeError(error);
      assert.throws(() => stream.tryRead(), error as Error, 'the first error is sticky');
      assert.throws(() => stream.tryReadBatch(), error as Error);
      return false;
    }
    if (answer === EOF) {
      outcome.end = 'EOF';
      assert.equal(stream.tryRead(), EOF);
      return false;
    }
    if (answer === NOT_READY) return true;
    assert.ok(!isStatus(answer));
    if (Array.isArray(answer)) outcome.records.push(...answer.map(kept));
    else outcome.records.push(kept((answer as { record: unknown }).record));
  }
}

function synchronous(attempt: (stream: FramedStream<unknown, never>) => unknown): Reader {
  return (chunks, codec) => {
    const [peer, ours] = memoryPair();
    const stream = framed(ours, codec);
    const outcome: Outcome = { records: [], end: 'NOT_READY' };
    for (const chunk of chunks) {
      assert.equal(peer.tryWrite(chunk), chunk.length);
      if (!pull(stream, () => attempt(stream), outcome)) return outcome;
    }
    void peer.end();
    pull(stream, () => attempt(stream), outcome);
    return outcome;
  };
}

function asynchronous(
  collect: (stream: FramedStream<unknown, never>, give: (r: unknown) => void) => Promise<void>,
): Reader {
  return async (chunks, codec) => {
    const [peer, ours] = memoryPair();
    const stream = framed(ours, codec);
    const outcome: Outcome = { records: [], end: 'NOT_READY' };
    const reading = collect(stream, (record) => outcome.records.push(kept(record))).then(
      () => {
        outcome.end = 'EOF';
      },
      (error: unknown) => {
        outcome.end = describeError(error);
      },
    );
    for (const chunk of chunks) {
      peer.tryWrite(chunk);
      await turn();
    }
    await peer.end();
    await reading;
    return outcome;
  };
}

/** A status or a list is told from a record by its wrapper. */
const wrapped = (record: unknown) => (isStatus(record) ? record : { record });

const READERS: Record<string, Reader> = {
  tryRead: synchronous((stream) => wrapped(stream.tryRead())),
  'tryReadBatch, values': synchronous((stream) => {
    const batch = stream.tryReadBatch();
    return isStatus(batch) ? batch : batch.values();
  }),
  read: asynchronous(async (stream, give) => {
    for (;;) {
      const record = await stream.read();
      if (record === EOF) return;
      give(record);
    }
  }),
  iteration: asynchronous(async (stream, give) => {
    for await (const record of stream) give(record);
  }),
  'batches, values': asynchronous(async (stream, give) => {
    for await (const batch of stream.batches()) for (const record of batch.values()) give(record);
  }),
  'batches, cursors': asynchronous(async (stream, give) => {
    for await (const batch of stream.batches()) for (const cursor of batch) give(cursor.value());
  }),
  onRecord: asynchronous((stream, give) => stream.onRecord((cursor) => give(cursor.value()))),
};

function bytesOf(input: string | Buffer): Buffer {
  return typeof input === 'string' ? Buffer.from(input, 'latin1') : input;
}

const byteByByte = (input: Buffer) => Array.from(input, (byte) => Buffer.of(byte));

function expectation(wire: CodecCase): Outcome {
  const { error } = wire;
  const protocol = wire.codec().name;
  const end = error === undefined ? 'EOF' : { name: error[0], code: error[1], offset: error[2], protocol };
  return { records: wire.records.map(([record]) => record), end };
}

/** A suite for a list of cases. */
export function codecCases(title: string, cases: readonly CodecCase[]): void {
  describe(title, () => {
    for (const wire of cases) {
      it(wire.name, async () => {
        await checkForms(wire);
        checkEveryCut(wire);
        checkOffsets(wire);
        await checkForeignBytes(wire);
        checkCutShort(wire);
      });
    }
  });
}

async function checkForms(wire: CodecCase): Promise<void> {
  const input = bytesOf(wire.input);
  for (const [form, read] of Object.entries(READERS)) {
    for (const chunks of [[input], byteByByte(input)]) {
      const outcome = await read(chunks, wire.codec());
      assert.deepEqual(outcome, expectation(wire), `${form}, ${chunks.length} chunks`);
    }
  }
}

function checkEveryCut(wire: CodecCase): void {
  const input = bytesOf(wire.input);
  for (let cut = 0; cut <= input.length; cut++) {
    const chunks = [input.subarray(0, cut), input.subarray(cut)];
    for (const form of ['tryRead', 'tryReadBatch, values']) {
      assert.deepEqual(READERS[form]!(chunks, wire.codec()), expectation(wire), `${form}, cut at ${cut}`);
    }
  }
}

/** Each record is consumed to its end, and no byte further. */
function checkOffsets(wire: CodecCase): void {
  const [peer, ours] = memoryPair();
  const stream = framed(ours, wire.codec());
  peer.tryWrite(bytesOf(wire.input));
  void peer.end();
  for (const [record, end] of wire.records) {
    assert.deepEqual(stream.tryRead(), record);
    assert.equal(ours.input.offset, end);
  }
}

/** What follows the last record belongs to the next codec, however the last record was read. */
async function checkForeignBytes(wire: CodecCase): Promise<void> {
  if (wire.error !== undefined || wire.unterminated || wire.records.length === 0) return;
  const foreign = Buffer.from('\r\n,5:\0\x01foreign', 'latin1');
  const whole = Buffer.concat([bytesOf(wire.input), foreign]);
  const last = wire.records.length;
  // Records that are dropped may stand behind the last one given.
  if (wire.records[last - 1]![1] !== whole.length - foreign.length) return;
  const begin = () => {
    const [peer, ours] = memoryPair();
    peer.tryWrite(whole);
    return framed(ours, wire.codec());
  };
  const finish = (stream: FramedStream<unknown, never>) =>
    assert.deepEqual(stream.switchTo(fixed(foreign.length)).tryRead(), foreign);

  const pulled = begin();
  for (let i = 0; i < last; i++) pulled.tryRead();
  finish(pulled);

  const batched = begin();
  let visited = 0;
  for await (const batch of batched.batches()) {
    for (const _ of batch) if (++visited === last) break;
    if (visited === last) break;
  }
  finish(batched);

  const pushed = begin();
  let handled = 0;
  await pushed.onRecord(() => {
    if (++handled === last) finish(pushed);
  });
}

/** The stream ends early: whole records, then what the codec makes of the rest, the same however it came. */
function checkCutShort(wire: CodecCase): void {
  const input = bytesOf(wire.input);
  const expected = wire.records.map(([record]) => record);
  for (let length = 0; length < input.length; length++) {
    const short = input.subarray(0, length);
    const outcome = READERS.tryRead!([short], wire.codec()) as Outcome;
    for (const form of ['tryRead', 'tryReadBatch, values']) {
      assert.deepEqual(READERS[form]!(byteByByte(short), wire.codec()), outcome, `${form}, ended at ${length}`);
    }
    assert.notEqual(outcome.end, 'NOT_READY');
    const complete = wire.records.filter(([, end]) => end <= length).length;
    if (wire.cut === 'pieces') continue;
    if (wire.cut === 'tail' || wire.cut === 'drop') {
      const most = wire.cut === 'tail' ? complete + 1 : complete;
      assert.ok(outcome.records.length <= most);
      assert.deepEqual(outcome.records.slice(0, complete), expected.slice(0, complete));
    } else {
      assert.deepEqual(outcome.records, expected.slice(0, complete), `records when ended at ${length}`);
      const start = complete === 0 ? 0 : wire.records[complete - 1]![1];
      if (outcome.end === 'EOF') assert.equal(start, length, 'EOF is at a record boundary');
      else {
        // What is wrong with the record depends on where it was cut; where it starts does not.
        assert.ok(typeof outcome.end === 'object' && DOCUMENTED.test(outcome.end.code), JSON.stringify(outcome.end));
        assert.equal(outcome.end.offset, start);
      }
    }
  }
}
