/**
 * JSON lines: one JSON text a line, UTF-8.
 *
 * A line that is no JSON, an empty one included, is ERR_INVALID_JSON with its offset. See https://jsonlines.org/ and
 * RFC 8259.
 */
import { checkFunction, checkObject } from '../arguments.js';
import { UsageError } from '../errors.js';
import type { LinesOptions } from './lines.js';
import { MappedCodec } from './mapped.js';
import { makeSeparated } from './separated.js';

/** What `jsonLines` can be told. */
export interface JsonLinesOptions extends Pick<LinesOptions<'utf8', 'error'>, 'maxLength' | 'tail'> {
  /** As the second argument of JSON.parse. */
  reviver?: (this: unknown, key: string, value: unknown) => unknown;
}

/**
 * A codec for JSON lines. `T` is what the caller knows of the values; it is not checked.
 * @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE
 * @example
 * const events = framed(stream, jsonLines<{ id: number }>());
 */
export function jsonLines<T = unknown>(
  options: JsonLinesOptions = {},
): MappedCodec<string, Given<T>, string | Uint8Array, Given<T>> {
  checkObject('options', options);
  const { reviver, ...rest } = options;
  if (reviver !== undefined) checkFunction('options.reviver', reviver);
  const text = makeSeparated<'utf8-strict', 'error'>('json-lines', [Buffer.from('\n')], 'strip-cr', {
    ...rest,
    encoding: 'utf8-strict',
  });
  const mapping = {
    name: 'json-lines',
    decode: (line: string) => JSON.parse(line, reviver) as T,
    encode: stringify<T>,
  };
  return new MappedCodec(text, mapping, 'ERR_INVALID_JSON');
}

function stringify<T>(value: T): string {
  let text: string | undefined;
  let cause: unknown;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    cause = error; // a circle, a BigInt, or what a `toJSON` throws
  }
  if (text !== undefined) return text;
  // Only the first line: V8 draws a circle over several, and `cause` has them.
  const reason = cause instanceof Error ? `: ${cause.message.split('\n', 1)[0]}` : '';
  const message = `a value of type ${typeof value} has no JSON${reason}`;
  throw new UsageError('ERR_RECORD_NOT_ENCODABLE', { protocol: 'json-lines', message, cause });
}

/** T, which nothing is inferred from: NoInfer, which TypeScript before 5.4 does not know. */
type Given<T> = [T][T extends unknown ? 0 : never];
