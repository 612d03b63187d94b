/** switchTo: the only way to change the protocol, at the first byte that the last one did not give out. */
import assert from 'node:assert/strict';
import { EOF, fixed, framed, lengthPrefixed, lines, NOT_READY, separated } from 'miniproto';
import { pattern } from '../support/byte-stream-contract.js';
import { bytePair } from '../support/pairs.js';
import { RekeyCodec } from '../support/rekey-codec.js';

const switched = { name: 'UsageError', code: 'ERR_STREAM_SWITCHED' };

function fed(bytes: string | Buffer) {
  const [near, far] = bytePair();
  far.tryWrite(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  return { near, far, stream: framed(near, lines()) };
}

describe('idea: over-read bytes reach the next protocol', () => {
  for (const capacity of [1, 7, 64 * 1024]) {
    it(`composes lines, lengths, blocks and lines again in mid-segment, at capacity ${capacity}`, async () => {
      const [near, far] = bytePair({ capacity });
      const client = framed(near, lines());
      const server = framed(far, lines());
      const talking = (async () => {
        await client.write('UPGRADE');
        const records = client.switchTo(lengthPrefixed({ bytes: 2 }));
        await records.write('first');
        await records.write('');
        const blocks = records.switchTo(fixed(3));
        await blocks.write(Buffer.from('abc'));
        const last = blocks.switchTo(separated('--', { encoding: 'utf8' }));
        await last.write('end');
        await last.end();
      })();
      assert.equal(await server.read(), 'UPGRADE');
      const records = server.switchTo(lengthPrefixed({ bytes: 2, encoding: 'utf8' }));
      assert.equal(await records.read(), 'first');
      assert.equal(await records.read(), '');
      const blocks = records.switchTo(fixed(3));
      assert.equal(String(await blocks.read()), 'abc');
      const last = blocks.switchTo(separated('--', { encoding: 'utf8' }));
      assert.equal(await last.read(), 'end');
      assert.equal(await last.read(), EOF);
      await talking;
    });
  }

  it('carries what was looked ahead at and not given out', () => {
    const { near, stream } = fed('a\nb\nc\n');
    assert.equal(stream.tryRead(), 'a');
    const next = stream.switchTo(separated('c', { encoding: 'latin1' }));
    assert.equal(next.tryRead(), 'b\n');
    assert.equal(near.input.offset, 5);
  });

  it('carries what a batch has not visited', async () => {
    const { stream } = fed('a\nb\nc\n');
    let next = framed(bytePair()[0], fixed(1));
    for await (const batch of stream.batches()) {
      for (const cursor of batch) {
        if (cursor.text() !== 'b') continue;
        next = stream.switchTo(fixed(1));
        assert.throws(() => cursor.text(), { code: 'ERR_RECORD_EXPIRED' });
        break;
      }
      break;
    }
    assert.equal(String(next.tryRead()), 'c');
  });

  it('carries the end of the stream', async () => {
    const { far, stream } = fed('a\n');
    await far.end();
    assert.equal(stream.tryRead(), 'a');
    assert.equal(stream.tryRead(), EOF);
    assert.equal(stream.switchTo(fixed(1)).tryRead(), EOF);
  });

  it('forgets what the last codec had searched: its bytes are looked at anew', () => {
    const { far, stream } = fed('abc;def');
    assert.equal(stream.tryRead(), NOT_READY);
    const next = stream.switchTo(separated(';', { encoding: 'latin1' }));
    assert.equal(next.tryRead(), 'abc');
    far.tryWrite(Buffer.from(';'));
    assert.equal(next.tryRead(), 'def');
  });

  it('forgets that the last codec was skipping a record', () => {
    const [near, far] = bytePair();
    const stream = framed(near, lines({ maxLength: 2, overflow: 'skip' }));
    far.tryWrite(Buffer.from('much too long'));
    assert.equal(stream.tryRead(), NOT_READY);
    const next = stream.switchTo(lines());
    far.tryWrite(Buffer.from('x\n'));
    assert.ok(String(next.tryRead()).endsWith('x'));
  });
});

describe('switchTo', () => {
  it("unread: 'refuse' throws before anything is changed", () => {
    const { stream } = fed('STARTTLS\ninjected\n');
    assert.equal(stream.tryRead(), 'STARTTLS');
    const refused = { name: 'UsageError', code: 'ERR_UNREAD_INPUT', protocol: 'lines', offset: 9 };
    assert.throws(() => stream.switchTo(fixed(1), { unread: 'refuse' }), refused);
    assert.equal(stream.tryRead(), 'injected');
    stream.switchTo(fixed(1), { unread: 'refuse' });
  });

  it("unread: 'discard' drops what has arrived", () => {
    const { far, stream } = fed('STARTTLS\ninjected\nhalf');
    assert.equal(stream.tryRead(), 'STARTTLS');
    const next = stream.switchTo(fixed(1), { unread: 'discard' });
    assert.equal(next.tryRead(), NOT_READY);
    far.tryWrite(Buffer.from('x'));
    assert.equal(String(next.tryRead()), 'x');
  });

  it('refuses a policy and a codec that are none, and changes nothing', () => {
    const { stream } = fed('a\n');
    assert.throws(() => stream.switchTo(fixed(1), { unread: 'keep' as never }), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => stream.switchTo({} as never), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => stream.switchTo(fixed(1), null as never), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.equal(stream.tryRead(), 'a');
  });

  it('leaves a stream that throws at every use', async () => {
    const { stream } = fed('a\n');
    const next = stream.switchTo(lines());
    assert.throws(() => stream.tryRead(), switched);
    assert.throws(() => stream.tryReadBatch(), switched);
    assert.throws(() => stream.tryReadPieces(), switched);
    assert.throws(() => stream.tryWrite('x'), switched);
    assert.throws(() => stream.tryBegin(), switched);
    assert.throws(() => stream.switchTo(lines()), switched);
    await assert.rejects(stream.read(), switched);
    await assert.rejects(stream.write('x'), switched);
    await assert.rejects(stream.end(), switched);
    await assert.rejects(stream.records().next(), switched);
    await assert.rejects(stream.batches().next(), switched);
    await assert.rejects(
      stream.onRecord(() => {}),
      switched,
    );
    assert.equal(next.tryRead(), 'a');
  });

  it('puts queued writes ahead of those of the next codec', async () => {
    const [near, far] = bytePair({ capacity: 1 });
    const stream = framed(near, lines(), { writeHighWaterMark: 1 });
    const writes = ['a', 'b', 'c'].map((text) => stream.write(text));
    const next = stream.switchTo(lengthPrefixed({ bytes: 1 }));
    writes.push(next.write('d'));
    const reader = framed(far, lines());
    assert.deepEqual([await reader.read(), await reader.read(), await reader.read()], ['a', 'b', 'c']);
    const rest = reader.switchTo(lengthPrefixed({ bytes: 1, encoding: 'latin1' }));
    assert.equal(await rest.read(), 'd');
    await Promise.all(writes);
  });

  it('rejects a queued record that cannot be encoded, and switches all the same', async () => {
    const [near] = bytePair({ capacity: 1 });
    const stream = framed(near, lines(), { writeHighWaterMark: 1 });
    const writes = [stream.write('a'), assert.rejects(stream.write('b\nc'), { code: 'ERR_RECORD_CONTAINS_SEPARATOR' })];
    stream.switchTo(fixed(1));
    await Promise.all(writes);
  });

  it('is refused while a write waits for the peer, and while a record is in pieces', async () => {
    const [near] = bytePair();
    const waiting = framed(near, new RekeyCodec(1, 5));
    const write = waiting.write('x');
    assert.throws(() => waiting.switchTo(lines()), { code: 'ERR_RECORD_UNFINISHED' });
    waiting.destroy();
    await assert.rejects(write, { code: 'ERR_STREAM_DESTROYED' });
    const [one] = bytePair();
    const writing = framed(one, lengthPrefixed());
    const parts = await writing.begin(1);
    assert.throws(() => writing.switchTo(lines()), { code: 'ERR_RECORD_UNFINISHED' });
    await parts.write(pattern(1));
    parts.end();
    writing.switchTo(lines());
  });
});
