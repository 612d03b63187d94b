/**
 * What listeners of `addEventListener` are given: events that know what was said, and no more. They neither bubble nor
 * can be cancelled, since a WebSocket is part of no tree.
 */

/** Something happened to a WebSocket. */
export class Event<Target = unknown> {
  readonly type: string;
  readonly target: Target;

  constructor(type: string, target: Target) {
    this.type = type;
    this.target = target;
  }
}

/** It was closed. */
export class CloseEvent<Target = unknown> extends Event<Target> {
  readonly code: number;
  readonly reason: string;
  /** Both sides have sent a close frame. */
  readonly wasClean: boolean;

  constructor(target: Target, { code, reason, wasClean }: { code: number; reason: string; wasClean: boolean }) {
    super('close', target);
    this.code = code;
    this.reason = reason;
    this.wasClean = wasClean;
  }
}

/** Something failed. */
export class ErrorEvent<Target = unknown> extends Event<Target> {
  // biome-ignore lint/suspicious/noExplicitAny: whatever was thrown, as in the types of `ws`.
  readonly error: any;
  readonly message: string;

  constructor(target: Target, error: unknown) {
    super('error', target);
    this.error = error;
    this.message = error instanceof Error ? error.message : String(error);
  }
}

/** A message came. */
export class MessageEvent<Target = unknown, Data = unknown> extends Event<Target> {
  readonly data: Data;

  constructor(target: Target, data: Data) {
    super('message', target);
    this.data = data;
  }
}
