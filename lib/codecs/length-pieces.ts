/** Length-prefixed records in pieces: the header says how much comes, and it is passed on as it comes. */

import { checkInteger } from '../arguments.js';
import type { InputBuffer } from '../bytes/input-buffer.js';
import type { OutputBuffer } from '../bytes/output-buffer.js';
import { ProtocolError, UsageError } from '../errors.js';
import { FrameFault } from '../frame-table.js';
import type { LengthFraming } from '../native-interface.js';
import type { NotReady } from '../status.js';
import type { PieceCodec, PieceReader, PieceWriter } from './codec.js';
import { faultError } from './faults.js';
import { HeaderReader, writeLength } from './length-field.js';

export function lengthPieces(name: string, config: LengthFraming, prefix: Buffer): PieceCodec {
  let headers: HeaderReader | undefined;
  const context = { protocol: name, maxLength: config.maxLength, maxLengthBytes: config.lengthBytes };
  return {
    open(input: InputBuffer): PieceReader | NotReady {
      headers ??= new HeaderReader(config);
      const header = headers.read(input);
      if ('need' in header) return input.need(header.need);
      if ('fault' in header) throw faultError(context, header.fault, header.detail, input.offset);
      // With 'keep' the header is part of the record, so it stays for the first piece.
      const kept = config.header === 'keep' ? header.size : 0;
      const start = input.offset;
      input.consume(header.size - kept);
      return new LengthPieceReader(name, config.trailer, header.length + kept, start);
    },
    begin(length: number | undefined, output: OutputBuffer): PieceWriter {
      checkInteger('length', length, 0);
      if (config.header === 'keep') return new LengthPieceWriter(name, config.trailer, length);
      output.write(prefix);
      writeLength(name, config, length, output);
      return new LengthPieceWriter(name, config.trailer, length);
    },
  };
}

class LengthPieceReader implements PieceReader {
  readonly length: number;
  readonly #name: string;
  readonly #trailer: number;
  /** Where in the stream the record starts, for errors. */
  readonly #start: number;
  #left: number;

  constructor(name: string, trailer: number, length: number, start: number) {
    this.#name = name;
    this.#trailer = trailer;
    this.length = length;
    this.#left = length;
    this.#start = start;
  }

  next(input: InputBuffer, ended: boolean): number | NotReady {
    if (this.#left === 0) return this.#end(input, ended);
    const count = Math.min(this.#left, input.frontLength);
    if (count === 0) return this.#more(input, ended);
    this.#left -= count;
    return count;
  }

  #end(input: InputBuffer, ended: boolean): 0 | NotReady {
    if (this.#trailer < 0) return 0;
    if (input.length === 0) return this.#more(input, ended);
    const byte = input.byteAt(0);
    if (byte !== this.#trailer) {
      const context = { protocol: this.#name, maxLength: 0 };
      throw faultError(context, FrameFault.TRAILER_MISSING, byte, this.#start);
    }
    input.consume(1);
    return 0;
  }

  #more(input: InputBuffer, ended: boolean): NotReady {
    if (!ended) return input.need(1);
    const message = `the stream ended inside a record, ${this.#left} bytes before its end`;
    throw new ProtocolError('ERR_UNEXPECTED_EOF', { protocol: this.#name, offset: this.#start, message });
  }
}

class LengthPieceWriter implements PieceWriter {
  readonly #name: string;
  readonly #trailer: number;
  #left: number;

  constructor(name: string, trailer: number, length: number) {
    this.#name = name;
    this.#trailer = trailer;
    this.#left = length;
  }

  part(bytes: Uint8Array, output: OutputBuffer): void {
    if (bytes.length > this.#left) {
      const message = `the part is ${bytes.length - this.#left} bytes longer than the record that was begun`;
      throw new UsageError('ERR_RECORD_LENGTH', { protocol: this.#name, message });
    }
    this.#left -= bytes.length;
    output.write(bytes);
  }

  end(output: OutputBuffer): void {
    if (this.#left > 0) {
      const message = `${this.#left} bytes are missing of the record that was begun`;
      throw new UsageError('ERR_RECORD_LENGTH', { protocol: this.#name, message });
    }
    if (this.#trailer >= 0) output.writeByte(this.#trailer);
  }
}
