/**
 * Masking of large ranges where there is no addon: sixteen bytes a step by WebAssembly, which every Node that this library
 * runs on can compile. It computes what the loops of mask.ts do, of which JavaScript can do four bytes a step; they remain
 * for short ranges, where the copies in and out cost more, and for a Node that was started without WebAssembly.
 *
 * The module is written out below, since a compiler for one loop would be a dependency. Its function takes addresses `at`
 * and `end` in its memory and the key; it masks from `at` on, 64 bytes a round, up to `end` or a little beyond it:
 *
 *     keys = i32x4.splat(key)
 *     do { v128[at] ^= keys; v128[at + 16] ^= keys; v128[at + 32] ^= keys; v128[at + 48] ^= keys; at += 64 } while (at < end)
 */

/** Bytes that are masked at once, in the first page of WebAssembly's memory: they stay in the first-level cache. */
const BLOCK_BYTES = 16 * 1024;

/** What of WebAssembly is used; its types come with those of browsers only. */
interface WebAssemblyApi {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { exports: unknown };
}

/** What the module exports. */
interface MaskExports {
  memory: { buffer: ArrayBuffer };
  mask(at: number, end: number, key: number): void;
}

const [LOCAL_GET, LOCAL_SET, LOCAL_TEE, I32_CONST, I32_ADD, I32_LT_U] = [0x20, 0x21, 0x22, 0x41, 0x6a, 0x49];
const [LOOP, BRANCH_IF, END, NO_RESULT, I32, V128] = [0x03, 0x0d, 0x0b, 0x40, 0x7f, 0x7b];
const SIMD = 0xfd;
const [LOAD, STORE, SPLAT, XOR] = [0x00, 0x0b, 0x11, 0x51];
const [AT, LAST, KEY, KEYS] = [0, 1, 2, 3];

/** v128[at + offset] ^= keys */
function step(offset: number): number[] {
  const address = [LOCAL_GET, AT];
  return [...address, ...address, SIMD, LOAD, 0, offset, LOCAL_GET, KEYS, SIMD, XOR, SIMD, STORE, 0, offset];
}

/** The module of the header, section by section (WebAssembly Core Specification 2.0, §5.5). */
function moduleBytes(): Uint8Array {
  const code = [
    ...[1, 1, V128], // one local: keys
    ...[LOCAL_GET, KEY, SIMD, SPLAT, LOCAL_SET, KEYS],
    ...[LOOP, NO_RESULT, ...step(0), ...step(16), ...step(32), ...step(48)],
    ...[LOCAL_GET, AT, I32_CONST, 0xc0, 0x00, I32_ADD, LOCAL_TEE, AT], // at += 64, a signed LEB128
    ...[LOCAL_GET, LAST, I32_LT_U, BRANCH_IF, 0],
    ...[END, END],
  ];
  return Uint8Array.from([
    ...[...name('\0asm'), 1, 0, 0, 0],
    ...section(1, [1, 0x60, 3, I32, I32, I32, 0]), // one type: three i32 and no result
    ...section(3, [1, 0]), // one function, of that type
    ...section(5, [1, 0, 1]), // one memory, of one page
    ...section(7, [2, 6, ...name('memory'), 2, 0, 4, ...name('mask'), 0, 0]),
    ...section(10, [1, code.length, ...code]),
  ]);
}

/** Pre: shorter than 128 bytes, so that the length is one byte of LEB128. */
function section(id: number, body: readonly number[]): number[] {
  return [id, body.length, ...body];
}

function name(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/** The loop and its memory; null where there is no WebAssembly, undefined before the first use. */
let loop: MaskLoop | null | undefined;

interface MaskLoop {
  readonly bytes: Uint8Array;
  readonly mask: MaskExports['mask'];
}

/** Compiled at the first large range: most programs have none. */
function compiled(): MaskLoop | null {
  const { WebAssembly } = globalThis as { WebAssembly?: WebAssemblyApi };
  try {
    const { exports } = new WebAssembly!.Instance(new WebAssembly!.Module(moduleBytes()));
    const { memory, mask } = exports as MaskExports;
    return { bytes: new Uint8Array(memory.buffer, 0, BLOCK_BYTES), mask };
  } catch {
    // Not there, switched off, or without address space for its memory: the loops of mask.ts do it.
    return null;
  }
}

/**
 * target[at + i] = source[from + i] ^ key, for all of [from, to). Where both are the same memory, `at` may be `from` or
 * less, or beyond `to`.
 * @param turned the key as a word whose lowest byte is for the first byte.
 * @returns false, and nothing is done, where there is no WebAssembly.
 */
export function maskBlocks(
  source: Uint8Array,
  from: number,
  to: number,
  target: Uint8Array,
  at: number,
  turned: number,
): boolean {
  if (loop === undefined) loop = compiled();
  if (loop === null) return false;
  const { bytes, mask } = loop;
  for (let done = from; done < to; done += BLOCK_BYTES) {
    const size = Math.min(BLOCK_BYTES, to - done);
    bytes.set(source.subarray(done, done + size));
    mask(0, size, turned);
    target.set(size === BLOCK_BYTES ? bytes : bytes.subarray(0, size), at + (done - from));
  }
  return true;
}
