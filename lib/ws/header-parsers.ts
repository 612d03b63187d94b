/**
 * The parsers of header values that `ws` exports. They take exactly what is written by the grammar, and say where it ends,
 * in the words of `ws`; the handshake's own put up with what RFC 9110 §5.6.1 asks recipients to.
 */

/** Parameters of extensions by name: one object for each time that the extension is listed. */
export type Extensions = Record<string, Record<string, (string | true)[]>[]>;

/** Sec-WebSocket-Extensions. RFC 6455 §9.1 */
export const extension: {
  /** @throws SyntaxError */
  parse(header: string): Extensions;
  format(extensions: Record<string, object | readonly object[]>): string;
} = {
  parse(header) {
    const extensions: Extensions = Object.create(null);
    parseList(header, (reader) => {
      const name = reader.token();
      const params: Record<string, (string | true)[]> = Object.create(null);
      reader.passSpaces();
      while (reader.take(';')) {
        reader.passSpaces();
        const param = reader.token();
        const value = reader.take('=') ? reader.value() : true;
        params[param] = [...(params[param] ?? []), value];
        reader.passSpaces();
      }
      extensions[name] = [...(extensions[name] ?? []), params];
    });
    return extensions;
  },
  format(extensions) {
    const listed = Object.entries(extensions).flatMap(([name, forms]) =>
      (Array.isArray(forms) ? forms : [forms]).map((params: object) => formatOne(name, params)),
    );
    return listed.join(', ');
  },
};

function formatOne(name: string, params: object): string {
  const parts = Object.entries(params).flatMap(([param, values]) =>
    (Array.isArray(values) ? values : [values]).map((value) => (value === true ? param : `${param}=${value}`)),
  );
  return [name, ...parts].join('; ');
}

/** Sec-WebSocket-Protocol. RFC 6455 §4.1 */
export const subprotocol: {
  /** @throws SyntaxError */
  parse(header: string): Set<string>;
} = {
  parse(header) {
    const protocols = new Set<string>();
    parseList(header, (reader) => {
      const protocol = reader.token();
      if (protocols.has(protocol)) throw new SyntaxError(`The "${protocol}" subprotocol is duplicated`);
      protocols.add(protocol);
      reader.passSpaces();
    });
    return protocols;
  },
};

/** @param element reads one element, and the white space behind it. @throws SyntaxError */
function parseList(header: string, element: (reader: HeaderReader) => void): void {
  const reader = new HeaderReader(header);
  element(reader);
  while (reader.take(',')) {
    reader.passSpaces();
    element(reader);
  }
  reader.checkEnd();
}

/** Where an element may end; there is none at the end of the text, nor behind white space there. */
const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const SPACES = /[ \t]*/y;
const ESCAPED = /\\?[!#$%&'*+\-.^_`|~0-9A-Za-z]/y;

/** Goes through a value once, and fails where it is not as it has to be. */
class HeaderReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  token(): string {
    return this.#match(TOKEN) ?? this.#fail();
  }

  /** A token, or one in quotes. */
  value(): string {
    if (!this.take('"')) return this.token();
    let value = '';
    for (;;) {
      const next = this.#match(ESCAPED);
      if (next === undefined) break;
      value += next.at(-1);
    }
    // What is wrong may be what was escaped.
    if (this.#text[this.#at] === '\\') this.#at++;
    if (value === '' || !this.take('"')) this.#fail();
    return value;
  }

  /** Takes one character, if it is the next. */
  take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  passSpaces(): void {
    this.#match(SPACES);
  }

  /** @throws SyntaxError where more comes, and where white space was the last. */
  checkEnd(): void {
    if (this.#at < this.#text.length || this.#text.trimEnd() !== this.#text) this.#fail();
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #fail(): never {
    const ended = this.#at >= this.#text.length;
    throw new SyntaxError(ended ? 'Unexpected end of input' : `Unexpected character at index ${this.#at}`);
  }
}
