/** A ping, and those who wait for its pong: `roundTrip` of a connection. There is one at a time, for all who ask meanwhile. */

/** What these pings carry. */
export const ROUND_TRIP = Buffer.from('miniproto:rtt');

export class RoundTrip {
  readonly #begunAt = performance.now();
  readonly #waiting: { resolve(ms: number): void; reject(error: Error): void }[] = [];

  /** Resolves with the milliseconds until the pong. */
  wait(): Promise<number> {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** The pong has come. */
  ended(): void {
    const ms = performance.now() - this.#begunAt;
    for (const { resolve } of this.#waiting) resolve(ms);
  }

  /** It never will. */
  failed(error: Error): void {
    for (const { reject } of this.#waiting) reject(error);
  }
}
