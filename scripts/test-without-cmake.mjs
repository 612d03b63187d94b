/**
 * What somebody without CMake gets: a fresh copy of the sources, a PATH without cmake, `npm ci && npm run demo`,
 * then `npm test`.
 *
 * Both must pass on the reference, and the output of each must say once, in one line, that the addon was not built and
 * why. The last line is the count of the tests.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import { env, execPath, exit } from 'node:process';
import { projectFiles, ROOT, temporaryFolder } from './lint/tools.mjs';

const HIDDEN = /^(?:cmake|cmake3|ctest|cpack|ccmake)$/;
const NOTICE = 'native addon not built: cmake was not found';

const folder = temporaryFolder('without-cmake');
exit(await main());

async function main() {
  const copy = join(folder, 'copy');
  for (const file of await projectFiles(['.'], [''])) cpSync(join(ROOT, file), join(copy, file));
  const PATH = pathWithoutCmake(join(folder, 'bin'));
  const install = run(copy, PATH, 'npm', ['ci', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error']);
  if (install.status !== 0) return fail('npm ci failed');
  for (const args of [['run', 'demo'], ['test']]) {
    const { status, stdout, stderr } = run(copy, PATH, 'npm', args);
    const text = `${stdout}${stderr}`;
    const command = `npm ${args.join(' ')}`;
    if (status !== 0) return fail(`${command} failed`);
    if (text.split(NOTICE).length !== 2) return fail(`${command} does not say "${NOTICE}" exactly once`);
    if (args.includes('test') && !/^\d+ passed, 0 failed/m.test(text)) return fail('no test ran');
  }
  return 0;
}

/** A folder with a link to every program but CMake's, to be the only one in PATH. */
function pathWithoutCmake(bin) {
  mkdirSync(bin);
  const linked = new Set();
  for (const part of [dirname(execPath), ...(env.PATH ?? '').split(delimiter)]) {
    for (const program of programsIn(part)) {
      const name = basename(program);
      if (HIDDEN.test(name) || linked.has(name)) continue;
      linked.add(name);
      symlinkSync(program, join(bin, name));
    }
  }
  return bin;
}

function programsIn(path) {
  try {
    return readdirSync(path).map((name) => join(path, name));
  } catch {
    return []; // A PATH may name folders that are not there.
  }
}

function run(cwd, PATH, program, args) {
  const { MINIPROTO_NATIVE: _, ...rest } = env;
  const result = spawnSync(program, args, { cwd, env: { ...rest, PATH }, encoding: 'utf8', maxBuffer: 2 ** 28 });
  process.stdout.write(`${result.stderr}${result.stdout}`);
  return result;
}

function fail(reason) {
  console.log(`without CMake: FAILED: ${reason}`);
  return 1;
}
