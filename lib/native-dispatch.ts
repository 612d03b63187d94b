/**
 * Who does the work: small inputs stay in TypeScript, large ones go to the addon.
 *
 * A call into the addon costs 100 to 200 ns before it looks at a byte, so below a size that depends on the work plain
 * JavaScript is faster. The two give the same answers and keep an incremental framer's state in its table, so they may
 * take turns on one stream. The constants are where the two cost the same, rounded up; measured on x64 with Node 20.
 */
import { H_CONSUMED, H_SEARCHED, HEADER_WORDS, ROW_WORDS } from './frame-table.js';
import type { Framer, MaskKernels, NativeInterface } from './native-interface.js';
import { MEMCHR_SLACK, matchesAt, NEAR } from './reference/scan.js';

/** Bytes from which the addon searches, what is near having been looked at here. */
const SCAN_ADDON_FROM = 96;
/** Bytes of a search for several bytes that are looked at here first: found before the addon had begun. */
const SCAN_NEAR = 48;
/** Places of a sequence's first byte that are looked at here. */
const SEQUENCE_TRIES = 3;
/** Bytes from which the addon indexes: every byte is looked at, so it pays earlier than a search. */
const INDEX_ADDON_FROM = 128;
/** Bytes from which the addon masks. */
const MASK_ADDON_FROM = 128;
/** Bytes of frames, headers included, from which the addon masks them. */
const FRAMES_ADDON_FROM = 192;
/** Bytes from which the addon looks for separators. */
const FRAME_ADDON_FROM = 96;
/** Records from which the addon frames by lengths: payloads are not looked at, so bytes do not count. */
const LENGTH_ROWS_ADDON_FROM = 6;
/** Records from which the addon frames by a fixed size: here a row is a few additions. */
const FIXED_ROWS_ADDON_FROM = 16;
/** Bytes from which the addon checks UTF-8. */
const UTF8_ADDON_FROM = 32;
/** What a framer takes a record for before it has seen one. */
const FIRST_GUESS = 64;

/** Composes the addon with the reference. */
export function dispatch(addon: NativeInterface, reference: NativeInterface): NativeInterface {
  return {
    ...dispatchScan(addon, reference),
    ...dispatchMask(addon, reference),
    createSeparatorFramer: (framing) =>
      new SeparatorDispatch(addon.createSeparatorFramer(framing), reference.createSeparatorFramer(framing)),
    createLengthFramer: (framing) =>
      new RowDispatch(addon.createLengthFramer(framing), reference.createLengthFramer(framing), LENGTH_ROWS_ADDON_FROM),
    createFixedFramer: (size) =>
      new RowDispatch(addon.createFixedFramer(size), reference.createFixedFramer(size), FIXED_ROWS_ADDON_FROM),
    // One frame of 8 bytes costs the same in both, and everything larger less in the addon.
    createWebSocketFramer: (framing) => addon.createWebSocketFramer(framing),
    // Copies of any size are memcpy in both, and JavaScript gets there without the call.
    createRing: (options) => reference.createRing(options),
    decodeUtf8Rows: (bytes, table, firstRow, rowCount, units, ends) =>
      addon.decodeUtf8Rows(bytes, table, firstRow, rowCount, units, ends),
    serializeTexts: (bytes, table, firstRow, rowCount, latin1, target) =>
      addon.serializeTexts(bytes, table, firstRow, rowCount, latin1, target),
    validateUtf8: (bytes, from, to, state) =>
      to - from < UTF8_ADDON_FROM
        ? reference.validateUtf8(bytes, from, to, state)
        : addon.validateUtf8(bytes, from, to, state),
    tryReadFile: (descriptor, bytes, from, to, position) => addon.tryReadFile(descriptor, bytes, from, to, position),
    kernels: () => addon.kernels(),
    kernel: () => addon.kernel(),
    selectKernel: (name) => addon.selectKernel(name),
  };
}

type ScanFunctions = Pick<NativeInterface, 'indexOfByte' | 'indexOfAny' | 'indexOfSequence' | 'indexAll'>;

/**
 * Each call stands by itself and names its function: `(small ? reference : addon).f(…)` has two targets, and what has
 * two is not inlined, which costs a short search more than the search.
 */
function dispatchScan(addon: NativeInterface, reference: NativeInterface): ScanFunctions {
  const { indexOfByte: findByte, indexOfAny: findAny, indexOfSequence: findSequence, indexAll: findAll } = reference;

  /** The reference's memchr is Node's, which is cheaper to reach than the addon unless it takes a view. */
  function indexOfByte(bytes: Uint8Array, from: number, to: number, byte: number): number {
    if (to - from <= NEAR || bytes.length - to <= MEMCHR_SLACK) return findByte(bytes, from, to, byte);
    const near = findByte(bytes, from, from + NEAR, byte);
    return near >= 0 ? near : addon.indexOfByte(bytes, from + NEAR, to, byte);
  }

  function indexOfSequence(bytes: Uint8Array, from: number, to: number, sequence: Uint8Array): number {
    if (to - from < SCAN_ADDON_FROM) return findSequence(bytes, from, to, sequence);
    return indexOfFarSequence(bytes, from, to, sequence);
  }

  function indexOfFarSequence(bytes: Uint8Array, from: number, to: number, sequence: Uint8Array): number {
    let at = from;
    // Where the first byte is rare, searching for it alone is all it takes; where it is not, the addon gains most.
    for (let tries = 0; tries < SEQUENCE_TRIES && to - at >= SCAN_ADDON_FROM + sequence.length; tries++) {
      at = indexOfByte(bytes, at, to - sequence.length + 1, sequence[0]);
      if (at < 0 || matchesAt(bytes, at, sequence, sequence.length)) return at;
      at++;
    }
    if (to - at < SCAN_ADDON_FROM) return findSequence(bytes, at, to, sequence);
    return addon.indexOfSequence(bytes, at, to, sequence);
  }

  return {
    indexOfByte,
    indexOfAny(bytes, from, to, a, b, c) {
      if (to - from < SCAN_ADDON_FROM) return findAny(bytes, from, to, a, b, c);
      const near = findAny(bytes, from, from + SCAN_NEAR, a, b, c);
      return near >= 0 ? near : addon.indexOfAny(bytes, from + SCAN_NEAR, to, a, b, c);
    },
    indexOfSequence,
    indexAll(bytes, from, to, byte, positions) {
      if (to - from < INDEX_ADDON_FROM) return findAll(bytes, from, to, byte, positions);
      return addon.indexAll(bytes, from, to, byte, positions);
    },
  };
}

function dispatchMask(addon: NativeInterface, reference: NativeInterface): MaskKernels {
  const { mask, maskCopy, maskFrames } = reference;
  return {
    mask(bytes, from, to, key, phase) {
      if (to - from < MASK_ADDON_FROM) return mask(bytes, from, to, key, phase);
      return addon.mask(bytes, from, to, key, phase);
    },
    maskCopy(source, from, to, target, at, key, phase) {
      if (to - from < MASK_ADDON_FROM) return maskCopy(source, from, to, target, at, key, phase);
      return addon.maskCopy(source, from, to, target, at, key, phase);
    },
    maskFrames(bytes, from, to) {
      if (to - from < FRAMES_ADDON_FROM) return maskFrames(bytes, from, to);
      return addon.maskFrames(bytes, from, to);
    },
  };
}

/** What the two framers share: a guess of how long a record is, from the last call. It never changes an answer. */
abstract class FramerDispatch implements Framer {
  readonly #addon: Framer;
  readonly #reference: Framer;
  /** Bytes of a record as far as known; of an unfinished one, at least so many. */
  rowBytes = FIRST_GUESS;

  constructor(addon: Framer, reference: Framer) {
    this.#addon = addon;
    this.#reference = reference;
  }

  frame(bytes: Uint8Array, from: number, to: number, table: Int32Array, maxRows: number): number {
    const rowLimit = Math.min(maxRows, (table.length - HEADER_WORDS) / ROW_WORDS);
    const framer = this.paysFor(to - from, rowLimit, table) ? this.#addon : this.#reference;
    const rows = framer.frame(bytes, from, to, table, maxRows);
    this.rowBytes = rows > 0 ? table[H_CONSUMED] / rows : Math.max(this.rowBytes, to - from);
    return rows;
  }

  /** Whether the addon pays for a span of `present` bytes of which at most `rowLimit` records are taken. */
  abstract paysFor(present: number, rowLimit: number, table: Int32Array): boolean;
}

/** By the bytes that will be looked at. */
class SeparatorDispatch extends FramerDispatch {
  paysFor(present: number, rowLimit: number, table: Int32Array): boolean {
    return Math.min(present - table[H_SEARCHED], rowLimit * this.rowBytes) >= FRAME_ADDON_FROM;
  }
}

/** By the records that will be found. */
class RowDispatch extends FramerDispatch {
  readonly #rowsFrom: number;

  constructor(addon: Framer, reference: Framer, rowsFrom: number) {
    super(addon, reference);
    this.#rowsFrom = rowsFrom;
  }

  paysFor(present: number, rowLimit: number): boolean {
    return rowLimit >= this.#rowsFrom && present >= this.#rowsFrom * this.rowBytes;
  }
}
