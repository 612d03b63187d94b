/**
 * Messages of permessage-deflate, whole and in pieces, on the addon and the reference: the examples of RFC 7692, round
 * trips, Node's own streams as an oracle, limits, and what goes wrong.
 */
import assert from 'node:assert/strict';
import { constants, createDeflateRaw, createInflateRaw, deflateRawSync } from 'node:zlib';
import type { DeflateInterface } from '#lib/deflate-interface';
import type { MessageDeflate } from '#lib/websocket/deflate/message-deflate';
import type { DeflateDirection } from '#lib/websocket/established';
import {
  ALONE,
  agreed,
  compressible,
  deflate,
  deflateOf,
  deflates,
  describeDeflate,
  hex,
  inflate,
  TAIL,
  WIDE,
} from '../../support/deflates.js';
import { type Random, seeded } from '../../support/random.js';

const HELLO = Buffer.from('Hello');
const INVALID = { name: 'ProtocolError', code: 'ERR_INVALID_DEFLATE' };
const TOO_LARGE = { name: 'LimitError', code: 'ERR_MESSAGE_TOO_LARGE' };

describeDeflate('RFC 7692 §7.2.3, examples', (codec) => {
  let one: MessageDeflate;
  beforeEach(() => {
    one = deflateOf(codec, WIDE);
  });
  afterEach(() => one.destroy());

  it('§7.2.3.1 one compressed block', () => {
    assert.equal(deflate(one, HELLO).toString('hex'), 'f248cdc9c90700');
    assert.deepEqual(inflate(one, hex('f2 48 cd c9 c9 07 00')), HELLO);
  });

  it('§7.2.3.1 in two fragments', () => {
    const pieces = one.beginInflate();
    pieces.write(hex('f2 48 cd'), { final: false });
    const first = pieces.read(100);
    assert.ok(pieces.needsInput);
    pieces.write(hex('c9 c9 07 00'), { final: true });
    assert.deepEqual(Buffer.concat([first, pieces.read(100)]), HELLO);
    assert.ok(pieces.ended);
  });

  it('§7.2.3.2 sharing the window', () => {
    assert.equal(deflate(one, HELLO).toString('hex'), 'f248cdc9c90700');
    assert.equal(deflate(one, HELLO).toString('hex'), 'f200110000');
    assert.deepEqual(inflate(one, hex('f2 48 cd c9 c9 07 00')), HELLO);
    assert.deepEqual(inflate(one, hex('f2 00 11 00 00')), HELLO);
  });

  it('§7.2.3.3 a block without compression', () => {
    assert.deepEqual(inflate(one, hex('00 05 00 fa ff 48 65 6c 6c 6f 00')), HELLO);
  });

  it('§7.2.3.4 a block with BFINAL', () => {
    assert.deepEqual(inflate(one, hex('f3 48 cd c9 c9 07 00 00')), HELLO);
    assert.deepEqual(inflate(one, hex('f2 00 11 00 00')), HELLO, 'the window survives it');
  });

  it('§7.2.3.5 two blocks', () => {
    assert.deepEqual(inflate(one, hex('f2 48 05 00 00 00 ff ff ca c9 c9 07 00')), HELLO);
  });

  it('§7.2.3.6 an empty message', () => {
    assert.equal(deflate(one, Buffer.alloc(0)).toString('hex'), '00');
    assert.equal(inflate(one, hex('00')).length, 0);
    assert.equal(deflate(one, Buffer.alloc(0)).toString('hex'), '00');
    assert.equal(inflate(one, hex('00')).length, 0);
  });

  it('§7.2.2 without the window nothing is shared', () => {
    const alone = deflateOf(codec, ALONE);
    assert.equal(deflate(alone, HELLO).toString('hex'), 'f248cdc9c90700');
    assert.equal(deflate(alone, HELLO).toString('hex'), 'f248cdc9c90700');
    assert.deepEqual(inflate(alone, hex('f2 48 cd c9 c9 07 00')), HELLO);
    assert.throws(() => inflate(alone, hex('f2 00 11 00 00')), { ...INVALID, message: /too far back/ });
    alone.destroy();
  });
});

describe('MessageDeflate between implementations', () => {
  const sizes = [0, 1, 2, 7, 16, 64, 250, 1024, 4095, 32_768, 65_535, 65_536, 65_537, 200_000];
  for (const from of deflates()) {
    for (const to of deflates()) {
      it(`${from.name} to ${to.name}: sizes, levels, windows, takeover`, function () {
        this.timeout(60_000);
        for (const contextTakeover of [true, false]) {
          for (const windowBits of [8, 9, 12, 15]) {
            for (const level of [0, 1, 6, 9]) {
              roundTrips(from.codec, to.codec, { windowBits, contextTakeover }, level, sizes);
            }
          }
        }
      });
    }
  }

  function roundTrips(
    from: DeflateInterface,
    to: DeflateInterface,
    direction: DeflateDirection,
    level: number,
    sizes: readonly number[],
  ): void {
    const sender = deflateOf(from, direction, { level, memLevel: (level % 9) + 1 });
    const receiver = deflateOf(to, direction);
    for (const size of sizes) {
      const message = Buffer.alloc(size, 'a line of text, ');
      for (let i = 0; i < size; i += 13) message[i] = i * 31;
      const there = inflate(receiver, deflate(sender, message));
      assert.ok(there.equals(message), `${size} bytes, level ${level}, window ${direction.windowBits}`);
    }
    sender.destroy();
    receiver.destroy();
  }
});

describeDeflate('MessageDeflate and Node streams', (codec) => {
  for (const windowBits of [8, 9, 11, 15]) {
    for (const contextTakeover of [true, false]) {
      const how = `window ${windowBits}, ${contextTakeover ? 'with' : 'without'} takeover`;
      seeded(`what it writes a stream of Node reads: ${how}`, async (random) => {
        const sender = deflateOf(codec, { windowBits, contextTakeover });
        // With chunks that small every reference goes through the window, and fails if it is too far.
        const inflater = createInflateRaw({ windowBits, chunkSize: 64 });
        for (let i = 0; i < 25; i++) {
          const message = compressible(random, random.below(i % 5 === 0 ? 20_000 : 1500));
          inflater.write(Buffer.concat([deflate(sender, message), TAIL]));
          assert.deepEqual(await flushed(inflater), message);
        }
        sender.destroy();
      });

      seeded(`what a stream of Node writes it reads: ${how}`, async (random) => {
        const receiver = deflateOf(codec, { windowBits, contextTakeover });
        const deflater = createDeflateRaw({ windowBits });
        for (let i = 0; i < 25; i++) {
          const message = compressible(random, 1 + random.below(i % 5 === 0 ? 20_000 : 1500));
          deflater.write(message);
          const bytes = await flushed(deflater);
          if (!contextTakeover) deflater.reset();
          assert.ok(bytes.subarray(-4).equals(TAIL));
          assert.deepEqual(inflate(receiver, bytes.subarray(0, -4)), message);
        }
        receiver.destroy();
      });
    }
  }

  async function flushed(stream: ReturnType<typeof createInflateRaw>): Promise<Buffer> {
    const parts: Buffer[] = [];
    const take = (part: Buffer) => parts.push(part);
    await new Promise<void>((resolve, reject) => {
      stream.on('data', take).once('error', reject).flush(constants.Z_SYNC_FLUSH, resolve);
    });
    stream.removeAllListeners('error').removeListener('data', take);
    return Buffer.concat(parts);
  }
});

describeDeflate('MessageDeflate with many connections', (codec) => {
  seeded('keeps their histories apart', (random) => {
    const directions = [
      WIDE,
      ALONE,
      { windowBits: 10, contextTakeover: true },
      { windowBits: 9, contextTakeover: false },
    ];
    const pairs = Array.from({ length: 30 }, (_, i) => {
      const history = [0, 256, 4096, 32_768][i % 4];
      const memory = i % 2 === 0 ? 40_960 : 65_536;
      const direction = directions[i % directions.length];
      return [deflateOf(codec, direction, { history }), deflateOf(codec, direction, { memory })] as const;
    });
    for (let i = 0; i < 600; i++) {
      const [sender, receiver] = pairs[random.oneIn(2) ? random.below(3) : random.below(30)];
      const message = compressible(random, random.below(3000));
      assert.deepEqual(inflate(receiver, deflate(sender, message)), message, `message ${i}`);
    }
    for (const [sender, receiver] of pairs) {
      sender.destroy();
      receiver.destroy();
    }
  });

  it('refers to what was sent before, however many others send', () => {
    const [alone, wide] = [deflateOf(codec, ALONE), Array.from({ length: 20 }, () => deflateOf(codec, WIDE))];
    const message = Buffer.from('{"name":"a name that is long enough","value":"a value too"}');
    const { length } = deflate(alone, message);
    for (const one of wide) assert.equal(deflate(one, message).length, length);
    for (const one of wide) assert.ok(deflate(one, message).length < length / 3);
    for (const one of [alone, ...wide]) one.destroy();
  });

  it('gives everything back', () => {
    const before = codec.counters();
    const all = Array.from({ length: 10 }, () => deflateOf(codec, WIDE));
    for (const one of all) inflate(one, deflate(one, HELLO));
    const { contexts, bytes } = codec.counters();
    assert.equal(contexts, before.contexts + 10);
    for (const one of all) one.destroy();
    for (const one of all) one.destroy();
    assert.equal(codec.counters().contexts, before.contexts);
    assert.ok(codec.counters().bytes <= bytes);
    assert.throws(() => deflate(all[0], HELLO), { name: 'TransportError', code: 'ERR_STREAM_DESTROYED' });
    assert.throws(() => inflate(all[0], hex('00')), { name: 'TransportError', code: 'ERR_STREAM_DESTROYED' });
  });

  for (const memory of [1024, 16_384, 40_960, 49_152]) {
    it(`takes nothing before the first message, and no more than ${memory} bytes after it`, () => {
      const { settings } = agreed(WIDE, { memory, history: 4096 });
      const direction = { windowBits: settings.peerBits, contextTakeover: true };
      const all = Array.from({ length: 60 }, () => deflateOf(codec, direction, { memory, history: 4096 }));
      const message = Buffer.alloc(70_000, 'x1y2z3');
      for (const one of all.slice(0, 20)) inflate(one, deflate(one, message));
      // The streams of the thread are there by now.
      const { bytes } = codec.counters();
      for (const one of all.slice(20)) inflate(one, deflate(one, message));
      assert.ok(codec.counters().bytes - bytes <= 40 * memory, `${bytes}, ${codec.counters().bytes}`);
      for (const one of all) one.destroy();
    });
  }
});

describeDeflate('MessageDeflate.forget and deflateAlone', (codec) => {
  it('send what everybody can read, and then refer to nothing before', () => {
    const sender = deflateOf(codec, WIDE);
    const receiver = deflateOf(codec, WIDE);
    const alone = sender.deflateAlone(HELLO);
    assert.deepEqual(inflate(receiver, deflate(sender, HELLO)), HELLO);
    // What was prepared goes between.
    sender.forget();
    assert.deepEqual(inflate(receiver, alone), HELLO);
    const next = deflate(sender, HELLO);
    assert.equal(next.toString('hex'), 'f248cdc9c90700');
    assert.deepEqual(inflate(receiver, next), HELLO);
    assert.deepEqual(inflate(receiver, deflate(sender, HELLO)), HELLO);
    sender.destroy();
    receiver.destroy();
  });

  it('work before the first message and for several windows', () => {
    for (const windowBits of [8, 9, 15]) {
      const one = deflateOf(codec, { windowBits, contextTakeover: true });
      one.forget();
      const message = Buffer.alloc(5000, 'abcdefgh');
      assert.deepEqual(inflate(one, one.deflateAlone(message)), message);
      one.destroy();
    }
  });
});

describeDeflate('MessageDeflate, limits', (codec) => {
  for (const direction of [WIDE, ALONE]) {
    it(`takes maxLength bytes and not one more, takeover ${direction.contextTakeover}`, () => {
      for (const length of [0, 1, 15, 1000, 65_535, 65_536, 65_537, 300_000]) {
        const sender = deflateOf(codec, direction);
        const bytes = deflate(sender, Buffer.alloc(length, 'ab'));
        const exact = deflateOf(codec, direction);
        assert.equal(inflate(exact, bytes, length).length, length);
        const less = deflateOf(codec, direction);
        if (length > 0) assert.throws(() => inflate(less, bytes, length - 1), TOO_LARGE);
        if (length > 0) assert.throws(() => inflate(less, hex('00'), length), TOO_LARGE, 'the first error sticks');
        for (const one of [sender, exact, less]) one.destroy();
      }
    });
  }

  it('stops a bomb early, whole', () => {
    const receiver = deflateOf(codec, WIDE);
    const before = codec.counters().bytes;
    assert.throws(() => receiver.inflate(BOMB, 0, BOMB.length, 100_000), TOO_LARGE);
    assert.ok(codec.counters().bytes - before < 100_000);
    receiver.destroy();
  });

  it('pauses in the middle of a bomb, in pieces', () => {
    const receiver = deflateOf(codec, WIDE);
    const pieces = receiver.beginInflate();
    pieces.write(BOMB, { final: true });
    const before = codec.counters().bytes;
    for (let i = 0; i < 10; i++) assert.equal(pieces.read(1000).length, 1000);
    assert.ok(pieces.pendingInput > BOMB.length - 1000, 'it has hardly begun to read');
    assert.ok(codec.counters().bytes - before < 100_000);
    receiver.destroy();
  });

  it('bounds the whole of a message in pieces', () => {
    const receiver = deflateOf(codec, WIDE);
    const pieces = receiver.beginInflate(0, 1500);
    pieces.write(BOMB, { final: true });
    assert.equal(pieces.read(1000).length, 1000);
    assert.throws(() => pieces.read(1000), TOO_LARGE);
    receiver.destroy();
  });
});

/** 20 MB in 20 KB. */
const BOMB = deflateRawSync(Buffer.alloc(20_000_000), { finishFlush: constants.Z_SYNC_FLUSH, level: 9 }).subarray(
  0,
  -4,
);

describeDeflate('MessageDeflate in pieces', (codec) => {
  seeded('gives what whole messages give', (random) => {
    const sender = deflateOf(codec, WIDE);
    const receiver = deflateOf(codec, WIDE);
    for (let i = 0; i < 60; i++) {
      const message = compressible(random, random.below(i % 6 === 0 ? 150_000 : 3000));
      const bytes = random.oneIn(3) ? deflate(sender, message) : deflateInPieces(sender, message, random);
      const back = random.oneIn(3) ? inflate(receiver, bytes) : inflateInPieces(receiver, bytes, random);
      assert.deepEqual(back, message, `message ${i}`);
    }
    sender.destroy();
    receiver.destroy();
  });

  function deflateInPieces(by: MessageDeflate, message: Buffer, random: Random): Buffer {
    const pieces = by.beginDeflate();
    const parts: Buffer[] = [];
    let from = 0;
    const cuts = random.cuts(message.length, 6);
    for (const [index, to] of cuts.entries()) {
      const final = index === cuts.length - 1;
      parts.push(Buffer.from(pieces.write(message, from, to, { final, flush: random.oneIn(3) })));
      from = to;
    }
    return Buffer.concat(parts);
  }

  function inflateInPieces(by: MessageDeflate, bytes: Buffer, random: Random): Buffer {
    const pieces = by.beginInflate();
    const parts: Buffer[] = [];
    let from = 0;
    for (const to of random.cuts(bytes.length, 6)) {
      pieces.write(Buffer.from(bytes.subarray(from, to)), { final: to === bytes.length });
      from = to;
      while (!pieces.needsInput && !pieces.ended)
        parts.push(pieces.read(1 + random.below(random.oneIn(2) ? 3 : 10_000)));
      if (pieces.ended) break;
    }
    assert.ok(pieces.ended);
    return Buffer.concat(parts);
  }

  it('makes readable what is flushed', () => {
    const sender = deflateOf(codec, WIDE);
    const receiver = deflateOf(codec, WIDE);
    const writing = sender.beginDeflate();
    const reading = receiver.beginInflate();
    for (const [index, text] of ['one', 'two', 'three'].entries()) {
      const bytes = writing.write(Buffer.from(text), 0, text.length, { final: index === 2, flush: true });
      reading.write(Buffer.from(bytes), { final: index === 2 });
      assert.equal(reading.read(100).toString(), text);
    }
    assert.ok(reading.ended);
    sender.destroy();
    receiver.destroy();
  });

  it('may end with nothing, and be nothing', () => {
    const one = deflateOf(codec, WIDE);
    const empty = one.beginDeflate();
    assert.equal(empty.write(HELLO, 0, 0, { final: false }).length, 0);
    assert.equal(empty.write(HELLO, 0, 0, { final: true }).toString('hex'), '00');
    const some = one.beginDeflate();
    const parts = [some.write(HELLO, 0, 5, { final: false }), some.write(HELLO, 5, 5, { final: true })].map(
      Buffer.from,
    );
    assert.deepEqual(inflate(one, Buffer.concat(parts)), HELLO);
    one.destroy();
  });

  it('refuses other messages between', () => {
    const one = deflateOf(codec, WIDE);
    const unfinished = { name: 'UsageError', code: 'ERR_RECORD_UNFINISHED' };
    const writing = one.beginDeflate();
    writing.write(HELLO, 0, 5, { final: false });
    assert.throws(() => deflate(one, HELLO), unfinished);
    assert.throws(() => one.beginDeflate(), unfinished);
    writing.write(HELLO, 0, 5, { final: true });
    assert.throws(() => writing.write(HELLO, 0, 5, { final: true }), { code: 'ERR_STREAM_ENDED' });
    deflate(one, HELLO);
    const reading = one.beginInflate();
    assert.throws(() => inflate(one, hex('00')), unfinished);
    assert.throws(() => one.beginInflate(), unfinished);
    reading.write(hex('f2 48 cd'), { final: false });
    assert.throws(() => reading.write(hex('c9'), { final: false }), unfinished);
    one.destroy();
  });

  it('lets go of what was begun', () => {
    const before = codec.counters().contexts;
    for (let i = 0; i < 20; i++) {
      const one = deflateOf(codec, WIDE);
      one.beginDeflate().write(Buffer.alloc(100_000, 'xy'), 0, 100_000, { final: false });
      const reading = one.beginInflate();
      reading.write(BOMB, { final: false });
      reading.read(10);
      one.destroy();
    }
    assert.equal(codec.counters().contexts, before);
    // Whoever gets their streams finds nothing of theirs.
    const next = deflateOf(codec, WIDE);
    assert.equal(deflate(next, HELLO).toString('hex'), 'f248cdc9c90700');
    assert.deepEqual(inflate(next, hex('f2 48 cd c9 c9 07 00')), HELLO);
    next.destroy();
  });
});

describeDeflate('MessageDeflate, final blocks (§7.2.3.4)', (codec) => {
  const whole = (text: string) => deflateRawSync(Buffer.from(text));

  it('may be several, may refer back, may be padded, may come in pieces', () => {
    const one = deflateOf(codec, WIDE);
    const dictionary = Buffer.from('the same text. ');
    const second = deflateRawSync(dictionary, { dictionary });
    for (const end of [Buffer.alloc(0), hex('00')]) {
      const bytes = Buffer.concat([whole('the same text. '), second, end]);
      assert.equal(inflate(one, bytes).toString(), 'the same text. the same text. ');
      const pieces = one.beginInflate();
      let text = '';
      for (let i = 0; i < bytes.length; i++) {
        pieces.write(bytes.subarray(i, i + 1), { final: i === bytes.length - 1 });
        while (!pieces.needsInput && !pieces.ended) text += pieces.read(1);
      }
      assert.equal(text, 'the same text. the same text. ');
    }
    one.destroy();
  });

  it('may be very many', () => {
    const one = deflateOf(codec, ALONE);
    const many = Buffer.concat(Array.from({ length: 20_000 }, () => hex('03 00')));
    assert.equal(inflate(one, many).length, 0);
    assert.equal(inflate(one, Buffer.concat([many, whole('end')])).toString(), 'end');
    one.destroy();
  });
});

describeDeflate('MessageDeflate, what is not valid', (codec) => {
  const cases: [title: string, bytes: string, reason: RegExp][] = [
    ['a block of type 3', '06', /invalid block type/],
    ['stored lengths that do not agree', '00 05 00 fa fe 48', /invalid stored block lengths/],
    ['a distance before the beginning', 'f2 00 11 00 00', /too far back/],
    ['too many symbols', 'fc ff', /too many length or distance symbols/],
    ['a stored block that is cut', '00 05 00 fa ff 48 65', /./],
    ['half a block', 'f2 48 cd c9', /./],
    ['nothing at all', '', /./],
    ['a stored block of the tail and more', '00 08 00 f7 ff 48 65', /./],
  ];
  for (const [title, bytes, reason] of cases) {
    it(`fails on ${title}`, () => {
      const one = deflateOf(codec, WIDE);
      assert.throws(() => inflate(one, hex(bytes)), { ...INVALID, message: reason });
      assert.throws(() => inflate(one, hex('00')), INVALID, 'the first error sticks');
      assert.equal(deflate(one, HELLO).length, 7, 'the other direction goes on');
      one.destroy();
    });
  }

  seeded('never gives more than allowed, and works for others', (random) => {
    const other = deflateOf(codec, WIDE);
    for (let i = 0; i < 400; i++) {
      const one = deflateOf(codec, random.pick([WIDE, ALONE]));
      try {
        assert.ok(inflate(one, random.bytes(random.below(300)), 5000).length <= 5000);
      } catch (error) {
        assert.match(String((error as { code?: string }).code), /^ERR_(INVALID_DEFLATE|MESSAGE_TOO_LARGE)$/);
      }
      one.destroy();
    }
    assert.deepEqual(inflate(other, deflate(other, HELLO)), HELLO);
    other.destroy();
  });
});

describe('MessageDeflate, addon and reference', () => {
  const all = deflates();
  before(function () {
    if (all.length < 2) this.skip();
  });

  /** What comes of it: bytes, or that it is not valid. */
  function outcome(codec: DeflateInterface, before: Buffer[], bytes: Uint8Array): string {
    const one = deflateOf(codec, WIDE);
    try {
      for (const message of before) inflate(one, message);
      return inflate(one, bytes).toString('latin1');
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'ERR_INVALID_DEFLATE');
      return 'ERR_INVALID_DEFLATE';
    } finally {
      one.destroy();
    }
  }

  seeded('say the same of messages that were changed', (random) => {
    let invalid = 0;
    for (let i = 0; i < 1500; i++) {
      const sender = deflateOf(all[1].codec, WIDE, { level: random.pick([0, 1, 6, 9]) });
      const before = [deflate(sender, compressible(random, random.below(500)))];
      const bytes = deflate(sender, compressible(random, random.below(500)));
      sender.destroy();
      for (let changes = random.below(4); changes > 0; changes--)
        bytes[random.below(bytes.length)] ^= 1 << random.below(8);
      const cut = random.oneIn(3) ? bytes.subarray(0, random.below(bytes.length + 1)) : bytes;
      const results = all.map(({ codec }) => outcome(codec, before, cut));
      assert.equal(results[0], results[1], `round ${i}: ${cut.toString('hex')}`);
      if (results[0] === 'ERR_INVALID_DEFLATE') invalid++;
    }
    assert.ok(invalid > 300);
  });
});

describe('MessageDeflate without memory', () => {
  const addon = deflates()[1]?.codec;
  it('fails with a typed error, alone, whichever allocation it is', function () {
    if (addon === undefined) this.skip();
    const message = Buffer.alloc(5000, 'some text');
    const memory = { name: 'TransportError', code: 'ERR_DEFLATE_MEMORY' };
    const bytes = deflateRawSync(message, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
    const direction = { windowBits: 14, contextTakeover: true };
    for (let allowed = 0, failed = true; failed; allowed++) {
      failed = false;
      const one = deflateOf(addon, direction, { memLevel: (allowed % 9) + 1 });
      for (const work of [() => deflate(one, message), () => inflate(one, bytes)]) {
        addon.failAllocations(allowed);
        try {
          work();
        } catch (error) {
          failed = true;
          assert.throws(() => {
            throw error;
          }, memory);
        } finally {
          addon.failAllocations(-1);
        }
      }
      one.destroy();
      const other = deflateOf(addon, direction);
      assert.deepEqual(inflate(other, deflate(other, message)), message);
      other.destroy();
    }
  });

  it('says which window and level it has', () => {
    const { own, settings } = agreed({ windowBits: 11, contextTakeover: false }, { level: 3, threshold: 10 });
    assert.equal(own.windowBits, 11);
    assert.equal(settings.level, 3);
    assert.equal(deflateOf(deflates()[0].codec, own, { threshold: 10 }).threshold, 10);
  });
});
