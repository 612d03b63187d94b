/**
 * Argument checks of the public interface: Node's own codes and wording, thrown at the call.
 *
 * A wrong type is ERR_INVALID_ARG_TYPE (TypeError), a right type with a value that is not allowed is
 * ERR_INVALID_ARG_VALUE (TypeError), a number outside its range is ERR_OUT_OF_RANGE (RangeError). Every check takes the
 * argument's name first, dotted where it is a property (`options.maxLength`). Checks answer nothing: they narrow the
 * type, so that a checked value needs no cast. Nothing here keeps or copies what it is given.
 */
import { inspect } from 'node:util';

/** An error with a stable code, as Node's own argument errors have it. */
export interface ArgumentError extends Error {
  code: 'ERR_INVALID_ARG_TYPE' | 'ERR_INVALID_ARG_VALUE' | 'ERR_OUT_OF_RANGE';
}

/**
 * Makes the TypeError for an argument of the wrong type.
 * @param expected what it should be, as the end of "must be …": `of type string`, `an instance of Uint8Array`.
 */
export function invalidArgType(name: string, expected: string, value: unknown): TypeError & ArgumentError {
  const message = `The ${quoted(name)} must be ${expected}. Received ${describe(value)}`;
  return coded(new TypeError(message), 'ERR_INVALID_ARG_TYPE');
}

/** Makes the TypeError for a value of the right type that is not allowed; `reason` follows the name: `is empty`. */
export function invalidArgValue(name: string, value: unknown, reason = 'is invalid'): TypeError & ArgumentError {
  const kind = name.includes('.') ? 'property' : 'argument';
  const message = `The ${kind} '${name}' ${reason}. Received ${shortly(value)}`;
  return coded(new TypeError(message), 'ERR_INVALID_ARG_VALUE');
}

/** Makes the RangeError for a number out of range; `range` follows "It must be": `>= 0 && <= 8`. */
export function outOfRange(name: string, range: string, value: unknown): RangeError & ArgumentError {
  const message = `The value of "${name}" is out of range. It must be ${range}. Received ${shortly(value)}`;
  return coded(new RangeError(message), 'ERR_OUT_OF_RANGE');
}

/** @throws ERR_INVALID_ARG_TYPE unless `value` is a Uint8Array (a Buffer is one), whatever its memory is. */
export function checkUint8Array(name: string, value: unknown): asserts value is Uint8Array {
  if (!(value instanceof Uint8Array)) throw invalidArgType(name, 'an instance of Buffer or Uint8Array', value);
}

/** @throws ERR_INVALID_ARG_TYPE unless `value` is a string or a Uint8Array. */
export function checkStringOrBytes(name: string, value: unknown): asserts value is string | Uint8Array {
  if (typeof value === 'string' || value instanceof Uint8Array) return;
  throw invalidArgType(name, 'of type string or an instance of Buffer or Uint8Array', value);
}

/**
 * Checks an integer of [min, max].
 * @throws ERR_INVALID_ARG_TYPE when it is no number, ERR_OUT_OF_RANGE when it is no integer or outside.
 */
export function checkInteger(
  name: string,
  value: unknown,
  min = Number.MIN_SAFE_INTEGER,
  max = Number.MAX_SAFE_INTEGER,
): asserts value is number {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value);
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < min || value > max) throw outOfRange(name, `>= ${min} && <= ${max}`, value);
}

/** @throws ERR_INVALID_ARG_VALUE unless `value` is one of `choices`. */
export function checkOneOf<const T>(name: string, value: unknown, choices: readonly T[]): asserts value is T {
  if (choices.includes(value as T)) return;
  throw invalidArgValue(name, value, `must be one of: ${choices.map((choice) => inspect(choice)).join(', ')}`);
}

/** @throws ERR_INVALID_ARG_TYPE unless `value` is a string. */
export function checkString(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') throw invalidArgType(name, 'of type string', value);
}

/** @throws ERR_INVALID_ARG_TYPE unless `value` is true or false. */
export function checkBoolean(name: string, value: unknown): asserts value is boolean {
  if (typeof value !== 'boolean') throw invalidArgType(name, 'of type boolean', value);
}

/** @throws ERR_INVALID_ARG_TYPE unless `value` can be called. */
export function checkFunction(name: string, value: unknown): asserts value is (...args: never[]) => unknown {
  if (typeof value !== 'function') throw invalidArgType(name, 'of type function', value);
}

/** @throws ERR_INVALID_ARG_TYPE unless `value` is an object that is no array; null is none. */
export function checkObject(name: string, value: unknown): asserts value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgType(name, 'of type object', value);
  }
}

/**
 * Checks an optional AbortSignal. Anything with an `aborted` property passes, as in Node: signals of other realms and
 * of polyfills are signals.
 * @throws ERR_INVALID_ARG_TYPE for everything else but undefined.
 */
export function checkSignal(name: string, value: unknown): asserts value is AbortSignal | undefined {
  if (value === undefined) return;
  if (typeof value !== 'object' || value === null || !('aborted' in value)) {
    throw invalidArgType(name, 'an instance of AbortSignal', value);
  }
}

/** `"size" argument`, or `"options.size" property`. */
function quoted(name: string): string {
  return `"${name}" ${name.includes('.') ? 'property' : 'argument'}`;
}

/** What was received, in Node's words: `undefined`, `function f`, `an instance of Map`, `type string ('x')`. */
export function describe(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (typeof value === 'function') return `function ${value.name}`;
  if (typeof value === 'object') {
    const name = value.constructor?.name;
    return name ? `an instance of ${name}` : inspect(value, { depth: -1 });
  }
  return `type ${typeof value} (${shortly(value)})`;
}

/** The value as text, cut so that a message stays a line. */
function shortly(value: unknown): string {
  const text = inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY });
  return text.length > 128 ? `${text.slice(0, 128)}...` : text;
}

function coded<E extends Error>(error: E, code: ArgumentError['code']): E & ArgumentError {
  return Object.assign(error, { code });
}
