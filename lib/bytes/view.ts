/**
 * Views of memory as Buffers, cheaper than by `subarray`.
 *
 * `subarray` clamps its arguments and asks the species for the class to make; here the class is asked for once, and the
 * range is known to be right. Where there is no such class (another runtime), `subarray` does it.
 */

/** Makes the view bytes[from, to). Pre: 0 <= from <= to <= bytes.length. */
export const viewOf: (bytes: Buffer, from: number, to: number) => Buffer = direct() ?? viaSubarray;

/** The same of memory, for many views of one: asking a Buffer for its memory is a call into V8. */
export const viewOfMemory: (memory: ArrayBufferLike, from: number, size: number) => Buffer =
  directly() ?? ((memory, from, size) => Buffer.from(memory, from, size));

type BufferClass = new (memory: ArrayBufferLike, offset: number, length: number) => Buffer;

/** Node's own class, which `Buffer` as a function does not make directly: what `subarray` asks for each time. */
function direct(): typeof viaSubarray | undefined {
  const view = directly();
  return view && ((bytes, from, to) => view(bytes.buffer, bytes.byteOffset + from, to - from));
}

function directly(): ((memory: ArrayBufferLike, from: number, size: number) => Buffer) | undefined {
  const Class = (Buffer as unknown as { [Symbol.species]?: BufferClass })[Symbol.species];
  try {
    const sample = Buffer.from('abc');
    const view = new Class!(sample.buffer, sample.byteOffset + 1, 2);
    if (Object.getPrototypeOf(view) !== Buffer.prototype || view.toString() !== 'bc') return undefined;
  } catch {
    // Not a class that makes views: an answer, not a failure.
    return undefined;
  }
  return (memory, from, size) => new Class!(memory, from, size);
}

function viaSubarray(bytes: Buffer, from: number, to: number): Buffer {
  return bytes.subarray(from, to);
}

/**
 * What `bytes.byteLength` is, 0 where its memory is gone. By the getter itself: V8 of Node 20 looks it up anew each time
 * even in optimised code, and optimises `length` to what it was before a transfer.
 */
export const byteLengthOf: (bytes: Uint8Array) => number = Function.prototype.call.bind(
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), 'byteLength')!.get!,
);
