/** When output leaves, and when writes are taken again: cork, and the low mark. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type FramedStream, framed, lines, memoryPair, NOT_READY } from 'miniproto';

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('cork', () => {
  it('keeps what is written over turns until the last uncork', async () => {
    const [one, other] = memoryPair();
    const talk = framed(one, lines());
    talk.cork();
    talk.cork();
    talk.tryWrite('a');
    await turn();
    talk.tryWrite('b');
    talk.uncork();
    await turn();
    assert.equal(other.tryFill(), NOT_READY);
    talk.uncork();
    assert.equal(other.tryFill(), NOT_READY);
    await turn();
    assert.equal(other.tryFill(), 4);
    talk.uncork();
    talk.tryWrite('c');
    await turn();
    assert.equal(other.tryFill(6), 6);
  });

  it('does not keep what is flushed, or what comes to the high mark', async () => {
    const [one, other] = memoryPair();
    const talk = framed(one, lines(), { writeHighWaterMark: 10 });
    talk.cork();
    talk.tryWrite('a');
    await talk.flush();
    assert.equal(other.tryFill(), 2);
    other.input.consume(2);
    assert.equal(talk.tryWrite('0123456789'), true);
    await talk.write('next');
    assert.equal(other.tryFill(11), 11);
  });

  it('keeps what was written before it in the same turn, too', async () => {
    const [one, other] = memoryPair();
    const talk = framed(one, lines());
    talk.tryWrite('a');
    talk.cork();
    talk.tryWrite('b');
    await turn();
    assert.equal(other.tryFill(), NOT_READY);
    talk.uncork();
    await turn();
    assert.equal(other.tryFill(4), 4);
  });

  it('keeps nothing from a process that exits, whatever has left meanwhile', () => {
    const source = `import { framed, lines } from ${JSON.stringify(import.meta.resolve('miniproto'))};
      const out = framed(process.stdout, lines());
      out.cork();
      out.tryWrite('a');
      await out.flush();
      out.tryWrite('b');
      process.exit(0);`;
    assert.equal(execFileSync(process.execPath, ['--input-type=module', '-e', source]).toString(), 'a\nb\n');
  });

  it('keeps no stream that is over, or has nothing to send, for the exit', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const ways: ((talk: FramedStream<string, string | Uint8Array>) => unknown)[] = [
      (talk) => talk.uncork(),
      (talk) => talk.tryWrite('a') && talk.tryFlush() && talk.uncork(),
      (talk) => talk.tryWrite('a') && talk.destroy(),
      (talk) => talk.tryWrite('a') && talk.close({ timeoutMs: 0 }),
      (talk) => talk.tryWrite('a') && talk.upgrade((stream) => stream.destroy()),
    ];
    const left = ways.map((way) => {
      const talk = framed(memoryPair()[0], lines());
      talk.cork();
      way(talk);
      return new WeakRef(talk.stream);
    });
    for (let i = 0; i < 5; i++) {
      await turn();
      collect();
    }
    assert.deepEqual(
      left.map((stream) => stream.deref() === undefined),
      ways.map(() => true),
    );
  });
});

describe('writeLowWaterMark', () => {
  it('takes writes again only when so little is left', () => {
    const [one, other] = memoryPair({ capacity: 4 });
    const talk = framed(one, lines(), { writeHighWaterMark: 16, writeLowWaterMark: 4 });
    assert.equal(talk.tryWrite('x'.repeat(20)), true);
    const left: number[] = [];
    while (talk.tryWrite('y') === NOT_READY) {
      left.push(talk.pendingOutput);
      other.tryFill();
      other.input.consume(other.input.length);
    }
    assert.ok(left.length > 3);
    assert.ok(talk.pendingOutput <= 4 + 2 + 4, String(talk.pendingOutput));
  });

  it('is refused above the high mark', () => {
    const [one] = memoryPair();
    const marks = { writeHighWaterMark: 10, writeLowWaterMark: 11 };
    assert.throws(() => framed(one, lines(), marks), { code: 'ERR_OUT_OF_RANGE' });
  });
});
