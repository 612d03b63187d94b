/**
 * What is found by looking: one timer of a thread looks at all that are to be looked at, as often as the shortest of their
 * times wants. Nothing is done per read or write, and what nobody looks at costs nothing.
 */

/** Milliseconds. The timer is never faster than this. */
const FASTEST_LOOK_MS = 5;
/** Looks in the shortest time. */
const LOOKS_PER_TIME = 8;

/** Something that has a time. */
export interface Watched {
  /** Looks whether the time is over. @param now of `performance.now` */
  look(now: number): void;
}

export class Sweep {
  readonly #watched = new Set<Watched>();
  #timer: NodeJS.Timeout | undefined;
  #timerMs = Number.POSITIVE_INFINITY;

  /** @param shortestMs the shortest of its times. */
  add(watched: Watched, shortestMs: number): void {
    this.#watched.add(watched);
    this.#lookEvery(Math.max(FASTEST_LOOK_MS, shortestMs / LOOKS_PER_TIME));
  }

  delete(watched: Watched): void {
    this.#watched.delete(watched);
  }

  #lookEvery(ms: number): void {
    if (ms >= this.#timerMs) return;
    clearInterval(this.#timer);
    this.#timerMs = ms;
    this.#timer = setInterval(() => this.#look(), ms);
    // A time ends something that somebody waits for; by itself it keeps nothing alive.
    this.#timer.unref();
  }

  #look(): void {
    // Here, not in `delete`: where one comes as another goes, there would be a new timer each time.
    if (this.#watched.size === 0) return this.#stop();
    const now = performance.now();
    for (const watched of this.#watched) watched.look(now);
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#timerMs = Number.POSITIVE_INFINITY;
  }
}
