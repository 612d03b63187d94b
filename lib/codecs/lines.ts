/**
 * Lines of text: the separator-delimited miniprotocol that most others begin with.
 *
 * A UTF-8 BOM is data, as it is to readline and split2. LF never occurs inside a UTF-8 character, so lines are found
 * in the bytes and decoded afterwards.
 */
import { checkObject, checkOneOf } from '../arguments.js';
import type { RecordEncoding } from './record-forms.js';
import {
  makeSeparated,
  type Overflow,
  type SeparatedCodec,
  type SeparatedOptions,
  type SeparatedRecord,
} from './separated.js';

/** What `lines` can be told: what ends a line, and all that `separated` can. */
export interface LinesOptions<E extends RecordEncoding = RecordEncoding, O extends Overflow = Overflow>
  extends SeparatedOptions<E, O> {
  /**
   * What ends a line. 'either' (default): LF, and a CR right before it belongs to it. 'lf': LF alone, a CR is data.
   * 'crlf': CRLF, a lone CR or LF is data. 'strict-crlf': CRLF, a lone CR or LF is ERR_BARE_CR or ERR_BARE_LF.
   * Lines are written with LF in the first two cases, with CRLF in the others.
   */
  newline?: 'either' | 'lf' | 'crlf' | 'strict-crlf';
}

const FORMS = {
  either: { separator: '\n', newline: 'strip-cr' },
  lf: { separator: '\n', newline: 'plain' },
  crlf: { separator: '\r\n', newline: 'plain' },
  'strict-crlf': { separator: '\r\n', newline: 'strict-crlf' },
} as const;

/**
 * A codec for lines, by default UTF-8 strings without their line end, of at most 1 MiB.
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE
 * @example
 * for await (const line of framed(process.stdin, lines())) console.log(line.length);
 */
export function lines<E extends RecordEncoding = 'utf8', O extends Overflow = 'error'>(
  options: LinesOptions<E, O> = {},
): SeparatedCodec<SeparatedRecord<E, O>> {
  checkObject('options', options);
  const { newline = 'either', ...rest } = options;
  checkOneOf('options.newline', newline, ['either', 'lf', 'crlf', 'strict-crlf']);
  const form = FORMS[newline];
  return makeSeparated('lines', [Buffer.from(form.separator)], form.newline, { encoding: 'utf8' as E, ...rest });
}
