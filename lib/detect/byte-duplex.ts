/**
 * A byte stream as a Node Duplex: what Node's servers are given where there is no socket of Node's to give back.
 *
 * It owns the byte stream from then on, unread input included. Reading takes what is there while there is room for it,
 * so a reader that stops leaves the bytes with the peer. It has those properties of a socket that HTTP servers look at.
 */
import { Duplex } from 'node:stream';
import { BY_REFERENCE_FROM } from '../limits.js';
import type { Connection } from '../net/connection.js';
import type { SocketAddresses } from '../net-interface.js';
import { EOF, NEED_READ, NEED_WRITE } from '../status.js';
import { type ByteStream, byteLengthOf } from '../streams/byte-stream.js';

/** Bytes. Copied into one chunk at most. */
const LARGEST_CHUNK = 64 * 1024;

type Callback = (error?: Error | null) => void;

export class ByteDuplex extends Duplex {
  readonly #stream: ByteStream;
  /** Where the two ends are, as sockets have it; undefined where that is unknown. */
  declare readonly remoteAddress?: string | undefined;
  declare readonly remoteFamily?: string | undefined;
  declare readonly remotePort?: number | undefined;
  declare readonly localAddress?: string | undefined;
  declare readonly localPort?: number | undefined;
  /** True over TLS. */
  declare readonly encrypted?: true;
  /** What TLS has agreed on; undefined where that is nothing. */
  declare readonly alpnProtocol?: string;

  constructor(stream: ByteStream, { allowHalfOpen }: { allowHalfOpen: boolean }) {
    super({ allowHalfOpen });
    this.#stream = stream;
    Object.assign(this, faceOf(stream));
  }

  override _read(): void {
    try {
      for (;;) {
        const answer = this.#stream.tryFill(1);
        if (answer === EOF) return void this.push(null);
        if (typeof answer !== 'number') {
          this.#stream.ready(answer === NEED_WRITE ? 'write' : 'read').then(
            () => this.destroyed || this._read(),
            (error) => this.destroy(error as Error),
          );
          return;
        }
        if (!this.push(this.#stream.input.take(Math.min(answer, LARGEST_CHUNK)))) return;
      }
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    this.#send([chunk], callback);
  }

  override _writev(chunks: { chunk: Buffer }[], callback: Callback): void {
    this.#send(
      chunks.map(({ chunk }) => chunk),
      callback,
    );
  }

  /** Calls back once the memory is the writer's again. */
  #send(parts: readonly Buffer[], callback: Callback): void {
    try {
      const rest = this.#push(parts);
      if (rest.length === 0 && !this.#holds(parts)) return callback();
      this.#sendLater(rest).then(() => callback(), callback);
    } catch (error) {
      callback(error as Error);
    }
  }

  async #sendLater(parts: readonly Buffer[]): Promise<void> {
    let rest = parts;
    while (rest.length > 0) {
      await this.#stream.ready(this.#stream.pendingWrite === NEED_READ ? 'read' : 'write');
      rest = this.#push(rest);
    }
    while (this.#stream.tryFlush() !== true) await this.#stream.ready('write');
  }

  /** What is sent from where it lies has to stay until it has left. */
  #holds(parts: readonly Buffer[]): boolean {
    return this.#stream.freesWritten !== true && parts.some(({ length }) => length >= BY_REFERENCE_FROM);
  }

  /** @returns what is left when the stream takes no more. */
  #push(parts: readonly Buffer[]): readonly Buffer[] {
    let rest = parts;
    while (byteLengthOf(rest) > 0) {
      const taken = this.#stream.tryWrite(rest);
      if (typeof taken !== 'number') return rest;
      rest = behind(rest, taken);
    }
    return [];
  }

  override _final(callback: Callback): void {
    this.#stream.end().then(() => callback(), callback);
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.#stream.destroy(error ?? undefined);
    callback(error);
  }
}

/** The parts behind the first `byteCount` bytes. */
function behind(parts: readonly Buffer[], byteCount: number): Buffer[] {
  const rest: Buffer[] = [];
  let skip = byteCount;
  for (const part of parts) {
    if (skip < part.length) rest.push(part.subarray(skip));
    skip = Math.max(0, skip - part.length);
  }
  return rest;
}

/** What a stream over TLS has besides: those of lib/tls, which this room need not know. */
interface Secured {
  readonly secured?: boolean;
  readonly info?: { readonly alpnProtocol: string } | undefined;
}

/** True for a stream that is plaintext here and TLS below: what is below must not be given to anybody. */
export function isSecure(stream: ByteStream): boolean {
  return 'secured' in stream;
}

function faceOf(stream: ByteStream): object {
  const { addresses = {} } = stream as { addresses?: Connection['addresses'] };
  const { remoteAddress, remoteFamily, remotePort, localAddress, localPort }: SocketAddresses = addresses;
  const where = { remoteAddress, remoteFamily, remotePort, localAddress, localPort };
  if (!isSecure(stream)) return where;
  const { info } = stream as Secured;
  return { ...where, encrypted: true, alpnProtocol: info?.alpnProtocol || undefined };
}
