/** Memory of large records that are kept: whether the system gets it back with each collection. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { execPath, report } from 'node:process';
import { allocateKept } from '#lib/bytes/large-memory';

const MODULE = new URL(import.meta.resolve('#lib/bytes/large-memory')).href;
const ROUNDS = 6;

/** Prints the pages that were faulted in for each of the last rounds' records: 20 of a megabyte, written to and dropped. */
const PROGRAM = `
  import { setImmediate as turn } from 'node:timers/promises';
  const { allocateKept } = await import(process.argv[1]);
  const faults = () => process.resourceUsage().minorPageFault;
  let before = 0;
  for (let round = 0; round < ${2 * ROUNDS}; round++) {
    if (round === ${ROUNDS}) before = faults();
    for (let records = [], i = 0; i < 20; i++) records.push(allocateKept(1024 * 1024).fill(1));
    gc();
    await turn();
  }
  console.log((faults() - before) / (20 * ${ROUNDS}));
`;

describe('allocateKept', () => {
  it('makes memory of the size that is asked for, of its own where it is large', () => {
    for (const size of [0, 1, 4095, 4096, 65_536, 131_071, 131_072, 1 << 20]) {
      const memory = allocateKept(size);
      assert.equal(memory.length, size);
      if (size >= 4096) assert.equal(memory.buffer.byteLength, size);
    }
  });

  it('has memory that was collected used again without new pages, where the allocator is that of glibc', function () {
    const { header } = report!.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
    if (header.glibcVersionRuntime === undefined) this.skip();
    this.timeout(60_000);
    const words = ['--expose-gc', '--input-type=module', '--eval', PROGRAM, MODULE];
    // A megabyte has 256 pages.
    assert.ok(Number(execFileSync(execPath, words, { encoding: 'utf8' })) < 32);
  });
});
