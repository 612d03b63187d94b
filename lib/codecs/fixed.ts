/** Records of one size: blocks, samples, the frames of many industrial protocols. */
import { checkInteger, checkUint8Array } from '../arguments.js';
import { asBuffer } from '../bytes/input-buffer.js';
import type { OutputBuffer } from '../bytes/output-buffer.js';
import { UsageError } from '../errors.js';
import { LARGEST_MAX_LENGTH } from '../limits.js';
import type { Framing } from './codec.js';
import { faultError } from './faults.js';
import { FramedCodec, writePayload } from './framed-codec.js';
import { fixedFramer } from './framers.js';
import { ownedBytes } from './record-forms.js';

/**
 * A codec for records of `size` bytes. A shorter rest at the end of the stream is ERR_UNEXPECTED_EOF.
 * @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE
 * @example
 * const samples = framed(stream, fixed(188)); // MPEG transport stream packets
 */
export function fixed(size: number): FixedCodec {
  return new FixedCodec(size);
}

/** The codec that `fixed` makes. */
export class FixedCodec extends FramedCodec<Buffer, Uint8Array> {
  readonly name = 'fixed';
  readonly framing: Framing<Buffer>;
  readonly #size: number;

  /** Internal: use `fixed`. */
  constructor(size: number) {
    super();
    checkInteger('size', size, 1, LARGEST_MAX_LENGTH);
    this.#size = size;
    const context = { protocol: this.name, maxLength: size };
    this.framing = {
      framer: fixedFramer(size),
      least: size,
      text: undefined,
      bytesThemselves: true,
      record: (bytes, from, to, _flags, memory) => ownedBytes(bytes, from, to, memory),
      fault: (fault, detail, offset) => faultError(context, fault, detail, offset),
    };
  }

  encode(record: Uint8Array, output: OutputBuffer): true {
    checkUint8Array('record', record);
    this.encodeRange(asBuffer(record), 0, record.length, output, { stable: true });
    return true;
  }

  encodeRange(bytes: Buffer, from: number, to: number, output: OutputBuffer, options: { stable: boolean }): void {
    if (to - from !== this.#size) {
      const message = `a record must have ${this.#size} bytes, not ${to - from}`;
      throw new UsageError('ERR_RECORD_NOT_ENCODABLE', { protocol: this.name, message });
    }
    writePayload(bytes, from, to, output, options);
  }
}
