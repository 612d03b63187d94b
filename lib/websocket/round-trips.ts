/** A ping, and those who wait for its pong: `roundTrip` of a connection. There is one at a time, for all who ask meanwhile. */

/** What these pings carry. */
export const ROUND_TRIP: Buffer = Buffer.from('miniproto:rtt');

export class RoundTrip {
  #begunAt = 0;
  #waiting: { resolve(ms: number): void; reject(error: Error): void }[] = [];

  /** Pings for the first who waits. Resolves with the milliseconds until the pong; rejects with what `ping` throws. */
  wait(ping: () => void): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (this.#waiting.length > 1) return;
      this.#begunAt = performance.now();
      try {
        ping();
      } catch (error) {
        // A source of mask keys of somebody's own: whoever asks next pings again.
        this.#waiting = [];
        throw error;
      }
    });
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
