/**
 * The demo: npm run demo
 *
 * Reads the lines of two large files next to readline and split2, holds a TCP conversation that changes its protocol
 * in the middle, has an echo server answer over native sockets and over Node's, prints what it measured and what it
 * checked, and fails when a check does. Its files are in a folder
 * of the temp folder and are removed at the end.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import process, { stdout, version } from 'node:process';
import { fileURLToPath } from 'node:url';
import { nativeInfo } from 'miniproto';
import { short, table } from '../bench/harness/stats.mjs';
import { writeText } from '../bench/harness/text-files.mjs';
import { converse } from './demo/conversation.mjs';
import { compareEchoes } from './demo/echoing.mjs';
import { clear, show, step } from './demo/progress.mjs';
import { compareReaders } from './demo/reading.mjs';
import { writeSourceText } from './demo/source-text.mjs';

/** Milliseconds. */
const LIMIT_MS = 180_000;

const started = performance.now();
const { implementation, kernel, reason } = nativeInfo();
const full = implementation === 'addon';
const SIZES = full
  ? { log: 200e6, source: 50e6, lineCount: 100_000, recordCount: 200_000, bigBytes: 64 << 20 }
  : { log: 60e6, source: 20e6, lineCount: 50_000, recordCount: 50_000, bigBytes: 64 << 20 };

/** @type {{ name: string, ok: boolean, detail: string }[]} */
const checks = [];
const check = (name, ok, detail) => checks.push({ name, ok, detail });
const print = (text) => {
  clear();
  stdout.write(`${text}\n`);
};

const folder = mkdtempSync(join(tmpdir(), 'miniproto-demo-'));
const cleanUp = () => rmSync(folder, { recursive: true, force: true });
process.once('exit', cleanUp);
process.once('SIGINT', () => process.exit(130));

print(`miniproto on Node ${version}, ${cpus()[0]?.model}, ${cpus().length} cores`);
print(`Implementation: ${implementation}, ${kernel}: ${reason}.`);
if (!full) print('Without the addon the files and the conversation are smaller.');

// A demo that hangs has failed.
setTimeout(() => {
  check('the demo comes to its end', false, `not within ${LIMIT_MS / 1000} s`);
  report();
  process.exit(1);
}, LIMIT_MS).unref();

await readSources();
await readLog();
await talkOverTcp();
await compareSockets();
report();

async function readSources() {
  const path = join(folder, 'sources.txt');
  step('writing a text of the sources under node_modules');
  const progress = (written) => show(`${short(written)}B`);
  const about = writeSourceText(path, fileURLToPath(new URL('../node_modules', import.meta.url)), {
    atLeast: SIZES.source,
    progress,
  });
  const left = about.leftOut === 0 ? '' : `; ${about.leftOut} files left out, see demo/source-text.mjs`;
  const text = await compareReaders('the sources', path, check);
  print(
    `\nLines of ${about.files} source files under node_modules, ${about.rounds} times over: ${short(about.bytes)}B of UTF-8${left}`,
  );
  print(text);
}

async function readLog() {
  const path = join(folder, 'service.log');
  step(`writing a log of ${short(SIZES.log)}B`);
  const { bytes, answer } = writeText(path, 'ascii', SIZES.log, (written) => show(`${short(written)}B`));
  const text = await compareReaders('the log', path, check, answer);
  print(`\nLines of a log of ${short(bytes)}B, ASCII, mean length ${(bytes / answer.count).toFixed(0)} bytes`);
  print(text);
}

async function talkOverTcp() {
  const { results, native, reason } = await converse(SIZES, check);
  const sockets = native ? 'native sockets' : `Node's sockets: ${reason}`;
  print(
    `\nOne TCP conversation on loopback: lines, then length-prefixed records, then a record in pieces (${sockets})`,
  );
  const rows = results.map(({ part, count, bytes, ms }) => [
    part,
    count.toLocaleString('en'),
    `${short(bytes)}B`,
    `${(ms / 1000).toFixed(2)} s`,
    count > 1 ? `${short((count / ms) * 1000)}/s` : '',
    `${short((bytes / ms) * 1000)}B/s`,
  ]);
  print(table([['', 'records', 'both ways', 'wall', 'records', 'bytes'], ...rows]));
}

async function compareSockets() {
  const { native, reason } = nativeInfo().sockets;
  if (!native) return print(`\nNative sockets are not compared with Node's: ${reason}.`);
  print(
    "\nAn echo server for lines of 64 bytes on native sockets, and on Node's: messages per second of its processor time",
  );
  const rows = await compareEchoes(check);
  print(table([['connections', 'in flight', 'messages', "Node's", 'native', 'native ÷ Node'], ...rows]));
}

function report() {
  const failed = checks.filter(({ ok }) => !ok);
  print('\nWhat was checked');
  for (const { name, ok, detail } of checks) print(`  ${ok ? 'ok  ' : 'FAIL'} ${name} (${detail})`);
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  print(`\n${checks.length - failed.length} of ${checks.length} checks passed, in ${seconds} s.`);
  if (failed.length > 0) process.exitCode = 1;
}
