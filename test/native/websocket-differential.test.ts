/**
 * WebSocket frames: the addon against the reference, word for word and byte for byte, under every instruction set.
 *
 * Each has a copy of the input, which they write to. After each call headers, rows and copies have to be equal, bytes
 * outside of the span included; behind the last row the addon may have begun another. Streams are good ones, some with a byte or two changed.
 * MINIPROTO_CHUNKINGS sets how many deliveries there are, MINIPROTO_SEED which.
 */
import assert from 'node:assert/strict';
import { env } from 'node:process';
import * as t from '#lib/frame-table';
import { loadAddon, nativeInfo, referenceInterface } from '#lib/native';
import type { Framer, WebSocketFraming } from '#lib/native-interface';
import { type Random, SEED, seeded } from '../support/random.js';
import { randomFrames } from '../support/websocket-wire.js';

const CHUNKINGS = Math.ceil(Number(env.MINIPROTO_CHUNKINGS ?? 1_000_000) * 0.1);
const CHUNKINGS_PER_INPUT = 10;
const TABLE_ROWS = 8;

function randomFraming(random: Random): WebSocketFraming {
  return {
    role: random.pick(['server', 'server', 'client'] as const),
    maxLength: random.oneIn(4) ? random.pick([0, 60, 125, 126, 65536]) : 2 ** 30,
    compression: random.oneIn(2),
    utf8: !random.oneIn(4),
  };
}

function randomInput(random: Random, { role, compression }: WebSocketFraming, from: number): Buffer {
  const input = Buffer.concat([random.bytes(from), ...randomFrames(random, role === 'server', compression)]);
  if (random.oneIn(3)) for (let count = random.between(1, 3); count > 0; count--) spoil(random, input);
  return input;
}

/** Changes a byte, near the front where there are headers. */
function spoil(random: Random, input: Buffer): void {
  const at = random.below(Math.min(input.length, random.oneIn(2) ? 60 : 1000));
  if (input.length > 0) input[at] ^= random.oneIn(2) ? 1 << random.below(8) : random.below(256);
}

/** Delivers one input to both, in the same random pieces. */
class Comparison {
  readonly #tables = [t.createFrameTable(TABLE_ROWS), t.createFrameTable(TABLE_ROWS)] as const;

  run(framers: readonly [Framer, Framer], input: Buffer, from: number, random: Random, shown: () => string): void {
    const copies = [Buffer.from(input), Buffer.from(input)] as const;
    for (const table of this.#tables) table.fill(0);
    const rowCount = random.oneIn(8) ? random.below(3) : random.between(1, TABLE_ROWS + 1);
    const most = random.pick([3, 20, 200, 100_000]);
    const [table] = this.#tables;
    let start = from;
    let arrived = from;
    let final = 0;
    for (let calls = 0; calls < 100_000; calls++) {
      if (table[t.H_STATUS] === t.FRAME_MORE) {
        if (final === 1) return;
        const left = input.length - arrived;
        arrived += Math.min(left, left > 2000 && random.oneIn(2) ? left - 1000 : random.below(most));
        final = arrived === input.length && random.oneIn(2) ? 1 : 0;
      }
      for (const [index, each] of this.#tables.entries()) {
        each[t.H_FINAL] = final;
        framers[index].frame(copies[index], start, arrived, each, rowCount);
      }
      this.#compare(copies, () => `${shown()} ${JSON.stringify({ start, arrived, final, rowCount })}`);
      start += table[t.H_CONSUMED];
      if (table[t.H_STATUS] === t.FRAME_ERROR || (rowCount === 0 && calls > 2)) return;
      if (calls > 1000 && arrived === input.length && table[t.H_STATUS] === t.FRAME_MORE) return;
    }
    assert.fail(`no end: ${shown()}`);
  }

  #compare(copies: readonly [Buffer, Buffer], shown: () => string): void {
    const [one, other] = this.#tables;
    const words = t.HEADER_WORDS + one[t.H_ROWS] * t.ROW_WORDS;
    for (let word = 0; word < words; word++) {
      if (one[word] !== other[word]) assert.fail(`word ${word}: ${one.join()} should be ${other.join()}: ${shown()}`);
    }
    if (copies[0].equals(copies[1])) return;
    const at = copies[0].findIndex((byte, index) => byte !== copies[1][index]);
    assert.fail(`byte ${at} is ${copies[0][at]}, should be ${copies[1][at]}: ${shown()}`);
  }
}

describe('addon and reference, WebSocket frames', () => {
  const addon = loadAddon();
  if (addon === undefined) {
    console.log(`!!! addon and reference are NOT compared: ${nativeInfo().reason}`);
    it('give the same answers');
    return;
  }
  const best = addon.kernel();
  const kernels = addon.kernels();
  after(() => addon.selectKernel(best));

  seeded('cut, unmask and check alike', (random) => {
    const comparison = new Comparison();
    let done = 0;
    for (let round = 0; done < CHUNKINGS; round++) {
      addon.selectKernel(kernels[round % kernels.length]);
      const framing = randomFraming(random);
      const from = random.below(40);
      const input = randomInput(random, framing, from);
      const framers = [
        addon.createWebSocketFramer(framing),
        referenceInterface.createWebSocketFramer(framing),
      ] as const;
      const shown = () =>
        JSON.stringify({ ...framing, kernel: addon.kernel(), round, from, input: input.toString('hex') });
      for (let i = 0; i < CHUNKINGS_PER_INPUT; i++, done++) comparison.run(framers, input, from, random, shown);
    }
    console.log(`      ${done} chunkings compared, seed ${SEED}, over ${kernels.join(', ')}`);
  });
});
