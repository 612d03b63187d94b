/**
 * `receiveProxyHeader`: takes the header off the front of a connection, from those who may send one and in time.
 *
 * Not by a framed stream: what follows is not records of the same conversation. Nothing behind the header is consumed,
 * and nothing at all where it is refused.
 *
 *   a header, and its source   'required'                 'optional'
 *   there, trusted             given                      given
 *   there, not trusted         ERR_PROXY_UNTRUSTED        ERR_PROXY_UNTRUSTED
 *   not there, trusted         ERR_PROXY_HEADER           undefined; the bytes stay
 *   not there, not trusted     ERR_PROXY_UNTRUSTED        undefined; the bytes stay
 */
import { checkInteger, checkObject, checkOneOf, checkSignal } from '../arguments.js';
import { channels } from '../diagnostics.js';
import { LimitError, ProtocolError } from '../errors.js';
import { asByteStream } from '../framed/framed.js';
import { PROXY_HEADER_TIMEOUT_MS } from '../limits.js';
import { EOF, NEED_WRITE, type NeedWrite, NOT_READY, type NotReady } from '../status.js';
import { Deadline } from '../streams/base-stream.js';
import type { ByteStream } from '../streams/byte-stream.js';
import type { DuplexStream } from '../streams/duplex-stream.js';
import type { NodeStreamLike } from '../streams/node-sides.js';
import { checkHeaderOptions, ProxyHeaderCodec, type ProxyHeaderOptions } from './codec.js';
import { beginningOf, type ExtentRules } from './extent.js';
import { PROXY_PROTOCOL, type ProxyHeader, SIGNATURE } from './header.js';
import { remoteAddressOf, type TrustedSources, type TrustFunction, trustFunction } from './trust.js';

/** From whom a header is taken, and until when. */
export interface ProxySourceOptions extends ProxyHeaderOptions {
  /**
   * 'required' (default): there has to be a header. 'optional': where there is none the answer is undefined. The
   * specification forbids to guess, so let 'optional' be for a change from one to the other, and name who is trusted.
   */
  presence?: 'required' | 'optional';
  /** Whose headers are believed. Default: everybody's who can connect. */
  trusted?: TrustedSources;
  /** Milliseconds for the whole header to arrive. Default 5000. */
  timeoutMs?: number;
}

/** From whom a header is taken, and until when. */
export interface ReceiveProxyHeaderOptions extends ProxySourceOptions {
  /** Where the connection comes from, of a stream that does not know. Default: what the connection says. */
  remoteAddress?: string | undefined;
  /** Ends the wait with the signal's reason. Nothing is consumed by it. */
  signal?: AbortSignal | undefined;
}

/** The same where a header need not be there. */
export type OptionalProxyHeader = ReceiveProxyHeaderOptions & { presence: 'optional' };

/** Options, checked and made ready for any number of connections. */
export interface SourceRules extends ExtentRules {
  readonly presence: 'required' | 'optional';
  readonly trusts: TrustFunction;
  readonly timeoutMs: number;
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function checkSourceOptions(options: ProxySourceOptions): SourceRules {
  const rules = checkHeaderOptions(options);
  const { presence = 'required', trusted, timeoutMs = PROXY_HEADER_TIMEOUT_MS } = options;
  checkOneOf('options.presence', presence, ['required', 'optional']);
  checkInteger('options.timeoutMs', timeoutMs, 1, 2 ** 31 - 1);
  return { ...rules, presence, trusts: trustFunction(trusted), timeoutMs };
}

/**
 * Takes the header off the front of a connection. What follows stays: in the byte stream's input, or in the Node stream,
 * which gets it back. Whatever goes wrong, the connection is left as it is, and the caller's to destroy.
 * @returns the header; undefined where there need not be one and is none.
 * @throws ProtocolError ERR_PROXY_HEADER, ERR_PROXY_UNTRUSTED, ERR_UNEXPECTED_EOF; LimitError ERR_PROXY_TIMEOUT,
 * ERR_RECORD_TOO_LARGE; the stream's failure; the signal's reason; ERR_INVALID_ARG_TYPE and the like.
 * @example
 * const header = await receiveProxyHeader(socket, { trusted: ['10.0.0.0/8'] });
 */
export function receiveProxyHeader(
  stream: ByteStream | NodeStreamLike,
  options: OptionalProxyHeader,
): Promise<ProxyHeader | undefined>;
export function receiveProxyHeader(
  stream: ByteStream | NodeStreamLike,
  options?: ReceiveProxyHeaderOptions & { presence?: 'required' },
): Promise<ProxyHeader>;
export async function receiveProxyHeader(
  stream: ByteStream | NodeStreamLike,
  options: ReceiveProxyHeaderOptions = {},
): Promise<ProxyHeader | undefined> {
  checkObject('options', options);
  const rules = checkSourceOptions(options);
  checkSignal('options.signal', options.signal);
  options.signal?.throwIfAborted();
  const { remoteAddress = remoteAddressOf(stream), signal } = options;
  const bytes = asByteStream(stream);
  if (bytes === stream) return new Reception(bytes, rules, remoteAddress).wait(signal);
  const lent = bytes as DuplexStream;
  // In the same step as the last read: a Node stream that ends with the header cannot take back what follows later on.
  return new Reception(bytes, rules, remoteAddress, () => lent.release()).wait(signal);
}

/** One connection's header, being waited for. */
export class Reception {
  readonly #stream: ByteStream;
  readonly #rules: SourceRules;
  readonly #trusted: boolean;
  readonly #over: (() => void) | undefined;
  readonly #codec: ProxyHeaderCodec;

  /** @param over called once, in the step that decides. */
  constructor(stream: ByteStream, rules: SourceRules, remoteAddress: string | undefined, over?: () => void) {
    this.#stream = stream;
    this.#rules = rules;
    this.#over = over;
    this.#codec = new ProxyHeaderCodec(rules);
    try {
      this.#trusted = rules.trusts(remoteAddress);
      // A connection that was reset has no address any more: then that is what is wrong with it.
      if (!this.#trusted && remoteAddress === undefined) stream.tryFill();
      if (!this.#trusted && rules.presence === 'required') throw this.#untrusted();
    } catch (error) {
      over?.();
      throw error;
    }
  }

  /** @returns the header, or undefined where there is none; NOT_READY, NEED_WRITE. @throws as `receiveProxyHeader` */
  attempt(): ProxyHeader | undefined | NotReady | NeedWrite {
    let answer: ProxyHeader | undefined | NotReady | NeedWrite;
    try {
      answer = this.#attempt();
    } catch (error) {
      this.#fail(error);
    }
    if (answer !== NOT_READY && answer !== NEED_WRITE) this.#over?.();
    return answer;
  }

  #attempt(): ProxyHeader | undefined | NotReady | NeedWrite {
    const { input } = this.#stream;
    for (;;) {
      const answer = this.#rules.presence === 'optional' && this.#isNone() ? undefined : this.#codec.decode(input);
      if (answer !== NOT_READY) return answer;
      const filled = this.#stream.tryFill(input.needed);
      if (filled === EOF) return this.#ended();
      if (typeof filled !== 'number') return filled;
    }
  }

  /** True when what is here begins no header. @throws ERR_PROXY_UNTRUSTED when it does, and must not. */
  #isNone(): boolean {
    const { input } = this.#stream;
    const beginning = beginningOf(input.peek(Math.min(input.length, SIGNATURE.length)));
    if (!this.#trusted && typeof beginning === 'number') throw this.#untrusted();
    return beginning === 'none';
  }

  /** The peer has ended before its header was whole. */
  #ended(): undefined {
    const { input } = this.#stream;
    const beginning = beginningOf(input.peek(Math.min(input.length, SIGNATURE.length)));
    if (this.#rules.presence === 'optional' && beginning === 'unsure') return undefined;
    const where = input.length === 0 ? 'before its PROXY header' : `after ${input.length} bytes of its PROXY header`;
    const message = `the stream ended ${where}`;
    throw new ProtocolError('ERR_UNEXPECTED_EOF', { message, offset: input.offset, protocol: PROXY_PROTOCOL });
  }

  #untrusted(): ProtocolError {
    return new ProtocolError('ERR_PROXY_UNTRUSTED', { offset: this.#stream.input.offset, protocol: PROXY_PROTOCOL });
  }

  #fail(error: unknown): never {
    if (error instanceof LimitError && channels.limit.hasSubscribers) {
      channels.limit.publish({ stream: this.#stream, error });
    }
    try {
      this.#over?.();
    } catch {
      // The first error says more, and a Node stream that has ended before it could take bytes back is over.
    }
    throw error;
  }

  /** Tries and waits until it is decided. */
  async wait(signal?: AbortSignal): Promise<ProxyHeader | undefined> {
    const deadline = new Deadline(this.#rules.timeoutMs, signal);
    try {
      for (;;) {
        const answer = this.attempt();
        if (answer !== NOT_READY && answer !== NEED_WRITE) return answer;
        await this.#ready(answer === NOT_READY ? 'read' : 'write', deadline, signal);
      }
    } finally {
      deadline.clear();
    }
  }

  async #ready(direction: 'read' | 'write', deadline: Deadline, outer: AbortSignal | undefined): Promise<void> {
    try {
      await this.#stream.ready(direction, { signal: deadline.signal });
    } catch (error) {
      if (outer?.aborted) this.#fail(outer.reason);
      if (deadline.signal.aborted) this.#fail(this.#late());
      this.#fail(error);
    }
  }

  #late(): LimitError {
    const { input } = this.#stream;
    const message = `no whole PROXY header within ${this.#rules.timeoutMs} ms, but ${input.length} bytes`;
    return new LimitError('ERR_PROXY_TIMEOUT', { message, offset: input.offset, protocol: PROXY_PROTOCOL });
  }
}
