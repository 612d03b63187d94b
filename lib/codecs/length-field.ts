/** The length field of a length-prefixed record: reading one off an input buffer, and writing one. */
import type { InputBuffer } from '../bytes/input-buffer.js';
import type { OutputBuffer } from '../bytes/output-buffer.js';
import { UsageError } from '../errors.js';
import { createFrameTable, H_DETAIL_HIGH, H_DETAIL_LOW, H_FAULT, H_FINAL, H_NEED } from '../frame-table.js';
import type { Framer, LengthFraming } from '../native-interface.js';
import { lengthFramer } from './framers.js';

/** By how many bytes a field has: what its values are below. */
const FIELD_ENDS = [0, 1, 2, 3, 4, 5, 6, 7, 8].map((lengthBytes) => 256 ** lengthBytes);

/** Bytes of the shortest header. */
export function leastHeader(config: LengthFraming): number {
  const fixed = config.encoding === 'big' || config.encoding === 'little';
  return config.offset + (fixed ? config.lengthBytes : 1);
}

/** Bytes of the longest header, terminator included. */
function longestHeader(config: LengthFraming): number {
  return config.offset + config.lengthBytes + (config.encoding === 'decimal' ? 1 : 0);
}

/**
 * Writes the length field of a payload of `size` bytes.
 * @throws UsageError ERR_RECORD_NOT_ENCODABLE when the field cannot say it.
 */
export function writeLength(protocol: string, config: LengthFraming, size: number, output: OutputBuffer): void {
  const value = size - config.adjustment;
  const fixed = config.encoding === 'big' || config.encoding === 'little';
  if (
    value < 0 ||
    (fixed ? value >= FIELD_ENDS[config.lengthBytes]! : fieldBytes(config, value) > config.lengthBytes)
  ) {
    const message = `a record of ${size} bytes does not fit the length field`;
    throw new UsageError('ERR_RECORD_NOT_ENCODABLE', { protocol, message });
  }
  switch (config.encoding) {
    case 'varint':
      return writeVarint(value, output);
    case 'decimal':
      output.writeText(String(value), 'latin1');
      return output.writeByte(config.terminator);
    default:
      return output.writeUint(value, config.lengthBytes, config.encoding);
  }
}

function writeVarint(value: number, output: OutputBuffer): void {
  let rest = value;
  while (rest > 0x7f) {
    output.writeByte((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  output.writeByte(rest);
}

/** Bytes, or digits, that `value` takes. */
function fieldBytes(config: LengthFraming, value: number): number {
  if (config.encoding === 'decimal') return String(value).length;
  const base = config.encoding === 'varint' ? 0x80 : 0x100;
  let count = 1;
  for (let rest = Math.floor(value / base); rest > 0; rest = Math.floor(rest / base)) count++;
  return count;
}

/** What a header says. */
export interface Header {
  /** Bytes of the header. */
  readonly size: number;
  /** Bytes between header and trailer. */
  readonly length: number;
}

/** Reads headers with the same framer that cuts whole records, by showing it one more byte of the header at a time. */
export class HeaderReader {
  readonly #config: LengthFraming;
  readonly #framer: Framer;
  readonly #table = createFrameTable(1);

  constructor(config: LengthFraming) {
    this.#config = { ...config, header: 'strip' };
    this.#framer = lengthFramer({ ...this.#config, maxLength: 0 });
  }

  /**
   * Looks at the header at the front of the input.
   * @returns the header; the bytes needed to go on; or the fault, where the field is wrong.
   */
  read(input: InputBuffer): Header | { need: number } | { fault: number; detail: number } {
    const most = Math.min(input.length, longestHeader(this.#config));
    const bytes = input.peek(most);
    for (let size = leastHeader(this.#config); size <= most; size++) {
      const answer = this.#try(bytes, size);
      if (answer !== undefined) return answer;
    }
    const least = leastHeader(this.#config);
    return { need: Math.max(least, most + 1) };
  }

  /** A limit of 0 makes the framer stop at the header and say the length: as a fault, or as what it needs. */
  #try(bytes: Buffer, size: number): Header | { fault: number; detail: number } | undefined {
    const table = this.#table;
    table[H_FINAL] = 0;
    const rows = this.#framer.frame(bytes, 0, size, table, 1);
    if (rows === 1) return { size, length: 0 };
    const detail = (table[H_DETAIL_HIGH]! >>> 0) * 2 ** 32 + (table[H_DETAIL_LOW]! >>> 0);
    const fault = table[H_FAULT]!;
    if (fault === TOO_LARGE) return { size, length: detail };
    if (fault !== 0) return { fault, detail };
    // An empty payload whose trailer has not come: the header is complete, and what is needed lies behind it.
    const complete = this.#config.trailer >= 0 && table[H_NEED] === size + 1 && this.#endsHere(bytes, size);
    return complete ? { size, length: 0 } : undefined;
  }

  #endsHere(bytes: Buffer, size: number): boolean {
    if (this.#config.encoding === 'decimal') return bytes[size - 1] === this.#config.terminator;
    return this.#config.encoding !== 'varint' || bytes[size - 1]! < 0x80;
  }
}

/** FrameFault.RECORD_TOO_LARGE, which is the expected answer here. */
const TOO_LARGE = 1;
