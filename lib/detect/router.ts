/**
 * One port for many protocols: a connection is told apart and given to whoever handles what it speaks.
 *
 * PROXY and TLS are layers: when their handler is done, what is behind is told apart again, each layer once. So the depth
 * is bounded, and a peer cannot have us unwrap for ever.
 *
 *   found    its handler gives                    next
 *   proxy    anything                             detection on the same stream; what it gave is `arrival.proxy`
 *   others   a byte stream (a secure one of TLS)  detection on that one
 *   others   anything else                        handled
 */
import { checkFunction, checkObject, checkOneOf, invalidArgType } from '../arguments.js';
import type { ByteStream } from '../streams/byte-stream.js';
import { detectOn, unknownProtocol } from './detect.js';
import type { Detected, DetectedDefault, DetectedOwn, DetectedTls, KnownProtocol, KnownProtocols } from './detected.js';
import {
  checkDetectOptions,
  checkDetectTimes,
  type DetectRules,
  type DetectStreamOptions,
  type DetectTimes,
  KNOWN_PROTOCOLS,
  type OwnDetector,
} from './options.js';

/** What is known of a connection when it is handled. */
export interface Arrival<Found = Detected<string>> {
  readonly detected: Found;
  /** What the connection came in as; the same as the stream unless a layer was taken off that made another one. */
  readonly connection: ByteStream;
  /** What the handler of PROXY gave: the header, say. Undefined where there was none. */
  readonly proxy: unknown;
  /** What was found when TLS began; undefined where there is no TLS. */
  readonly tls: DetectedTls | undefined;
}

/** Goes on with a connection. Nothing of it was consumed but the layers that were taken off. */
export type ProtocolHandler<Found> = (stream: ByteStream, arrival: Arrival<Found>) => unknown;

/** A protocol of one's own: how it is told, and who handles it. */
export interface OwnProtocol {
  readonly detect: OwnDetector;
  readonly handle: ProtocolHandler<DetectedOwn>;
}

/** Who handles what. Only protocols that have a handler are looked for. */
export type ProtocolHandlers = { readonly [Known in KnownProtocol]?: ProtocolHandler<KnownProtocols[Known]> } & {
  /** Protocols of one's own, by name, asked before the others. */
  readonly own?: Readonly<Record<string, OwnProtocol>>;
  /** Everything else. Without it that is ERR_DETECT_UNKNOWN. */
  readonly default?: ProtocolHandler<DetectedDefault>;
};

/** How connections are told apart: what is looked for, and what becomes of the rest, is what there are handlers for. */
export type DispatchOptions = Omit<DetectStreamOptions, 'protocols' | 'own' | 'rest'>;

/**
 * Tells apart what a byte stream carries, and hands it to its handler.
 * @returns when the handler has given what it gives; when that is a promise, once it is fulfilled.
 * @throws LimitError ERR_DETECT_TIMEOUT; ProtocolError ERR_DETECT_UNKNOWN; what a handler throws; the signal's reason;
 * the stream's failure; ERR_INVALID_ARG_TYPE and the like. The stream is left as it is.
 */
export async function dispatch(
  stream: ByteStream,
  handlers: ProtocolHandlers,
  options: DispatchOptions = {},
): Promise<void> {
  const routes = checkRoutes(handlers, options);
  options.signal?.throwIfAborted();
  await new Dispatch(stream, routes, options.signal).run();
}

/** Handlers and options, checked. */
export interface Routes {
  readonly handlers: ProtocolHandlers;
  readonly rules: DetectRules;
  readonly times: DetectTimes;
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function checkRoutes(handlers: ProtocolHandlers, options: DispatchOptions): Routes {
  checkObject('handlers', handlers);
  checkObject('options', options);
  const { own = {}, default: rest, ...known } = handlers;
  checkObject('handlers.own', own);
  const detectors: Record<string, OwnDetector> = {};
  for (const [name, protocol] of Object.entries(own)) {
    checkObject(`handlers.own.${name}`, protocol);
    checkFunction(`handlers.own.${name}.handle`, protocol.handle);
    detectors[name] = protocol.detect;
  }
  for (const [name, handler] of Object.entries({ ...known, default: rest })) {
    if (name !== 'default') checkOneOf('handlers', name, KNOWN_PROTOCOLS);
    if (handler !== undefined) checkFunction(`handlers.${name}`, handler);
  }
  const protocols = KNOWN_PROTOCOLS.filter((name) => handlers[name] !== undefined);
  return {
    handlers,
    rules: checkDetectOptions({ ...options, protocols, own: detectors }),
    times: checkDetectTimes(options),
  };
}

/** The way of one connection to its handler. */
export class Dispatch {
  /** The innermost stream: whoever closes it closes what is below. */
  stream: ByteStream;
  readonly #routes: Routes;
  readonly #signal: AbortSignal | undefined;
  readonly #connection: ByteStream;
  /** Protocols whose layer was taken off: each is looked for once. */
  readonly #taken = new Set<string>();
  #proxy: unknown;
  #tls: DetectedTls | undefined;

  constructor(stream: ByteStream, routes: Routes, signal?: AbortSignal) {
    if (typeof stream?.tryFill !== 'function') throw invalidArgType('stream', 'a byte stream', stream);
    this.stream = stream;
    this.#connection = stream;
    this.#routes = routes;
    this.#signal = signal;
  }

  /** @returns 'over' when the handler's promise was fulfilled; 'kept' when it gave none, and goes on by itself. */
  async run(): Promise<'over' | 'kept'> {
    for (;;) {
      const detected = await detectOn(this.stream, this.#rules(), this.#routes.times, this.#signal);
      const handler = this.#handlerOf(detected);
      if (handler === undefined) {
        // Nobody asked for anything: a port is being looked at, or a health is checked.
        if (this.stream.input.length === 0 && isEnd(detected)) return 'over';
        throw unknownProtocol(this.stream);
      }
      const { protocol } = detected;
      const given = handler(this.stream, this.#arrival(detected));
      const promised = isPromise(given);
      const answer: unknown = promised ? await Promise.resolve(given) : given;
      this.#taken.add(protocol);
      if (protocol === 'proxy') this.#proxy = answer;
      else if (isByteStream(answer)) this.stream = answer;
      else return promised ? 'over' : 'kept';
      if (protocol === 'tls') this.#tls = detected as DetectedTls;
    }
  }

  #arrival(detected: Detected<string>): Arrival<never> {
    return { detected: detected as never, connection: this.#connection, proxy: this.#proxy, tls: this.#tls };
  }

  #handlerOf({ protocol }: Detected<string>): ProtocolHandler<never> | undefined {
    const { own = {}, ...known } = this.#routes.handlers;
    if (Object.hasOwn(own, protocol)) return own[protocol]!.handle;
    return known[protocol as KnownProtocol | 'default'] as ProtocolHandler<never> | undefined;
  }

  /** What is looked for now. */
  #rules(): DetectRules {
    const { rules } = this.#routes;
    if (this.#taken.size === 0) return rules;
    return {
      ...rules,
      protocols: new Set([...rules.protocols].filter((name) => !this.#taken.has(name))),
      own: rules.own.filter(([name]) => !this.#taken.has(name)),
    };
  }
}

function isEnd(detected: Detected<string>): boolean {
  return detected.protocol === 'default' && (detected as DetectedDefault).because === 'end';
}

function isPromise(value: unknown): boolean {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

function isByteStream(value: unknown): value is ByteStream {
  return typeof (value as Partial<ByteStream> | null | undefined)?.tryFill === 'function';
}
