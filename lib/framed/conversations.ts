/**
 * Who reads and writes a byte stream: the framed stream on it, a WebSocket, or another stream, as TLS is.
 *
 * Two readers would take each other's bytes, so there is one at a time; and whoever has only the byte stream, as a server
 * whose handler has returned, closes by this what is on it, with care.
 */
import { UsageError } from '../errors.js';
import { BaseStream, type StreamHolder } from '../streams/base-stream.js';
import type { ByteStream, CloseOptions } from '../streams/byte-stream.js';

/** What is on a byte stream. */
export interface Conversation {
  /** Bytes that were written and have not left. */
  readonly pendingOutput?: number;
  /** Ends our side, after what was written. */
  end(): Promise<void>;
  close(options?: CloseOptions): Promise<void>;
  /** Adds what waits to be encoded to the queue, which is handed over at exit. */
  encodeWaiting?(): void;
  /** Letting go would give input back to the stream, or leave some in it. */
  readonly givesBack?: boolean;
  /** The byte stream goes to somebody else. @returns a copy of the output that has not left. */
  letGo(): Buffer;
}

/** Where a conversation is found: it changes with the protocol. */
export interface ConversationHolder extends StreamHolder {
  readonly conversation: Conversation | undefined;
}

/**
 * Those of streams that are not ours. Ours hold their own: what a WeakMap of V8 holds outlives every collection of the
 * young, however short the connection was.
 */
const conversations = new WeakMap<ByteStream, ConversationHolder>();

function holderOn(stream: ByteStream): ConversationHolder | undefined {
  return stream instanceof BaseStream ? (stream.holder as ConversationHolder | undefined) : conversations.get(stream);
}

/** Notes who is on the stream from now on, in place of whoever was: its protocol has changed. */
export function passHolder(stream: ByteStream, holder: ConversationHolder): void {
  if (stream instanceof BaseStream) stream.holder = holder;
  else conversations.set(stream, holder);
}

/** Notes who is on the stream. @throws UsageError ERR_STREAM_IN_USE when somebody is. */
export function beginConversation(stream: ByteStream, holder: ConversationHolder, message?: string): void {
  checkNoConversation(stream, message);
  passHolder(stream, holder);
}

/** @throws UsageError ERR_STREAM_IN_USE when somebody is on the stream. */
export function checkNoConversation(stream: ByteStream, message?: string): void {
  if (holderOn(stream) !== undefined)
    throw new UsageError('ERR_STREAM_IN_USE', message === undefined ? {} : { message });
}

/** Nobody is on the stream any more. */
export function endConversation(stream: ByteStream): void {
  if (stream instanceof BaseStream) stream.holder = undefined;
  else conversations.delete(stream);
}

/** Another stream has taken the place of what was on this one: closing this one closes that. */
export function passConversation(stream: ByteStream, upper: ByteStream): void {
  if (upper === stream) return;
  const conversation = {
    end: () => endOutput(upper),
    close: (options?: CloseOptions) => closeConversation(upper, options),
    letGo: () => Buffer.alloc(0),
  };
  passHolder(stream, { conversation });
}

/** What is on the stream. Internal. */
export function conversationOn(stream: ByteStream): Conversation | undefined {
  return holderOn(stream)?.conversation;
}

/** Bytes that were written to the stream, or to what is on it, and have not left. Internal. */
export function unsentOn(stream: ByteStream): number {
  return conversationOn(stream)?.pendingOutput ?? stream.pendingOutput;
}

/**
 * Closes a byte stream with care, for whoever does not know what is on it: records that were written to a framed stream
 * on it and wait there leave first. Internal.
 */
export function closeConversation(stream: ByteStream, options?: CloseOptions): Promise<void> {
  return (conversationOn(stream) ?? stream).close(options);
}

/** Ends our side of a byte stream, for whoever does not know what is on it: records that wait there leave first. Internal. */
export function endOutput(stream: ByteStream): Promise<void> {
  return (conversationOn(stream) ?? stream).end();
}

/**
 * The byte stream is about to be somebody else's: records that were given out are consumed, and what was written leaves as
 * far as it goes. Internal.
 * @returns a copy of what has not left.
 */
export function letGo(stream: ByteStream): Buffer {
  return conversationOn(stream)?.letGo() ?? Buffer.alloc(0);
}
