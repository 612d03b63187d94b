/**
 * What would be published: publint's opinion, and that the tarball holds what `exports` promises and nothing private.
 *
 * bundle/ and types/ have to be there: run `npm run build:ts` first. How the package behaves once installed is scripts/test-pack.mjs.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { ROOT, run } from './tools.mjs';

/** In every tarball. */
const EXPECTED = [
  'package.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'CMakeLists.txt',
  'bundle/index.js',
  'bundle/index.js.map',
  'types/index.d.ts',
  'types/index.d.cts',
  'types/modules/index.d.cts.map',
  'lib/index.ts',
];
const EXPECTED_FOLDERS = ['native/', 'binding/', 'docs/'];
/** In none. What is published of dist/ is made of it, in bundle/ and types/. */
const UNWANTED =
  /^(?:test|bench|examples|build|dist|dist-test|node_modules|\.ci)\/|\.(?:tgz|log|node|tsbuildinfo)$|^native\/test\//;
/** The condition that is for the tests of this repository: what it names is not published. */
const FOR_TESTS = 'miniproto-modules';

export async function checkPackage() {
  if (!existsSync(join(ROOT, 'bundle', 'index.js'))) {
    return { looked: '', problems: [], missing: 'bundle/ is not there: npm run build:ts' };
  }
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const files = await packedFiles();
  const { messages } = await publint({ pkgDir: ROOT, strict: true, pack: false });
  const problems = [
    ...messages.filter(isProblem).map((message) => `publint: ${formatMessage(message, manifest, { color: false })}`),
    ...EXPECTED.filter((file) => !files.includes(file)).map((file) => `the tarball lacks ${file}`),
    ...EXPECTED_FOLDERS.filter((folder) => !files.some((file) => file.startsWith(folder))).map(
      (folder) => `the tarball lacks ${folder}`,
    ),
    ...files
      .filter((file) => UNWANTED.test(file) && !file.startsWith('prebuilds/'))
      .map((file) => `the tarball holds ${file}`),
    ...Object.entries(manifest.exports).flatMap(([entry, target]) => exportProblems(entry, target, files)),
    ...oldTypesProblems(manifest),
  ];
  return { looked: `${files.length} files, ${Object.keys(manifest.exports).length} entries`, problems };
}

/** Types of `require` are CommonJS's although it is an ES module that is required: publint does not know that Node can. */
function isProblem({ code, path }) {
  return code !== 'EXPORTS_TYPES_INVALID_FORMAT' || path.at(-1) !== 'require';
}

async function packedFiles() {
  const { code, text } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel=error']);
  if (code !== 0) throw new Error(`npm pack failed: ${text}`);
  const [{ files }] = JSON.parse(text.slice(text.indexOf('[\n')));
  return files.map(({ path }) => path);
}

/** Every entry has types, and its files are packed. */
function exportProblems(entry, target, files) {
  if (typeof target === 'string') return files.includes(target.slice(2)) ? [] : [`${entry}: ${target} is not packed`];
  const problems = pathsOf(target)
    .filter((path) => !files.includes(path.slice(2)))
    .map((path) => `${entry}: ${path} is not packed`);
  if (Object.keys(target)[0] !== 'types') problems.push(`${entry}: its types do not come first`);
  return problems;
}

/** A resolution of TypeScript that does not look at `exports`, 'node10', finds entries by `typesVersions`: it requires all. */
function oldTypesProblems({ exports, typesVersions }) {
  const told = Object.entries(typesVersions?.['*'] ?? {}).map(([name, paths]) => `./${name}: ${paths.join()}`);
  const wanted = Object.entries(exports)
    .filter(([entry, target]) => entry !== '.' && typeof target === 'object')
    .map(([entry, { types }]) => `${entry}: ${types.require}`);
  return [
    ...wanted.filter((entry) => !told.includes(entry)).map((entry) => `typesVersions lacks ${entry}`),
    ...told.filter((entry) => !wanted.includes(entry)).map((entry) => `typesVersions has ${entry}, which is no entry`),
  ];
}

function pathsOf(target) {
  if (typeof target === 'string') return [target];
  return Object.entries(target).flatMap(([condition, inner]) => (condition === FOR_TESTS ? [] : pathsOf(inner)));
}
