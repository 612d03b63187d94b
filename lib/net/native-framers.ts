/**
 * The framers of codecs, as the reactor has them: made once for each, and kept by the addon until the thread ends.
 *
 * A framer that was not made by the library's own codecs has no native counterpart; its bytes arrive unframed and are
 * framed by the codec.
 */
import { settingsOf } from '../codecs/framers.js';
import type { Framer } from '../native-interface.js';
import type { NetInterface } from '../net-interface.js';

/** The addon never frees one, so a program that makes settings up as it goes gets no more than these. */
const MOST_FRAMERS = 256;

const indices = new WeakMap<Framer, number>();
let count = 0;
/** What was asked for last: mostly all connections of a thread have one framer, and ask in each turn. */
let lastFramer: Framer | undefined;
let lastIndex = -1;

/** @returns the index for `setFramer`, or -1. */
export function nativeFramer(net: NetInterface, framer: Framer | undefined): number {
  if (framer === lastFramer) return lastIndex;
  if (framer === undefined) return -1;
  let index = indices.get(framer);
  if (index === undefined) {
    index = count < MOST_FRAMERS ? make(net, framer) : -1;
    if (index >= 0) count++;
    indices.set(framer, index);
  }
  lastFramer = framer;
  lastIndex = index;
  return index;
}

function make(net: NetInterface, framer: Framer): number {
  const settings = settingsOf(framer);
  switch (settings?.kind) {
    case 'separator':
      return net.addSeparatorFramer(settings.framing);
    case 'length':
      return net.addLengthFramer(settings.framing);
    case 'fixed':
      return net.addFixedFramer(settings.size);
    case 'websocket':
      return net.addWebSocketFramer(settings.framing);
    default:
      return -1;
  }
}
