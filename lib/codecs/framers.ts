/**
 * Framers, made once for each way of framing.
 *
 * A framer keeps no state, and making one costs a native object: a server that writes `lines()` for every connection
 * would pay for it every time. So framers of equal settings are one framer.
 */
import { native } from '../native.js';
import type { Framer, LengthFraming, SeparatorFraming, WebSocketFraming } from '../native-interface.js';

/** Framers kept. A program has a few; one that makes settings up as it goes must not fill the memory. */
const MOST_KEPT = 64;

const kept = new Map<string, Framer>();

/** What a framer was made of, for whoever needs the same one elsewhere. */
export type FramerSettings =
  | { readonly kind: 'separator'; readonly framing: SeparatorFraming }
  | { readonly kind: 'length'; readonly framing: LengthFraming }
  | { readonly kind: 'fixed'; readonly size: number }
  | { readonly kind: 'websocket'; readonly framing: WebSocketFraming };

const settings = new WeakMap<Framer, FramerSettings>();

/** Undefined for a framer that was not made here. */
export function settingsOf(framer: Framer): FramerSettings | undefined {
  return settings.get(framer);
}

export function separatorFramer(framing: SeparatorFraming): Framer {
  const { separators, keep, newline, maxLength, overflow, tail } = framing;
  const hex = separators.map((separator) => Buffer.from(separator).toString('hex'));
  const key = `${hex} ${keep} ${newline} ${maxLength} ${overflow} ${tail}`;
  return kept.get(key) ?? keepFramer(key, native().createSeparatorFramer(framing), { kind: 'separator', framing });
}

export function lengthFramer(framing: LengthFraming): Framer {
  const { encoding, lengthBytes, terminator, offset, adjustment, header, trailer, maxLength } = framing;
  const key = `${encoding} ${lengthBytes} ${terminator} ${offset} ${adjustment} ${header} ${trailer} ${maxLength}`;
  return kept.get(key) ?? keepFramer(key, native().createLengthFramer(framing), { kind: 'length', framing });
}

export function fixedFramer(size: number): Framer {
  const key = `fixed ${size}`;
  return kept.get(key) ?? keepFramer(key, native().createFixedFramer(size), { kind: 'fixed', size });
}

export function webSocketFramer(framing: WebSocketFraming): Framer {
  const { role, maxLength, compression, utf8 } = framing;
  const key = `${role} ${maxLength} ${compression} ${utf8}`;
  return kept.get(key) ?? keepFramer(key, native().createWebSocketFramer(framing), { kind: 'websocket', framing });
}

/** What a framer of `webSocketFramer` was made of: one object for all that have the framer. */
export function webSocketFramingOf(framer: Framer): WebSocketFraming {
  const made = settings.get(framer) as FramerSettings & { readonly kind: 'websocket' };
  return made.framing;
}

function keepFramer(key: string, framer: Framer, made: FramerSettings): Framer {
  settings.set(framer, made);
  if (kept.size >= MOST_KEPT) kept.clear();
  kept.set(key, framer);
  return framer;
}
