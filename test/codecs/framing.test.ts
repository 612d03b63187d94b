/** Records over many chunks: where their bytes lie until the end has come, and that they are the same however they were cut. */
import assert from 'node:assert/strict';
import { EOF, framed, lines, memoryPair, NOT_READY, type SeparatedCodec, separated } from 'miniproto';
import { InputBuffer } from '#lib/bytes/input-buffer';
import { decodeFramed, finishFramed } from '#lib/codecs/framing';

/** Bytes. Chunks of this size stay where they are; smaller ones are copied together. */
const CHUNK = 8192;

function inputOf(...chunks: (string | Buffer)[]): InputBuffer {
  const input = new InputBuffer();
  for (const chunk of chunks) input.append(Buffer.from(chunk));
  return input;
}

describe('a separated record over many chunks', () => {
  const { framing } = lines({ encoding: 'buffer' });
  const chunk = 'x'.repeat(CHUNK);

  it('leaves them where they arrived until it has ended, and is put together then', () => {
    const input = inputOf(chunk, chunk);
    assert.equal(decodeFramed(input, framing), NOT_READY);
    assert.equal(input.frontLength, CHUNK);
    assert.equal(input.needed, 2 * CHUNK + 1);
    input.append(Buffer.from(chunk));
    assert.equal(decodeFramed(input, framing), NOT_READY);
    assert.equal(input.frontLength, CHUNK);
    input.append(Buffer.from(`end\r\nnext${chunk}`));
    assert.equal(String(decodeFramed(input, framing)), `${chunk.repeat(3)}end`);
    assert.equal(decodeFramed(input, framing), NOT_READY);
    assert.equal(String(finishFramed(input, framing)), `next${chunk}`);
    assert.equal(finishFramed(input, framing), EOF);
  });

  it('is looked at once: what was searched is not searched again', () => {
    const input = inputOf(chunk, chunk);
    assert.equal(decodeFramed(input, framing), NOT_READY);
    // Nobody may write there; here it shows who looks.
    input.front()!.next!.bytes[5] = 0x0a;
    input.append(Buffer.from(`${chunk}\n`));
    assert.equal((decodeFramed(input, framing) as Buffer).length, 3 * CHUNK);
  });

  it('gives memory back that others wait for', () => {
    const input = new InputBuffer();
    let back = 0;
    for (let i = 1; i <= 3; i++) {
      input.append(Buffer.from(chunk), () => back++);
      assert.equal(decodeFramed(input, framing), NOT_READY);
      // The first is the front of nothing else, and nothing has been copied yet.
      assert.equal(back, i === 1 ? 0 : i);
    }
    input.append(Buffer.from('\n'));
    assert.equal(String(decodeFramed(input, framing)), chunk.repeat(3));
  });

  it('is put together on the way where it is very long, so that no search walks along ever more chunks', () => {
    const input = new InputBuffer();
    const long = lines({ encoding: 'buffer', maxLength: 1 << 24 }).framing;
    const large = Buffer.alloc(1 << 16, 'x');
    for (let i = 0; i < 100; i++) {
      input.append(large);
      assert.equal(decodeFramed(input, long), NOT_READY);
      assert.equal(input.frontLength, (i + 1) * large.length < 1 << 22 ? large.length : (i + 1) * large.length);
    }
    input.append(Buffer.from('\n'));
    assert.equal((decodeFramed(input, long) as Buffer).length, 100 * large.length);
  });

  it('is too long as soon as that is certain, and no more of it is copied than shows that', () => {
    const codec = lines({ encoding: 'buffer', maxLength: 3 * CHUNK });
    const input = inputOf(chunk, chunk, chunk, 'x');
    assert.equal(decodeFramed(input, codec.framing), NOT_READY);
    input.append(Buffer.alloc(1 << 20, 'x'));
    assert.throws(() => decodeFramed(input, codec.framing), { code: 'ERR_RECORD_TOO_LARGE' });
    assert.ok(input.frontLength <= 4 * CHUNK, `${input.frontLength}`);
  });
});

/** What a codec gives for chunks. */
function outcome(codec: SeparatedCodec<unknown>, chunks: readonly Buffer[]): unknown[] {
  const [near, far] = memoryPair({ capacity: 1 << 20 });
  const stream = framed(near, codec);
  const given: unknown[] = [];
  try {
    for (const chunk of [...chunks, undefined]) {
      if (chunk === undefined) void far.end();
      else far.tryWrite(chunk);
      for (;;) {
        const record = stream.tryRead();
        if (record === NOT_READY) break;
        if (record === EOF) return [...given, 'EOF'];
        given.push(record);
      }
    }
  } catch (error) {
    return [...given, (error as { code: string }).code];
  }
  throw new Error('neither the end nor an error');
}

describe('a separator over the border of two chunks', () => {
  for (const separator of ['\n', '\r\n', 'aab', 'abab']) {
    for (const overflow of ['error', 'skip', 'pieces'] as const) {
      it(`ends a record as within one, ${JSON.stringify(separator)}, ${overflow}`, () => {
        for (const more of [-1, 0, 1]) {
          const maxLength = 2 * CHUNK + more;
          const codec = () => separated(separator, { encoding: 'latin1', maxLength, overflow });
          const body = 'a'.repeat(2 * CHUNK);
          const all = Buffer.from(`ab${separator}${body}${separator}${separator}rest`);
          const whole = outcome(codec(), [all]);
          for (let cut = 2 * CHUNK - 3; cut <= 2 * CHUNK + 12; cut++) {
            for (const first of [CHUNK, CHUNK + 1]) {
              const chunks = [all.subarray(0, first), all.subarray(first, cut), all.subarray(cut)];
              assert.deepEqual(outcome(codec(), chunks), whole, `cut at ${first} and ${cut}, ${maxLength}`);
            }
          }
        }
      });
    }
  }

  it('ends a line as within one, CR or not, at the limit and over it', () => {
    for (const end of ['\r\n', '\n', '\r\r\n']) {
      for (const maxLength of [2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1]) {
        const codec = () => lines({ encoding: 'latin1', maxLength });
        const all = Buffer.from(`${'x'.repeat(2 * CHUNK)}${end}rest`);
        const whole = outcome(codec(), [all]);
        for (let cut = 2 * CHUNK - 2; cut <= 2 * CHUNK + 4; cut++) {
          const chunks = [all.subarray(0, CHUNK), all.subarray(CHUNK, cut), all.subarray(cut)];
          assert.deepEqual(outcome(codec(), chunks), whole, `cut at ${cut}, ${maxLength}, ${JSON.stringify(end)}`);
        }
      }
    }
  });
});
