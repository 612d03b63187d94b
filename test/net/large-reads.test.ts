import assert from 'node:assert/strict';
import { InputBuffer } from '#lib/bytes/input-buffer';
import { LargeReads } from '#lib/net/large-reads';

describe('LargeReads', () => {
  /** Receives a record in pieces, as a socket does. @returns what was guessed before each. */
  function receive(reads: LargeReads, input: InputBuffer, pieces: readonly number[]): number[] {
    return pieces.map((size) => {
      const guess = input.length === 0 ? 0 : reads.guess(input);
      input.append(Buffer.alloc(size));
      reads.received(input);
      return guess;
    });
  }

  it('guesses twice what is here of the first record', () => {
    assert.deepEqual(receive(new LargeReads(), new InputBuffer(), [100_000, 100_000, 200_000]), [0, 200_000, 400_000]);
  });

  it('guesses that the next record has as many bytes as the last one had', () => {
    const [reads, input] = [new LargeReads(), new InputBuffer()];
    receive(reads, input, [100_000, 200_000, 50_000]);
    input.consume(300_000);
    assert.equal(reads.guess(input), 300_000);
    assert.equal(reads.guess(input), 300_000);
    // And that one that has more will have twice as many.
    assert.deepEqual(receive(reads, input, [250_000, 1]), [300_000, 600_000]);
  });

  it('guesses no more than was there at once, whatever was consumed since', () => {
    const [reads, input] = [new LargeReads(), new InputBuffer()];
    receive(reads, input, [100_000, 100_000]);
    input.consume(200_000);
    for (let i = 0; i < 100; i++) {
      input.append(Buffer.alloc(50_000));
      input.consume(50_000);
    }
    input.append(Buffer.alloc(10));
    assert.equal(reads.guess(input), 200_000);
  });

  it('expects large records until some small receives have found none', () => {
    const reads = new LargeReads();
    for (let i = 0; i < 3; i++) assert.equal(reads.takeBite(), true);
    assert.equal(reads.takeBite(), false);
    assert.equal(reads.follow, false);
    reads.found();
    assert.equal(reads.follow, true);
  });
});
