/** Records in pieces: larger than any buffer, in both directions, and what can go wrong in the middle of one. */
import assert from 'node:assert/strict';
import {
  type Batch,
  EOF,
  type FramedStream,
  fixed,
  framed,
  jsonLines,
  lengthPrefixed,
  lines,
  memoryPair,
  NOT_READY,
  netstring,
  type RecordParts,
  type RecordPieces,
  separated,
} from 'miniproto';
import { pattern } from '../support/byte-stream-contract.js';
import { bytePair } from '../support/pairs.js';
import { seeded } from '../support/random.js';

const unfinished = { name: 'UsageError', code: 'ERR_RECORD_UNFINISHED' };

async function collect(pieces: RecordPieces | typeof EOF): Promise<Buffer> {
  assert.notEqual(pieces, EOF);
  const all: Buffer[] = [];
  for await (const piece of pieces as RecordPieces) {
    assert.ok(piece.length > 0);
    all.push(Buffer.from(piece));
  }
  return Buffer.concat(all);
}

const CODECS = {
  'length-prefixed': () => lengthPrefixed({ bytes: 4 }),
  varint: () => lengthPrefixed({ bytes: 'varint' }),
  netstring: () => netstring(),
  'with its trailer': () => lengthPrefixed({ bytes: 1, trailer: '\n' }),
  lines: () => lines({ encoding: 'buffer' }),
  'strict lines': () => lines({ encoding: 'buffer', newline: 'strict-crlf' }),
  'several separators': () => separated(['\r\n', '--'], { encoding: 'buffer' }),
};

describe('idea: a record is sent piecewise around the data of the user', () => {
  for (const [name, codec] of Object.entries(CODECS)) {
    for (const capacity of [1, 3, 1000]) {
      seeded(`reads and writes it in any pieces: ${name}, capacity ${capacity}`, async (random) => {
        const [near, far] = bytePair({ capacity });
        const [writer, reader] = [framed(near, codec()), framed(far, codec())] as FramedStream<Buffer, Uint8Array>[];
        const records = [0, 1, 2, 63, 200].map((size) => Buffer.from(random.bytes(size, Buffer.from('abc -'))));
        const clean = records.map((record) => Buffer.from(record.toString().replaceAll('--', '++').replace(/-$/, '+')));
        const writing = (async () => {
          for (const record of clean) {
            const parts = await writer!.begin(record.length);
            let start = 0;
            for (const end of random.cuts(record.length, 6)) {
              await parts.write(record.subarray(start, end));
              start = end;
            }
            parts.end();
            await writer!.write(Buffer.from('between'));
          }
          await writer!.end();
        })();
        for (const record of clean) {
          const pieces = await reader!.readPieces();
          assert.equal((await collect(pieces)).toString('latin1'), record.toString('latin1'));
          assert.equal(String(await reader!.read()), 'between');
        }
        assert.equal(await reader!.readPieces(), EOF);
        await writing;
      });
    }
  }

  it('moves 64 MiB through a pair of 64 KiB with bounded memory', async function () {
    this.timeout(60_000);
    const [near, far] = bytePair({ capacity: 64 * 1024 });
    const [writer, reader] = [framed(near, lengthPrefixed()), framed(far, lengthPrefixed())];
    const [total, size] = [64 * 1024 * 1024, 48 * 1024];
    const part = pattern(size);
    const writing = (async () => {
      const parts = await writer.begin(total);
      for (let left = total; left > 0; left -= size) {
        await parts.write(part.subarray(0, Math.min(size, left)));
        assert.ok(writer.pendingOutput <= 256 * 1024);
      }
      parts.end();
      await writer.write('next');
    })();
    const pieces = (await reader.readPieces()) as RecordPieces;
    assert.equal(pieces.length, total);
    let read = 0;
    for await (const piece of pieces) {
      // The first byte of each is enough to see that none was lost or doubled.
      assert.equal(piece[0], part[read % size]);
      read += piece.length;
      assert.ok(far.input.length <= 256 * 1024);
    }
    assert.equal(read, total);
    assert.equal(String(await reader.read()), 'next');
    await writing;
  });

  it('finds separators over the borders of pieces, and gives what only began like one', async () => {
    const [near, far] = bytePair();
    const stream = framed(near, separated('END', { encoding: 'buffer' }));
    const pieces = async () => collect(await stream.readPieces());
    const reading = pieces();
    for (const byte of 'abEENDx') {
      far.tryWrite(Buffer.from(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(String(await reading), 'abE');
    far.tryWrite(Buffer.from('yEN'));
    void far.end();
    assert.equal(String(await collect(await stream.readPieces())), 'xyEN');
  });

  it('a CR that ends a piece waits for the LF that may follow', async () => {
    const [near, far] = bytePair();
    const stream = framed(near, lines());
    far.tryWrite(Buffer.from('ab\r'));
    const pieces = stream.tryReadPieces() as RecordPieces;
    assert.equal(String(pieces.tryRead()), 'ab');
    assert.equal(pieces.tryRead(), NOT_READY);
    far.tryWrite(Buffer.from('\ncd\n'));
    assert.equal(pieces.tryRead(), EOF);
    assert.equal(pieces.tryRead(), EOF);
    assert.equal(stream.tryRead(), 'cd');
  });

  it('gives the header with the first piece where it is kept', async () => {
    const [near, far] = bytePair();
    const stream = framed(near, lengthPrefixed({ bytes: 2, header: 'keep' }));
    far.tryWrite(Buffer.from('\0\x02ab\0\0'));
    const pieces = stream.tryReadPieces() as RecordPieces;
    assert.equal(pieces.length, 4);
    assert.equal(String(await collect(pieces)), '\0\x02ab');
    assert.equal(String(stream.tryRead()), '\0\0');
  });

  it('is not bound by maxLength, which bounds what is held', async () => {
    const [near, far] = bytePair();
    const stream = framed(near, lengthPrefixed({ bytes: 2, maxLength: 3 }));
    far.tryWrite(Buffer.from('\0\x05hello\0\x05hello'));
    assert.equal(String(await collect(await stream.readPieces())), 'hello');
    await assert.rejects(stream.read(), { code: 'ERR_RECORD_TOO_LARGE', offset: 7 });
  });
});

describe('a record that is read in pieces', () => {
  it('is skipped to its end when the iteration is left early', async () => {
    const [near, far] = bytePair({ capacity: 40 });
    const stream = framed(near, lengthPrefixed({ bytes: 2, encoding: 'latin1' }));
    const writer = framed(far, lengthPrefixed({ bytes: 2 }));
    // More than TLS opens at once.
    const writing = Promise.all([writer.write('x'.repeat(40_000)), writer.write('next')]);
    for await (const piece of (await stream.readPieces()) as RecordPieces) {
      assert.ok(piece.length < 40_000);
      break;
    }
    assert.equal(await stream.read(), 'next');
    await writing;
  });

  for (const [way, leave] of [
    ['break', () => {}],
    [
      'throw',
      () => {
        throw new Error('enough');
      },
    ],
  ] as const) {
    it(`is left at once by ${way}, and its rest is dropped by the next read as it arrives`, async () => {
      const [near, far] = bytePair();
      const stream = framed(near, lengthPrefixed({ bytes: 1, encoding: 'latin1' }));
      far.tryWrite(Buffer.from('\x06ab'));
      const pieces = stream.tryReadPieces() as RecordPieces;
      const loop = (async () => {
        for await (const _ of pieces) {
          leave();
          break;
        }
      })();
      // Nothing more arrives before the loop has been left.
      if (way === 'throw') await assert.rejects(loop, { message: 'enough' });
      else await loop;
      assert.equal(pieces.tryRead(), EOF);
      assert.equal(stream.tryRead(), NOT_READY);
      assert.equal(stream.tryReadBatch(), NOT_READY);
      assert.equal(stream.tryReadPieces(), NOT_READY);
      far.tryWrite(Buffer.from('cd'));
      assert.equal(stream.tryRead(), NOT_READY);
      const reading = stream.read();
      far.tryWrite(Buffer.from('ef\x01x\x01y'));
      assert.equal(await reading, 'x');
      assert.equal(stream.tryRead(), 'y');
    });
  }

  it('is dropped before a batch, a push, other pieces, a Duplex and a switch too', async () => {
    const left = async () => {
      const [near, far] = bytePair();
      const stream = framed(near, lengthPrefixed({ bytes: 1, encoding: 'latin1' }));
      far.tryWrite(Buffer.from('\x04ab'));
      for await (const _ of stream.tryReadPieces() as RecordPieces) break;
      assert.throws(() => stream.switchTo(fixed(1)), unfinished);
      far.tryWrite(Buffer.from('cd\x01x'));
      await far.end();
      return stream;
    };
    const batch = (await left()).tryReadBatch();
    assert.deepEqual([...(batch as Batch<string>)].length, 1);
    const pushed: string[] = [];
    await (await left()).onRecord((record) => pushed.push(record.text()));
    assert.deepEqual(pushed, ['x']);
    assert.equal(String(await collect(await (await left()).readPieces())), 'x');
    assert.deepEqual(await (await left()).toDuplex().toArray(), ['x']);
    assert.equal(String((await left()).switchTo(fixed(2)).tryRead()), '\x01x');
  });

  it('fails the next read when its rest, which nobody wants, is wrong', async () => {
    const [near, far] = bytePair();
    const stream = framed(near, lengthPrefixed({ bytes: 1 }));
    far.tryWrite(Buffer.from('\x04ab'));
    for await (const _ of stream.tryReadPieces() as RecordPieces) break;
    assert.equal(stream.tryRead(), NOT_READY);
    await far.end();
    for (let i = 0; i < 2; i++) assert.throws(() => stream.tryRead(), { code: 'ERR_UNEXPECTED_EOF' });
  });

  it('discard resolves when all of it has arrived, and may be aborted', async () => {
    const [near, far] = bytePair();
    const stream = framed(near, lengthPrefixed({ bytes: 1, encoding: 'latin1' }));
    far.tryWrite(Buffer.from('\x04ab'));
    const pieces = stream.tryReadPieces() as RecordPieces;
    await assert.rejects(pieces.discard({ signal: AbortSignal.timeout(5) }), { name: 'TimeoutError' });
    const discarding = pieces.discard();
    far.tryWrite(Buffer.from('cd\x01x'));
    await discarding;
    assert.equal(stream.switchTo(lengthPrefixed({ bytes: 1, encoding: 'latin1' })).tryRead(), 'x');
  });

  it('an aborted signal refuses pieces and parts, and nothing is taken', async () => {
    const [near, far] = bytePair();
    const [stream, writer] = [framed(near, lengthPrefixed()), framed(far, lengthPrefixed())];
    const reason = new Error('no');
    const options = { signal: AbortSignal.abort(reason) };
    await assert.rejects(writer.begin(2, options), reason);
    const parts = await writer.begin(2);
    await assert.rejects(parts.write(Buffer.from('no'), options), reason);
    await parts.write(Buffer.from('ok'));
    parts.end();
    await writer.flush();
    const pieces = (await stream.readPieces()) as RecordPieces;
    await assert.rejects(pieces.read(options), reason);
    assert.equal(String(await pieces.read()), 'ok');
    await assert.rejects(pieces.read({ signal: 5 as never }), { code: 'ERR_INVALID_ARG_TYPE' });
    await assert.rejects(writer.begin(2, { signal: 5 as never }), { code: 'ERR_INVALID_ARG_TYPE' });
  });

  it('has every other read refused meanwhile', async () => {
    const [near, far] = bytePair();
    const stream = framed(near, lengthPrefixed({ bytes: 1, encoding: 'latin1' }));
    far.tryWrite(Buffer.from('\x02abz'));
    const pieces = stream.tryReadPieces() as RecordPieces;
    assert.throws(() => stream.tryRead(), unfinished);
    assert.throws(() => stream.tryReadBatch(), unfinished);
    assert.throws(() => stream.tryReadPieces(), unfinished);
    assert.throws(() => stream.switchTo(fixed(1)), unfinished);
    await assert.rejects(stream.read(), unfinished);
    await assert.rejects(
      stream.onRecord(() => {}),
      unfinished,
    );
    await pieces.discard();
    const next = stream.switchTo(fixed(1));
    assert.equal(String(next.tryRead()), 'z');
  });

  const wrong: [string, Parameters<typeof framed<unknown, never>>[1], string, string][] = [
    ['the end comes inside the payload', lengthPrefixed({ bytes: 1 }), '\x05ab', 'ERR_UNEXPECTED_EOF'],
    ['the end comes inside the header', lengthPrefixed({ bytes: 4 }), '\0\0', 'ERR_UNEXPECTED_EOF'],
    ['the end comes before the trailer', netstring(), '2:ab', 'ERR_UNEXPECTED_EOF'],
    ['the trailer is something else', netstring(), '2:ab;', 'ERR_TRAILER_MISSING'],
    ['the length is no number', netstring(), 'x', 'ERR_LENGTH_NOT_DIGIT'],
    [
      'the end comes before the separator, where tails are refused',
      lines({ tail: 'refuse' }),
      'ab',
      'ERR_UNEXPECTED_EOF',
    ],
    ['a CR is bare', lines({ newline: 'strict-crlf' }), 'ab\rc', 'ERR_BARE_CR'],
  ];
  for (const [title, codec, input, code] of wrong) {
    it(`fails with ${code} when ${title}, and that sticks`, async () => {
      const [near, far] = bytePair();
      const stream = framed(near, codec);
      far.tryWrite(Buffer.from(input, 'latin1'));
      await far.end();
      const error = { name: 'ProtocolError', code };
      await assert.rejects(async () => collect(await stream.readPieces()), error);
      assert.throws(() => stream.tryRead(), error);
      assert.throws(() => stream.tryReadPieces(), error);
    });
  }

  const skipping = { encoding: 'latin1', maxLength: 2, overflow: 'skip' } as const;
  const skippers = {
    separated: separated('\r\n', skipping),
    'lines that drop CR': lines(skipping),
    // A LF of its own is a fault in a record, and nothing in one that is skipped.
    'strict lines': lines({ ...skipping, newline: 'strict-crlf' }),
  };
  const long = 'too\rlong';
  for (const [name, codec] of Object.entries(skippers)) {
    it(`begins behind a record that is being skipped, wherever that was cut: ${name}`, async () => {
      for (let cut = 4; cut <= long.length + 1; cut++) {
        const [near, far] = bytePair();
        const stream = framed(near, codec);
        const input = Buffer.from(`${long}\r\nas long too\r\nat\r\n`);
        far.tryWrite(input.subarray(0, cut));
        assert.equal(stream.tryRead(), NOT_READY);
        assert.equal(stream.tryReadPieces(), NOT_READY);
        far.tryWrite(input.subarray(cut));
        assert.equal(String(await collect(await stream.readPieces())), 'as long too');
        assert.equal(stream.tryRead(), 'at');
      }
    });

    it(`ends with the stream that ends in a record that is being skipped: ${name}`, async () => {
      for (const rest of ['', 'er', '\r']) {
        const [near, far] = bytePair();
        const stream = framed(near, codec);
        far.tryWrite(Buffer.from(long));
        assert.equal(stream.tryRead(), NOT_READY);
        assert.equal(stream.tryReadPieces(), NOT_READY);
        far.tryWrite(Buffer.from(rest));
        await far.end();
        assert.equal(await stream.readPieces(), EOF);
        assert.equal(stream.tryRead(), EOF);
      }
    });
  }

  it('takes what is left of a record that was being cut, and what follows is no part of it', async () => {
    const [near, far] = bytePair();
    const stream = framed(near, lines({ encoding: 'latin1', maxLength: 2, overflow: 'pieces' }));
    far.tryWrite(Buffer.from('abcde'));
    assert.deepEqual(stream.tryRead(), { data: 'ab', piece: 'part' });
    const pieces = stream.tryReadPieces();
    far.tryWrite(Buffer.from('fg\nhi\n'));
    assert.equal(String(await collect(pieces as RecordPieces)), 'cdefg');
    assert.deepEqual(stream.tryRead(), { data: 'hi', piece: 'whole' });
  });

  it('an aborted wait loses nothing of it', async () => {
    const [near, far] = bytePair();
    const stream = framed(near, lengthPrefixed({ bytes: 1 }));
    far.tryWrite(Buffer.from('\x04ab'));
    const pieces = stream.tryReadPieces() as RecordPieces;
    assert.equal(String(pieces.tryRead()), 'ab');
    await assert.rejects(pieces.read({ signal: AbortSignal.timeout(5) }), { name: 'TimeoutError' });
    far.tryWrite(Buffer.from('cd'));
    assert.equal(String(await pieces.read()), 'cd');
    assert.equal(await pieces.read(), EOF);
  });

  it('is not offered by a codec whose records are values', async () => {
    const stream = framed(bytePair()[0], jsonLines());
    assert.throws(() => stream.tryReadPieces(), { code: 'ERR_PIECES_UNSUPPORTED' });
    assert.throws(() => stream.tryBegin(), { code: 'ERR_PIECES_UNSUPPORTED' });
    await assert.rejects(stream.begin(), { code: 'ERR_PIECES_UNSUPPORTED' });
  });
});

describe('a record that is written in pieces', () => {
  it('an abort gives the memory of a large part back that was taken, which is sent', async () => {
    const [near, far] = memoryPair({ capacity: 1000 });
    const stream = framed(near, lengthPrefixed(), { writeHighWaterMark: 10_000 });
    const part = pattern(50_000);
    const parts = await stream.begin(part.length);
    const [taken, late] = [new AbortController(), new AbortController()];
    const write = parts.write(part, { signal: taken.signal });
    // There is no room for another one, so nothing of it is taken.
    const refused = assert.rejects(parts.write(part, { signal: late.signal }), { name: 'AbortError' });
    taken.abort();
    late.abort();
    await write;
    part.fill(0);
    await refused;
    parts.end();
    assert.ok(pattern(50_000).equals((await framed(far, lengthPrefixed()).read()) as Buffer));
  });

  it('has every other write refused meanwhile', async () => {
    const stream = framed(bytePair()[0], lengthPrefixed());
    const parts = await stream.begin(3);
    assert.throws(() => stream.tryWrite('x'), unfinished);
    assert.throws(() => stream.tryBegin(1), unfinished);
    await assert.rejects(stream.write('x'), unfinished);
    await parts.write(pattern(3));
    parts.end();
    assert.throws(() => parts.tryWrite(pattern(1)), { code: 'ERR_RECORD_LENGTH' });
    assert.equal(stream.tryWrite('x'), true);
  });

  it('must have the length that was announced, neither more nor less', async () => {
    const stream = framed(bytePair()[0], lengthPrefixed());
    const parts = await stream.begin(3);
    assert.equal(parts.tryWrite(pattern(2)), 2);
    assert.throws(() => parts.tryWrite(pattern(2)), { name: 'UsageError', code: 'ERR_RECORD_LENGTH' });
    assert.throws(() => parts.end(), { name: 'UsageError', code: 'ERR_RECORD_LENGTH' });
    assert.equal(parts.tryWrite(pattern(1)), 1);
    parts.end();
  });

  it('must announce a length where the protocol needs one, that fits its field', async () => {
    const stream = framed(bytePair()[0], lengthPrefixed({ bytes: 1 }));
    await assert.rejects(stream.begin(), { code: 'ERR_INVALID_ARG_TYPE' });
    await assert.rejects(stream.begin(-1), { code: 'ERR_OUT_OF_RANGE' });
    await assert.rejects(stream.begin(256), { code: 'ERR_RECORD_NOT_ENCODABLE' });
    assert.equal(stream.pendingOutput, 0);
    assert.equal(stream.tryWrite('x'), true);
  });

  it('may not hold a separator, not over the border of two parts either', async () => {
    const stream = framed(bytePair()[0], separated('--'));
    const parts = await stream.begin();
    const refused = { name: 'UsageError', code: 'ERR_RECORD_CONTAINS_SEPARATOR' };
    assert.throws(() => parts.tryWrite(Buffer.from('a--b')), refused);
    parts.tryWrite(Buffer.from('a-'));
    assert.throws(() => parts.tryWrite(Buffer.from('-b')), refused);
    assert.throws(() => parts.end(), refused);
    parts.tryWrite(Buffer.from('b'));
    parts.end();
  });

  it('that is given up destroys the stream, since half a record cannot be taken back', async () => {
    const [near, far] = memoryPair();
    const stream = framed(near, lengthPrefixed());
    const parts = await stream.begin(10);
    await parts.write(pattern(5));
    await stream.flush();
    const reason = new Error('no more');
    parts.abort(reason);
    assert.throws(() => stream.tryWrite('x'), { cause: reason });
    await assert.rejects(framed(far, lengthPrefixed()).read(), { name: 'TransportError' });
  });

  it('is held back by a peer that does not read', async () => {
    const [near, far] = memoryPair({ capacity: 10 });
    const stream = framed(near, lengthPrefixed(), { writeHighWaterMark: 10 });
    const parts = (await stream.begin(1000)) as RecordParts;
    let taken = 0;
    for (;;) {
      const answer = parts.tryWrite(pattern(5));
      if (answer === NOT_READY) break;
      taken += answer as number;
    }
    assert.ok(taken <= 40);
    await assert.rejects(parts.write(pattern(5), { signal: AbortSignal.timeout(5) }), { name: 'TimeoutError' });
    const reading = collect(await framed(far, lengthPrefixed()).readPieces());
    await parts.write(new Uint8Array(1000 - taken));
    parts.end();
    assert.equal((await reading).length, 1000);
  });

  it('refuses parts that are no bytes', async () => {
    const parts = await framed(bytePair()[0], lengthPrefixed()).begin(3);
    assert.throws(() => parts.tryWrite('abc' as never), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});
