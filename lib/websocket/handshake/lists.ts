/**
 * Header values that are lists: of tokens, and of extensions with their parameters. RFC 9110 §5.6, RFC 6455 §9.1
 *
 * One scanner over the text of a value, that goes forward only; a value that is no such list is undefined, and who asked
 * knows what to answer.
 */

/** One extension as it was offered or answered: its name, and parameters in order, a repeated one as often as it came. */
export interface ExtensionOffer {
  readonly name: string;
  /** A parameter without a value is `true`. */
  readonly params: readonly (readonly [name: string, value: string | true])[];
}

/** The tokens of a list in one or several fields, as they are written. @returns undefined for a value that is none. */
export function parseTokenList(values: readonly string[]): string[] | undefined {
  const tokens: string[] = [];
  const scanner = new Scanner(values.join(','));
  do {
    const token = scanner.token();
    // Empty elements have to be put up with. RFC 9110 §5.6.1
    if (token !== '') tokens.push(token);
  } while (scanner.take(','));
  return scanner.ended ? tokens : undefined;
}

/** True when the list in these fields has the token, in any case. */
export function hasToken(values: readonly string[], token: string): boolean {
  return parseTokenList(values)?.some((known) => known.toLowerCase() === token) ?? false;
}

/** The extensions in one or several fields of Sec-WebSocket-Extensions. @returns undefined for a value that is none. */
export function parseExtensions(values: readonly string[]): ExtensionOffer[] | undefined {
  const offers: ExtensionOffer[] = [];
  const scanner = new Scanner(values.join(','));
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

function parseParam(scanner: Scanner): readonly [string, string | true] | undefined {
  const name = scanner.token();
  if (name === '') return undefined;
  if (!scanner.take('=')) return [name, true];
  const value = scanner.next === '"' ? scanner.quoted() : scanner.token();
  return value === undefined || value === '' ? undefined : [name, value];
}

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]*/y;
/** What is quoted has to be a token once it is not. RFC 6455 §9.1 */
const QUOTED_TOKEN = /"((?:\\?[!#$%&'*+\-.^_`|~0-9A-Za-z])*)"/y;
const SPACES = /[ \t]*/y;

class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#match(SPACES);
  }

  get ended(): boolean {
    return this.#at === this.#text.length;
  }

  get next(): string | undefined {
    return this.#text[this.#at];
  }

  /** Takes a token and the spaces behind it; '' when there is none. */
  token(): string {
    const [token] = this.#match(TOKEN)!;
    this.#match(SPACES);
    return token;
  }

  /** Takes a quoted token. @returns undefined when it is none. */
  quoted(): string | undefined {
    const quoted = this.#match(QUOTED_TOKEN)?.[1];
    this.#match(SPACES);
    return quoted?.replaceAll('\\', '');
  }

  /** Takes one character and the spaces behind it, if it is the next. */
  take(character: string): boolean {
    if (this.next !== character) return false;
    this.#at++;
    this.#match(SPACES);
    return true;
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found !== null) this.#at = pattern.lastIndex;
    return found;
  }
}
