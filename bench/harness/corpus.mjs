/**
 * JSON documents of 1 KiB, plain and deflated, in a file for the load generator; see load/websocket/corpus.h.
 *
 * They are what APIs send: the same keys again and again, values that differ. There are as many as make the window of
 * deflate come round, 64 KiB in all, so that what is sent with takeover can be prepared too: each document is deflated
 * once alone and once behind the 32 KiB that always stand before it.
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pid } from 'node:process';
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { pick, randomFrom } from './random.mjs';

const DOCUMENTS = 64;
export const DOCUMENT_BYTES = 1024;
const WINDOW_BYTES = 32 * 1024;
const SYNC_FLUSH_TAIL = Buffer.of(0, 0, 0xff, 0xff);

/** @param {number} level @returns {string} its path */
export function corpusFile(level) {
  const folder = join(tmpdir(), 'miniproto-bench');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `json-1k-level-${level}.corpus`);
  const documents = makeDocuments();
  const before = (index) => {
    const window = WINDOW_BYTES / DOCUMENT_BYTES;
    return Buffer.concat(Array.from({ length: window }, (_, i) => documents.at((index - window + i) % DOCUMENTS)));
  };
  const blobs = documents.flatMap((document, index) => [
    document,
    deflated(document, { level }),
    deflated(document, { level, dictionary: before(index) }),
  ]);
  // Written aside: another bench may be reading the same.
  writeFileSync(`${path}.${pid}`, Buffer.concat(blobs.flatMap((blob) => [lengthOf(blob), blob])));
  renameSync(`${path}.${pid}`, path);
  return path;
}

function deflated(document, options) {
  const bytes = deflateRawSync(document, { ...options, finishFlush: constants.Z_SYNC_FLUSH });
  const back = inflateRawSync(bytes, { dictionary: options.dictionary, finishFlush: constants.Z_SYNC_FLUSH });
  if (!back.equals(document) || !bytes.subarray(-4).equals(SYNC_FLUSH_TAIL)) throw new Error('the corpus is wrong');
  return bytes.subarray(0, -4);
}

function lengthOf(blob) {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(blob.length);
  return length;
}

/** ASCII, of exactly the same size: the last string is cut, or filled. */
function makeDocuments() {
  const random = randomFrom(11);
  const oneOf = (...words) => pick(random, words);
  const number = (below) => Math.floor(random() * below);
  return Array.from({ length: DOCUMENTS }, (_, index) => {
    const items = Array.from({ length: 7 }, () => ({
      sku: `${oneOf('AX', 'BQ', 'KL', 'ZT')}-${number(1e6)}`,
      title: `${oneOf('Small', 'Large', 'Blue', 'Green', 'Old')} ${oneOf('kettle', 'lamp', 'chair', 'radio', 'clock')}`,
      quantity: 1 + number(9),
      price: number(1e5) / 100,
      available: random() < 0.8,
    }));
    const customer = { id: number(1e9), name: `${oneOf('Ann', 'Ben', 'Eva', 'Tom')} ${oneOf('Berg', 'Lund', 'Moss')}` };
    const document = { id: index, type: 'order', created: new Date(1.7e12 + number(1e10)), customer, items, note: '' };
    const room = DOCUMENT_BYTES - JSON.stringify(document).length;
    document.note = Array.from({ length: Math.max(room, 0) }, () => oneOf(...'etaoin shrdlu')).join('');
    const bytes = Buffer.from(JSON.stringify(document));
    if (bytes.length !== DOCUMENT_BYTES) throw new Error(`a document has ${bytes.length} bytes`);
    return bytes;
  });
}
