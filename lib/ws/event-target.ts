/**
 * The browser's way to listen, on an EventEmitter: each listener becomes one of the emitter's, in a wrapper that makes
 * the event object. What is set as `onmessage` and so on is such a listener too, that can be replaced.
 */
import type { EventEmitter } from 'node:events';
import { CloseEvent, ErrorEvent, Event, MessageEvent } from './events.js';

/** A function, or an object with `handleEvent`. */
export type EventHandler = ((event: never) => void) | { handleEvent(event: never): void };

const HANDLER = Symbol('handler');
const BY_ATTRIBUTE = Symbol('by attribute');

interface Wrapper {
  (this: EventEmitter, first?: unknown, second?: unknown): void;
  [HANDLER]?: EventHandler;
  [BY_ATTRIBUTE]?: boolean;
}

/** Those whose closing handshake was complete. */
export const closedCleanly = new WeakSet<EventEmitter>();

/** Makes the event of what the emitter is given. */
type MakeEvent = (target: EventEmitter, first: unknown, second: unknown) => Event;

const EVENTS: { readonly [type: string]: MakeEvent } = {
  open: (target) => new Event('open', target),
  error: (target, error) => new ErrorEvent(target, error),
  message: (target, data, isBinary) => new MessageEvent(target, isBinary ? data : (data as Buffer).toString()),
  close: (target, code, reason) =>
    new CloseEvent(target, {
      code: code as number,
      reason: (reason as Buffer).toString(),
      wasClean: closedCleanly.has(target),
    }),
};

/** Adds a listener; the same one twice counts once. Types that a WebSocket does not have are ignored. */
export function addListener(
  target: EventEmitter,
  type: string,
  handler: EventHandler,
  { once = false, byAttribute = false }: { once?: boolean | undefined; byAttribute?: boolean },
): void {
  const makeEvent = EVENTS[type];
  if (makeEvent === undefined || (!byAttribute && find(target, type, handler) !== undefined)) return;
  const wrapper: Wrapper = function (this: EventEmitter, first?: unknown, second?: unknown) {
    call(handler, this, makeEvent(this, first, second));
  };
  wrapper[HANDLER] = handler;
  wrapper[BY_ATTRIBUTE] = byAttribute;
  if (once) target.once(type, wrapper);
  else target.on(type, wrapper);
}

export function removeListener(target: EventEmitter, type: string, handler: EventHandler): void {
  const wrapper = find(target, type, handler);
  if (wrapper !== undefined) target.removeListener(type, wrapper);
}

/** What was set as `on${type}`, or null. */
export function attributeOf(target: EventEmitter, type: string): EventHandler | null {
  return attribute(target, type)?.[HANDLER] ?? null;
}

/** Sets it; anything but a function takes it away. */
export function setAttribute(target: EventEmitter, type: string, handler: unknown): void {
  const before = attribute(target, type);
  if (before !== undefined) target.removeListener(type, before);
  if (typeof handler === 'function') addListener(target, type, handler as EventHandler, { byAttribute: true });
}

function find(target: EventEmitter, type: string, handler: EventHandler): Wrapper | undefined {
  const wrappers = target.listeners(type) as Wrapper[];
  return wrappers.find((wrapper) => wrapper[HANDLER] === handler && wrapper[BY_ATTRIBUTE] === false);
}

function attribute(target: EventEmitter, type: string): Wrapper | undefined {
  return (target.listeners(type) as Wrapper[]).find((wrapper) => wrapper[BY_ATTRIBUTE] === true);
}

function call(handler: EventHandler, target: EventEmitter, event: Event): void {
  if (typeof handler === 'function') (handler as (this: EventEmitter, event: Event) => void).call(target, event);
  else (handler as { handleEvent(event: Event): void }).handleEvent(event);
}
