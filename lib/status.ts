/**
 * The answers of an operation that was tried and did not give a value.
 *
 * Each is a unique symbol, so that it can never be mistaken for a record, a count or a string, and costs nothing to
 * return. A status changes nothing: calling again at once is legal and gives the same answer until something happens.
 */

/** The layer below would block in the direction asked for. Next: `ready('read')` after a read, `ready('write')` after a write. */
export const NOT_READY: unique symbol = Symbol('miniproto.NOT_READY');

/** A write cannot go on before the peer's bytes arrive (a handshake, a key update). Next: `ready('read')`, then write again. */
export const NEED_READ: unique symbol = Symbol('miniproto.NEED_READ');

/** A read cannot go on before our own protocol bytes leave. Next: `ready('write')`, then read again. */
export const NEED_WRITE: unique symbol = Symbol('miniproto.NEED_WRITE');

/** The peer ended its side at a record boundary, and every complete record has been given out. Writing may go on. */
export const EOF: unique symbol = Symbol('miniproto.EOF');

/** A codec's `decode` took protocol bytes, or changed its state, without a record to give: ask it again. */
export const CONTINUE: unique symbol = Symbol('miniproto.CONTINUE');

export type NotReady = typeof NOT_READY;
export type NeedRead = typeof NEED_READ;
export type NeedWrite = typeof NEED_WRITE;
export type Eof = typeof EOF;
export type Continue = typeof CONTINUE;

/** What a read can answer instead of a value. */
export type ReadStatus = NotReady | NeedWrite | Eof;
/** What a write can answer instead of a value. */
export type WriteStatus = NotReady | NeedRead;
/** Any status of a stream. */
export type Status = NotReady | NeedRead | NeedWrite | Eof;

/** True for any of the statuses of a stream. */
export function isStatus(value: unknown): value is Status {
  return value === NOT_READY || value === NEED_READ || value === NEED_WRITE || value === EOF;
}
