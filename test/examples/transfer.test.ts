/** examples/transfer.mjs with its server in a process of its own: files go both ways, in little memory. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { connectWebSocket, listenWebSocket } from 'miniproto/websocket';
import { type RunningServer, runNode, runProgram, startServer } from '../docs/run.js';

const PROGRAM = 'examples/transfer.mjs';

describe(PROGRAM, function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), 'miniproto-transfer-'));
  const served = join(folder, 'served');
  const [original, copy] = [join(folder, 'original'), join(folder, 'copy')];
  let server: RunningServer;

  before(async () => {
    mkdirSync(served);
    server = await startServer([PROGRAM, 'serve', served]);
  });
  after(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  const url = (name: string) => `ws://127.0.0.1:${server.port}/${name}`;

  for (const size of [0, 1, 65_536, 3_000_001]) {
    it(`puts and gets a file of ${size} bytes`, async () => {
      writeFileSync(original, randomBytes(size));
      assert.match(await runNode([PROGRAM, 'put', original, url(`file-${size}`)]), /^put [\da-f]{64}\n$/);
      assert.match(await runNode([PROGRAM, 'get', url(`file-${size}`), copy]), /^got [\da-f]{64}\n$/);
      assert.ok(readFileSync(copy).equals(readFileSync(original)));
    });
  }

  it('holds a few pieces of a file, never all of it', async () => {
    const size = 128 << 20;
    writeFileSync(original, Buffer.alloc(size, randomBytes(1000)));
    writeFileSync(join(folder, 'small'), 'a');
    const peak = async (...words: string[]) => {
      const source = "process.on('exit', () => console.log('peak', process.resourceUsage().maxRSS))";
      const printed = await runNode(['--import', `data:text/javascript,${source}`, PROGRAM, ...words]);
      return Number(/^peak (\d+)/m.exec(printed)?.[1]) * 1024;
    };
    const least = await peak('put', join(folder, 'small'), url('small'));
    for (const words of [
      ['put', original, url('large')],
      ['get', url('large'), copy],
    ]) {
      const grown = (await peak(...words)) - least;
      // What was read waits for the collector: tens of megabytes, however large the file is.
      assert.ok(grown < size * 0.75, `${words[0]} took ${grown >> 20} MiB more than for one byte`);
    }
    assert.equal(statSync(copy).size, size);
  });

  it('says so when there is no such file, and the server goes on', async () => {
    const before = readdirSync(folder);
    const { end, complaint } = await runProgram(execPath, [PROGRAM, 'get', url('nothing'), join(folder, 'none')]);
    assert.equal(end, 1);
    assert.match(complaint, /what came has the digest/);
    const refused = await runProgram(execPath, [PROGRAM, 'get', url('..%2fpasswd'), join(folder, 'none')]);
    assert.match(refused.complaint, /404/);
    assert.deepEqual(readdirSync(folder), before);
  });

  it('keeps no file whose digest is wrong, or that has not ended', async () => {
    const wrong = await connectWebSocket(url('put/wrong'));
    await wrong.write(Buffer.from('content'));
    await wrong.write('0'.repeat(64));
    assert.equal((await wrong.closed).code, 1011);
    const cut = await connectWebSocket(url('put/cut'));
    const message = cut.beginMessage({ type: 'binary' });
    assert.ok(typeof message !== 'symbol');
    await message.write(Buffer.alloc(100_000));
    await cut.flush();
    cut.destroy();
    await cut.closed;
    // Whoever comes next finds that the server has got over it.
    writeFileSync(original, 'a');
    await runNode([PROGRAM, 'put', original, url('next')]);
    const names = readdirSync(served).filter((name) => /wrong|cut/.test(name));
    assert.deepEqual(names, []);
  });

  it('fails when who receives has not got it', async () => {
    await using refusing = await listenWebSocket({ port: 0, host: '127.0.0.1' }, (socket) => {
      void socket.close(4000);
    });
    const { end } = await runProgram(execPath, [PROGRAM, 'put', original, `ws://127.0.0.1:${refusing.port}/name`]);
    assert.equal(end, 1);
  });
});
