/**
 * Is it UTF-8, over every implementation, whole and in pieces, against the runtime's TextDecoder.
 */
import assert from 'node:assert/strict';
import type { NativeInterface } from '#lib/native-interface';
import { describeEach } from '../support/implementations.js';
import { type Random, seeded } from '../support/random.js';
import { randomText } from '../support/websocket-wire.js';

/** What the text begins with may go on to be valid: 'whole', 'unfinished' or 'invalid'. */
function judge(bytes: Uint8Array): string {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    decoder.decode(bytes, { stream: true });
  } catch {
    return 'invalid'; // fatal: true throws for exactly this
  }
  try {
    decoder.decode();
    return 'whole';
  } catch {
    return 'unfinished'; // the stream ended inside a character
  }
}

function verdict(state: number): string {
  assert.ok(state >= -1 && state < 8, `the state ${state} is none`);
  return state < 0 ? 'invalid' : state === 0 ? 'whole' : 'unfinished';
}

/** Checks a text among bytes that are none, at some distance from the array's start. */
function check(native: NativeInterface, text: Uint8Array, before: number): void {
  const bytes = Buffer.concat([Buffer.alloc(before, 0xe4), text, Buffer.from([0x80, 0xbf, 0xff])]);
  const state = native.validateUtf8(bytes, before, before + text.length, 0);
  assert.equal(verdict(state), judge(text), Buffer.from(text).toString('hex'));
}

const EDGES = [
  0, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf3, 0xf4,
  0xf5, 0xff,
];

/** Valid text, at times with a byte changed or cut off. */
function drawText(random: Random, length: number): Uint8Array {
  const text = randomText(random, random.below(length), random.oneIn(4));
  if (text.length > 0 && random.oneIn(2)) text[random.below(text.length)] ^= 1 << random.below(8);
  return random.oneIn(4) ? text.subarray(0, Math.max(0, text.length - random.below(4))) : text;
}

describeEach('validateUtf8', (native) => {
  it('takes nothing, and leaves the state as it is', () => {
    for (let state = 0; state < 8; state++) assert.equal(native.validateUtf8(Buffer.from([0xff]), 1, 1, state), state);
  });

  it('knows every pair of bytes, and every three of those at which a range begins or ends', () => {
    for (let first = 0; first < 256; first++) {
      for (let second = 0; second < 256; second++) check(native, Uint8Array.of(first, second), 0);
    }
    for (const a of EDGES) for (const b of EDGES) for (const c of EDGES) check(native, Uint8Array.of(a, b, c), 1);
  });

  it('finds what is wrong at every place of a long text', () => {
    for (const part of [
      [0x80],
      [0xc3],
      [0xe4, 0xb8],
      [0xed, 0xa0, 0x80],
      [0xf0, 0x9f, 0x98],
      [0xf4, 0x90, 0x80, 0x80],
    ]) {
      for (const filler of ['x', '\u4e2d', '\u{1f600}']) {
        for (let before = 0; before < 150; before++) {
          const text = [Buffer.from(filler.repeat(before)), Buffer.from(part)];
          check(native, Buffer.concat(text), before & 31);
          check(native, Buffer.concat([...text, Buffer.from(filler.repeat(50))]), before & 31);
        }
      }
    }
  });

  seeded('gives for pieces what it gives for the whole, and the states of the reference', (random) => {
    for (let round = 0; round < 4000; round++) {
      const text = drawText(random, random.oneIn(4) ? 3000 : 200);
      check(native, text, random.below(64));
      const whole = native.validateUtf8(text, 0, text.length, 0);
      let state = 0;
      let from = 0;
      for (const cut of random.cuts(text.length, 8)) {
        if (state >= 0) state = native.validateUtf8(text, from, cut, state);
        from = cut;
      }
      assert.equal(state, whole, Buffer.from(text).toString('hex'));
    }
  });
});
