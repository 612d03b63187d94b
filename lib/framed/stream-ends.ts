/**
 * How a framed stream ends: our side by `end`, all of it by `close` or `destroy`; and who may still write meanwhile.
 *
 * It is both sides as well: see ReadAttempts and RecordWriter, whose object this is. What `end` and `close` have begun is
 * kept with what a conversation seldom has, since most streams are open, and idle.
 */
import { UsageError } from '../errors.js';
import { CLOSE_TIMEOUT_MS } from '../limits.js';
import { Deadline } from '../streams/base-stream.js';
import type { CloseOptions } from '../streams/byte-stream.js';
import { closeConversation } from './conversations.js';
import { ReadAttempts } from './read-attempts.js';

export class StreamEnds<R, W> extends ReadAttempts<R, W> {
  private get begunEnd(): Promise<void> | undefined {
    return this.seldom?.end;
  }

  /** Our side has been ended, or is about to be. */
  get ending(): boolean {
    return this.begunEnd !== undefined || this.closing || this.channel.ended;
  }

  /** @throws what forbids writing. */
  checkWritable(): void {
    if (this.switched) throw new UsageError('ERR_STREAM_SWITCHED');
    this.channel.checkWritable();
    if (this.ending) throw new UsageError('ERR_STREAM_ENDED', { protocol: this.codec.name });
    this.checkWhole();
    this.channel.checkAbandoned();
  }

  /** One turn for the answer to the peer's end, then our side ends where the stream's own would. */
  protected override sawEnd(): void {
    if (!this.channel.endsItself || this.begunEnd !== undefined) return;
    setImmediate(() => {
      if (this.switched || this.closing || this.channel.failed) return;
      this.end().catch(() => {
        // The failure is the channel's, and the next operation throws it.
      });
    });
  }

  /** Ends our side after everything written has left. */
  end(): Promise<void> {
    const begun = this.begunEnd;
    if (begun !== undefined) return begun;
    const about = { protocol: this.codec.name };
    if (this.switched) return Promise.reject(new UsageError('ERR_STREAM_SWITCHED', about));
    if (this.unfinished) return Promise.reject(new UsageError('ERR_RECORD_UNFINISHED', about));
    this.channel.interrupted = true;
    const seldom = this.more();
    seldom.end = this.endOutput();
    return seldom.end;
  }

  private async endOutput(): Promise<void> {
    await this.emptied(undefined);
    if (!this.switched) this.codec.end?.(this.channel.output);
    await this.channel.end();
  }

  /** The careful end. Never rejects; what is left at the deadline is dropped. */
  close(options: CloseOptions): Promise<void> {
    const seldom = this.more();
    seldom.close ??= this.closeWithCare(options);
    return seldom.close;
  }

  private async closeWithCare({ timeoutMs = CLOSE_TIMEOUT_MS, signal }: CloseOptions): Promise<void> {
    const deadline = new Deadline(timeoutMs, signal);
    // Closing reads on and drops what it reads, so nothing may be looked ahead at.
    this.closing = true;
    this.channel.interrupted = true;
    this.forgetAhead();
    try {
      const leaving = this.leave(deadline);
      // Within a turn the stream is let alone until that is over.
      if (leaving !== undefined || this.channel.held) await leaving;
    } catch {
      // The output failed or the time is over; closing goes on either way.
    }
    // One deadline for all of it: the stream gets what is left, or whoever has taken it over.
    const { stream, handedOver } = this.channel;
    const options = { timeoutMs: deadline.leftMs, signal };
    await (handedOver ? closeConversation(stream, options) : stream.close(options));
    deadline.clear();
    // An error costs its stack, and mostly nobody waits.
    if (this.queued > 0) this.failWrites(new UsageError('ERR_STREAM_ENDED', { protocol: this.codec.name }));
  }

  /** Everything written leaves, and the codec's farewell. @returns undefined where that has happened at once. */
  private leave(deadline: Deadline): Promise<void> | undefined {
    const over = this.switched || this.begunEnd !== undefined || this.channel.ended;
    if (over || this.unfinished) return this.leaveQueue(deadline);
    // What still waits then needs the peer, and not room.
    this.encodeWaiting();
    // Not the public form: what leaves at once leaves also where no time is given.
    if (this.tryFlush() !== true) {
      return this.hear(this.flush(deadline.signal)).then(() => this.farewell(deadline));
    }
    return this.farewell(deadline);
  }

  private farewell(deadline: Deadline): Promise<void> | undefined {
    this.codec.end?.(this.channel.output);
    return this.leaveQueue(deadline);
  }

  private leaveQueue(deadline: Deadline): Promise<void> | undefined {
    return this.channel.tryFlush() === true ? undefined : this.hear(this.channel.flush(deadline.signal));
  }

  /** Drops what comes until that has left: a peer that closes too waits for us to read, as we do for it. */
  private async hear(leaving: Promise<void>): Promise<void> {
    const { stream, handedOver } = this.channel;
    if (this.switched || handedOver || this.needsPeer || stream.readsOnly === true) return leaving;
    const left = new AbortController();
    this.drops = true;
    const heard = this.dropInput(left.signal);
    try {
      await leaving;
    } finally {
      left.abort();
      await heard;
    }
  }

  /** The byte stream goes to somebody else. @returns a copy of the output that has not left. @throws see FramedStream. */
  letGo(): Buffer {
    this.channel.checkUnsentKnown();
    const { output } = this.channel;
    this.forgetAhead();
    this.encodeWaiting();
    this.channel.pushOn();
    // A handler that writes on would write to nobody.
    this.channel.interrupted = true;
    return Buffer.concat(output.peek(Number.POSITIVE_INFINITY));
  }

  /** The abrupt end. */
  destroy(error: Error | undefined): void {
    this.channel.destroy(error);
    this.wakeNeedy();
  }
}
