/**
 * Runs the tests: the C++ ones, the suites with the addon, and the same suites again on the reference alone.
 *
 *     node scripts/run-tests.mjs [--reference] [--reporter=<name>] [part of a path ...]
 *
 * --reference runs only the suites on the reference. Parts of paths choose files, and leave out the C++ tests. Each run
 * has processes of its own, since what is native is decided once per process: as many as there are processors, or
 * MINIPROTO_TEST_PROCESSES, over which suites/pool.mjs spreads the files. Fails when a test fails, when a run has no
 * test, or when a process does not end by itself: then something was left open. The last line is
 * `N passed, N failed, N skipped`.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { argv, env, execPath, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { runFiles } from './suites/pool.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TESTS = join(ROOT, 'dist-test');
const NATIVE_TESTS = join(ROOT, 'scripts', 'test-native.mjs');
/** About the addon alone, or about both at once, as all of reference/ is: nothing in them is worth a second run. */
const ONCE = /^(?:reference\/|native\/(?:(?:websocket-)?differential|arguments|loader|tls-addon|tls-addon-node)\.)/;
/** Tests compute more than they wait. With more than eight the longest file is what all wait for. */
const PROCESS_COUNT = Number(env.MINIPROTO_TEST_PROCESSES ?? Math.min(8, availableParallelism()));

const options = argv.slice(2);
const parts = options.filter((option) => !option.startsWith('--'));
const reporter = options.find((option) => option.startsWith('--reporter='))?.slice('--reporter='.length) ?? 'dot';

exit(await runAll());

/** @returns the exit code. */
async function runAll() {
  const files = testFiles();
  const referenceOnly = options.includes('--reference') || env.MINIPROTO_NATIVE === 'off';
  const results = [];
  if (referenceOnly) {
    results.push(await runSuites('suites on the reference', files, { MINIPROTO_NATIVE: 'off' }));
  } else {
    if (parts.length === 0 && existsSync(NATIVE_TESTS)) results.push(await runNativeTests());
    const info = await whatIsNative();
    if (info.implementation === 'addon') {
      results.push(await runSuites(`suites with the addon (${info.kernel}, ${info.path})`, files, {}));
    } else {
      console.log(`\n!!! NO ADDON: ${info.reason}`);
      console.log('!!! Only the reference is tested; nothing that compares it with the addon runs.');
      if (env.MINIPROTO_NATIVE === 'required') results.push({ passed: 0, failed: 1, skipped: 0 });
    }
    const again = info.implementation === 'addon' ? files.filter((file) => !ONCE.test(nameOf(file))) : files;
    if (again.length > 0) results.push(await runSuites('suites on the reference', again, { MINIPROTO_NATIVE: 'off' }));
  }
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const result of results) for (const key of Object.keys(total)) total[key] += result[key];
  console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  return total.failed > 0 || total.passed === 0 ? 1 : 0;
}

function testFiles() {
  if (!existsSync(TESTS)) return [];
  return readdirSync(TESTS, { recursive: true })
    .map((name) => join(TESTS, String(name)))
    .filter((path) => path.endsWith('.test.js') && existsSync(sourceOf(path)))
    .filter((path) => parts.length === 0 || parts.some((part) => nameOf(path).includes(part)))
    .sort();
}

/** Its path below the tests, with slashes. */
function nameOf(path) {
  return relative(TESTS, path).replaceAll('\\', '/');
}

/** What was compiled from a source that is gone is not run. */
function sourceOf(path) {
  return join(ROOT, 'test', relative(TESTS, path).replace(/\.js$/, '.ts'));
}

/** What a process without further settings would load. */
async function whatIsNative() {
  const source = `import('${new URL('../dist/native.js', import.meta.url)}').then(({ nativeInfo }) => {
    const { implementation, kernel, path, reason } = nativeInfo();
    console.log(JSON.stringify({ implementation, kernel, path, reason }));
  }, (error) => console.log(JSON.stringify({ reason: error.message })));
  process.on('uncaughtException', (error) => console.log(JSON.stringify({ reason: error.message })));`;
  const { text } = await run(execPath, ['--no-warnings', '-e', source], { quiet: true });
  try {
    return JSON.parse(text.trim().split('\n').at(-1));
  } catch {
    return { reason: `nativeInfo() gave no answer: ${text.trim()}` };
  }
}

/** The C++ tests count what their own last line of this form counts, and as one test where there is none. */
async function runNativeTests() {
  console.log('\n=== C++ tests');
  const { code, text } = await run(execPath, [NATIVE_TESTS], { quiet: false });
  const counts = [...text.matchAll(/(\d+) passed, (\d+) failed(?:, (\d+) skipped)?/g)].at(-1);
  const [passed, failed, skipped] =
    counts === undefined ? [1, 0, 0] : counts.slice(1).map((count) => Number(count ?? 0));
  return code === 0
    ? { passed, failed, skipped }
    : { passed: counts ? passed : 0, failed: Math.max(1, failed), skipped };
}

/** Runs a program. @returns its exit code and what it wrote to stdout. */
function run(program, args, { quiet }) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
      if (!quiet) process.stdout.write(chunk);
    });
    child.on('error', reject).on('close', (code) => resolve({ code, text }));
  });
}

/** Runs suites in processes with these settings added. */
async function runSuites(title, files, settings) {
  console.log(`\n=== ${title}: ${files.length} files`);
  const how = { env: { ...env, ...settings }, processCount: PROCESS_COUNT, reporter, root: ROOT };
  const { problems, ...counts } = await runFiles(files, how);
  for (const problem of problems) console.log(`!!! ${title}: ${problem}`);
  counts.failed += problems.length;
  console.log(`${title}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  return counts;
}
