/**
 * Everything about the sources that can be checked without running them, for both languages.
 *
 *     node scripts/lint.mjs [--require] [--fix-cpp | --fix-lock] [check ...]
 *
 * A check is a function that answers what it looked at and what it found; the list is below, and naming some runs only
 * those. A tool that is not installed is said out loud and is an error with --require, which CI uses. --fix-cpp formats
 * the C++ sources, --fix-lock completes package-lock.json, and neither checks anything. The last line says how it went.
 */
import { argv, exit } from 'node:process';
import { checkCppFormat, checkCppTidy, fixCppFormat } from './lint/cpp.mjs';
import { checkFigures } from './lint/figures.mjs';
import { checkFileSizes } from './lint/file-size.mjs';
import { checkLockfile, fixLockfile } from './lint/lockfile.mjs';
import { checkPackage } from './lint/package.mjs';
import { checkRooms } from './lint/rooms.mjs';
import { checkBiome, checkTypes } from './lint/typescript.mjs';

const CHECKS = {
  biome: checkBiome,
  types: checkTypes,
  rooms: checkRooms,
  'file-size': checkFileSizes,
  figures: checkFigures,
  lockfile: checkLockfile,
  package: checkPackage,
  'cpp-format': checkCppFormat,
  'cpp-tidy': checkCppTidy,
};

const options = argv.slice(2);
const required = options.includes('--require');
const wished = options.filter((option) => !option.startsWith('--'));

if (options.includes('--fix-cpp')) exit(report('cpp-format', await fixCppFormat()) === 'failed' ? 1 : 0);
if (options.includes('--fix-lock')) exit(report('lockfile', await fixLockfile()) === 'failed' ? 1 : 0);

const unknown = wished.filter((name) => !(name in CHECKS));
if (unknown.length > 0) {
  console.error(`lint: no check ${unknown.join(', ')}; there are ${Object.keys(CHECKS).join(', ')}`);
  exit(2);
}

const counts = { passed: 0, failed: 0, skipped: 0 };
for (const [name, check] of Object.entries(CHECKS)) {
  if (wished.length > 0 && !wished.includes(name)) continue;
  counts[report(name, await check())]++;
}
console.log(`lint: ${counts.failed > 0 ? 'FAILED' : 'ok'}: ${Object.values(counts).reduce((a, b) => a + b)} checks, \
${counts.failed} failed, ${counts.skipped} skipped`);
exit(counts.failed > 0 ? 1 : 0);

/**
 * Prints what a check found.
 * @param {{ looked: string, problems: string[], missing?: string }} result
 * @returns {'passed' | 'failed' | 'skipped'}
 */
function report(name, { looked, problems, missing }) {
  if (missing !== undefined) {
    console.log(`!!! ${name}: NOT CHECKED: ${missing}`);
    return required ? 'failed' : 'skipped';
  }
  console.log(`${problems.length > 0 ? 'FAIL' : 'ok  '} ${name}: ${looked}, ${problems.length} problems`);
  for (const problem of problems) console.log(problem.replace(/^/gm, '  '));
  return problems.length > 0 ? 'failed' : 'passed';
}
