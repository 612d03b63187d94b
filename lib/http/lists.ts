/**
 * Header values that are lists of tokens, and what such values are scanned with. RFC 9110 §5.6
 *
 * One scanner over the text of a value, that goes forward only; a value that is no such list is undefined, and who asked
 * knows what to answer. What else the elements of a list may have is for who knows the field.
 */

/** The tokens of a list in one or several fields, as they are written. @returns undefined for a value that is none. */
export function parseTokenList(values: readonly string[]): string[] | undefined {
  const tokens: string[] = [];
  const scanner = new ValueScanner(values.join(','));
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

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]*/y;
const SPACES = /[ \t]*/y;

/** Takes a header value apart. White space between what it takes is passed over. */
export class ValueScanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#passSpaces();
  }

  get ended(): boolean {
    return this.#at === this.#text.length;
  }

  get next(): string | undefined {
    return this.#text[this.#at];
  }

  /** Takes a token; '' when there is none. */
  token(): string {
    return this.match(TOKEN)!;
  }

  /** Takes one character, if it is the next. */
  take(character: string): boolean {
    if (this.next !== character) return false;
    this.#at++;
    this.#passSpaces();
    return true;
  }

  /** Takes what a pattern finds. @param pattern is sticky. @returns undefined when it is not what comes next */
  match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) return undefined;
    this.#at += found.length;
    this.#passSpaces();
    return found;
  }

  #passSpaces(): void {
    SPACES.lastIndex = this.#at;
    SPACES.test(this.#text);
    this.#at = SPACES.lastIndex;
  }
}
