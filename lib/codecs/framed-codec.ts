/**
 * What the codecs with a framer share: `decode` and `finish` by way of the framer, and a verbatim `encodeRange`.
 *
 * Such a codec keeps no state: what its framer must remember lies with the input buffer, so one object serves any
 * number of streams.
 */
import type { InputBuffer } from '../bytes/input-buffer.js';
import type { OutputBuffer } from '../bytes/output-buffer.js';
import type { Eof, NotReady } from '../status.js';
import type { Codec, Framing, PieceCodec } from './codec.js';
import { decodeFramed, finishFramed } from './framing.js';

export abstract class FramedCodec<R, W> implements Codec<R, W> {
  readonly shared = true;
  abstract readonly name: string;
  abstract readonly framing: Framing<R>;
  readonly pieces?: PieceCodec | undefined;

  decode(input: InputBuffer): R | NotReady {
    return decodeFramed(input, this.framing);
  }

  finish(input: InputBuffer): R | Eof {
    return finishFramed(input, this.framing);
  }

  abstract encode(record: W, output: OutputBuffer): true;

  abstract encodeRange(
    bytes: Buffer,
    from: number,
    to: number,
    output: OutputBuffer,
    options: { stable: boolean },
  ): void;
}

/** Writes payload bytes: by reference where they are many and will not change. */
export function writePayload(
  bytes: Buffer,
  from: number,
  to: number,
  output: OutputBuffer,
  { stable }: { stable: boolean },
): void {
  if (stable) output.write(bytes, from, to);
  else output.writeCopy(bytes, from, to);
}
