/**
 * The contract of a byte stream: a two-way pipe of bytes whose input buffer is on its own side.
 *
 * Every operation tries first and answers with a value or a status; only `ready`, `end` and `close` wait. Because the
 * input buffer belongs to the stream and not to a codec, another codec can take over at the first byte that the last
 * one did not consume. The contract suite in test/streams/ runs over every implementation.
 */
import { invalidArgType } from '../arguments.js';
import type { InputBuffer } from '../bytes/input-buffer.js';
import type { Framer } from '../native-interface.js';
import type { Eof, NeedRead, NeedWrite, NotReady } from '../status.js';

/** How a wait may be ended. */
export interface ReadyOptions {
  /** Ends the wait with the signal's reason. Nothing is lost by it. */
  signal?: AbortSignal | undefined;
}

/** How long `close` may take. */
export interface CloseOptions extends ReadyOptions {
  /** Milliseconds until the stream is destroyed although output is left or the peer has not ended. Default 5000. */
  timeoutMs?: number;
}

/** A two-way pipe of bytes, with its input buffer on its own side. Every operation tries first; see docs/streams.md. */
export interface ByteStream extends AsyncDisposable {
  /** Bytes that arrived and were not consumed. */
  readonly input: InputBuffer;
  /** Bytes written and not yet taken by the layer below. */
  readonly pendingOutput: number;
  /** True where the memory of bytes that were taken is the writer's at once, whether they have left or not. Internal. */
  readonly freesWritten?: boolean;
  /** True where it is the writer's again as soon as `pendingOutput` is 0. Internal. */
  readonly freesSent?: boolean;
  /** True where there is no writable side. */
  readonly readsOnly?: boolean;
  /** True once somebody has destroyed or released the stream: what is in `input` is nobody's any more. Internal. */
  readonly abandoned?: boolean;
  /** True while `close` drops what comes: what is in `input` may begin in the middle of a record. Internal. */
  readonly drops?: boolean;
  /** True where memory in `input` may be somebody else's too, so that it must not be written to. Internal. */
  readonly sharesInput?: boolean;
  /** Why no more bytes can be had now, without an attempt: a status, or undefined when there may be some. */
  readonly pendingRead: NotReady | NeedWrite | Eof | undefined;
  /** Why a write cannot go on now, without an attempt: a status, or undefined when it might. */
  readonly pendingWrite: NotReady | NeedRead | undefined;

  /**
   * Makes `atLeast` bytes (default 1) be in `input`, with one attempt to get more where they are not.
   * @returns the bytes in `input`; NOT_READY; NEED_WRITE; EOF when the peer has ended and fewer will ever come.
   * What arrived stays in `input` whatever the answer.
   * @throws the stream's failure, once fewer bytes than asked for are left.
   */
  tryFill(atLeast?: number): number | NotReady | NeedWrite | Eof;

  /**
   * Takes bytes for sending. Below 16 KiB they are copied; larger ones may be sent from where they lie and must not
   * be changed until everything has been flushed.
   * @returns how many were taken, from the front, at least 1 unless there were none; NOT_READY; NEED_READ.
   * @throws UsageError ERR_STREAM_ENDED after `end()`; the stream's failure.
   */
  tryWrite(bytes: Uint8Array | readonly Uint8Array[]): number | NotReady | NeedRead;

  /** `tryWrite` for bytes that the caller promises never to change: nothing is copied. */
  tryWriteStable(bytes: readonly Uint8Array[]): number | NotReady | NeedRead;

  /** `tryWriteStable` of bytes[from, to), which is not empty, without a view. For streams that can; internal. */
  tryWriteRange?(bytes: Buffer, from: number, to: number): number | NotReady | NeedRead;

  /**
   * Lets others give bytes to the system past the stream, by the id that is answered (see net/bypasses.ts), until
   * `closeBypass`. For streams that can; internal.
   * @returns -1 while nothing that is written leaves at once.
   */
  openBypass?(): number;
  closeBypass?(): void;

  /**
   * Has the stream take no byte from the layer below that a record does not need. For streams that can; internal.
   * @returns true.
   */
  readExactly?(exact: boolean): boolean;

  /** While it reads exactly: the first `keep` bytes of `input` are a record's, the rest is taken out of it again. */
  settlePeeked?(keep: number): void;

  /** The same at the exit of the process, when marks mean nothing any more. A stream without it is asked the usual way. */
  writeAtExit?(bytes: readonly Uint8Array[]): number;

  /** @returns true when everything taken has left for the layer below; else a status. */
  tryFlush(): true | NotReady | NeedRead;

  /**
   * Resolves when repeating the refused operation may get further; may wake for nothing; wakes all that wait.
   * Resolves on EOF, rejects when the stream fails.
   */
  ready(direction: 'read' | 'write', options?: ReadyOptions): Promise<void>;

  /** Ends our side after everything written has left. The other side may go on. */
  end(): Promise<void>;

  /**
   * The careful end: flush, end, then read and discard until the peer ends, a megabyte has come, or the time is over,
   * so that the last record reaches a peer that is still sending. Never rejects because of the peer.
   */
  close(options?: CloseOptions): Promise<void>;

  /**
   * Keeps our side open where the layer below would end it with the peer's. For streams that know such a thing.
   * @returns true when it was kept open; then whoever reads ends it, after the peer's end was given out.
   */
  keepOpen?(): boolean;

  /**
   * Has `watcher` told of every arrival, at once and not by a promise, until another one or undefined is given. For
   * streams that can; internal.
   */
  watch?(watcher: Watcher | undefined): void;

  /** Tells the watcher now what the turn under way has still to tell of this stream. For streams that have turns; internal. */
  hear?(): void;

  /** The abrupt end. Whoever waits is rejected with `error`, or with ERR_STREAM_DESTROYED. */
  destroy(error?: Error): void;
}

/** Someone who reads as soon as something has come: the push form of a framed stream. Internal. */
export interface Watcher {
  /** What the stream may frame with before it calls, if it can. */
  readonly framer: Framer | undefined;
  /** What it is handed is kept for longer than a turn, so that large records are better received into memory of their own. */
  readonly keeps?: boolean;
  /** Its codec has said in `input.needed` how many bytes make reading worthwhile: before they are there it need not be told. */
  readonly saysNeed?: boolean;
  /**
   * Bytes came, or the end, or a failure: reading now gets further.
   * @param table where the new bytes have been framed: words of frame tables.
   * @param base where this one begins in it.
   * @param rows its rows; -1 when nothing was framed. They are about the whole input.
   */
  arrived(table: Int32Array, base: number, rows: number): void;
}

/** @throws ERR_INVALID_ARG_TYPE unless `value` is a byte stream: one of Node's is mostly what was given instead. */
export function checkByteStream(name: string, value: unknown): asserts value is ByteStream {
  if (typeof (value as Partial<ByteStream> | null | undefined)?.tryFill === 'function') return;
  throw invalidArgType(name, 'a byte stream: adopt(socket), or asByteStream(stream)', value);
}
