/** Length-prefixed records in pieces: what an error says about the record that it is about. */
import assert from 'node:assert/strict';
import { framed, type LengthPrefixedOptions, lengthPrefixed, memoryPair, type RecordPieces } from 'miniproto';

describe('LengthPieceReader', () => {
  const faults: [string, LengthPrefixedOptions, string, string][] = [
    ['the end inside the payload', {}, '\x05cd', 'ERR_UNEXPECTED_EOF'],
    ['the end inside a record that keeps its header', { header: 'keep' }, '\x05cd', 'ERR_UNEXPECTED_EOF'],
    ['the end before the trailer', { trailer: ';' }, '\x02cd', 'ERR_UNEXPECTED_EOF'],
    ['another trailer', { trailer: ';' }, '\x02cd,', 'ERR_TRAILER_MISSING'],
    ['a length that is none', { bytes: 'decimal' }, 'x:', 'ERR_LENGTH_NOT_DIGIT'],
  ];
  for (const [title, options, input, code] of faults) {
    it(`says where the record starts: ${title}`, async () => {
      const [near, far] = memoryPair();
      const stream = framed(near, lengthPrefixed({ bytes: 1, encoding: 'latin1', ...options }));
      const first = { 1: '\x02ab', decimal: '2:ab' }[(options.bytes ?? 1) as 1 | 'decimal'] + (options.trailer ?? '');
      far.tryWrite(Buffer.from(first + input));
      await far.end();
      assert.match(String(await stream.read()), /ab$/);
      const reading = async () => {
        const pieces = (await stream.readPieces()) as RecordPieces;
        for await (const piece of pieces) assert.ok(piece.length > 0);
      };
      await assert.rejects(reading, { name: 'ProtocolError', code, offset: first.length, protocol: 'length-prefixed' });
    });
  }
});
