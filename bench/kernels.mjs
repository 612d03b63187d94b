/**
 * Question: what does a kernel cost, and from which size is the addon faster than plain JavaScript?
 *
 * Unit: nanoseconds per call, and bytes per second. Sizes: 4 bytes to 64 KiB, the byte looked for at the very end, the
 * whole range looked at; and the adverse case that it stands right at the front. Contestants: 'miniproto/kernels' with
 * its argument checks; the internal interface, which chooses by size; the addon alone; the loop that one writes in
 * JavaScript; what Node has (Buffer.indexOf, or ws's mask loop). The C++ program native/test/throughput.cc tells how
 * the kernels do against libc's memchr and memcpy, without any JavaScript; it is built and run where CMake and a compiler are found.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as kernels from 'miniproto/kernels';
import { loadAddon, native } from '../dist/native.js';
import { ask } from './harness/micro.mjs';
import { digits, table } from './harness/stats.mjs';

const SIZES = [4, 16, 64, 256, 1024, 4096, 16_384, 65_536];
const QUICK_SIZES = [16, 256, 4096, 65_536];
const KEY = 0x12345678;
const LINE = 80;

/** Text without LF, and an LF as its last byte. */
function textOf(size) {
  const bytes = Buffer.alloc(size, 'abcdefghijklmnop');
  bytes[size - 1] = 0x0a;
  return bytes;
}

function indexOfByte(size, bytes = textOf(size)) {
  const [inner, addon] = [native(), loadAddon()];
  return {
    'miniproto/kernels': () => kernels.indexOfByte(bytes, 0x0a),
    internal: () => inner.indexOfByte(bytes, 0, size, 0x0a),
    ...(addon && { addon: () => addon.indexOfByte(bytes, 0, size, 0x0a) }),
    'plain JavaScript': () => loopOne(bytes, 0x0a),
    'Buffer.indexOf': () => bytes.indexOf(0x0a),
  };
}

function atTheFront(size) {
  const bytes = textOf(size);
  bytes[Math.min(2, size - 1)] = 0x0a;
  return indexOfByte(size, bytes);
}

function indexOfAny(size) {
  const bytes = textOf(size);
  const [inner, addon] = [native(), loadAddon()];
  const any = [0x0a, 0x0d, 0x3a];
  return {
    'miniproto/kernels': () => kernels.indexOfAny(bytes, any),
    internal: () => inner.indexOfAny(bytes, 0, size, 0x0a, 0x0d, 0x3a),
    ...(addon && { addon: () => addon.indexOfAny(bytes, 0, size, 0x0a, 0x0d, 0x3a) }),
    'plain JavaScript': () => loopAny(bytes, 0x0a, 0x0d, 0x3a),
  };
}

function indexOfSequence(size) {
  const bytes = textOf(size);
  const sequence = Buffer.from('\r\n\r\n');
  bytes.set(sequence, size - 4);
  const [inner, addon] = [native(), loadAddon()];
  return {
    'miniproto/kernels': () => kernels.indexOfSequence(bytes, sequence),
    internal: () => inner.indexOfSequence(bytes, 0, size, sequence),
    ...(addon && { addon: () => addon.indexOfSequence(bytes, 0, size, sequence) }),
    'plain JavaScript': () => loopSequence(bytes, sequence),
    'Buffer.indexOf': () => bytes.indexOf(sequence),
  };
}

function indexAll(size) {
  const bytes = textOf(size);
  for (let at = LINE - 1; at < size; at += LINE) bytes[at] = 0x0a;
  const positions = new Int32Array(size);
  const [inner, addon] = [native(), loadAddon()];
  return {
    'miniproto/kernels': () => kernels.indexAll(bytes, 0x0a, positions).count,
    internal: () => inner.indexAll(bytes, 0, size, 0x0a, positions),
    ...(addon && { addon: () => addon.indexAll(bytes, 0, size, 0x0a, positions) }),
    'plain JavaScript': () => loopAll(bytes, 0x0a, positions),
    'Buffer.indexOf': () => everyIndexOf(bytes, 0x0a, positions),
  };
}

function mask(size) {
  const bytes = Buffer.alloc(size, 1);
  const key = Buffer.alloc(4);
  key.writeUInt32LE(KEY);
  const [inner, addon] = [native(), loadAddon()];
  return {
    'miniproto/kernels': () => kernels.mask(bytes, KEY),
    internal: () => inner.mask(bytes, 0, size, KEY, 0),
    ...(addon && { addon: () => addon.mask(bytes, 0, size, KEY, 0) }),
    'plain JavaScript': () => loopMask(bytes, bytes, key),
  };
}

function maskCopy(size) {
  const [source, target, key] = [Buffer.alloc(size, 1), Buffer.alloc(size), Buffer.alloc(4)];
  key.writeUInt32LE(KEY);
  const [inner, addon] = [native(), loadAddon()];
  return {
    'miniproto/kernels': () => kernels.maskCopy(source, target, 0, KEY),
    internal: () => inner.maskCopy(source, 0, size, target, 0, KEY, 0),
    ...(addon && { addon: () => addon.maskCopy(source, 0, size, target, 0, KEY, 0) }),
    'plain JavaScript': () => loopMask(source, target, key),
  };
}

const KERNELS = {
  indexOfByte,
  'indexOfByte, at the front': atTheFront,
  indexOfAny,
  indexOfSequence,
  indexAll,
  mask,
  maskCopy,
};

/** The questions that a child process can be asked. */
export function questions() {
  return Object.entries(KERNELS).flatMap(([kernel, make]) =>
    SIZES.map((size) => ({
      name: `${kernel}/${size}`,
      get contestants() {
        return make(size);
      },
    })),
  );
}

export const bench = {
  question: 'What does a kernel cost, and from which size is the addon faster than plain JavaScript?',
  unit: 'nanoseconds per call',
  run({ quick, only, progress }) {
    const results = [];
    for (const kernel of Object.keys(KERNELS)) {
      if (only.length > 0 && !only.includes(kernel)) continue;
      for (const size of quick ? QUICK_SIZES : SIZES) {
        progress(`kernels: ${kernel}, ${size} bytes`);
        results.push({ kernel, size, contestants: ask('kernels', `${kernel}/${size}`, { quick }) });
      }
    }
    const native = only.length > 0 || quick ? undefined : throughput();
    return { results, native, text: [tables(results), native?.error ?? native ?? ''].join('\n\n') };
  },
};

function tables(results) {
  const texts = [];
  for (const kernel of new Set(results.map((result) => result.kernel))) {
    const mine = results.filter((result) => result.kernel === kernel);
    const names = mine[0].contestants.map(({ name }) => name);
    const rows = mine.map(({ size, contestants }) => {
      const time = (name) => contestants.find((one) => one.name === name)?.nanoseconds;
      const internal = time('internal');
      return [
        String(size),
        ...names.map((name) => `${digits(time(name))} ns`),
        `${digits(time('plain JavaScript') / internal)} ×`,
      ];
    });
    texts.push(`\n${table([[kernel, ...names, 'plain ÷ internal'], ...rows])}`);
  }
  return texts.join('\n');
}

/** The C++ program's own report, if it can be built. */
function throughput() {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const folder = join(root, 'build-benches');
  try {
    const quiet = { stdio: 'ignore' };
    const options = ['-DCMAKE_BUILD_TYPE=Release', '-DMINIPROTO_BENCHES=ON'];
    execFileSync('cmake', ['-S', root, '-B', folder, ...options], quiet);
    execFileSync('cmake', ['--build', folder, '--target', 'throughput'], quiet);
    return execFileSync(join(folder, 'throughput'), { encoding: 'utf8' });
  } catch (error) {
    return { error: `it could not be built or run: ${error.message.split('\n', 1)[0]}` };
  }
}

// What one writes in JavaScript.

function loopOne(bytes, byte) {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] === byte) return i;
  return -1;
}

function loopAny(bytes, a, b, c) {
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === a || byte === b || byte === c) return i;
  }
  return -1;
}

function loopSequence(bytes, sequence) {
  const last = bytes.length - sequence.length;
  outer: for (let i = 0; i <= last; i++) {
    for (let j = 0; j < sequence.length; j++) if (bytes[i + j] !== sequence[j]) continue outer;
    return i;
  }
  return -1;
}

function loopAll(bytes, byte, positions) {
  let count = 0;
  for (let i = 0; i < bytes.length && count < positions.length; i++) if (bytes[i] === byte) positions[count++] = i;
  return count;
}

function everyIndexOf(bytes, byte, positions) {
  let count = 0;
  for (let i = bytes.indexOf(byte); i >= 0; i = bytes.indexOf(byte, i + 1)) positions[count++] = i;
  return count;
}

function loopMask(source, target, key) {
  for (let i = 0; i < source.length; i++) target[i] = source[i] ^ key[i & 3];
  return source.length & 3;
}
