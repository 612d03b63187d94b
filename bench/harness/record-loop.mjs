/**
 * The least that one can do with the chunks of length-prefixed records, and what a library for them can at best be: find
 * each record, and look at it where it lies. No record gets an object of its own; only what lies across chunks is copied.
 *
 * It knows no limits, no errors and no backpressure.
 */

/** Header of the record that begins at `at`: its bytes, or 0 where more is needed, and the payload's. */
const found = { header: 0, payload: 0 };
const HEADERS = {
  u32(bytes, at, end) {
    found.header = end - at < 4 ? 0 : 4;
    if (found.header > 0) found.payload = bytes.readUInt32BE(at);
  },
  varint(bytes, at, end) {
    found.header = found.payload = 0;
    for (let index = at, shift = 0; index < end; shift += 7) {
      found.payload |= (bytes[index] & 0x7f) << shift;
      if (bytes[index++] >= 0x80) continue;
      found.header = index - at;
      return;
    }
  },
};

/**
 * @param {import('node:stream').Readable} stream
 * @param {'u32' | 'varint'} prefix
 * @param {(length: number, first: number) => void} take of each record its length, and its first byte or 0
 * @returns {Promise<void>} when all have been taken
 */
export function eachRecord(stream, prefix, take) {
  const readHeader = HEADERS[prefix];
  /** Begin of a record whose rest is in the next chunk: [0, held). */
  let partial = Buffer.allocUnsafe(64 * 1024);
  let held = 0;

  /** Takes the records in [from, end). @returns {number} where the first begins that is not whole */
  const records = (bytes, from, end) => {
    let at = from;
    for (;;) {
      readHeader(bytes, at, end);
      const next = at + found.header + found.payload;
      if (found.header === 0 || next > end) return at;
      take(found.payload, found.payload === 0 ? 0 : bytes[at + found.header]);
      at = next;
    }
  };

  const keep = (chunk, from, to) => {
    if (held + to - from > partial.length) partial = Buffer.concat([partial], 2 * (held + to - from));
    chunk.copy(partial, held, from, to);
    held += to - from;
  };

  /** Adds to the record that has begun, and takes it when it is whole. @returns {number} where the chunk goes on */
  const complete = (chunk) => {
    let at = 0;
    while (held > 0 && at < chunk.length) {
      readHeader(partial, 0, held);
      const missing = found.header === 0 ? 1 : found.header + found.payload - held;
      const to = Math.min(at + missing, chunk.length);
      keep(chunk, at, to);
      at = to;
      if (records(partial, 0, held) > 0) held = 0;
    }
    return at;
  };

  stream.on('data', (chunk) => {
    const at = records(chunk, held > 0 ? complete(chunk) : 0, chunk.length);
    if (at < chunk.length) keep(chunk, at, chunk.length);
  });
  return new Promise((resolve, reject) => stream.once('end', resolve).once('error', reject));
}
