/**
 * The extensions that Sec-WebSocket-Extensions lists, with their parameters. RFC 6455 §9.1
 *
 * A value that is no such list is undefined, and who asked knows what to answer.
 */
import { ValueScanner } from '../../http/lists.js';

/** One extension as it was offered or answered: its name, and parameters in order, a repeated one as often as it came. */
export interface ExtensionOffer {
  readonly name: string;
  /** A parameter without a value is `true`. */
  readonly params: readonly (readonly [name: string, value: string | true])[];
}

/** The extensions in one or several fields of Sec-WebSocket-Extensions. @returns undefined for a value that is none. */
export function parseExtensions(values: readonly string[]): ExtensionOffer[] | undefined {
  const offers: ExtensionOffer[] = [];
  const scanner = new ValueScanner(values.join(','));
  do {
    const name = scanner.token();
    if (name === '') {
      if (scanner.next === ';') return undefined;
      continue;
    }
    const params: (readonly [string, string | true])[] = [];
    while (scanner.take(';')) {
      const param = parseParam(scanner);
      if (param === undefined) return undefined;
      params.push(param);
    }
    offers.push({ name, params });
  } while (scanner.take(','));
  return scanner.ended ? offers : undefined;
}

function parseParam(scanner: ValueScanner): readonly [string, string | true] | undefined {
  const name = scanner.token();
  if (name === '') return undefined;
  if (!scanner.take('=')) return [name, true];
  const value = scanner.next === '"' ? unquoted(scanner) : scanner.token();
  return value === undefined || value === '' ? undefined : [name, value];
}

/** What is quoted has to be a token once it is not. RFC 6455 §9.1 */
const QUOTED_TOKEN = /"(?:\\?[!#$%&'*+\-.^_`|~0-9A-Za-z])*"/y;

/** Takes a quoted token. @returns undefined when it is none */
function unquoted(scanner: ValueScanner): string | undefined {
  return scanner.match(QUOTED_TOKEN)?.slice(1, -1).replaceAll('\\', '');
}
