/**
 * What sending needs beyond an output queue, made when it is first needed: callbacks for what has left, and the order of
 * everything behind a Blob that has still to be read.
 *
 * A callback is called when the system has taken the last byte of its message, never within `send`.
 */
import type { Channel } from '../framed/channel.js';

/** Is told that something has left, or why it never will. */
export type SendCallback = (error?: Error) => void;

/** Something to be sent, behind what is being read. */
export interface WaitingSend {
  /** Bytes, for `bufferedAmount`. */
  readonly length: number;
  readonly done: SendCallback | undefined;
  /** Sends it. */
  run(): void;
}

/** What is done with the bytes of a Blob. */
export interface BlobSend {
  readonly done: SendCallback | undefined;
  /** @returns false once nothing can be sent any more. */
  send(bytes: Buffer): boolean;
  /** It cannot be read, and nothing behind it is sent. */
  failed(error: Error): void;
}

export class SendQueue {
  readonly #channel: Channel;
  /** Who waits for what to leave: the queue's offset behind it. Ascending. */
  #callbacks: { readonly end: number; readonly done: SendCallback }[] = [];
  #watching = false;
  /** The Blob that is being read. */
  #reading: BlobSend | undefined;
  #waiting: WaitingSend[] = [];
  /** Bytes of what waits for a Blob, the Blob included. */
  #waitingLength = 0;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** What is sent now has to wait its turn. */
  get busy(): boolean {
    return this.#reading !== undefined;
  }

  get waitingLength(): number {
    return this.#waitingLength;
  }

  /** Calls `done` when everything that is queued by now has left. */
  whenLeft(done: SendCallback): void {
    const { output } = this.#channel;
    this.#callbacks.push({ end: output.offset + output.length, done });
    if (this.#watching) return;
    this.#watching = true;
    // Behind the tick in which the queue leaves.
    process.nextTick(lookLater, this);
  }

  /** Looks what has left. */
  look(): void {
    const channel = this.#channel;
    // One at a time: a callback may send, and what it sends may leave at once.
    while (this.#callbacks.length > 0 && this.#callbacks[0]!.end <= leftOf(channel)) {
      callSafely(this.#callbacks.shift()!.done, undefined);
    }
    if (this.#callbacks.length === 0) this.#watching = false;
    // What is not in the queue any more and has not left was dropped with the connection.
    else if (channel.failed || channel.output.length + channel.stream.pendingOutput === 0) this.#dropped();
    else channel.ready(undefined).then(this.#look, this.#drop);
  }

  readonly #look = (): void => this.look();
  readonly #drop = (): void => this.#dropped();

  #dropped(): void {
    this.#watching = false;
    const error = closedError('The connection was closed before the message was sent');
    for (const { done } of this.#callbacks.splice(0)) callSafely(done, error);
  }

  /** The connection is gone: what has not left never will. */
  closed(): void {
    if (this.#callbacks.length > 0) this.look();
    this.#dropped();
    if (this.#reading !== undefined) this.#readFailed(closedError(CLOSED_WHILE_READ));
  }

  /** Sends behind the Blob that is being read. */
  enqueue(send: WaitingSend): void {
    this.#waitingLength += send.length;
    this.#waiting.push(send);
  }

  /** Reads a Blob, then sends its bytes, and goes on with what has waited. */
  read(blob: Blob, reading: BlobSend): void {
    this.#reading = reading;
    this.#waitingLength += blob.size;
    blob.arrayBuffer().then(
      (bytes) => {
        if (this.#reading !== reading) return;
        this.#waitingLength -= blob.size;
        if (reading.send(Buffer.from(bytes))) this.#goOn();
        else this.#readFailed(closedError(CLOSED_WHILE_READ));
      },
      (error: Error) => {
        if (this.#reading !== reading) return;
        this.#readFailed(error);
        reading.failed(error);
      },
    );
  }

  #readFailed(error: Error): void {
    const told = [this.#reading, ...this.#waiting.splice(0)];
    this.#reading = undefined;
    for (const waiting of told) if (waiting?.done !== undefined) callSafely(waiting.done, error);
  }

  #goOn(): void {
    this.#reading = undefined;
    while (this.#reading === undefined) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#waitingLength -= next.length;
      next.run();
    }
  }
}

const CLOSED_WHILE_READ = 'The socket was closed while the blob was being read';

/** Bytes of the queue that the system has: Node's streams take more than they have sent. */
function leftOf({ output, stream }: Channel): number {
  return output.offset - stream.pendingOutput;
}

/** With the code that Node has for what was written to a stream that is gone. */
function closedError(message: string): Error {
  return Object.assign(new Error(message), { code: 'ERR_STREAM_DESTROYED' });
}

function lookLater(queue: SendQueue): void {
  queue.look();
}

/** What a callback or listener throws is the program's, and nobody else is to suffer for it. */
function callSafely(call: (error?: Error) => void, error: Error | undefined): void {
  try {
    if (error === undefined) call();
    else call(error);
  } catch (thrown) {
    throwLater(thrown);
  }
}

/** Throws where nobody catches it, as what a listener of Node's throws. */
export function throwLater(error: unknown): void {
  process.nextTick(rethrow, error);
}

function rethrow(error: unknown): never {
  throw error;
}
