/** Codecs that keep the state of a conversation serve one stream; this remembers which have one. */
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
