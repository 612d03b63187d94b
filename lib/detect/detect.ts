/**
 * Detection: of bytes, and of a byte stream with a deadline. Nothing is consumed: whoever goes on finds every byte in
 * the stream's input.
 *
 *   the stream             the detector          next
 *   has nothing yet        not asked             waits, until silentMs
 *   has some               needs n               tries to have n; waits, until timeoutMs
 *   has some               decides               resolves
 *   has ended              has to decide         resolves
 */
import { setImmediate as nextPoll } from 'node:timers/promises';
import { checkUint8Array } from '../arguments.js';
import { LimitError, ProtocolError } from '../errors.js';
import { EOF, NEED_WRITE } from '../status.js';
import { Deadline } from '../streams/base-stream.js';
import type { ByteStream } from '../streams/byte-stream.js';
import type { Detected, NeedBytes } from './detected.js';
import { Detector } from './detector.js';
import {
  checkDetectOptions,
  checkDetectTimes,
  type DetectBytesOptions,
  type DetectRules,
  type DetectStreamOptions,
  type DetectTimes,
} from './options.js';

/** What errors call it. */
const DETECTION = 'detection';

/**
 * Tells what these first bytes of a connection are, without I/O. Decides at the first byte that decides.
 * @param bytes all that have come, from the first; read, and not kept. To look again at more of them costs looking at all:
 * `detect` does not.
 * @returns what was found; or how many bytes, from the first, make the next try worthwhile.
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE
 * @example
 * detectProtocol(Buffer.from('GET / HTTP/1.1\r\n'), { protocols: ['http1'] }).protocol; // 'http1'
 * detectProtocol(Buffer.from('PRO')); // { need: 4 }
 */
export function detectProtocol<const Name extends string = never>(
  bytes: Uint8Array,
  options: DetectBytesOptions<Name> & { ended: true },
): Detected<Name>;
export function detectProtocol<const Name extends string = never>(
  bytes: Uint8Array,
  options?: DetectBytesOptions<Name>,
): (Detected<Name> & { need?: never }) | (NeedBytes & { protocol?: never });
export function detectProtocol(bytes: Uint8Array, options: DetectBytesOptions<string> = {}): unknown {
  checkUint8Array('bytes', bytes);
  const detector = new Detector(checkDetectOptions(options));
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return options.ended === true ? detector.finish(view) : detector.look(view);
}

/**
 * Tells what the peer of a byte stream speaks. Reads until that is decided, waits no longer than it may, and consumes
 * nothing. One reader at a time: nobody else may read the stream meanwhile.
 * @throws LimitError ERR_DETECT_TIMEOUT; ProtocolError ERR_DETECT_UNKNOWN with `rest: 'error'`; the signal's reason; the
 * stream's failure; ERR_INVALID_ARG_TYPE and the like
 */
export async function detect<const Name extends string = never>(
  stream: ByteStream,
  options: DetectStreamOptions<Name> = {},
): Promise<Detected<Name>> {
  const rules = checkDetectOptions(options);
  const times = checkDetectTimes(options);
  options.signal?.throwIfAborted();
  const detected = await detectOn(stream, rules, times, options.signal);
  if (detected.protocol === 'default' && options.rest === 'error') throw unknownProtocol(stream);
  return detected as Detected<Name>;
}

/** The same with checked options. */
export async function detectOn(
  stream: ByteStream,
  rules: DetectRules,
  times: DetectTimes,
  signal: AbortSignal | undefined,
): Promise<Detected<string>> {
  const patience = new Patience(times, signal);
  try {
    return await look(stream, rules, patience);
  } finally {
    patience.clear();
  }
}

async function look(stream: ByteStream, rules: DetectRules, patience: Patience): Promise<Detected<string>> {
  const detector = new Detector(rules);
  const { input } = stream;
  for (;;) {
    const answer = detector.look(input.peek(Math.min(input.length, rules.maxBytes)));
    if (!('need' in answer)) return answer;
    const filled = stream.tryFill(answer.need);
    if (typeof filled === 'number') continue;
    if (filled === EOF) return detector.finish(input.peek(input.length));
    const waited = await patience.wait(stream, filled === NEED_WRITE ? 'write' : 'read');
    if (waited !== undefined) return waited;
  }
}

/** The times that a peer has: one to say anything, one to have said enough. Costs nothing until somebody has to wait. */
class Patience {
  readonly #times: DetectTimes;
  readonly #outer: AbortSignal | undefined;
  readonly #whole: Deadline;
  readonly #silence: Deadline;

  constructor(times: DetectTimes, outer: AbortSignal | undefined) {
    this.#times = times;
    this.#outer = outer;
    this.#whole = new Deadline(times.timeoutMs, outer);
    this.#silence = new Deadline(times.silentMs, outer);
  }

  /**
   * Waits with `ready`. @returns what a peer that says nothing is taken for.
   * @throws LimitError ERR_DETECT_TIMEOUT; the outer signal's reason; the stream's failure
   */
  async wait(stream: ByteStream, direction: 'read' | 'write'): Promise<Detected | undefined> {
    const before = stream.input.length;
    const deadline = before === 0 ? this.#silence : this.#whole;
    try {
      await stream.ready(direction, { signal: deadline.signal });
      return undefined;
    } catch (error) {
      if (this.#outer?.aborted) throw this.#outer.reason;
      if (!deadline.signal.aborted) throw error;
    }
    // A thread that was busy for as long hears of the timer before it hears of what came meanwhile.
    await nextPoll();
    stream.tryFill(before + 1);
    if (stream.input.length > before) return undefined;
    if (before === 0 && this.#times.silent === 'default') return { protocol: 'default', because: 'silence' };
    throw this.#timeout(before);
  }

  #timeout(byteCount: number): LimitError {
    const { silentMs, timeoutMs } = this.#times;
    const message =
      byteCount === 0
        ? `the peer said nothing within ${silentMs} ms`
        : `the peer had not said what it speaks within ${timeoutMs} ms, but ${byteCount} bytes`;
    return new LimitError('ERR_DETECT_TIMEOUT', { message, protocol: DETECTION });
  }

  clear(): void {
    this.#whole.clear();
    this.#silence.clear();
  }
}

/** Bytes that an error shows. */
const SHOWN = 16;

/** The error for a peer that speaks none of what was looked for. */
export function unknownProtocol(stream: ByteStream): ProtocolError {
  const { input } = stream;
  const shown = input.peek(Math.min(input.length, SHOWN)).toString('latin1');
  const message =
    input.length === 0
      ? 'the peer said nothing that could be told a protocol by'
      : `the first bytes are of no protocol that is expected: ${JSON.stringify(shown)}`;
  return new ProtocolError('ERR_DETECT_UNKNOWN', { message, offset: input.offset, protocol: DETECTION });
}
