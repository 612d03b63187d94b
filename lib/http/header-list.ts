/**
 * Header fields in the order in which they came, looked up without regard to case, and what may stand in them.
 *
 * Characters are bytes (latin1), as HTTP sends them. Nothing is folded into one value unless it is asked for: that a
 * field came twice can be what is wrong with a request.
 */
import { invalidArgType, invalidArgValue } from '../arguments.js';

/** Headers as a caller may give them: an object whose values may be lists, or pairs. */
export type HeaderSource = Readonly<Record<string, string | readonly string[]>> | Iterable<readonly [string, string]>;

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** True for what may be a name: of a method, a header, a subprotocol. RFC 9110 §5.6.2 */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/** True where every character may stand in a value: no control characters but HTAB. RFC 9110 §5.5 */
export function isFieldValue(text: string): boolean {
  return FIELD_VALUE.test(text);
}

/** Takes spaces and tabs off both ends. Not `trim`: other white space belongs to the value. */
export function trimSpaces(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isSpace(text.charCodeAt(from))) from++;
  while (to > from && isSpace(text.charCodeAt(to - 1))) to--;
  return from === 0 && to === text.length ? text : text.slice(from, to);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** Header fields, in order; names in any case. */
export class HeaderList implements Iterable<readonly [name: string, value: string]> {
  readonly #names: string[] = [];
  /** The names in lower case: each is looked for several times. */
  readonly #keys: string[] = [];
  readonly #values: string[] = [];

  /** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE for what cannot be sent, a line break in a value included. */
  static from(source: HeaderSource, argument: string): HeaderList {
    if (typeof source !== 'object' || source === null) throw invalidArgType(argument, 'of type object', source);
    const list = new HeaderList();
    const pairs = Symbol.iterator in source ? source : Object.entries(source);
    for (const pair of pairs) {
      if (!Array.isArray(pair)) throw invalidArgType(argument, 'an object, or pairs of a name and a value', source);
      const [name, given] = pair as [string, string | readonly string[]];
      const values = typeof given === 'string' ? [given] : given;
      if (!Array.isArray(values)) throw invalidArgType(`${argument}.${name}`, 'of type string', given);
      for (const value of values) {
        if (!isToken(name)) throw invalidArgValue(argument, name, 'has a name that is no token');
        if (typeof value !== 'string') throw invalidArgType(`${argument}.${name}`, 'of type string', value);
        if (!isFieldValue(value))
          throw invalidArgValue(`${argument}.${name}`, value, 'has a character that no header may have');
        list.add(name, trimSpaces(value));
      }
    }
    return list;
  }

  /** Fields of a message of Node's: names and values by turns. */
  static fromRaw(raw: readonly string[]): HeaderList {
    const list = new HeaderList();
    for (let i = 0; i + 1 < raw.length; i += 2) list.add(raw[i]!, raw[i + 1]!);
    return list;
  }

  get size(): number {
    return this.#names.length;
  }

  /** Adds a field at the end. Pre: name and value are such as may be sent. */
  add(name: string, value: string): this {
    this.#names.push(name);
    this.#keys.push(name.toLowerCase());
    this.#values.push(value);
    return this;
  }

  /** The field's value, several as one list, or undefined. */
  get(name: string): string | undefined {
    const values = this.all(name);
    if (values.length < 2) return values[0];
    // HTTP/2 may send cookies one by one. RFC 9113 §8.2.3
    return values.join(name.toLowerCase() === 'cookie' ? '; ' : ', ');
  }

  /** Every value of the field. */
  all(name: string): string[] {
    const key = name.toLowerCase();
    const values: string[] = [];
    for (let i = this.#keys.indexOf(key); i >= 0; i = this.#keys.indexOf(key, i + 1)) values.push(this.#values[i]!);
    return values;
  }

  has(name: string): boolean {
    return this.#keys.includes(name.toLowerCase());
  }

  *[Symbol.iterator](): Iterator<readonly [name: string, value: string]> {
    for (let i = 0; i < this.#names.length; i++) yield [this.#names[i]!, this.#values[i]!];
  }

  /** Lower-case names with their values, those of one name joined. */
  toObject(): Record<string, string> {
    const object: Record<string, string> = Object.create(null);
    for (const [name] of this) object[name.toLowerCase()] ??= this.get(name)!;
    return object;
  }
}
