/**
 * The ring over every implementation, against an array that does the same slowly.
 */
import assert from 'node:assert/strict';
import type { Ring } from '#lib/native-interface';
import { describeEach } from '../support/implementations.js';
import { type Random, seeded } from '../support/random.js';

function stored(ring: Ring): Buffer {
  return Buffer.concat(ring.spans());
}

describeEach('Ring', (native) => {
  it('holds no memory before the first byte and after the last', () => {
    const ring = native.createRing({ minCapacity: 16, maxCapacity: 64 });
    assert.deepEqual([ring.length, ring.capacity, ring.spans()], [0, 0, []]);
    assert.equal(ring.write(Buffer.from(''), 0, 0), 0);
    assert.equal(ring.capacity, 0);
    assert.equal(ring.write(Buffer.from('abc'), 0, 3), 3);
    assert.deepEqual([ring.length, ring.capacity], [3, 16]);
    ring.consume(3);
    assert.deepEqual([ring.length, ring.capacity, ring.spans()], [0, 0, []]);
  });

  it('gives its memory back when a read empties it', () => {
    const ring = native.createRing({ minCapacity: 16, maxCapacity: 64 });
    ring.write(Buffer.from('abc'), 0, 3);
    const target = Buffer.alloc(8, '.');
    assert.equal(ring.read(target, 2, 8), 3);
    assert.equal(target.toString(), '..abc...');
    assert.equal(ring.capacity, 0);
  });

  it('grows in powers of two and takes no more than its maximum', () => {
    const ring = native.createRing({ minCapacity: 4, maxCapacity: 100 });
    const capacities: number[] = [];
    for (let i = 0; i < 101; i++) {
      assert.equal(ring.write(Buffer.from([i]), 0, 1), i < 100 ? 1 : 0);
      if (capacities.at(-1) !== ring.capacity) capacities.push(ring.capacity);
    }
    assert.deepEqual(capacities, [4, 8, 16, 32, 64, 128]);
    assert.deepEqual(
      [...stored(ring)],
      Array.from({ length: 100 }, (_, i) => i),
    );
  });

  it('starts with less than its minimum where the maximum is below that', () => {
    const ring = native.createRing({ minCapacity: 1024, maxCapacity: 10 });
    assert.equal(ring.write(Buffer.alloc(20), 0, 20), 10);
    assert.equal(ring.capacity, 16);
  });

  it('takes the part of a write that fits', () => {
    const ring = native.createRing({ minCapacity: 8, maxCapacity: 10 });
    assert.equal(ring.write(Buffer.from('0123456789abc'), 2, 13), 10);
    assert.equal(stored(ring).toString(), '23456789ab');
  });

  it('gives two spans when its contents wrap, and one after it has grown', () => {
    const ring = native.createRing({ minCapacity: 8, maxCapacity: 64 });
    ring.write(Buffer.from('01234567'), 0, 8);
    ring.consume(6);
    ring.write(Buffer.from('abcd'), 0, 4);
    assert.deepEqual(
      ring.spans().map((span) => Buffer.from(span).toString()),
      ['67', 'abcd'],
    );
    ring.write(Buffer.from('efg'), 0, 3);
    assert.equal(ring.spans().length, 1);
    assert.equal(stored(ring).toString(), '67abcdefg');
  });

  it('treats consuming more than there is as consuming all', () => {
    const ring = native.createRing({ minCapacity: 8, maxCapacity: 64 });
    ring.write(Buffer.from('0123'), 0, 4);
    ring.consume(1000);
    assert.deepEqual([ring.length, ring.capacity], [0, 0]);
  });

  seeded('does what an array does, over random operations', (random) => {
    for (let round = 0; round < 60; round++) {
      const minCapacity = 1 << random.below(7);
      const maxCapacity = random.between(1, 500);
      const ring = native.createRing({ minCapacity, maxCapacity });
      const model: number[] = [];
      for (let step = 0; step < 120; step++) {
        operate(ring, model, maxCapacity, random);
        assert.equal(ring.length, model.length);
        assert.ok(ring.capacity === 0 ? model.length === 0 : ring.capacity >= model.length);
        assert.equal(ring.capacity & (ring.capacity - 1), 0);
        if (random.oneIn(3)) assert.deepEqual([...stored(ring)], model);
      }
    }
  });
});

/** One random operation on the ring and on the array. */
function operate(ring: Ring, model: number[], maxCapacity: number, random: Random): void {
  const size = random.below(random.oneIn(5) ? 300 : 40);
  const kind = random.below(5);
  if (kind < 3) {
    const bytes = random.bytes(size);
    const from = random.below(size + 1);
    const taken = Math.min(size - from, maxCapacity - model.length);
    assert.equal(ring.write(bytes, from, size), taken);
    model.push(...bytes.subarray(from, from + taken));
  } else if (kind === 3) {
    const target = new Uint8Array(size + 2).fill(0xee);
    const expected = model.splice(0, size);
    assert.equal(ring.read(target, 1, size + 1), expected.length);
    assert.deepEqual([...target], [0xee, ...expected, ...new Array(size + 1 - expected.length).fill(0xee)]);
  } else {
    ring.consume(size);
    model.splice(0, size);
  }
}
