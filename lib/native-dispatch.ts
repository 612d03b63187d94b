/**
 * Who does the work: small inputs stay in TypeScript, large ones go to the addon.
 *
 * A call into the addon costs some 100 ns before it looks at a byte, so below a size that depends on the work plain
 * JavaScript is faster. The two give the same answers and keep an incremental framer's state in its table, so they may
 * take turns on one stream.
 */
import type { Framer, NativeInterface } from './native-interface.js';

/** Bytes from which the addon searches. A found byte may be near: at this size the loop is slower even then. */
export const SCAN_ADDON_FROM = 256;
/** Bytes from which the addon indexes: every byte is looked at, so it pays earlier than a search. */
export const INDEX_ADDON_FROM = 128;
/** Bytes from which the addon masks. */
export const MASK_ADDON_FROM = 128;
/** Bytes from which the addon frames: some records of common size. */
export const FRAME_ADDON_FROM = 128;

/** Composes the addon with the reference; everything that has no size to go by is the addon's. */
export function dispatch(addon: NativeInterface, reference: NativeInterface): NativeInterface {
  return {
    indexOfByte: (bytes, from, to, byte) =>
      (to - from < SCAN_ADDON_FROM ? reference : addon).indexOfByte(bytes, from, to, byte),
    indexOfAny: (bytes, from, to, a, b, c) =>
      (to - from < SCAN_ADDON_FROM ? reference : addon).indexOfAny(bytes, from, to, a, b, c),
    indexOfSequence: (bytes, from, to, sequence) =>
      (to - from < SCAN_ADDON_FROM ? reference : addon).indexOfSequence(bytes, from, to, sequence),
    indexAll: (bytes, from, to, byte, positions) =>
      (to - from < INDEX_ADDON_FROM ? reference : addon).indexAll(bytes, from, to, byte, positions),
    mask: (bytes, from, to, key, phase) =>
      (to - from < MASK_ADDON_FROM ? reference : addon).mask(bytes, from, to, key, phase),
    maskCopy: (source, from, to, target, at, key, phase) =>
      (to - from < MASK_ADDON_FROM ? reference : addon).maskCopy(source, from, to, target, at, key, phase),
    createSeparatorFramer: (framing) =>
      new DispatchedFramer(addon.createSeparatorFramer(framing), reference.createSeparatorFramer(framing)),
    createLengthFramer: (framing) =>
      new DispatchedFramer(addon.createLengthFramer(framing), reference.createLengthFramer(framing)),
    // No byte is looked at: JavaScript writes these rows as fast as the addon does, without the call.
    createFixedFramer: (size) => reference.createFixedFramer(size),
    createRing: (options) => addon.createRing(options),
    kernels: () => addon.kernels(),
    kernel: () => addon.kernel(),
    selectKernel: (name) => addon.selectKernel(name),
  };
}

class DispatchedFramer implements Framer {
  readonly #addon: Framer;
  readonly #reference: Framer;

  constructor(addon: Framer, reference: Framer) {
    this.#addon = addon;
    this.#reference = reference;
  }

  frame(bytes: Uint8Array, from: number, to: number, table: Int32Array, maxRows: number): number {
    const framer = to - from < FRAME_ADDON_FROM ? this.#reference : this.#addon;
    return framer.frame(bytes, from, to, table, maxRows);
  }
}
