/**
 * clang-format and clang-tidy over the C++ sources (.clang-format, .clang-tidy); the benches' are only formatted.
 *
 * clang-tidy takes its flags from build/compile_commands.json, which the native build writes. It is slow, so a source
 * that passed is remembered in .cache/ by the hash of everything its result depends on: it, all headers, the settings,
 * the flags and the tool's version.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { projectFiles, ROOT, run } from './tools.mjs';

const COMMANDS = join(ROOT, 'build', 'compile_commands.json');
const CACHE_FOLDER = join(ROOT, '.cache');
const CACHE = join(CACHE_FOLDER, 'clang-tidy.json');

export async function checkCppFormat() {
  return format(['--dry-run', '-Werror']);
}

export async function fixCppFormat() {
  return format(['-i']);
}

async function format(options) {
  const files = await projectFiles(['native', 'binding', 'bench'], ['.h', '.cc']);
  const { code, text } = await run('clang-format', [...options, ...files]);
  if (code === undefined) return { looked: '', problems: [], missing: `clang-format: ${text}` };
  const misshapen = new Set(
    [...text.matchAll(/^([^:\s]+):\d+:\d+: error/gm)].map(([, file]) => `${file}: not formatted`),
  );
  return { looked: `${files.length} files`, problems: code === 0 || misshapen.size > 0 ? [...misshapen] : [text] };
}

export async function checkCppTidy() {
  const version = await run('clang-tidy', ['--version']);
  if (version.code !== 0) return { looked: '', problems: [], missing: `clang-tidy: ${version.text}` };
  if (!existsSync(COMMANDS)) {
    return { looked: '', problems: [], missing: 'build/compile_commands.json is not there: npm run build:native' };
  }
  const all = await projectFiles(['native', 'binding'], ['.h', '.cc']);
  const commands = readFileSync(COMMANDS, 'utf8');
  const compiled = new Set(JSON.parse(commands).map(({ file }) => file));
  const sources = all.filter((file) => file.endsWith('.cc') && compiled.has(join(ROOT, file)));
  const shared = [version.text, commands, ...all.filter((file) => file.endsWith('.h')).map(read), settings()];
  const passed = readCache();
  const keyed = sources.map((file) => ({ file, key: hash([...shared, file, read(file)]) }));
  const problems = await tidy(keyed.filter(({ file, key }) => passed[file] !== key));
  const failed = new Set(problems.map(({ file }) => file));
  mkdirSync(CACHE_FOLDER, { recursive: true });
  const remembered = keyed.filter(({ file }) => !failed.has(file)).map(({ file, key }) => [file, key]);
  writeFileSync(CACHE, JSON.stringify(Object.fromEntries(remembered), null, 2));
  return { looked: `${sources.length} files`, problems: problems.map(({ text }) => text) };
}

/** Runs clang-tidy on each source, as many at a time as there are processors. */
async function tidy(sources) {
  const problems = [];
  const waiting = [...sources];
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { file } = next;
      const { code, text } = await run('clang-tidy', ['--quiet', '--warnings-as-errors=*', '-p', 'build', file]);
      if (code !== 0) problems.push({ file, text });
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return problems;
}

function read(file) {
  return readFileSync(join(ROOT, file), 'utf8');
}

function settings() {
  return existsSync(join(ROOT, '.clang-tidy')) ? read('.clang-tidy') : '';
}

function readCache() {
  return existsSync(CACHE) ? JSON.parse(readFileSync(CACHE, 'utf8')) : {};
}

function hash(texts) {
  const sum = createHash('sha256');
  for (const text of texts) sum.update(text).update('\0');
  return sum.digest('hex');
}
