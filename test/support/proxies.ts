/** Both ends of a proxy's handshake as bytes, for tests: what is sent piece by piece, and what the other side has said. */
import { type ByteStream, EOF, type MemoryPairOptions, memoryPair } from 'miniproto';
import { turn } from './handshakes.js';

/** `05 01 00` and text in quotes, as bytes. */
export function bytes(text: string): Buffer {
  const parts = text.match(/'[^']*'|[\da-f]{2}/gi) ?? [];
  return Buffer.concat(
    parts.map((part) => (part[0] === "'" ? Buffer.from(part.slice(1, -1)) : Buffer.from(part, 'hex'))),
  );
}

/** Whole, a byte at a time, and cut at every place. */
export function* cuts(input: Buffer): Generator<Buffer[]> {
  yield [input];
  yield Array.from(input, (byte) => Buffer.of(byte));
  for (let cut = 1; cut < input.length; cut++) yield [input.subarray(0, cut), input.subarray(cut)];
}

/** The far end of a memory pair: sends, and keeps what it is sent. */
export class Far {
  readonly stream: ByteStream;
  readonly #heard: Buffer[] = [];
  /** Resolves when we have ended or are gone. */
  readonly over: Promise<void>;

  constructor(stream: ByteStream) {
    this.stream = stream;
    this.over = this.#listen();
  }

  /** What was said so far, as hexadecimal digits. */
  get heard(): string {
    return Buffer.concat(this.#heard).toString('hex');
  }

  get text(): string {
    return Buffer.concat(this.#heard).toString('latin1');
  }

  async #listen(): Promise<void> {
    const { stream } = this;
    try {
      for (let answer = stream.tryFill(1); answer !== EOF; answer = stream.tryFill(1)) {
        if (typeof answer === 'number') this.#heard.push(stream.input.take(stream.input.length));
        else await stream.ready('read');
      }
    } catch {
      // Destroyed: what was heard is what there is.
    }
  }

  /** Sends pieces, with time between them for who reads; the whole of each, whatever the capacity is. */
  async send(...pieces: readonly Uint8Array[]): Promise<void> {
    for (const piece of pieces) {
      for (let from = 0; from < piece.length; ) {
        const taken = this.stream.tryWrite(piece.subarray(from));
        if (typeof taken === 'number') from += taken;
        else await this.stream.ready('write');
      }
      await turn();
    }
  }

  /** Sends, whatever becomes of it: who refuses need not read to the end. */
  async sendInVain(...pieces: readonly Uint8Array[]): Promise<void> {
    await this.send(...pieces).catch(() => undefined);
  }

  /** Waits until so many bytes were heard. */
  async hears(count: number): Promise<string> {
    while (this.heard.length < 2 * count) await turn();
    return this.heard;
  }
}

/** Our end of a pair and the far one. */
export function withFar(options: MemoryPairOptions = {}): { ours: ByteStream; far: Far } {
  const [ours, theirs] = memoryPair(options);
  return { ours, far: new Far(theirs) };
}

/** Everything that is in the input now, as text, after what is under way has come. */
export async function unreadOf(stream: ByteStream, count: number): Promise<string> {
  while (typeof stream.tryFill(count) !== 'number') await stream.ready('read');
  return stream.input.take(count).toString('latin1');
}
