/**
 * Reading a file without waiting, over every implementation: the file's bytes, or the word that they cannot be had now.
 */
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FILE_CANNOT_TRY, FILE_WOULD_BLOCK } from '#lib/native-interface';
import { describeEach } from '../support/implementations.js';

describeEach('tryReadFile', (native) => {
  const content = Buffer.from(Array.from({ length: 10_000 }, (_, index) => index % 251));
  let folder: string;
  let descriptor: number;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'miniproto-file-'));
    writeFileSync(join(folder, 'file'), content);
    descriptor = openSync(join(folder, 'file'), 'r');
  });

  after(() => {
    closeSync(descriptor);
    rmSync(folder, { recursive: true });
  });

  it("gives the file's bytes at a position and nothing beside the range, or says that it cannot", () => {
    for (const position of [0, 1, 4096, 9_999]) {
      const bytes = Buffer.alloc(600, 0xee);
      const count = native.tryReadFile(descriptor, bytes, 50, 550, position);
      if (count === FILE_WOULD_BLOCK || count === FILE_CANNOT_TRY) {
        assert.ok(bytes.every((byte) => byte === 0xee));
        continue;
      }
      assert.ok(count >= 1 && count <= 500);
      assert.deepEqual(bytes.subarray(50, 50 + count), content.subarray(position, position + count));
      assert.ok(bytes.subarray(0, 50).every((byte) => byte === 0xee));
      assert.ok(bytes.subarray(550).every((byte) => byte === 0xee));
    }
  });

  it('gives 0 at the end, where it can tell', () => {
    const count = native.tryReadFile(descriptor, Buffer.alloc(10), 0, 10, 10_000);
    assert.ok(count === 0 || count === FILE_WOULD_BLOCK || count === FILE_CANNOT_TRY);
  });

  it('cannot try a descriptor that is none', () => {
    assert.equal(native.tryReadFile(2 ** 30, Buffer.alloc(10), 0, 10, 0), FILE_CANNOT_TRY);
  });
});
