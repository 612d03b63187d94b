/**
 * Runs the tests: the C++ ones, the suites with the addon, and the same suites again on the reference alone.
 *
 *     node scripts/run-tests.mjs [--reference] [--reporter=<name>] [part of a path ...]
 *
 * --reference runs only the suites on the reference. Parts of paths choose files, and leave out the C++ tests. Each run
 * is a process of its own, since what is native is decided once per process. Fails when a test fails, when a run has
 * no test, or when a run's process does not end by itself: then something was left open. The last line is
 * `N passed, N failed, N skipped`.
 */
import { fork, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { argv, env, execArgv, execPath, exit } from 'node:process';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TESTS = join(ROOT, 'dist-test');
const NATIVE_TESTS = join(ROOT, 'scripts', 'test-native.mjs');
/** About the addon alone, or about both at once: nothing in them is worth a second run. */
const ONCE = ['differential', 'websocket-differential', 'arguments', 'loader', 'tls-addon', 'tls-addon-node'].map(
  (name) => join(TESTS, 'native', `${name}.test.js`),
);
/** For one test: only what hangs gets there, however busy the machine is. */
const TEST_MS = 60_000;
/**
 * 'miniproto' is the modules in dist/, as '#lib/…' is: a test that uses both wants one instance. Examples and snippets,
 * which run in processes of their own without this, get what is published.
 */
const MODULES = ['--conditions=miniproto-modules'];
/** How long a process may stay after its last test. */
const LINGER_MS = 10_000;

const options = argv.slice(2);
const parts = options.filter((option) => !option.startsWith('--'));
const reporter = options.find((option) => option.startsWith('--reporter='))?.slice('--reporter='.length) ?? 'dot';

if (env.MINIPROTO_TEST_RUN === undefined) exit(await runAll());
else await runSuites(JSON.parse(env.MINIPROTO_TEST_RUN));

/** @returns the exit code. */
async function runAll() {
  const files = testFiles();
  const referenceOnly = options.includes('--reference') || env.MINIPROTO_NATIVE === 'off';
  const results = [];
  if (referenceOnly) {
    results.push(await runInChild('suites on the reference', files, { MINIPROTO_NATIVE: 'off' }));
  } else {
    if (parts.length === 0 && existsSync(NATIVE_TESTS)) results.push(await runNativeTests());
    const info = await whatIsNative();
    if (info.implementation === 'addon') {
      results.push(await runInChild(`suites with the addon (${info.kernel}, ${info.path})`, files, {}));
    } else {
      console.log(`\n!!! NO ADDON: ${info.reason}`);
      console.log('!!! Only the reference is tested; nothing that compares it with the addon runs.');
      if (env.MINIPROTO_NATIVE === 'required') results.push({ passed: 0, failed: 1, skipped: 0 });
    }
    const again = info.implementation === 'addon' ? files.filter((file) => !ONCE.includes(file)) : files;
    if (again.length > 0) results.push(await runInChild('suites on the reference', again, { MINIPROTO_NATIVE: 'off' }));
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
    .filter((path) => parts.length === 0 || parts.some((part) => relative(TESTS, path).includes(part)))
    .sort();
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

/** Runs mocha over `files` in a process with these settings added. */
function runInChild(title, files, settings) {
  console.log(`\n=== ${title}: ${files.length} files`);
  return new Promise((resolve) => {
    const child = fork(fileURLToPath(import.meta.url), [`--reporter=${reporter}`], {
      cwd: ROOT,
      execArgv: [...execArgv, ...MODULES],
      env: { ...env, ...settings, MINIPROTO_TEST_RUN: JSON.stringify(files) },
    });
    let result;
    let timer;
    let lingered = false;
    child.on('message', (message) => {
      result = message;
      timer = setTimeout(() => {
        lingered = true;
        child.kill('SIGKILL');
      }, LINGER_MS);
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const outcome = result ?? { passed: 0, failed: 0, skipped: 0 };
      const problem = problemOf(outcome, lingered, signal ?? (result === undefined ? 'no result' : code));
      // A process that ends badly after a failed test has said why.
      if (problem !== undefined && outcome.failed === 0) {
        console.log(`!!! ${title}: ${problem}`);
        outcome.failed = 1;
      }
      console.log(`${title}: ${outcome.passed} passed, ${outcome.failed} failed, ${outcome.skipped} skipped`);
      resolve(outcome);
    });
  });
}

/** What is wrong with how a run ended, apart from failed tests; undefined for nothing. */
function problemOf(outcome, lingered, end) {
  if (lingered) return `its process was still there ${LINGER_MS} ms after the last test: something was left open`;
  if (end !== 0) return `its process ended with ${end}`;
  return outcome.passed + outcome.failed === 0 ? 'no test ran' : undefined;
}

/** In the child: runs the files and reports the counts. */
async function runSuites(files) {
  const { default: Mocha } = await import('mocha');
  const mocha = new Mocha({ reporter, timeout: TEST_MS, forbidOnly: Boolean(env.CI) });
  for (const file of files) mocha.addFile(file);
  // Children that the tests start are no runs of this kind.
  delete env.MINIPROTO_TEST_RUN;
  await mocha.loadFilesAsync();
  const runner = mocha.run((failures) => {
    const { passes, pending } = runner.stats;
    process.send({ passed: passes, failed: failures, skipped: pending }, () => {
      process.disconnect();
      if (failures > 0) process.exitCode = 1;
    });
  });
}
