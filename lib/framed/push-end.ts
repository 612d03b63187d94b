/**
 * The promise of a push's end, which holds nothing until somebody waits for it.
 *
 * A promise that is to be settled by hand keeps the function that does it, and each `then` keeps two more, a reaction and
 * another promise: on an idle connection of a server that is as much as all the rest. So this one is a promise to whoever
 * asks, and has an inner one, of the ordinary kind, made for the first `then`; and a server that wants to know how its
 * connection ended says so with `keepEnd`, which makes nothing.
 */
import type { ByteStream } from '../streams/byte-stream.js';

/** Whoever has a connection, and is told of its end by one method for all of them. */
export interface EndKeeper {
  /** What the push on the stream came to. Called once, when that is known. */
  ended(end: Promise<void>, stream: ByteStream): void;
}

/** The inner promise, while it is not settled. */
class Waited {
  readonly promise: Promise<void>;
  /** Rejecting goes by a rejected promise. */
  settle!: (end: Promise<void>) => void;

  constructor() {
    this.promise = new Promise((resolve) => {
      this.settle = resolve;
    });
  }
}

/** Who waits for the end of a push, or how it ended. */
export type EndTold = EndKeeper | Waited | Promise<void> | undefined;

/** A push, as far as its end is concerned. It does not know its promise, which goes when nobody holds it. */
export interface Ending {
  told: EndTold;
  readonly stream: ByteStream;
}

/** Says how the push ended. Where nobody waits, an error is an unhandled rejection, as ever. */
export function settleEnd(push: Ending, end: Promise<void>): void {
  const { told } = push;
  push.told = end;
  if (told instanceof Waited) told.settle(end);
  else if (told !== undefined && !(told instanceof Promise)) told.ended(end, push.stream);
}

export class PushEnd extends Promise<void> {
  readonly #push: Ending;

  /** What `then` gives is an ordinary promise. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  constructor(push: Ending) {
    super(neverSettled);
    this.#push = push;
  }

  /** @returns false where somebody waits already, the push is over, or it is on another stream. */
  keep(keeper: EndKeeper, stream: ByteStream): boolean {
    const push = this.#push;
    if (push.told !== undefined || stream !== push.stream) return false;
    push.told = keeper;
    return true;
  }

  private inner(): Promise<void> {
    const { told, stream } = this.#push;
    if (told instanceof Promise) return told;
    if (told instanceof Waited) return told.promise;
    const waited = new Waited();
    this.#push.told = waited;
    told?.ended(waited.promise, stream);
    return waited.promise;
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise.
  override then<A = void, B = never>(
    // biome-ignore lint/suspicious/noConfusingVoidType: as Promise<void> has it.
    onEnd?: ((value: void) => A | PromiseLike<A>) | null,
    onFailure?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.inner().then(onEnd, onFailure);
  }
}

/**
 * Has `keeper` told how the handler's answer ends, where that is the end of a push on the stream and nobody else waits.
 * @returns false where it is something else: then it has to be waited for.
 */
export function keepEnd(answer: unknown, keeper: EndKeeper, stream: ByteStream): boolean {
  return answer instanceof PushEnd && answer.keep(keeper, stream);
}

function neverSettled(): void {
  // The inner promise is.
}
