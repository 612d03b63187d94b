/**
 * A large real text: every source file under node_modules, one after the other, repeated until it is large enough.
 *
 * Left out are files with a CR that no LF follows, with U+2028 or U+2029 (readline ends a line there, the others do
 * not) and files that are no UTF-8, so that all readers have to give the same lines.
 */
import { isUtf8 } from 'node:buffer';
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const ENDINGS = /\.(js|mjs|cjs|ts|mts|cts|md)$/;
const OTHER_LINE_ENDS = /\r(?!\n)|\u2028|\u2029/;
const BATCH_BYTES = 4 << 20;

/**
 * @param {string} path
 * @param {string} folder where to look for source files
 * @param {{ atLeast: number, progress: (written: number) => void }} options
 * @returns {{ bytes: number, files: number, leftOut: number, rounds: number }}
 */
export function writeSourceText(path, folder, { atLeast, progress }) {
  const file = openSync(path, 'w');
  const about = { bytes: 0, files: 0, leftOut: 0, rounds: 0 };
  try {
    const texts = [];
    let waiting = 0;
    const flush = () => {
      about.bytes += waiting === 0 ? 0 : writeSync(file, Buffer.concat(texts.splice(0)));
      waiting = 0;
      progress(about.bytes);
    };
    do {
      const before = about.bytes;
      for (const text of sourceFiles(folder, about)) {
        texts.push(text);
        waiting += text.length;
        if (waiting >= BATCH_BYTES) flush();
      }
      flush();
      if (about.bytes === before) throw new Error(`there is no source file in ${folder}`);
      about.rounds++;
    } while (about.bytes < atLeast);
  } finally {
    closeSync(file);
  }
  return about;
}

function* sourceFiles(folder, about) {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !ENDINGS.test(entry.name)) continue;
    const bytes = readFileSync(join(entry.parentPath ?? entry.path, entry.name));
    const firstRound = about.rounds === 0;
    if (bytes.length === 0) continue;
    if (!isUtf8(bytes) || OTHER_LINE_ENDS.test(bytes.toString())) {
      if (firstRound) about.leftOut++;
      continue;
    }
    if (firstRound) about.files++;
    yield bytes.at(-1) === 0x0a ? bytes : Buffer.concat([bytes, Buffer.from('\n')]);
  }
}
