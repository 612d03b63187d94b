/** What all byte streams share in closing: a wrong argument changes nothing, and only sockets wait for their peer. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { inspect } from 'node:util';
import { framed, lines, memoryPair, openFileStream } from 'miniproto';

describe('BaseStream', () => {
  for (const [options, code] of [
    [{ timeoutMs: Number.NaN }, 'ERR_OUT_OF_RANGE'],
    [{ timeoutMs: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ timeoutMs: '5' }, 'ERR_INVALID_ARG_TYPE'],
    [{ signal: 5 }, 'ERR_INVALID_ARG_TYPE'],
    [null, 'ERR_INVALID_ARG_TYPE'],
  ] as const) {
    it(`can be closed after close was refused ${inspect(options)}`, async () => {
      const [one, other] = memoryPair();
      await assert.rejects(one.close(options as never), { code });
      assert.equal(one.destroyed, false);
      assert.equal(one.tryWrite(Buffer.from('a')), 1);
      await Promise.all([one.close(), other.end()]);
      assert.equal(one.destroyed, true);
    });
  }

  it('reads while its last bytes leave: what only ends once its peer has read, as duplexPair does, closes at both ends', async () => {
    const [one, other] = duplexPair();
    const here = framed(one, lines());
    const there = framed(other, lines());
    await Promise.all([here.write('one'), there.write('other')]);
    // No deadline to be saved by.
    const timeoutMs = 2 ** 31 - 1;
    await Promise.all([here.close({ timeoutMs }), there.close({ timeoutMs })]);
    assert.ok(one.writableFinished && other.writableFinished);
  });

  it('waits for nobody in closing what only reads: a FIFO whose writer is silent', async function () {
    this.timeout(3000); // less than CLOSE_TIMEOUT_MS
    const folder = mkdtempSync(join(tmpdir(), 'miniproto-'));
    const fifo = join(folder, 'fifo');
    try {
      execFileSync('mkfifo', [fifo]);
    } catch {
      this.skip();
    }
    // Open for both, a FIFO neither blocks nor ends.
    const writer = openSync(fifo, constants.O_RDWR);
    const stream = await openFileStream(fifo);
    await stream.close();
    assert.equal(stream.destroyed, true);
    closeSync(writer);
    rmSync(folder, { recursive: true });
  });
});
