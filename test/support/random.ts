/**
 * Random numbers that can be had again: mulberry32 with a fixed seed, or the one in MINIPROTO_SEED.
 *
 * `seeded` is mocha's `it` for a test that draws: when it fails, the message names the seed to repeat it with.
 */
import { env } from 'node:process';

export const SEED = Number(env.MINIPROTO_SEED ?? 0x6d696e69) >>> 0;

export class Random {
  #state: number;

  constructor(seed = SEED) {
    this.#state = seed;
  }

  /** A u32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** An integer of [0, count). */
  below(count: number): number {
    return Math.floor((this.next() / 2 ** 32) * count);
  }

  /** An integer of [min, max]. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  /** True once in `count` times. */
  oneIn(count: number): boolean {
    return this.below(count) === 0;
  }

  pick<T>(from: ArrayLike<T>): T {
    return from[this.below(from.length)];
  }

  /** `length` bytes, out of `alphabet` where one is given. */
  bytes(length: number, alphabet?: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = alphabet === undefined ? this.next() : this.pick(alphabet);
    return bytes;
  }

  /** Cuts [0, length) into at most `most` pieces: their ends, ascending, the last one `length`; empty pieces occur. */
  cuts(length: number, most: number): number[] {
    const cuts = Array.from({ length: this.below(most) }, () => this.below(length + 1));
    return [...cuts.sort((a, b) => a - b), length];
  }
}

/** A test that draws random numbers; its seed is in the message when it fails. */
export function seeded(title: string, body: (random: Random) => void | Promise<void>): Mocha.Test {
  return it(title, async function () {
    // These compute for long where a machine is busy with others.
    this.timeout(600_000);
    try {
      await body(new Random());
    } catch (error) {
      if (error instanceof Error) error.message += `\n(repeat it with MINIPROTO_SEED=${SEED})`;
      throw error;
    }
  });
}
