/**
 * One detection without I/O: probes in a row, each asked once all before it have said no.
 *
 *   the probe answers   next
 *   yes                 decided
 *   no                  the next one; none is left: 'default'
 *   need n bytes        waits; past maxBytes or the end of input it has to decide by what it has seen
 *
 * In a row and not all at once, so that the answer does not depend on how the bytes were cut: a probe that is still
 * undecided keeps those behind it waiting, and protocols known here differ within a few bytes.
 */
import type { Detected, NeedBytes } from './detected.js';
import { HttpProbe } from './http-probe.js';
import type { DetectRules } from './options.js';
import { HTTP2, ownProbe, PROXY_1, PROXY_2, type Probe, SOCKS } from './probe.js';
import { TlsProbe } from './tls-probe.js';

/** Keeps what it has found out, so that no byte is looked at twice. */
export class Detector {
  readonly #probes: readonly Probe[];
  readonly #maxBytes: number;
  /** The probe in charge; 0 <= at <= probes.length. */
  #at = 0;

  constructor(rules: DetectRules) {
    this.#probes = probesFor(rules);
    this.#maxBytes = rules.maxBytes;
  }

  /** @param bytes all that are here, from the first one. Those beyond maxBytes are not looked at. */
  look(bytes: Buffer): Detected<string> | NeedBytes {
    return this.#ask(bytes, undefined);
  }

  /** The same when no more will come. */
  finish(bytes: Buffer): Detected<string> {
    return this.#ask(bytes, 'the stream ended inside of it') as Detected<string>;
  }

  #ask(given: Buffer, ended: string | undefined): Detected<string> | NeedBytes {
    const bytes = given.length > this.#maxBytes ? given.subarray(0, this.#maxBytes) : given;
    let because: 'bytes' | 'end' = 'bytes';
    for (; this.#at < this.#probes.length; this.#at++) {
      const probe = this.#probes[this.#at]!;
      const verdict = bytes.length === 0 ? 1 : probe.look(bytes);
      if (verdict === undefined) continue;
      if (typeof verdict === 'object') return verdict;
      const tooLong = verdict > this.#maxBytes ? `it is longer than maxBytes, ${this.#maxBytes} bytes` : undefined;
      const fault = tooLong ?? ended;
      if (fault === undefined) return { need: verdict };
      const detected = bytes.length === 0 ? undefined : probe.cut?.(fault);
      if (detected !== undefined) return detected;
      if (tooLong === undefined) because = 'end';
    }
    return { protocol: 'default', because };
  }
}

function probesFor({ protocols, own, clientHello, maxBytes }: DetectRules): Probe[] {
  const probes = own.map(([name, detector]) => ownProbe(name, detector));
  if (protocols.has('proxy')) probes.push(PROXY_1, PROXY_2);
  if (protocols.has('tls')) probes.push(new TlsProbe({ clientHello, maxBytes }));
  if (protocols.has('http2')) probes.push(HTTP2);
  if (protocols.has('socks')) probes.push(SOCKS);
  const [http1, websocket] = [protocols.has('http1'), protocols.has('websocket')];
  if (http1 || websocket) probes.push(new HttpProbe({ http1, websocket }));
  return probes;
}
