/**
 * The other end of a WebSocket connection in tests, written by hand and without anything of the library's protocol: it
 * sends the bytes that a test names, right or wrong, and takes the frames that come apart, strictly.
 */
import assert from 'node:assert/strict';
import { type ByteStream, EOF, NOT_READY } from 'miniproto';
import type { WebSocketRole } from '#lib/websocket/established';
import { frameOf } from './websocket-wire.js';

export const FIN = 0x80;
export const RSV1 = 0x40;
export const RSV2 = 0x20;
export const RSV3 = 0x10;
export const CONTINUATION = 0;
export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

/** A frame that our side has sent. */
export interface SentFrame {
  readonly first: number;
  /** Bytes of the extended length. */
  readonly lengthBytes: number;
  /** Undefined where it was not masked. */
  readonly key: Buffer | undefined;
  /** Unmasked. */
  readonly payload: Buffer;
}

/** Takes the frames off the front. @returns how many bytes they have. */
export function parseFrames(bytes: Buffer, frames: SentFrame[]): number {
  let at = 0;
  for (;;) {
    const parsed = parseFrame(bytes.subarray(at));
    if (parsed === undefined) return at;
    frames.push(parsed.frame);
    at += parsed.size;
  }
}

function parseFrame(bytes: Buffer): { frame: SentFrame; size: number } | undefined {
  if (bytes.length < 2) return undefined;
  const [first, second] = bytes as unknown as [number, number];
  const short = second & 0x7f;
  const lengthBytes = short < 126 ? 0 : short === 126 ? 2 : 8;
  const keyBytes = second & 0x80 ? 4 : 0;
  const header = 2 + lengthBytes + keyBytes;
  if (bytes.length < header) return undefined;
  const length =
    lengthBytes === 0 ? short : lengthBytes === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if (bytes.length < header + length) return undefined;
  const key = keyBytes === 0 ? undefined : Buffer.from(bytes.subarray(header - 4, header));
  const payload = Buffer.from(bytes.subarray(header, header + length));
  if (key !== undefined) for (let i = 0; i < length; i++) payload[i]! ^= key[i & 3]!;
  return { frame: { first, lengthBytes, key, payload }, size: header + length };
}

/** What a frame says, in a form that reads well in a difference. */
export function tell({ first, payload }: SentFrame): string {
  const name = NAMES[first & 15] ?? `opcode ${first & 15}`;
  const bits = `${first & FIN ? '' : ' unfinished'}${first & 0x70 ? ` rsv ${(first & 0x70).toString(16)}` : ''}`;
  if ((first & 15) === CLOSE && payload.length >= 2) {
    return `close${bits} ${payload.readUInt16BE(0)} ${payload.toString('utf8', 2)}`.trimEnd();
  }
  const text = (first & 15) === TEXT ? payload.toString() : payload.toString('hex');
  return `${name}${bits} ${text.length > 80 ? `${text.slice(0, 60)}... (${payload.length})` : text}`.trimEnd();
}

const NAMES: Record<number, string> = {
  [CONTINUATION]: 'continuation',
  [TEXT]: 'text',
  [BINARY]: 'binary',
  [CLOSE]: 'close',
  [PING]: 'ping',
  [PONG]: 'pong',
};

export interface RawPeerOptions {
  /** Who we are, not the peer. */
  readonly role: WebSocketRole;
  /** Ends its side once it has our close frame, or our end. Default true. */
  readonly ends?: boolean;
  /** Answers a close frame with the same. Default false. */
  readonly answersClose?: boolean;
  /** Reads from the beginning. Default true. */
  readonly reads?: boolean;
}

export class RawPeer {
  readonly stream: ByteStream;
  /** Everything that our side has sent. */
  readonly frames: SentFrame[] = [];
  readonly #options: RawPeerOptions;
  #rest = Buffer.alloc(0);
  /** Resolves at our end; with the error, where the stream failed. */
  readonly ended: Promise<Error | undefined>;
  #begin: () => void = () => {};
  #wake: (() => void)[] = [];
  bytesReceived = 0;

  constructor(stream: ByteStream, options: RawPeerOptions) {
    this.stream = stream;
    this.#options = options;
    this.ended = new Promise<void>((resolve) => {
      this.#begin = resolve;
    }).then(() => this.#readAll());
    if (options.reads !== false) this.#begin();
  }

  /** Begins to read, where it did not at once. */
  startReading(): void {
    this.#begin();
  }

  async #readAll(): Promise<Error | undefined> {
    const { stream } = this;
    try {
      for (;;) {
        const answer = stream.tryFill(1);
        if (answer === EOF) break;
        if (typeof answer === 'number') await this.#take();
        else await stream.ready('read');
      }
    } catch (error) {
      return error as Error;
    } finally {
      for (const wake of this.#wake.splice(0)) wake();
    }
    assert.equal(this.#rest.length, 0, 'our side ended inside a frame');
    void this.#end();
    return undefined;
  }

  async #take(): Promise<void> {
    const { input } = this.stream;
    this.bytesReceived += input.length;
    const bytes = Buffer.concat([this.#rest, input.take(input.length)]);
    const before = this.frames.length;
    this.#rest = bytes.subarray(parseFrames(bytes, this.frames));
    for (const frame of this.frames.slice(before)) await this.#check(frame);
    for (const wake of this.#wake.splice(0)) wake();
  }

  /** What our side must do in every frame it sends. RFC 6455 §5.1, §5.2, §5.5 */
  async #check(frame: SentFrame): Promise<void> {
    const { first, key, payload, lengthBytes } = frame;
    assert.equal(key !== undefined, this.#options.role === 'client', 'a client masks, a server does not');
    assert.equal(
      lengthBytes,
      payload.length < 126 ? 0 : payload.length < 65536 ? 2 : 8,
      'the shortest form of lengths',
    );
    assert.equal(first & (RSV2 | RSV3), 0, 'reserved bits');
    if ((first & 8) !== 0) {
      assert.ok((first & FIN) !== 0 && payload.length <= 125, 'control frames are short and whole');
    }
    if ((first & 15) !== CLOSE) return;
    assert.equal(this.frames.filter((other) => (other.first & 15) === CLOSE).length, 1, 'one close frame');
    assert.equal(this.frames.at(-1), frame, 'nothing follows a close frame');
    if (this.#options.answersClose) await this.send({ first: FIN | CLOSE, payload });
    // Without waiting: some transports have not ended until the other side has read that.
    if (this.#options.role === 'server' || this.#options.ends !== false) void this.#end();
  }

  async #end(): Promise<void> {
    if (this.#options.ends === false) return;
    await this.stream.end().catch(() => {});
  }

  /** Sends a frame as a good peer does, masked where it is a client's. */
  async send(...frames: { first: number; payload: Uint8Array | string }[]): Promise<void> {
    for (const { first, payload } of frames) await this.write(this.bytesOf(first, payload));
  }

  /** A good frame as bytes. */
  bytesOf(first: number, payload: Uint8Array | string): Buffer {
    return frameFor(this.#options.role, first, payload);
  }

  /** Sends bytes. What nobody takes any more is dropped. */
  async write(bytes: Uint8Array): Promise<void> {
    // A copy: what is received is changed in place, and some transports hand over memory.
    let rest: Uint8Array = Buffer.from(bytes);
    try {
      while (rest.length > 0) {
        const taken = this.stream.tryWriteStable([rest]);
        if (typeof taken === 'number') rest = rest.subarray(taken);
        else await this.stream.ready(taken === NOT_READY ? 'write' : 'read');
      }
    } catch {
      // Our side has closed meanwhile.
    }
  }

  /** Resolves when there is something new, or nothing more will be. */
  #news(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  /** Resolves once our side has sent so many frames. */
  async received(count: number): Promise<SentFrame[]> {
    while (this.frames.length < count) await this.#news();
    return this.frames;
  }

  /** The frames as words. */
  get told(): string[] {
    return this.frames.map(tell);
  }
}

/** A key that changes every bit of some byte, so that forgotten masks are seen. */
const KEY = Buffer.from([0xa5, 0x5a, 0xff, 0x01]);

/** A good frame to whoever has this role. */
export function frameFor(
  role: WebSocketRole,
  first: number,
  payload: Uint8Array | string,
  lengthBytes?: number,
): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  return frameOf({
    first,
    payload: bytes,
    key: role === 'server' ? KEY : undefined,
    ...(lengthBytes === undefined ? {} : { lengthBytes }),
  });
}

/** The payload of a close frame. */
export function closing(code: number, reason: string | Uint8Array = ''): Buffer {
  return Buffer.concat([Buffer.of(code >> 8, code & 0xff), Buffer.from(reason as Uint8Array)]);
}
