/** When output leaves, and when writes are taken again: cork, and the low mark. */
import assert from 'node:assert/strict';
import { framed, lines, memoryPair, NOT_READY } from 'miniproto';

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
