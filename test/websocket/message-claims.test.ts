/** Messages that are kept for good: whose memory they are in, and that nobody writes there again. */
import assert from 'node:assert/strict';
import { PlacedMessage } from '#lib/websocket/message-cursor';

const SIZE = 5000;

/** Claims those of `count` messages behind one another that are `wanted`, in memory that is then written again. */
function claimed(count: number, wanted: readonly number[]): Buffer[] {
  const memory = Buffer.alloc(count * SIZE);
  for (let i = 0; i < count; i++) memory.fill(i + 1, i * SIZE, (i + 1) * SIZE);
  const message = new PlacedMessage(undefined);
  message.willReach(memory, memory.length);
  const kept = wanted.map((i) => message.moveTo(memory, i * SIZE, (i + 1) * SIZE, false, false, true, -1).claim());
  memory.fill(0xff);
  for (const [index, i] of wanted.entries()) assert.ok(kept[index]!.equals(Buffer.alloc(SIZE, i + 1)), `message ${i}`);
  return kept;
}

describe('PlacedMessage claims', () => {
  it('share one copy with the messages behind them', () => {
    const [first, second, third] = claimed(3, [0, 1, 2]);
    assert.equal(second!.buffer, first!.buffer);
    assert.equal(third!.buffer, first!.buffer);
    assert.equal(first!.buffer.byteLength, 3 * SIZE);
  });

  it('have memory of their size where nothing is behind them', () => {
    for (const kept of [claimed(1, [0]), claimed(3, [2])]) assert.equal(kept[0]!.buffer.byteLength, SIZE);
  });

  it('are right whichever messages are passed over, and however far a copy reaches', () => {
    claimed(3, [0, 2]);
    claimed(3, [1]);
    claimed(30, [0, 12, 13, 14, 29]);
    claimed(
      30,
      Array.from({ length: 30 }, (_, i) => i),
    );
  });
});
