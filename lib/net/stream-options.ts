/**
 * The options that every connection has, picked out of those of `listen`, `connect` and TLS.
 *
 * They are checked where they are given. A connection that comes later would throw for them into the event loop, and the
 * first client would end the process.
 */
import { checkInteger } from '../arguments.js';
import { LARGEST_MAX_LENGTH } from '../limits.js';
import type { SocketStreamOptions } from './socket-stream.js';
import { checkTimeouts } from './timeouts.js';

/** As they were given, or left undefined. */
type Some<T> = { [K in keyof T]?: T[K] | undefined };

/** @returns those that were given. @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE */
export function streamOptions(options: Some<SocketStreamOptions>): SocketStreamOptions {
  const { readHighWaterMark, idleTimeoutMs, firstRecordTimeoutMs, writeStallTimeoutMs } = options;
  const all = { readHighWaterMark, idleTimeoutMs, firstRecordTimeoutMs, writeStallTimeoutMs };
  const given: SocketStreamOptions = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  if (readHighWaterMark !== undefined) {
    checkInteger('options.readHighWaterMark', readHighWaterMark, 1, LARGEST_MAX_LENGTH);
  }
  checkTimeouts(given);
  return given;
}
