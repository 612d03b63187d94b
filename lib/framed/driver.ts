/**
 * Moves a conversation on when an operation was refused: takes input in, lets output leave, and reads on with a
 * handshake that a write waits for, although nobody reads. Records met on the way are kept for the reader.
 *
 * It gives out no record and takes none: the order of readers is ReadAttempts' business, that of writes RecordWriter's.
 * Each side of the conversation is in one of two states, and a refused operation waits for what they say:
 *
 *   reading   writing   ready('read') waits for            ready('write') waits for
 *   free      free      bytes of the peer                  our output to have left
 *   owing     free      the same                           the same, taking in the peer's bytes undecoded up to the mark
 *   free      needy     a record decoded ahead; where a    as above
 *                       reader waits, its next attempt
 *   owing     needy     the same, or our output to leave   as above
 *
 *   free → owing        decode answers NEED_WRITE                                     (idleNeeds > 0)
 *   owing → free        decode answers anything else
 *   free → needy        encode answers NEED_READ                                      (NEEDS_PEER)
 *   needy → free        encode answers true; a ready('read') is over; the peer has ended and was heard to its end
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Codec } from '../codecs/codec.js';
import { ProtocolError, UsageError } from '../errors.js';
import { MAX_EMPTY_PROGRESS } from '../limits.js';
import {
  EOF,
  type Eof,
  NEED_READ,
  NEED_WRITE,
  type NeedRead,
  type NeedWrite,
  type NotReady,
  type ReadStatus,
} from '../status.js';
import type { ReadyOptions } from '../streams/byte-stream.js';
import { Waiters } from '../streams/waiters.js';
import type { Channel } from './channel.js';
import type { RecordParts, RecordPieces } from './record-pieces.js';
import { READER_BITS, RecordReader } from './record-reader.js';
import type { WriteQueue } from './write-queue.js';

/** Bits of a conversation's state, behind those of RecordReader. Those of ReadAttempts follow. */
const ENDED = 1 << READER_BITS;
const READING = ENDED << 1;
/** The last write was refused until the peer has been heard. */
const NEEDS_PEER = ENDED << 2;
/** What a write waits for cannot be read before our own output has left. */
const BLOCKED_BY_OUTPUT = ENDED << 3;
/** The first bit that is free. */
export const DRIVER_BITS = READER_BITS + 4;

/** Times that a loop may get input without a wait before others get their turn: about a megabyte. */
const FILLS_PER_TURN = 16;

/** What a conversation mostly has nothing of. Made when there is something: idle connections are many. */
class Seldom<W> {
  /** Writers that need the peer, woken when a reader has got further on their behalf. */
  needy: Waiters | undefined = undefined;
  /** NEED_WRITE answers in a row although nothing was left to write. */
  idleNeeds = 0;
  /** See RecordWriter. */
  queue: WriteQueue<W> | undefined = undefined;
  /** A record that is being written in parts. */
  parts: RecordParts | undefined = undefined;
  /** A record that a push handler wrote could not be encoded when its turn came. */
  pushFailure: unknown = undefined;
  /** A record that is being read in pieces. */
  pieces: RecordPieces | undefined = undefined;
  /** What `end` has begun, see StreamEnds. */
  end: Promise<void> | undefined = undefined;
  /** What `close` has begun. */
  close: Promise<void> | undefined = undefined;
}

/** It is the reader, too: a stream that is idle has one object for all of this. */
export class Driver<R, W> extends RecordReader<R, W, Channel> {
  protected seldom: Seldom<W> | undefined;
  /** Times that input came without a wait. */
  #fillsInRow = 0;

  constructor(codec: Codec<R, W>, channel: Channel) {
    super(codec, channel.stream.input, channel);
  }

  get channel(): Channel {
    return this.around;
  }

  protected more(): Seldom<W> {
    this.seldom ??= new Seldom();
    return this.seldom;
  }

  private get idleNeeds(): number {
    return this.seldom === undefined ? 0 : this.seldom.idleNeeds;
  }

  protected is(bit: number): boolean {
    return (this.state & bit) !== 0;
  }

  protected note(bit: number, on: boolean): void {
    this.state = on ? this.state | bit : this.state & ~bit;
  }

  /** The peer's end has been seen. */
  get ended(): boolean {
    return this.is(ENDED);
  }

  set ended(ended: boolean) {
    this.note(ENDED, ended);
  }

  /** Someone waits in `read`, a batch or a push, and moves the protocol on. Set by ReadAttempts. */
  get reading(): boolean {
    return this.is(READING);
  }

  set reading(reading: boolean) {
    this.note(READING, reading);
  }

  private noteNeedsPeer(needs: boolean): void {
    this.note(NEEDS_PEER, needs);
  }

  private get blockedByOutput(): boolean {
    return this.is(BLOCKED_BY_OUTPUT);
  }

  private set blockedByOutput(blocked: boolean) {
    this.note(BLOCKED_BY_OUTPUT, blocked);
  }

  /** The codec in charge, for errors. */
  get protocol(): string {
    return this.codec.name;
  }

  /** Why a read would be refused now, without an attempt. */
  get pendingRead(): ReadStatus | undefined {
    if (this.hasRecord) return undefined;
    const { output, stream } = this.channel;
    const { input } = stream;
    if (this.idleNeeds > 0 && output.length > 0) return NEED_WRITE;
    if (input.length > 0 && input.length >= input.needed) return undefined;
    return this.ended ? EOF : stream.pendingRead;
  }

  /** A write waits until the peer has been heard. */
  get needsPeer(): boolean {
    return this.is(NEEDS_PEER);
  }

  // ---------------------------------------------------------------- what the two sides say

  /** Notes that decode answered something other than NEED_WRITE. */
  decoded(): void {
    if (this.seldom !== undefined) this.seldom.idleNeeds = 0;
  }

  /**
   * Notes that decode answered NEED_WRITE: it cannot go on before its output has left.
   * @returns true when it has.
   */
  wrote(): boolean {
    const seldom = this.more();
    if (this.channel.tryFlush() !== true) {
      seldom.idleNeeds = 1;
      return false;
    }
    if (++seldom.idleNeeds > MAX_EMPTY_PROGRESS) {
      throw new UsageError('ERR_CODEC_NO_PROGRESS', { protocol: this.protocol });
    }
    return true;
  }

  /** Notes what encode answered. @throws ProtocolError ERR_UNEXPECTED_EOF when it waits for a peer that has ended. */
  encoded(answer: true | NeedRead): void {
    this.noteNeedsPeer(answer === NEED_READ);
    this.channel.schedule();
    if (this.needsPeer) this.checkPeerMaySpeak();
  }

  private checkPeerMaySpeak(): void {
    if (!this.ended || this.reading || this.advance() || !this.heardAll()) return;
    this.noteNeedsPeer(false);
    const message = 'the stream ended before the peer said what a write waits for';
    const { offset } = this.channel.stream.input;
    throw new ProtocolError('ERR_UNEXPECTED_EOF', { protocol: this.protocol, offset, message });
  }

  /** The peer has ended, and there is nothing that a reader could make room for: records that wait change nothing. */
  private heardAll(): boolean {
    return this.ended && (this.channel.stream.input.length === 0 || !this.hasRecord);
  }

  /** A reader has got further, or the stream is gone: either may be what a write waits for. */
  wakeNeedy(): void {
    this.seldom?.needy?.wake();
  }

  // ---------------------------------------------------------------- input

  /** One attempt at more input. @returns true when there is some, or the end was seen; EOF after that. */
  fill(): true | NotReady | NeedWrite | Eof {
    if (this.ended) return EOF;
    const { stream } = this.channel;
    const { input } = stream;
    const answer = stream.tryFill(Math.max(input.needed, input.length + 1));
    if (answer === EOF) this.ended = true;
    else if (typeof answer !== 'number') return answer;
    this.#fillsInRow++;
    return true;
  }

  private mayReadAhead(): boolean {
    return !this.ended && this.channel.stream.input.length < this.channel.highWaterMark;
  }

  /** Takes input in that cannot be decoded yet. */
  readAhead(): void {
    try {
      if (this.mayReadAhead()) this.fill();
    } catch {
      // The failure comes again, behind the records that are here.
    }
  }

  /** A source that always has more would keep a loop of promises running, and nobody else would have a turn. */
  pause(): Promise<void> | undefined {
    if (this.#fillsInRow < FILLS_PER_TURN) return undefined;
    this.#fillsInRow = 0;
    return nextTurn();
  }

  /** Notes a wait: others have had their turn. */
  waited(): void {
    this.#fillsInRow = 0;
  }

  /** Takes input in and drops it, until the signal. Never rejects: what keeps us from reading is told to who reads. */
  async dropInput(signal: AbortSignal): Promise<void> {
    const { input } = this.channel.stream;
    try {
      while (!signal.aborted) {
        input.consume(input.length);
        const answer = this.fill();
        if (answer === EOF) return;
        await (answer === true ? this.pause() : this.readMoved(answer as NotReady, { signal }));
      }
    } catch {
      // The signal, or a failure that the output meets as well.
    }
  }

  // ---------------------------------------------------------------- waiting

  /** Waits for what a refused read needs. */
  readMoved(answer: NotReady | NeedWrite, options: ReadyOptions): Promise<void> {
    if (answer === NEED_WRITE) return this.outputMoved(options);
    this.channel.pushOn();
    return this.channel.stream.ready('read', options);
  }

  /**
   * Waits for our output to have left. Where a read waits for that, the peer may be in the same position: what it sends
   * is taken in meanwhile, up to the mark, or both would wait forever.
   */
  async outputMoved({ signal }: ReadyOptions): Promise<void> {
    while (this.idleNeeds > 0 && this.mayReadAhead()) {
      const moved = await firstOf(signal, (either) => [
        this.channel.ready(either),
        this.channel.stream.ready('read', { signal: either }),
      ]);
      if (moved === 0) return;
      this.readAhead();
    }
    await this.channel.ready(signal);
  }

  /** Waits for the peer, and drives a handshake that a write is waiting for. */
  async peerMoved(options: ReadyOptions): Promise<void> {
    this.channel.pushOn();
    if (!this.needsPeer) return this.channel.stream.ready('read', options);
    // Somebody who reads moves the protocol on; otherwise it is done here, as far as the reader's mark allows.
    this.blockedByOutput = false;
    if (this.reading || !(this.advance() || this.heardAll())) await this.peerHeard(options);
    if (!this.reading) this.advance();
    this.noteNeedsPeer(false);
  }

  /** Waits for bytes of the peer, or for a reader to have got further, whichever comes first. */
  private async peerHeard({ signal }: ReadyOptions): Promise<void> {
    const { stream, highWaterMark } = this.channel;
    const room = this.mayReadAhead() && this.decodedBytes < highWaterMark;
    const seldom = this.more();
    seldom.needy ??= new Waiters();
    const { needy } = seldom;
    await firstOf(signal, (either) => {
      const waits = [needy.wait(either)];
      // A reader that waits takes what comes. With everything there that may be held, only a reader gets further.
      if (!this.reading && room) waits.push(stream.ready('read', { signal: either }));
      if (this.blockedByOutput) waits.push(this.channel.ready(either));
      return waits;
    });
  }

  /** Reads protocol bytes that a write waits for. @returns true when there were some. */
  private advance(): boolean {
    const limit = this.channel.highWaterMark;
    const { input } = this.channel.stream;
    const before = input.offset;
    let advanced = false;
    while (this.decodedBytes < limit) {
      const answer = this.decodeAhead(this.ended);
      if (answer !== NEED_WRITE) this.decoded();
      if (answer === true) advanced = true;
      else if (answer === NEED_WRITE) {
        this.blockedByOutput = !this.wrote();
        if (!this.blockedByOutput) continue;
        this.readAhead();
        break;
      } else if (input.length >= Math.max(limit, input.needed) || this.fill() !== true) break;
    }
    this.channel.schedule();
    return advanced || input.offset > before;
  }
}

/** Waits for the first of several, and leaves the others. @returns which one it was. */
async function firstOf(
  signal: AbortSignal | undefined,
  start: (either: AbortSignal) => Promise<void>[],
): Promise<number> {
  const leave = new AbortController();
  // A listener, not AbortSignal.any: an AbortSignal.timeout that only a composed signal knows of may be collected.
  const onAbort = () => leave.abort(signal!.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted) onAbort();
  try {
    return await Promise.race(start(leave.signal).map((wait, index) => wait.then(() => index)));
  } finally {
    signal?.removeEventListener('abort', onAbort);
    leave.abort();
  }
}
