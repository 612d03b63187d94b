/** What may be put on a stream: codecs, and those that keep the state of a conversation on one stream only. */
import { invalidArgType } from '../arguments.js';
import type { Codec } from '../codecs/codec.js';
import { UsageError } from '../errors.js';

const bound = new WeakSet<object>();

/** @throws UsageError ERR_CODEC_IN_USE, as `bindCodec` would; binds nothing. */
export function checkUnbound(codec: { shared?: boolean; name?: string }): void {
  if (codec.shared !== true && bound.has(codec)) throw new UsageError('ERR_CODEC_IN_USE', { protocol: codec.name });
}

/** @throws UsageError ERR_CODEC_IN_USE when the codec keeps state and has a stream already. */
export function bindCodec(codec: Codec<never, never> | Codec<unknown, unknown>): void;
export function bindCodec(codec: object): void;
export function bindCodec(codec: { shared?: boolean; name?: string }): void {
  checkUnbound(codec);
  if (codec.shared !== true) bound.add(codec);
}

/** @throws ERR_INVALID_ARG_TYPE unless the value looks like a codec. */
export function checkCodec(codec: unknown): void {
  const { decode, encode } = (codec ?? {}) as Partial<Codec<unknown>>;
  if (typeof decode === 'function' && typeof encode === 'function') return;
  throw invalidArgType('codec', 'a codec, an object with decode and encode', codec);
}
