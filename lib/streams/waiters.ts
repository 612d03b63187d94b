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
  #waiting: Waiter[] = [];

  get count(): number {
    return this.#waiting.length;
  }

  /** Resolves at the next `wake`. Rejects with the signal's reason when that comes first; nothing else is touched. */
  wait(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { resolve, reject, signal, onAbort: undefined };
      this.#waiting.push(waiter);
      if (signal === undefined) return;
      waiter.onAbort = () => {
        const at = this.#waiting.indexOf(waiter);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal.reason);
      };
      signal.addEventListener('abort', waiter.onAbort, { once: true });
    });
  }

  wake(): void {
    if (this.#waiting.length === 0) return;
    for (const waiter of this.#leave()) waiter.resolve();
  }

  fail(reason: unknown): void {
    if (this.#waiting.length === 0) return;
    for (const waiter of this.#leave()) waiter.reject(reason);
  }

  #leave(): Waiter[] {
    const leaving = this.#waiting;
    this.#waiting = [];
    for (const { signal, onAbort } of leaving) {
      if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort);
    }
    return leaving;
  }
}
