/**
 * Waiting for the stream below: as long as something is wanted of it, and no longer.
 *
 * Where that stream can tell of arrivals at once (`watch`) it does, without a promise; else each wait is one `ready`.
 */
import type { ByteStream, Watcher } from '../streams/byte-stream.js';

/** Who is told. */
export interface LowerListener {
  /** There may be bytes. */
  arrived(): void;
  /** It may take more. */
  left(): void;
  failed(error: unknown): void;
}

/** What is wanted of the stream below. */
export interface LowerWants {
  readonly read: boolean;
  /** The direction to wait in before a write is tried again; undefined: none waits. */
  readonly write: 'read' | 'write' | undefined;
}

export class LowerWaits implements Watcher {
  /** The bytes are sealed: there is nothing to frame. */
  readonly framer = undefined;
  readonly #lower: ByteStream;
  readonly #listener: LowerListener;
  #reads = false;
  #writes = false;
  #watching = false;
  /** A `ready` that has not been answered. */
  #awaitsRead = false;
  #awaitsWrite = false;
  #stopped = false;

  constructor(lower: ByteStream, listener: LowerListener) {
    this.#lower = lower;
    this.#listener = listener;
  }

  want({ read, write }: LowerWants): void {
    if (this.#stopped) return;
    this.#reads = read;
    this.#writes = write !== undefined;
    if (this.#lower.watch !== undefined) this.#watch(read);
    else if (read && !this.#awaitsRead) this.#awaitRead();
    if (write !== undefined && !this.#awaitsWrite) this.#awaitWrite(write);
  }

  #watch(read: boolean): void {
    if (read === this.#watching) return;
    this.#watching = read;
    this.#lower.watch!(read ? this : undefined);
  }

  /** Internal: the stream below tells. */
  arrived(): void {
    if (this.#reads) this.#listener.arrived();
  }

  #awaitRead(): void {
    this.#awaitsRead = true;
    this.#lower.ready('read').then(
      () => {
        this.#awaitsRead = false;
        if (this.#reads) this.#listener.arrived();
      },
      (error: unknown) => {
        this.#awaitsRead = false;
        if (this.#reads) this.#listener.failed(error);
      },
    );
  }

  #awaitWrite(direction: 'read' | 'write'): void {
    this.#awaitsWrite = true;
    const answered = () => {
      this.#awaitsWrite = false;
      // A failure comes again with the next write.
      if (this.#writes) this.#listener.left();
    };
    this.#lower.ready(direction).then(answered, answered);
  }

  stop(): void {
    this.#reads = false;
    this.#writes = false;
    if (this.#watching) this.#watch(false);
    this.#stopped = true;
  }
}
