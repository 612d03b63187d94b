/**
 * The text of a whole span, decoded once, so that its records are slices of one string.
 *
 * Decoding 64 KiB in one call and slicing costs a fifth of decoding line by line. It works where bytes and characters
 * have the same indices: for latin1 always, for UTF-8 where the framer has seen ASCII only. It is done at the first
 * request, since a user who only counts should not pay for it.
 */
import type { TextForm } from '../codecs/codec.js';
import type { SliceBuffer } from '../codecs/record-forms.js';

export class SpanText {
  readonly #bytes: Buffer;
  /** Index of the text's first character in the bytes. */
  readonly from: number;
  readonly #to: number;
  readonly #ascii: boolean;
  /** Slicing gives what the codec's own decoding would. */
  readonly #sliceable: boolean;
  readonly #detached: boolean;
  #text: string | undefined;

  /** @param ascii every byte of [from, to) is below 0x80 */
  constructor(
    bytes: Buffer,
    from: number,
    to: number,
    { ascii, form, detached }: { ascii: boolean; form: TextForm | undefined; detached: boolean },
  ) {
    this.#bytes = bytes;
    this.from = from;
    this.#to = to;
    this.#ascii = ascii;
    this.#sliceable = form !== undefined && (ascii || form === 'latin1') && !detached;
    this.#detached = detached;
  }

  get sliceable(): boolean {
    return this.#sliceable;
  }

  /** All characters of the span; only where it is sliceable. Its index 0 is the span's `from`. */
  whole(): string {
    this.#text ??= (this.#bytes as SliceBuffer).latin1Slice(this.from, this.#to);
    return this.#text;
  }

  /** Bytes [from, to) as a slice in the codec's own form, or undefined where they must be decoded on their own. */
  slice(from: number, to: number): string | undefined {
    return this.#sliceable ? this.whole().slice(from - this.from, to - this.from) : undefined;
  }

  /** The same where every encoding agrees. */
  sliceAscii(from: number, to: number): string | undefined {
    return this.#ascii && !this.#detached ? this.whole().slice(from - this.from, to - this.from) : undefined;
  }
}
