/** Separated records in pieces: what an error says about the record that it is about. */
import assert from 'node:assert/strict';
import { framed, lines, memoryPair, type RecordPieces } from 'miniproto';

describe('SeparatedPieceReader', () => {
  const strict = { newline: 'strict-crlf' } as const;
  // The record at fault is the second one, which starts at byte 4; each chunk of it is read before the next is written.
  const faults: [string, Parameters<typeof lines>[0], string[], string, RegExp][] = [
    ['the end', { tail: 'refuse' }, [], 'ERR_UNEXPECTED_EOF', /after 2 of its bytes \(record at byte 4\)$/],
    ['the end, after pieces', { tail: 'refuse' }, ['e'], 'ERR_UNEXPECTED_EOF', /after 3 of its bytes/],
    ['a bare CR', strict, ['\rf'], 'ERR_BARE_CR', /at its byte 2 /],
    ['a bare LF', strict, ['\n'], 'ERR_BARE_LF', /at its byte 2 /],
    ['a bare LF, after pieces', strict, ['ef', 'g\n'], 'ERR_BARE_LF', /at its byte 5 /],
  ];
  for (const [title, options, chunks, code, message] of faults) {
    it(`says where the record starts, and where in it the fault is: ${title}`, async () => {
      const [near, far] = memoryPair();
      const stream = framed(near, lines(options));
      far.tryWrite(Buffer.from('ab\r\ncd'));
      assert.equal(stream.tryRead(), 'ab');
      const pieces = stream.tryReadPieces() as RecordPieces;
      assert.equal(String(pieces.tryRead()), 'cd');
      const reading = async () => {
        for (const chunk of chunks) {
          far.tryWrite(Buffer.from(chunk));
          await pieces.read();
        }
        await far.end();
        await pieces.read();
      };
      await assert.rejects(reading, { name: 'ProtocolError', code, offset: 4, protocol: 'lines', message });
    });
  }
});
