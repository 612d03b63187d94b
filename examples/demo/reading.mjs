/** The first part of the demo: the lines of two large files, read next to readline and split2. */
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { digits, median, short, table } from '../../bench/harness/stats.mjs';
import { during, step } from './progress.mjs';

const READER = fileURLToPath(new URL('./reader.mjs', import.meta.url));
const ROUNDS = 2;
const WAYS = {
  batches: 'miniproto, batches',
  forAwait: 'miniproto, for await',
  readline: "readline, 'line'",
  split2: 'split2',
};

const run = promisify(execFile);

/**
 * @param {string} title
 * @param {string} path
 * @param {(name: string, ok: boolean, detail: string) => void} check
 * @param {{ count: number, length: number, checksum: number }} [expected] what the writer of the file counted
 * @returns {Promise<string>} the table
 */
export async function compareReaders(title, path, check, expected) {
  const results = Object.fromEntries(Object.keys(WAYS).map((way) => [way, []]));
  for (let round = 1; round <= ROUNDS; round++) {
    for (const [way, name] of Object.entries(WAYS)) {
      step(`reading ${title}: ${name}, round ${round} of ${ROUNDS}`);
      const { stdout } = await during(run(execPath, [READER, way, path]));
      results[way].push(JSON.parse(stdout));
    }
  }
  compareAnswers(title, results, check, expected);
  return resultTable(results, (await stat(path)).size);
}

function compareAnswers(title, results, check, expected) {
  const answer = ({ count, length, checksum }) => `${count} lines, ${length} characters, checksum ${checksum}`;
  const wanted = answer(expected ?? results.readline[0]);
  for (const [way, name] of Object.entries(WAYS)) {
    if (expected === undefined && way === 'readline') continue;
    const against = expected === undefined ? 'as readline' : 'as were written';
    const wrong = results[way].map(answer).find((one) => one !== wanted);
    check(`${title}: ${name} gives the same lines ${against}`, wrong === undefined, wrong ?? wanted);
  }
}

function resultTable(results, bytes) {
  const rate = (way) => median(results[way].map(({ count, cpuMs }) => (count / cpuMs) * 1000));
  const ratio = (way, rival) => `${digits(rate(way) / rate(rival))} ×`;
  const rows = Object.entries(WAYS).map(([way, name]) => [
    name,
    results[way][0].count.toLocaleString('en'),
    `${short(rate(way))}/s`,
    `${short(median(results[way].map(({ cpuMs }) => (bytes / cpuMs) * 1000)))}B/s`,
    `${(median(results[way].map(({ wallMs }) => wallMs)) / 1000).toFixed(2)} s`,
    ratio(way, 'readline'),
    ratio(way, 'split2'),
  ]);
  return table([['', 'lines', 'lines, CPU', 'bytes, CPU', 'wall', '÷ readline', '÷ split2'], ...rows]);
}
