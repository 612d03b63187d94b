/**
 * Builds the C++ core's own tests with AddressSanitizer and UBSan into build-sanitize/ and runs them with CTest.
 *
 * The last line is a count: `native: N passed, 0 failed`. Without CMake or a compiler the tests are skipped, which is
 * said out loud; `--require` makes that an error.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const buildFolder = join(root, 'build-sanitize');
const required = process.argv.includes('--require');

if (!answers('cmake', ['--version'])) skip('cmake was not found');
if (process.platform === 'win32') skip('the sanitizers are set up for GCC and Clang only');
const compilers = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++'];
if (!compilers.some((name) => answers(name, ['--version']))) skip('a C++ compiler was not found');

run('cmake', ['-S', root, '-B', buildFolder, '-DMINIPROTO_TESTS=ON', '-DMINIPROTO_SANITIZE=ON']);
run('cmake', ['--build', buildFolder, '--parallel', '2']);
runTests();

function answers(command, args) {
  const { error, status } = spawnSync(command, args, { stdio: 'ignore' });
  return !error && status === 0;
}

function skip(reason) {
  console.log(`native: TESTS SKIPPED, nothing native was tested: ${reason}`);
  process.exit(required ? 1 : 0);
}

/** Runs a step quietly; its output is shown only when it fails. */
function run(command, args) {
  const { error, status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (!error && status === 0) return;
  process.stdout.write(`${stdout ?? ''}${stderr ?? ''}`);
  console.error(`native: ${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}`);
  process.exit(1);
}

function runTests() {
  const args = ['--test-dir', buildFolder, '--output-on-failure', '--parallel', '2', '--no-tests=error'];
  const { status, stdout, stderr } = spawnSync('ctest', args, { encoding: 'utf8' });
  process.stdout.write(`${stdout ?? ''}${stderr ?? ''}`);
  const summary = /tests passed, (\d+) tests failed out of (\d+)/.exec(stdout ?? '');
  const failed = summary ? Number(summary[1]) : 0;
  const passed = summary ? Number(summary[2]) - failed : 0;
  console.log(`native: ${passed} passed, ${failed} failed`);
  process.exit(status === 0 && summary ? 0 : 1);
}
