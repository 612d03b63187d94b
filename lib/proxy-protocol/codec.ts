/**
 * The PROXY protocol as a miniprotocol: one record, the header, and then the connection is somebody else's.
 *
 *   state    on                  next
 *   before   a whole header      behind; it is given out and consumed, and not a byte more
 *   behind   another read        behind; ERR_CODEC_DONE: whoever asks here has forgotten to switch
 *
 * The same two states hold for writing, each direction for itself.
 */
import {
  checkInteger,
  checkObject,
  checkOneOf,
  checkUint8Array,
  invalidArgType,
  invalidArgValue,
} from '../arguments.js';
import { asBuffer, type InputBuffer } from '../bytes/input-buffer.js';
import type { OutputBuffer } from '../bytes/output-buffer.js';
import type { Codec } from '../codecs/codec.js';
import { UsageError } from '../errors.js';
import { MAX_PROXY_HEADER } from '../limits.js';
import type { NotReady } from '../status.js';
import { readBinary } from './binary.js';
import { encodeProxyHeader } from './encode.js';
import { type ExtentRules, extentOf } from './extent.js';
import {
  FIXED_LENGTH,
  LONGEST_HEADER,
  LONGEST_LINE,
  PATH_LENGTH,
  PROXY_PROTOCOL,
  type ProxyHeader,
  type ProxyHeaderInit,
  type ProxyVersion,
} from './header.js';
import { readLine } from './line.js';

/** Which headers are taken. */
export interface ProxyHeaderOptions {
  /** Versions that are taken. Default: `[1, 2]`. */
  versions?: readonly ProxyVersion[];
  /** Bytes of a whole header, 232 to 65551. Default 4096. */
  maxLength?: number;
}

/** Bytes. No limit may be below this: a header that has paths of Unix sockets, and no fields. */
const LEAST_MAX_LENGTH = FIXED_LENGTH + 2 * PATH_LENGTH;

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function checkHeaderOptions(options: ProxyHeaderOptions): ExtentRules {
  checkObject('options', options);
  const { versions = [1, 2], maxLength = MAX_PROXY_HEADER } = options;
  if (!Array.isArray(versions)) throw invalidArgType('options.versions', 'an instance of Array', versions);
  if (versions.length === 0) throw invalidArgValue('options.versions', versions, 'is empty');
  for (const version of versions) checkOneOf('options.versions', version, [1, 2]);
  checkInteger('options.maxLength', maxLength, LEAST_MAX_LENGTH, LONGEST_HEADER);
  return { versions: [...versions], maxLength };
}

/**
 * Reads the header at the front of some bytes; nothing is allocated before it is whole.
 * @returns the header, whose `length` says where what follows begins; or how many more bytes make the next try worthwhile.
 * @throws ProtocolError ERR_PROXY_HEADER, as soon as the first byte that cannot be is here; LimitError
 * ERR_RECORD_TOO_LARGE; ERR_INVALID_ARG_TYPE and the like.
 * @example
 * const line = Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\nhello');
 * parseProxyHeader(line.subarray(0, 20)); // 1
 * const header = parseProxyHeader(line);
 */
export function parseProxyHeader(bytes: Uint8Array, options: ProxyHeaderOptions = {}): ProxyHeader | number {
  checkUint8Array('bytes', bytes);
  const rules = checkHeaderOptions(options);
  const buffer = asBuffer(bytes);
  const extent = extentOf(buffer, 0, rules, 0);
  return extent > buffer.length ? extent - buffer.length : readHeader(buffer.subarray(0, extent), 0);
}

function readHeader(header: Buffer, offset: number): ProxyHeader {
  return header[0] === 0x50 ? readLine(header, offset) : readBinary(header, offset);
}

/** A codec whose one record is the header. It keeps state, so it serves one stream; `switchTo` what is behind it. */
export function proxyHeaders(options: ProxyHeaderOptions = {}): ProxyHeaderCodec {
  return new ProxyHeaderCodec(checkHeaderOptions(options));
}

/** See `proxyHeaders`. */
export class ProxyHeaderCodec implements Codec<ProxyHeader, ProxyHeaderInit> {
  readonly name = PROXY_PROTOCOL;
  readonly #rules: ExtentRules;
  /** Bytes of the header that were looked at in vain; 0 <= examined <= the input's length. */
  #examined = 0;
  #given = false;
  #written = false;

  /** Internal: use `proxyHeaders`. */
  constructor(rules: ExtentRules) {
    this.#rules = rules;
  }

  decode(input: InputBuffer): ProxyHeader | NotReady {
    if (this.#given) throw new UsageError('ERR_CODEC_DONE', { protocol: this.name });
    const { length } = input;
    // More than a declared length says may be here, and need not be looked at.
    const front = input.peek(Math.min(length, FIXED_LENGTH));
    const looked = front[0] === 0x50 ? input.peek(Math.min(length, LONGEST_LINE)) : front;
    const extent = extentOf(looked, this.#examined, this.#rules, input.offset);
    this.#examined = looked.length;
    if (extent > length) return input.need(extent);
    const header = readHeader(input.peek(extent), input.offset);
    input.consume(extent);
    this.#given = true;
    return header;
  }

  encode(header: ProxyHeaderInit, output: OutputBuffer): true {
    if (this.#written) throw new UsageError('ERR_CODEC_DONE', { protocol: this.name });
    output.write(encodeProxyHeader(header));
    this.#written = true;
    return true;
  }
}
