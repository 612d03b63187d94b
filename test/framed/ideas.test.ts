/**
 * Ideas that the project answers (docs/ideas.md) and that no other suite shows by name. The others are found there:
 * `grep -r "idea:" test`.
 */
import assert from 'node:assert/strict';
import { type Codec, framed, lengthPrefixed, lines, mapped, memoryPair, NOT_READY } from 'miniproto';
import { pattern } from '../support/byte-stream-contract.js';
import { bytePair } from '../support/pairs.js';

describe('idea: a miniprotocol is one behaviour, and real protocols compose them', () => {
  it('a header of lines, then a body by its length, then the next message', () => {
    const [near, far] = bytePair();
    far.tryWrite(Buffer.from('POST\r\nsize: 5\r\n\r\n\x05helloGET\r\n\r\n'));
    const read = (stream = framed(near, lines())): { header: string[]; lines: typeof stream } => {
      const header: string[] = [];
      for (let line = stream.tryRead(); line !== ''; line = stream.tryRead()) header.push(String(line));
      return { header, lines: stream };
    };
    const first = read();
    assert.deepEqual(first.header, ['POST', 'size: 5']);
    const body = first.lines.switchTo(lengthPrefixed({ bytes: 1 }));
    assert.equal(String(body.tryRead()), 'hello');
    assert.deepEqual(read(body.switchTo(lines())).header, ['GET']);
  });
});

describe('idea: lengths say exactly what they need, separators are searched once', () => {
  it('a length-delimited record asks for its header, then for all of itself', () => {
    const [near, far] = bytePair();
    const stream = framed(near, lengthPrefixed({ bytes: 4 }));
    assert.equal(stream.tryRead(), NOT_READY);
    assert.equal(near.input.needed, 4);
    far.tryWrite(Buffer.from([0, 0, 1, 0, 1]));
    assert.equal(stream.tryRead(), NOT_READY);
    assert.equal(near.input.needed, 260);
    assert.equal(stream.pendingRead, NOT_READY);
    far.tryWrite(Buffer.alloc(255));
    assert.equal((stream.tryRead() as Buffer).length, 256);
  });

  it('a separator-delimited record remembers how far it was searched', () => {
    const [near, far] = bytePair();
    const stream = framed(near, lines());
    far.tryWrite(Buffer.from('x'.repeat(1000)));
    assert.equal(stream.tryRead(), NOT_READY);
    assert.equal(near.input.searched, 1000);
    far.tryWrite(Buffer.from('\n'));
    assert.equal(String(stream.tryRead()).length, 1000);
  });
});

describe('idea: no buffer is held that nobody needs', () => {
  it('an idle stream holds no input and no output, whatever protocols it has spoken', async () => {
    const [near, far] = bytePair();
    const [one, other] = [framed(near, lines()), framed(far, lines())];
    await Promise.all([one.write('x'.repeat(1024)), other.read()]);
    const [blocks, back] = [one.switchTo(lengthPrefixed()), other.switchTo(lengthPrefixed())];
    await Promise.all([blocks.write(pattern(100_000)), back.read()]);
    for (const stream of [near, far]) {
      assert.equal(stream.input.length, 0);
      assert.equal(stream.input.front(), undefined);
      assert.equal(stream.pendingOutput, 0);
    }
    assert.equal(blocks.pendingOutput, 0);
  });
});

describe('idea: a write says how much was taken, and how much is still to leave', () => {
  it('bytes by their count, records by true, and both by pendingOutput', () => {
    const [near, far] = memoryPair({ capacity: 10 });
    assert.equal(near.tryWrite(pattern(8)), 8);
    assert.equal(near.tryWrite(pattern(8)), 2);
    const stream = framed(near, lines());
    assert.equal(stream.tryWrite('abc'), true);
    assert.equal(stream.tryFlush(), NOT_READY);
    assert.equal(stream.pendingOutput, 14);
    far.tryFill();
    assert.equal(stream.tryFlush(), true);
    assert.equal(stream.pendingOutput, 4);
  });
});

describe('idea: no meta-interface is forced on all', () => {
  it('two methods and a name are a codec; everything else is an option that pays', async () => {
    const bits: Codec<number> = {
      name: 'bits',
      decode: (input) => (input.length === 0 ? input.need(1) : input.take(1)[0]!),
      encode: (bit, output) => {
        output.writeByte(bit);
        return true;
      },
    };
    const [near, far] = bytePair({ capacity: 1 });
    const flags = () => mapped({ ...bits }, { decode: (bit) => bit === 1, encode: Number });
    const [one, other] = [framed(near, flags()), framed(far, flags())];
    const writing = Promise.all([one.write(true), one.write(false), one.end()]);
    const seen: boolean[] = [];
    for await (const batch of other.batches()) seen.push(...batch.values());
    await writing;
    assert.deepEqual(seen, [true, false]);
  });
});
