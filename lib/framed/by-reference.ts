/**
 * Payloads that are sent from where they lie, and when their memory is the caller's again: once they have left, or once
 * the caller's signal ends the wait for that and what is left has been copied.
 *
 *   the signal aborts while the payload …   it is       its memory is free   `write`
 *   waits to be taken                       not sent    at once              rejects with the signal's reason
 *   has been taken, and has not left        sent        at once              resolves
 *
 * A layer below that keeps references to what it was given, as Node streams do, has it where no copy can be made any
 * more. There a payload that comes with a signal is copied before it is queued.
 */
import { BY_REFERENCE_FROM } from '../limits.js';
import type { Channel } from './channel.js';

/** True for a record whose memory may be its caller's again only after `write`. */
export function isLarge(record: unknown): record is Uint8Array {
  return record instanceof Uint8Array && record.length >= BY_REFERENCE_FROM;
}

/** True where the memory of what has been taken cannot be had back before it has left. */
export function mustCopy(channel: Channel, signal: AbortSignal | undefined): boolean {
  return signal !== undefined && channel.stream.freesWritten !== true;
}

/** Resolves when the memory of a payload that was taken is the caller's again. @throws the failure of the output. */
export async function memoryBack(
  payload: Uint8Array,
  channel: Channel,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await channel.flush(signal);
  } catch (error) {
    if (signal?.aborted !== true || error !== signal.reason) throw error;
    channel.output.keepOf(payload);
  }
}
