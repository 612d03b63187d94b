/**
 * Builds the C++ core's own tests with AddressSanitizer and UBSan into build-sanitize/ and runs them with CTest.
 *
 * The last line is a count: `native: N passed, 0 failed`. Without CMake or a compiler the tests are skipped, which is
 * said out loud; `--require` makes that an error. `--arm64` builds them for arm64 instead, with a cross compiler and
 * without sanitizers, and runs them under qemu-user: the only way to run the NEON kernels on an x64 machine.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const arm64 = process.argv.includes('--arm64');
const buildFolder = join(root, arm64 ? 'build-arm64' : 'build-sanitize');
const required = process.argv.includes('--require');

if (!answers('cmake', ['--version'])) skip('cmake was not found');
if (process.platform === 'win32') skip('the sanitizers are set up for GCC and Clang only');
const compilers = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++'];
if (!compilers.some((name) => answers(name, ['--version']))) skip('a C++ compiler was not found');
const crossCompiler = 'aarch64-linux-gnu-g++';
const emulator = ['qemu-aarch64-static', 'qemu-aarch64'].find((name) => answers(name, ['--version']));
if (arm64 && !answers(crossCompiler, ['--version'])) skip(`${crossCompiler} was not found`);
if (arm64 && emulator === undefined) skip('qemu-user was not found');

run('cmake', [
  '-S',
  root,
  '-B',
  buildFolder,
  '-DMINIPROTO_TESTS=ON',
  ...(arm64 ? forArm64() : ['-DMINIPROTO_SANITIZE=ON']),
]);
run('cmake', ['--build', buildFolder, '--parallel', '2']);
runTests();

function forArm64() {
  return [
    '-DCMAKE_SYSTEM_NAME=Linux',
    '-DCMAKE_SYSTEM_PROCESSOR=aarch64',
    `-DCMAKE_CXX_COMPILER=${crossCompiler}`,
    `-DCMAKE_CROSSCOMPILING_EMULATOR=${emulator};-L;/usr/aarch64-linux-gnu`,
  ];
}

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
  if (!error && status === 0) {
    // What cannot be built is left out; that has to be seen.
    for (const line of `${stdout}${stderr}`.split('\n')) if (line.includes('NOT TESTED')) console.log(`!!! ${line}`);
    return;
  }
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
