/** What becomes of input that was not read as records when another codec takes over. */
import { UsageError } from '../errors.js';
import { CLOSE_DISCARD_BYTES } from '../limits.js';
import type { ByteStream } from '../streams/byte-stream.js';
import type { RecordReader } from './record-reader.js';

/** How a switch treats input that was not read. */
export interface SwitchOptions {
  /**
   * What bytes that arrived and were not read as records get. 'carry' (default): the next codec reads them.
   * 'refuse': the switch throws ERR_UNREAD_INPUT and changes nothing; right wherever security begins with the switch
   * (STARTTLS, RFC 3207 §4.2: what came before must not be taken for what comes after). 'discard': they are dropped.
   */
  unread?: 'carry' | 'refuse' | 'discard';
  /** As for `framed`; by default as it was. */
  exact?: boolean;
}

/** How an upgrade treats input that was not read. */
export interface UpgradeOptions {
  /** As for `switchTo`, but 'refuse' (default). */
  unread?: 'carry' | 'refuse' | 'discard';
}

/** @throws UsageError ERR_UNREAD_INPUT where there is input that must not, or cannot, be another codec's. */
export function checkUnread(
  unread: 'carry' | 'refuse' | 'discard',
  stream: ByteStream,
  reader: RecordReader<unknown, never>,
  ended: boolean,
): void {
  const { input } = stream;
  const about = { protocol: reader.codec.name, offset: input.offset };
  // What the layer below holds has arrived as well; only what is still in the system cannot be seen.
  if (unread === 'refuse' && input.length === 0 && !ended) stream.tryFill(1);
  if (unread === 'refuse' && input.length + reader.decodedCount > 0) {
    const message = `${input.length} unread bytes must not cross the switch`;
    throw new UsageError('ERR_UNREAD_INPUT', { ...about, message });
  }
  if (unread === 'carry' && reader.decodedCount > 0) {
    const message = `${reader.decodedCount} records are decoded already and cannot be carried to another codec`;
    throw new UsageError('ERR_UNREAD_INPUT', { ...about, message });
  }
}

/** Drops what has arrived, here and in the layer below, but does not keep up with a peer that goes on sending. */
export function discardInput(stream: ByteStream, ended: boolean): void {
  const { input } = stream;
  for (let dropped = 0; dropped < CLOSE_DISCARD_BYTES; ) {
    dropped += input.length;
    input.consume(input.length);
    if (ended || typeof stream.tryFill(1) !== 'number') return;
  }
}
