/**
 * Codecs that users write: handshakes, a protocol that re-keys in mid-stream, successors, and those that go wrong.
 */
import assert from 'node:assert/strict';
import {
  CONTINUE,
  type Codec,
  EOF,
  fixed,
  framed,
  lengthPrefixed,
  lines,
  mapped,
  memoryPair,
  NEED_READ,
  NEED_WRITE,
  NOT_READY,
  type Status,
} from 'miniproto';
import { bytePair } from '../support/pairs.js';
import { HandshakeCodec, RekeyCodec } from '../support/rekey-codec.js';

const texts = Array.from({ length: 40 }, (_, i) => `record ${i}`);

/** A codec that does what the given functions do. */
function codecOf(parts: Partial<Codec<string>>): Codec<string> {
  return { name: 'custom', decode: (input) => input.need(1), encode: () => true, ...parts };
}

describe('idea: handshakes, at the start and again at any time', () => {
  for (const capacity of [1, 2, 7, 64 * 1024]) {
    it(`re-keys in mid-stream in both directions at capacity ${capacity}, and loses nothing`, async () => {
      const pair = bytePair({ capacity });
      const codecs = [new RekeyCodec(11, 3), new RekeyCodec(200, 5)];
      const [one, other] = pair.map((stream, i) => framed(stream, codecs[i]!));
      const collect = async (stream: AsyncIterable<string>) => {
        const read: string[] = [];
        for await (const text of stream) read.push(text);
        return read;
      };
      const send = async (stream: typeof one) => {
        for (const text of texts) await stream!.write(text);
      };
      const reading = Promise.all([collect(one!), collect(other!)]);
      // Who has ended cannot answer a re-keying any more, so both end together.
      await Promise.all([send(one!), send(other!)]);
      await Promise.all([one!.end(), other!.end()]);
      const [read, back] = await reading;
      assert.deepEqual(read, texts);
      assert.deepEqual(back, texts);
      for (const { log } of codecs) {
        assert.equal(log[0], 'hello');
        assert.equal(log.at(-1), 'bye');
        assert.ok(log.includes('rekey') && log.includes('ack'));
      }
    });
  }

  it('writes wait for the peer although nobody reads, and the records met meanwhile are kept for the reader', async () => {
    const pair = bytePair({ capacity: 1 });
    const [one, other] = pair.map((stream, i) => framed(stream, new RekeyCodec(i, 4)));
    await Promise.all([...texts.map((text) => one!.write(text)), ...texts.map((text) => other!.write(text))]);
    for (const text of texts) {
      assert.equal(await one!.read(), text);
      assert.equal(await other!.read(), text);
    }
  });
});

describe('idea: separate codes for not ready, need read and need write', () => {
  it('answers each of the four statuses at capacity 1, and ready leads out of each', async () => {
    const [near, far] = memoryPair({ capacity: 1 });
    const [one, other] = [framed(near, new RekeyCodec(1, 1)), framed(far, new RekeyCodec(2, 100))];
    const seen = new Set<Status>();
    const read = async (stream: typeof one): Promise<string | typeof EOF> => {
      for (;;) {
        const answer = stream.tryRead();
        if (answer === NOT_READY || answer === NEED_WRITE) {
          seen.add(answer);
          await stream.ready(answer === NEED_WRITE ? 'write' : 'read');
        } else {
          if (answer === EOF) seen.add(EOF);
          return answer as string | typeof EOF;
        }
      }
    };
    const write = async (stream: typeof one, record: string) => {
      for (;;) {
        const answer = stream.tryWrite(record);
        if (answer === true) return;
        seen.add(answer);
        if (answer === NEED_READ) assert.equal(stream.pendingWrite, NEED_READ);
        await stream.ready(answer === NEED_READ ? 'read' : 'write');
      }
    };
    const writing = (async () => {
      for (const text of texts) await write(one, text);
      await one.end();
    })();
    for (const text of texts) assert.equal(await read(other), text);
    assert.equal(await read(other), EOF);
    await writing;
    assert.deepEqual(seen, new Set<Status>([NOT_READY, NEED_READ, NEED_WRITE, EOF]));
  });

  it('a refused write takes nothing, however often it is tried', () => {
    const [near, far] = bytePair();
    const one = framed(near, new RekeyCodec(1, 100));
    for (let i = 0; i < 300; i++) assert.equal(one.tryWrite('x'), NEED_READ);
    one.tryFlush();
    far.tryFill();
    assert.equal(far.input.length, 2);
  });

  it('a refused read may be tried again at once any number of times', () => {
    const [near, far] = bytePair({ capacity: 1 });
    const stream = framed(
      near,
      codecOf({
        decode: (_, output) => {
          if (output.length === 0) output.writeText('abc');
          return NEED_WRITE;
        },
      }),
    );
    far.tryWrite(Buffer.from('x'));
    for (let i = 0; i < 500; i++) assert.equal(stream.tryRead(), NEED_WRITE);
    assert.equal(stream.pendingRead, NEED_WRITE);
  });
});

describe('a write that waits for the peer', () => {
  it('rejects with ERR_UNEXPECTED_EOF when the peer ends instead of answering', async () => {
    const [near, far] = bytePair();
    const stream = framed(near, new RekeyCodec(1, 3));
    const write = stream.write('never');
    await far.end();
    await assert.rejects(write, { name: 'ProtocolError', code: 'ERR_UNEXPECTED_EOF', protocol: 'rekey' });
  });

  it('rejects when the stream is destroyed', async () => {
    const stream = framed(bytePair()[0], new RekeyCodec(1, 3));
    const writes = [stream.write('a'), stream.write('b'), stream.flush()];
    const results = Promise.allSettled(writes);
    stream.destroy();
    for (const result of await results) {
      assert.equal(result.status, 'rejected');
      assert.equal((result as PromiseRejectedResult).reason.code, 'ERR_STREAM_DESTROYED');
    }
  });

  it('can be aborted, and is never sent then', async () => {
    const [near, far] = bytePair();
    const one = framed(near, new RekeyCodec(1, 100));
    const controller = new AbortController();
    const write = one.write('aborted', { signal: controller.signal });
    const second = one.write('sent');
    controller.abort(new Error('no more'));
    await assert.rejects(write, { message: 'no more' });
    const peer = framed(far, new RekeyCodec(2, 100));
    await second;
    assert.equal(await peer.read(), 'sent');
  });

  it('does not hold a reader that waits at the same time', async () => {
    const [near, far] = bytePair({ capacity: 1 });
    const [one, other] = [framed(near, new RekeyCodec(1, 2)), framed(far, new RekeyCodec(2, 2))];
    const reads = [one.read(), other.read()];
    await Promise.all([one.write('to other'), other.write('to one')]);
    assert.deepEqual(await Promise.all(reads), ['to one', 'to other']);
  });
});

describe('a codec that names its successor', () => {
  for (const capacity of [1, 64 * 1024]) {
    it(`hands over to a codec with a framer, at capacity ${capacity}`, async () => {
      const pair = bytePair({ capacity });
      const [one, other] = pair.map((stream) => framed(stream, new HandshakeCodec('shake', lines())));
      const writing = Promise.all([one!.write('first'), one!.write('second'), one!.end()]);
      assert.equal(await other!.read(), 'first');
      for await (const batch of other!.batches()) assert.deepEqual(batch.values(), ['second']);
      await writing;
      assert.equal(other!.codec.name, 'lines');
      assert.equal(await one!.tryRead(), NOT_READY);
    });
  }

  it('hands over through a mapping', async () => {
    const pair = bytePair();
    const numbers = () => mapped(new HandshakeCodec('go', lines()), { decode: Number, encode: String });
    const [one, other] = pair.map((stream) => framed(stream, numbers()));
    await Promise.all([one!.write(5), one!.write(7)]);
    assert.equal(await other!.read(), 5);
    assert.equal(await other!.read(), 7);
  });

  it('ends with an error when the handshake is wrong', async () => {
    const [near, far] = bytePair();
    const stream = framed(near, new HandshakeCodec('shake', lines()));
    far.tryWrite(Buffer.from('quake\nline\n'));
    await assert.rejects(stream.read(), { code: 'ERR_INVALID_RECORD', protocol: 'handshake', offset: 0 });
  });
});

describe('a codec that goes wrong', () => {
  it('gets ERR_CODEC_NO_PROGRESS when it asks to go on without taking a byte', async () => {
    const [near, far] = bytePair();
    const stream = framed(near, codecOf({ decode: () => CONTINUE }));
    far.tryWrite(Buffer.from('x'));
    const error = { name: 'UsageError', code: 'ERR_CODEC_NO_PROGRESS', protocol: 'custom' };
    assert.throws(() => stream.tryRead(), error);
    await assert.rejects(stream.read(), error);
  });

  it('gets ERR_CODEC_NO_PROGRESS when it gives records without end out of nothing', () => {
    const [near, far] = bytePair();
    const stream = framed(near, codecOf({ decode: () => 'again' }));
    far.tryWrite(Buffer.from('x'));
    assert.throws(
      () => {
        for (let i = 0; i < 1000; i++) stream.tryRead();
      },
      { code: 'ERR_CODEC_NO_PROGRESS' },
    );
  });

  it('gets ERR_CODEC_NO_PROGRESS when it waits for output that it never wrote', () => {
    const stream = framed(bytePair()[0], codecOf({ decode: () => NEED_WRITE }));
    assert.throws(() => stream.tryRead(), { code: 'ERR_CODEC_NO_PROGRESS' });
  });

  it('gets ERR_CODEC_IN_USE when it keeps state and is bound twice; a switch then changes nothing', () => {
    const codec = new RekeyCodec(1, 1);
    framed(bytePair()[0], codec);
    const error = { name: 'UsageError', code: 'ERR_CODEC_IN_USE', protocol: 'rekey' };
    assert.throws(() => framed(bytePair()[0], codec), error);
    const [near, far] = bytePair();
    const stream = framed(near, lines());
    far.tryWrite(Buffer.from('still\n'));
    assert.throws(() => stream.switchTo(codec), error);
    assert.equal(stream.tryRead(), 'still');
    const shared = lengthPrefixed();
    framed(bytePair()[0], shared);
    framed(bytePair()[0], shared);
  });

  it('throws its own error to the reader, which sticks', () => {
    const boom = new Error('bug in the codec');
    const [near, far] = bytePair();
    const stream = framed(
      near,
      codecOf({
        decode: () => {
          throw boom;
        },
      }),
    );
    far.tryWrite(Buffer.from('x'));
    assert.throws(() => stream.tryRead(), boom);
    assert.throws(() => stream.tryRead(), boom);
  });

  it('has what it wrote of a record taken back when it cannot be expressed', async () => {
    const [near, far] = bytePair();
    const boom = new Error('no');
    const encode: Codec<string>['encode'] = (record, output) => {
      output.writeText('half');
      if (record === 'bad') throw boom;
      return true;
    };
    const stream = framed(near, codecOf({ encode }));
    stream.tryWrite('good');
    assert.throws(() => stream.tryWrite('bad'), boom);
    await assert.rejects(stream.write('bad'), boom);
    stream.tryFlush();
    far.tryFill();
    assert.equal(far.input.take(far.input.length).toString(), 'half');
  });

  it('that forgets to answer from encode is refused, and what it wrote is taken back', async () => {
    for (const answer of [undefined, false, NOT_READY, Promise.resolve(true)]) {
      const [near, far] = bytePair();
      const encode = ((_record, output) => {
        output.writeText('lost');
        return answer;
      }) as Codec<string>['encode'];
      const stream = framed(near, codecOf({ encode }));
      assert.throws(() => stream.tryWrite('x'), {
        code: 'ERR_INVALID_ARG_VALUE',
        message: /'codec.encode' must answer true/,
      });
      await assert.rejects(stream.write('x'), { code: 'ERR_INVALID_ARG_VALUE' });
      await stream.end();
      assert.equal(far.tryFill(), EOF);
    }
  });

  it('without a finish, a rest is ERR_UNEXPECTED_EOF, seen through a mapping too', async () => {
    const decode: Codec<string>['decode'] = (input) => (input.length < 2 ? input.need(2) : input.take(2).toString());
    const codecs = [codecOf({ decode }), mapped(codecOf({ decode }), { decode: (x) => x, encode: (x: string) => x })];
    for (const codec of codecs) {
      const [near, far] = bytePair();
      const stream = framed(near, codec);
      far.tryWrite(Buffer.from('abc'));
      await far.end();
      assert.equal(stream.tryRead(), 'ab');
      assert.throws(() => stream.tryRead(), { code: 'ERR_UNEXPECTED_EOF', offset: 2, protocol: 'custom' });
    }
  });

  it('that is none is refused', () => {
    for (const codec of [undefined, null, {}, 'lines', { decode: () => 1 }, lines]) {
      assert.throws(() => framed(bytePair()[0], codec as never), { code: 'ERR_INVALID_ARG_TYPE' });
      assert.throws(() => framed(bytePair()[0], fixed(1)).switchTo(codec as never), { code: 'ERR_INVALID_ARG_TYPE' });
    }
  });
});
