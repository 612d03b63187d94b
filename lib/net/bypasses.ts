/**
 * Connections whose bytes may be given to the system past the streams that they belong to, told by their ids alone: who
 * sends to thousands need not look at the objects of each.
 *
 * A word for each slot of the reactor: the connection's id while nothing waits above the system, else CLOSED. Whoever has
 * looked opens a bypass; it is closed by whoever queues something, before that waits, and by the stream when the system
 * takes less than it was given, or the connection is no longer its own. So one may be missing, and none is open wrongly.
 *
 * One table for the thread, as there is one reactor.
 */
import { SLOT_MASK } from '../net-interface.js';

/** No id. */
const CLOSED = -1;
/** Slots of the first table. */
const LEAST_SLOTS = 64;

let words = new Int32Array(0);

/** Pre: the id is of a connection of this thread's reactor. */
export function openBypass(id: number): void {
  const slot = id & SLOT_MASK;
  if (slot >= words.length) grow(slot + 1);
  words[slot] = id;
}

function grow(slots: number): void {
  const grown = new Int32Array(Math.max(LEAST_SLOTS, 2 * words.length, slots));
  grown.fill(CLOSED, words.length);
  grown.set(words);
  words = grown;
}

/** Of any id: also of one that is gone, or none. */
export function closeBypass(id: number): void {
  if (isBypassOpen(id)) words[id & SLOT_MASK] = CLOSED;
}

/** Of any id: also of one that is gone, or none. */
export function isBypassOpen(id: number): boolean {
  return id >= 0 && words[id & SLOT_MASK] === id;
}
