/**
 * The text files that benches and the demo read: generated with a fixed seed, kept in the temp folder, made once.
 *
 * Beside each file lies a .json with its answer (lines, string length, checksum), computed while writing, by code that
 * no contestant shares. No text holds a lone CR, U+2028 or U+2029, since readline takes those for line ends and the
 * others do not: every contestant must be able to give the same lines.
 *
 *     kind       a line                                                                       mean bytes
 *     ascii      a log line of a web service                                                          85
 *     mixed      the same; one in ten quotes a name or message with accents, CJK or emoji             87
 *     cyrillic   words of 2 to 10 Cyrillic letters                                                   150
 *     long       a JSON-like array of numbers, 2 to 60 KiB                                        31,000
 *     short      0 to 14 digits, as a column of numbers                                                8
 *     crlf       as ascii, ended by CRLF                                                              86
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pid } from 'node:process';
import { pick, randomFrom } from './random.mjs';
import { Tally } from './tally.mjs';

/** Goes into the file name: files of another generator are not taken for these. */
const VERSION = 2;
const FOLDER = join(tmpdir(), 'miniproto-bench');
const FLUSH_CHARACTERS = 1 << 20;

const METHODS = ['GET', 'GET', 'GET', 'POST', 'PUT', 'DELETE'];
const PLACES = ['/api/v1/items', '/api/v1/users', '/static/app.js', '/login', '/search', '/api/v2/orders/export'];
const LEVELS = ['INFO ', 'INFO ', 'INFO ', 'DEBUG', 'WARN ', 'ERROR'];
const FOREIGN = [
  'José Muñoz',
  'Zoë Brontë',
  'naïve café',
  '東京都渋谷区',
  '数据库连接超时',
  '서울특별시',
  'done 🎉',
  '👩‍💻 deploy',
  'Größe überschritten',
  'Ελλάδα',
];

/** @type {Record<string, { seed: number, end: string, line: (random: () => number, index: number) => string }>} */
const KINDS = {
  ascii: { seed: 1, end: '\n', line: logLine },
  crlf: { seed: 1, end: '\r\n', line: logLine },
  mixed: { seed: 2, end: '\n', line: mixedLine },
  cyrillic: { seed: 3, end: '\n', line: cyrillicLine },
  long: { seed: 4, end: '\n', line: longLine },
  short: { seed: 5, end: '\n', line: shortLine },
};

function logLine(random, index) {
  const time = new Date(1_700_000_000_000 + index * 37).toISOString();
  const place = `${pick(random, PLACES)}/${Math.floor(random() * 1e6)}`;
  const status = random() < 0.95 ? 200 : 404;
  return `${time} ${pick(random, LEVELS)} [worker-${index & 7}] ${pick(random, METHODS)} ${place} ${status} ${Math.floor(random() * 5e4)} B ${(random() * 90).toFixed(1)} ms`;
}

function mixedLine(random, index) {
  const line = logLine(random, index);
  return random() < 0.1 ? `${line} "${pick(random, FOREIGN)}"` : line;
}

function cyrillicLine(random) {
  const words = [];
  for (let count = 6 + Math.floor(random() * 12); count > 0; count--) {
    let word = '';
    for (let letters = 2 + Math.floor(random() * 9); letters > 0; letters--) {
      word += String.fromCharCode(0x430 + Math.floor(random() * 32));
    }
    words.push(word);
  }
  return words.join(' ');
}

function longLine(random) {
  const numbers = [];
  for (let count = 300 + Math.floor(random() * 8_000); count > 0; count--) numbers.push(Math.floor(random() * 1e7));
  return `[${numbers.join(',')}]`;
}

function shortLine(random) {
  return random() < 0.05 ? '' : String(Math.floor(random() * 10 ** (1 + random() * 13)));
}

/**
 * Makes the file unless it is there.
 * @param {string} kind
 * @param {number} bytes about how many; it ends with the line that reaches them
 * @returns {{ path: string, bytes: number, answer: import('./tally.mjs').Answer }}
 */
export function textFile(kind, bytes) {
  mkdirSync(FOLDER, { recursive: true });
  const path = join(FOLDER, `${kind}-${bytes}-v${VERSION}.txt`);
  const about = `${path}.json`;
  if (!existsSync(about)) {
    // Under a name of its own first: two benches may be making it at once.
    const unfinished = `${path}.${pid}`;
    const facts = writeText(unfinished, kind, bytes);
    renameSync(unfinished, path);
    writeFileSync(about, JSON.stringify(facts));
  }
  return { path, ...JSON.parse(readFileSync(about, 'utf8')) };
}

/**
 * Writes a text of this kind.
 * @param {string} path
 * @param {string} kind
 * @param {number} bytes
 * @param {(written: number) => void} [progress] called about once a megabyte
 */
export function writeText(path, kind, bytes, progress) {
  const { seed, end, line } = KINDS[kind];
  const random = randomFrom(seed);
  const tally = new Tally();
  const file = openSync(path, 'w');
  let written = 0;
  let text = '';
  for (let index = 0; written < bytes; index++) {
    const one = line(random, index);
    tally.text(one);
    text += one + end;
    if (text.length < FLUSH_CHARACTERS && written + text.length < bytes) continue;
    written += writeSync(file, text);
    text = '';
    progress?.(written);
  }
  closeSync(file);
  return { bytes: written, answer: tally.answer };
}
