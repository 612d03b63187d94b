/**
 * Those who wait for one condition: woken together, rejected together, each able to leave by its AbortSignal.
 *
 * No event emitter: a wait is one promise, and waking an empty room costs nothing.
 */

interface Waiter {
  resolve: () => void;
  reject: (reason: unknown) => void;
  signal: AbortSignal | undefined;
  onAbort: (() => void) | undefined;
}

export class Waiters {
  /** Undefined while nobody waits: a connection has several of these, and mostly nobody does. */
  #waiting: Waiter[] | undefined;

  get count(): number {
    return this.#waiting?.length ?? 0;
  }

  /** Resolves at the next `wake`. Rejects with the signal's reason when that comes first; nothing else is touched. */
  wait(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { resolve, reject, signal, onAbort: undefined };
      if (this.#waiting === undefined) this.#waiting = [waiter];
      else this.#waiting.push(waiter);
      if (signal === undefined) return;
      waiter.onAbort = () => {
        const waiting = this.#waiting?.filter((other) => other !== waiter);
        this.#waiting = waiting?.length === 0 ? undefined : waiting;
        reject(signal.reason);
      };
      signal.addEventListener('abort', waiter.onAbort, { once: true });
    });
  }

  wake(): void {
    const leaving = this.#leave();
    if (leaving !== undefined) for (const waiter of leaving) waiter.resolve();
  }

  fail(reason: unknown): void {
    const leaving = this.#leave();
    if (leaving !== undefined) for (const waiter of leaving) waiter.reject(reason);
  }

  #leave(): Waiter[] | undefined {
    const leaving = this.#waiting;
    if (leaving === undefined) return undefined;
    this.#waiting = undefined;
    for (const { signal, onAbort } of leaving) {
      if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort);
    }
    return leaving;
  }
}
