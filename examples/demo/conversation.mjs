/**
 * The second part of the demo: a TCP conversation that changes its protocol in mid-segment.
 *
 *     client                                      server
 *     ADD 0 … ADD n, SUM?                    →
 *                                            ←    SUM <sum>
 *     UPGRADE len32 <count>, and the first
 *     records behind it in the same write    →    switches; what has arrived behind the line is carried over
 *     <count> records of 64 bytes            ⇄    each one back
 *     one record of 64 MiB, in pieces        ⇄    back in pieces, while it arrives
 *                                            ←    its SHA-256, a record of 32 bytes
 *     end                                    →    end
 */
import { createHash, randomBytes } from 'node:crypto';
import { connect, EOF, framed, lengthPrefixed, lines, listen } from 'miniproto';
import { show, step } from './progress.mjs';

const FIRST_RECORDS = 3;
const RECORD_BYTES = 64;
const PIECE_BYTES = 64 * 1024;

/**
 * @param {{ lineCount: number, recordCount: number, bigBytes: number }} sizes
 * @param {(name: string, ok: boolean, detail: string) => void} check
 * @returns {Promise<{ results: { part: string, count: number, bytes: number, ms: number }[], native: boolean, reason: string }>}
 */
export async function converse(sizes, check) {
  const onError = (error) => check('TCP: the server', false, String(error));
  const server = await listen({ port: 0, host: '127.0.0.1', onError }, (stream) => serve(stream, check));
  const stream = await connect({ port: server.port, host: '127.0.0.1' });
  const results = await talk(stream, sizes, check);
  await server.close();
  const closed = stream.destroyed && server.connections.size === 0;
  check('TCP: both sockets and the listener are closed', closed, closed ? 'nothing is left open' : 'something is open');
  return { results, native: stream.native, reason: stream.reason };
}

/** The server's side. */
async function serve(stream, check) {
  const talk = framed(stream, lines());
  let sum = 0;
  let recordCount = 0;
  for await (const line of talk) {
    const [verb, word, count] = line.split(' ');
    if (verb === 'ADD') sum += Number(word);
    else if (verb === 'SUM?') await talk.write(`SUM ${sum}`);
    else if (verb === 'UPGRADE') {
      recordCount = Number(count);
      break;
    }
  }
  const carried = talk.stream.input.length;
  const least = FIRST_RECORDS * (4 + RECORD_BYTES);
  check(
    'TCP: the protocol changed in mid-segment',
    carried >= least,
    `${carried} bytes were there already, and carried over`,
  );
  const records = talk.switchTo(lengthPrefixed());
  await echoRecords(records, recordCount);
  await echoPieces(records);
  const end = await records.read();
  check('TCP: the server sees the client end at a record boundary', end === EOF, end === EOF ? 'EOF' : 'a record');
  await records.end();
  await records.close();
}

async function echoRecords(records, count) {
  let left = count;
  for await (const batch of records.batches()) {
    for (const record of batch) {
      await records.write(record); // The cursor itself: no object is made for a record that only passes through.
      if (--left === 0) return;
    }
  }
}

async function echoPieces(records) {
  const pieces = await records.readPieces();
  const back = await records.begin(pieces.length);
  const hash = createHash('sha256');
  for await (const piece of pieces) {
    hash.update(piece);
    await back.write(piece);
  }
  back.end();
  await records.write(hash.digest());
}

/** The client's side. */
async function talk(stream, { lineCount, recordCount, bigBytes }, check) {
  const results = [];
  const measure = async (part, count, work) => {
    step(`TCP: ${part}`);
    const start = performance.now();
    const bytes = await work();
    results.push({ part, count, bytes, ms: performance.now() - start });
  };
  const speech = framed(stream, lines());
  await measure('lines', lineCount, () => sendLines(speech, lineCount, check));
  let records;
  await measure('records of 64 bytes, echoed', recordCount, async () => {
    records = upgrade(speech, recordCount);
    return exchange(records, recordCount, check);
  });
  await measure('one record in pieces, echoed', 1, () => exchangePieces(records, bigBytes, check));
  await records.end();
  const end = await records.read();
  check('TCP: the client sees the server end at a record boundary', end === EOF, end === EOF ? 'EOF' : 'a record');
  await records.close();
  return results;
}

async function sendLines(speech, count, check) {
  let bytes = 0;
  for (let i = 0; i < count; i++) {
    const line = `ADD ${i}`;
    bytes += line.length + 1;
    await speech.write(line);
  }
  await speech.write('SUM?');
  const answer = await speech.read();
  check('TCP: the server has added up every line', answer === `SUM ${(count * (count - 1)) / 2}`, answer);
  return bytes;
}

/** The line and the first records are written in one turn, so they leave in one write and arrive in one segment. */
function upgrade(speech, recordCount) {
  speech.tryWrite(`UPGRADE len32 ${recordCount}`);
  const records = speech.switchTo(lengthPrefixed());
  for (let i = 0; i < FIRST_RECORDS; i++) records.tryWrite(recordOf(i));
  return records;
}

/** Record i: its number, and 60 bytes that follow from it. */
function recordOf(i) {
  const record = Buffer.alloc(RECORD_BYTES, i & 0xff);
  record.writeUInt32BE(i);
  return record;
}

async function exchange(records, count, check) {
  const send = async () => {
    for (let i = FIRST_RECORDS; i < count; i++) await records.write(recordOf(i));
  };
  const receive = async () => {
    let index = 0;
    let wrong = 0;
    for await (const batch of records.batches()) {
      for (const record of batch) {
        const number = record.borrow().readUInt32BE();
        if (number !== index || record.length !== RECORD_BYTES || record.byteAt(RECORD_BYTES - 1) !== (index & 0xff))
          wrong++;
        if (++index === count) return wrong;
      }
      show(`${index} of ${count}`);
    }
    return count;
  };
  const [wrong] = await Promise.all([receive(), send()]);
  check('TCP: every record came back, in order', wrong === 0, `${count} records, ${wrong} wrong`);
  return 2 * count * (4 + RECORD_BYTES);
}

async function exchangePieces(records, bigBytes, check) {
  const sent = createHash('sha256');
  const received = createHash('sha256');
  const send = async () => {
    const noise = randomBytes(PIECE_BYTES);
    const out = await records.begin(bigBytes);
    for (let at = 0; at < bigBytes; at += PIECE_BYTES) {
      const piece = noise.subarray(0, Math.min(PIECE_BYTES, bigBytes - at));
      piece.writeUInt32BE(at); // No two pieces are alike: a lost or doubled one changes the digest.
      sent.update(piece);
      await out.write(piece);
    }
    out.end();
  };
  let [pieceCount, largest, length] = [0, 0, 0];
  const receive = async () => {
    for await (const piece of await records.readPieces()) {
      received.update(piece);
      pieceCount++;
      length += piece.length;
      largest = Math.max(largest, piece.length);
      if (pieceCount % 64 === 0) show(`${length >> 20} of ${bigBytes >> 20} MiB`);
    }
  };
  await Promise.all([receive(), send()]);
  const [there, back] = [await records.read(), received.digest('hex')];
  const digest = sent.digest('hex');
  check(
    'TCP: SHA-256 of the large record, as the server got it',
    there.toString('hex') === digest,
    digest.slice(0, 16),
  );
  check('TCP: SHA-256 of the large record, as it came back', back === digest, digest.slice(0, 16));
  check(
    'TCP: the large record moved through a small window',
    largest <= 1 << 20 && length === bigBytes,
    `${pieceCount} pieces, the largest of ${largest} bytes`,
  );
  return 2 * length;
}
