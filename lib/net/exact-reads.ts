/**
 * Reading that leaves in the system what is not read: for a descriptor that somebody else takes over.
 *
 * Where the codec knows how many bytes its record still needs, as many are received and no more. Where it does not, what
 * has come is peeked at and put into the input as if it had been received; when the codec has found a record, the bytes
 * up to its end are received and the rest taken out of the input again. Peeked bytes without a record's end belong to
 * that record, and are received before the next look. It costs a system call more, and a batch is one record.
 */
import type { InputBuffer } from '../bytes/input-buffer.js';
import type { NetInterface } from '../net-interface.js';
import { leasePage, PAGE_BYTES, returnPage } from './pages.js';

export class ExactReads {
  readonly #net: NetInterface;
  readonly #id: number;
  readonly #input: InputBuffer;
  /** Bytes at the end of the input that are still in the system. Consumed ones among them count too. */
  #peeked = 0;

  constructor(net: NetInterface, id: number, input: InputBuffer) {
    this.#net = net;
    this.#id = id;
    this.#input = input;
  }

  /** One attempt at more. @returns bytes, 0 at the peer's end, or a negative errno. */
  receive(): number {
    const input = this.#input;
    this.settle(input.length);
    const page = leasePage();
    try {
      const rest = input.needed - input.length;
      const count = this.#net.receive(
        this.#id,
        page,
        0,
        rest > 0 ? Math.min(rest, PAGE_BYTES) : PAGE_BYTES,
        rest > 0 ? 0 : 1,
      );
      if (count <= 0) return count;
      input.append(Buffer.from(page.subarray(0, count)));
      if (rest <= 0) this.#peeked = count;
      return count;
    } finally {
      returnPage(page);
    }
  }

  /**
   * The first `keep` bytes of the input, and what was consumed before, are ours: they leave the system. The rest leaves
   * the input.
   */
  settle(keep: number): void {
    if (this.#peeked === 0) return;
    const input = this.#input;
    const given = Math.min(this.#peeked, input.length - keep);
    let ours = this.#peeked - given;
    this.#peeked = 0;
    input.truncate(given);
    const page = leasePage();
    while (ours > 0) {
      const count = this.#net.receive(this.#id, page, 0, Math.min(ours, PAGE_BYTES), 0);
      // They were there a moment ago, and nobody else receives; a connection that fails now says so at the next read.
      if (count <= 0) break;
      ours -= count;
    }
    returnPage(page);
  }

  /** Gives back whatever is still in the system: somebody else reads on. */
  leave(): void {
    this.settle(this.#input.length - Math.min(this.#peeked, this.#input.length));
  }
}
