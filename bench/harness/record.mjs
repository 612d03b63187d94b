/** The dated record of a run: figures, and everything that somebody needs to judge or repeat them. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { basename } from 'node:path';
import { arch, version, versions } from 'node:process';
import { fileURLToPath } from 'node:url';
import { nativeInfo } from 'miniproto';

const FOLDER = new URL('../record/', import.meta.url);

/** Machine, compiler, versions, commit. Names no folder and no host. */
export function circumstances(command) {
  const { implementation, kernel } = nativeInfo();
  return {
    date: new Date().toISOString(),
    command,
    machine: {
      cpu: cpus()[0]?.model,
      cores: cpus().length,
      memoryGb: Math.round(totalmem() / 2 ** 30),
      os: `${type()} ${release().split('.', 2).join('.')}`,
      arch,
    },
    node: version,
    v8: versions.v8,
    compiler: compiler(),
    implementation,
    kernel,
    commit: commit(),
    rivals: rivals(),
  };
}

/** @param {string} name @param {object} body @returns {string} the file's name */
export function writeRecord(name, body) {
  mkdirSync(FOLDER, { recursive: true });
  const file = new URL(`${name}-${body.date.slice(0, 10)}.json`, FOLDER);
  writeFileSync(file, `${JSON.stringify(body, null, 2)}\n`);
  return `bench/record/${basename(fileURLToPath(file))}`;
}

function commit() {
  const id = tell('git', ['rev-parse', '--short', 'HEAD']);
  const changed = tell('git', ['status', '--porcelain', '--untracked-files=no', 'lib', 'native', 'binding']);
  return changed === '' ? id : `${id} with changes`;
}

/** The compiler that CMake took, from its cache; the one in PATH may be another. */
function compiler() {
  try {
    const cache = readFileSync(new URL('../../build/CMakeCache.txt', import.meta.url), 'utf8');
    const path = /^CMAKE_CXX_COMPILER:[A-Z]+=(.*)$/m.exec(cache)?.[1];
    return path && tell(path, ['--version']).split('\n')[0];
  } catch {
    // No build folder: a shipped binary, or the reference.
    return undefined;
  }
}

function rivals() {
  const lock = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8'));
  const names = [
    'split2',
    'binary-split',
    'length-prefixed-stream',
    'it-length-prefixed',
    'ws',
    'bufferutil',
    'benchmark',
  ];
  return Object.fromEntries(names.map((name) => [name, lock.packages[`node_modules/${name}`]?.version]));
}

function tell(program, words) {
  try {
    return execFileSync(program, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return 'unknown';
  }
}
