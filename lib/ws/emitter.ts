/**
 * An EventEmitter that knows its events, with `this` in listeners as in the types of `ws`; and where it keeps listeners.
 *
 * Node and its users have had that place, `_events`, since the beginning. Node begins it with a hash table; an object with
 * a place for each event is a fraction of that, for each idle connection, and is looked at faster.
 */
import type { EventEmitter } from 'node:events';

type AnyListener<Self> =
  // biome-ignore lint/suspicious/noExplicitAny: events of a program's own may have any values.
  (this: Self, ...values: any[]) => void;

type Values<Events, E extends keyof Events> = Events[E] extends unknown[] ? Events[E] : never;

/** Methods that add and remove listeners. */
export interface TypedEmitter<Events> {
  on<E extends keyof Events>(event: E, listener: (this: this, ...values: Values<Events, E>) => void): this;
  on(event: string | symbol, listener: AnyListener<this>): this;
  once<E extends keyof Events>(event: E, listener: (this: this, ...values: Values<Events, E>) => void): this;
  once(event: string | symbol, listener: AnyListener<this>): this;
  off<E extends keyof Events>(event: E, listener: (this: this, ...values: Values<Events, E>) => void): this;
  off(event: string | symbol, listener: AnyListener<this>): this;
  addListener<E extends keyof Events>(event: E, listener: (this: this, ...values: Values<Events, E>) => void): this;
  addListener(event: string | symbol, listener: AnyListener<this>): this;
  removeListener<E extends keyof Events>(event: E, listener: (this: this, ...values: Values<Events, E>) => void): this;
  removeListener(event: string | symbol, listener: AnyListener<this>): this;
  prependListener<E extends keyof Events>(event: E, listener: (this: this, ...values: Values<Events, E>) => void): this;
  prependListener(event: string | symbol, listener: AnyListener<this>): this;
}

/** An EventEmitter with these events: its own methods take any, so they come second. */
export type EmitterWith<Events> = TypedEmitter<Events> & EventEmitter;

/** What the class EventEmitter has besides its constructor. */
export type EmitterStatics = Omit<typeof EventEmitter, 'prototype'>;

/** An emitter's listeners by event: a function, or several. */
interface ListenersByEvent {
  message?: unknown;
}

class Listeners implements ListenersByEvent {
  declare message?: unknown;
}
// An event may have any name: what is found must have been put there.
Object.setPrototypeOf(Listeners.prototype, null);
Reflect.deleteProperty(Listeners.prototype, 'constructor');

const NO_LISTENERS: ListenersByEvent = {};

/** Pre: nobody listens yet. */
export function beginListeners(emitter: EventEmitter): void {
  (emitter as unknown as { _events: ListenersByEvent })._events = new Listeners();
}

export function listenersOf(emitter: EventEmitter): ListenersByEvent {
  return (emitter as unknown as { _events?: ListenersByEvent })._events ?? NO_LISTENERS;
}
