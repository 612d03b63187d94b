/**
 * The addon for compression by itself: how it is found, what it says to wrong arguments, and that threads have their own.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { env, execPath } from 'node:process';
import { Worker } from 'node:worker_threads';
import { PART_END } from '#lib/deflate-interface';
import { loadDeflateAddon, nativeDeflate, nativeInfo, referenceDeflate } from '#lib/native';
import { seeded } from '../support/random.js';

const MODULE = import.meta.resolve('#lib/native');
const CODES = /^(?:ERR_INVALID_ARG_TYPE|ERR_OUT_OF_RANGE|Z_DATA_ERROR)$/;

/** What a process with this MINIPROTO_NATIVE says of compression. */
function told(wish: string | undefined): { native: boolean; reason: string; same: boolean } {
  const { MINIPROTO_NATIVE: _, ...rest } = env;
  const code = `import(${JSON.stringify(MODULE)}).then(({ nativeInfo, nativeDeflate, referenceDeflate }) => {
    const { native, reason } = nativeInfo().deflate;
    console.log(JSON.stringify({ native, reason, same: nativeDeflate() === referenceDeflate }));
  });`;
  const settings = wish === undefined ? rest : { ...rest, MINIPROTO_NATIVE: wish };
  const { stdout, stderr } = spawnSync(execPath, ['-e', code], { env: settings, encoding: 'utf8' });
  assert.ok(stdout, stderr);
  return JSON.parse(stdout);
}

describe('loader of compression', function () {
  this.timeout(30_000);

  it('gives the addon or the reference, and says which and why', () => {
    const { native, reason, path } = nativeInfo().deflate;
    assert.equal(nativeDeflate() === referenceDeflate, !native);
    assert.equal(loadDeflateAddon() !== undefined, native);
    assert.equal(path !== undefined, native);
    assert.ok(reason.length > 0);
  });

  it('gives the reference where MINIPROTO_NATIVE is off', () => {
    assert.deepEqual(told('off'), { native: false, reason: 'MINIPROTO_NATIVE is off', same: true });
  });
});

describe('arguments of the addon for compression', () => {
  const addon = loadDeflateAddon();
  if (addon === undefined) {
    it('are checked', function () {
      this.skip();
    });
    return;
  }
  const functions = addon as unknown as Record<string, (...values: unknown[]) => unknown>;
  const right = (id: number): Record<string, unknown[]> => ({
    openContext: [6, 15, 8, 1024, 32_768, 1],
    deflate: [id, Buffer.alloc(64, 'ab'), 0, 64, PART_END, Buffer.alloc(200), 0, 200],
    inflate: [id, Buffer.from('f248cdc9c90700', 'hex'), 0, 7, PART_END, Buffer.alloc(200), 0, 200],
    forgetSent: [id],
    failAllocations: [-1],
  });
  const garbage = (): unknown[] => {
    const bytes = new Uint8Array(64);
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    const numbers = [-2, 0.5, 3, 5, 16, 99, 40_000, 2 ** 31, 2 ** 53, 1e300, Number.NaN, Number.POSITIVE_INFINITY];
    const others = [undefined, null, true, '1', Symbol('s'), 10n, {}, [], () => 1, new ArrayBuffer(8)];
    return [
      ...numbers,
      ...others,
      new Int32Array(8),
      new Uint8Array(0),
      bytes,
      new Uint8Array(new SharedArrayBuffer(64)),
    ];
  };

  /** Calls, and accepts a result or a coded error. */
  function harmless(name: string, values: unknown[]): void {
    try {
      const answer = functions[name](...values);
      if (name === 'openContext') addon!.closeContext(answer as number);
    } catch (error) {
      assert.match(String((error as { code?: string }).code), CODES, `${name}: ${error}`);
    }
  }

  it('take what is right, and stand everything else in each place', () => {
    const id = addon.openContext(6, 15, 8, 0, 0, 0);
    for (const [name, values] of Object.entries(right(id))) {
      for (let place = 0; place < values.length; place++) {
        // Faults that are asked for are no wrong arguments.
        for (const value of name === 'failAllocations' ? [-2, 0.5, 'x', {}] : garbage()) {
          harmless(name, values.with(place, value));
        }
        harmless(name, values.slice(0, place));
      }
    }
    addon.failAllocations(-1);
    addon.closeContext(id);
    for (const name of ['deflate', 'inflate', 'forgetSent', 'closeContext']) {
      assert.throws(() => functions[name](...(right(id)[name] ?? [id])), { code: 'ERR_OUT_OF_RANGE' });
    }
  });

  it('are refused one by one', () => {
    const wrong: [unknown[], string][] = [
      [[10, 15, 8, 0, 0, 0], 'ERR_OUT_OF_RANGE'],
      [[6, 8, 8, 0, 0, 0], 'ERR_OUT_OF_RANGE'],
      [[6, 16, 8, 0, 0, 0], 'ERR_OUT_OF_RANGE'],
      [[6, 15, 0, 0, 0, 0], 'ERR_OUT_OF_RANGE'],
      [[6, 15, 8, 1000, 0, 0], 'ERR_OUT_OF_RANGE'],
      [[6, 15, 8, 0, 65_536, 0], 'ERR_OUT_OF_RANGE'],
      [[6, 15, 8, 0, 0, 2], 'ERR_OUT_OF_RANGE'],
      [['6', 15, 8, 0, 0, 0], 'ERR_INVALID_ARG_TYPE'],
    ];
    for (const [values, code] of wrong) assert.throws(() => functions.openContext(...values), { code });
    const id = addon.openContext(6, 15, 8, 0, 0, 0);
    const bytes = Buffer.alloc(64);
    assert.throws(() => addon.deflate(id, bytes, 0, 65, PART_END, bytes, 0, 64), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => addon.deflate(id, bytes, 9, 8, PART_END, bytes, 0, 64), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => addon.deflate(id, bytes, 0, 8, PART_END, bytes, 0, 15), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => addon.inflate(id, bytes, 0, 8, PART_END, bytes, 5, 5), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => addon.inflate(id, bytes, 0, 8, 3 as never, bytes, 0, 5), { code: 'ERR_OUT_OF_RANGE' });
    addon.closeContext(id);
  });

  seeded('stand any mixture', (random) => {
    const id = addon.openContext(1, 9, 1, 256, 256, 0);
    const calls = Object.entries(right(id)).filter(([name]) => name !== 'failAllocations');
    const pool = [...garbage(), Buffer.alloc(30), 0, 1, 2, 16, 64, id];
    for (let i = 0; i < 10_000; i++) {
      const [name, values] = random.pick(calls);
      harmless(
        name,
        values.map((value) => (random.oneIn(2) ? value : random.pick(pool))),
      );
    }
    addon.closeContext(id);
  });
});

describe('compression in threads', () => {
  it('is each thread’s own, and goes with it in the middle of a message', async function () {
    this.timeout(30_000);
    const code = `
      import(${JSON.stringify(MODULE)}).then(({ nativeDeflate }) => {
        const { parentPort } = require('node:worker_threads');
        const codec = nativeDeflate();
        const target = Buffer.alloc(100_000);
        for (let i = 0; i < 20; i++) {
          const id = codec.openContext(6, 15, 8, 4096, 32768, i % 2);
          codec.deflate(id, Buffer.alloc(50_000, 'text'), 0, 50_000, i % 3, target, 0, 100_000);
          codec.inflate(id, Buffer.from('f248cdc9c9', 'hex'), 0, 5, 0, target, 0, 100_000);
        }
        parentPort.postMessage(codec.counters().contexts);
      });`;
    const before = nativeDeflate().counters().contexts;
    const workers = Array.from({ length: 4 }, () => new Worker(code, { eval: true }));
    const exits = workers.map((worker) => once(worker, 'exit'));
    for (const [contexts] of await Promise.all(workers.map((worker) => once(worker, 'message')))) {
      assert.equal(contexts, 20);
    }
    await Promise.all(exits);
    assert.equal(nativeDeflate().counters().contexts, before);
  });
});
