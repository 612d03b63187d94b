/**
 * Where Bun's binary is: MINIPROTO_BUN, or its package in node_modules, or that package in the folder of the benches
 * in the temp folder, where it is installed once. It is no dependency: 90 MB, for one rival.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { arch, env } from 'node:process';
import { fileURLToPath } from 'node:url';

const PACKAGE = arch === 'arm64' ? '@oven/bun-linux-aarch64' : '@oven/bun-linux-x64-baseline';
const BINARY = join('node_modules', PACKAGE, 'bin', 'bun');
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDER = join(tmpdir(), 'miniproto-bench', 'bun');

/** @returns {{ path?: string, version?: string, missing?: string }} `missing` says why there is none */
export function findBun() {
  const there = env.MINIPROTO_BUN ?? [join(ROOT, BINARY), join(FOLDER, BINARY)].find((one) => existsSync(one));
  try {
    const path = there ?? install();
    return { path, version: execFileSync(path, ['--version'], { encoding: 'utf8' }).trim() };
  } catch {
    // What npm or the system said names folders and hosts, and this goes into records.
    const what = there === undefined ? `npm install ${PACKAGE} failed` : 'its binary does not run';
    return { missing: `${what}; MINIPROTO_BUN may name another binary` };
  }
}

function install() {
  mkdirSync(FOLDER, { recursive: true });
  const words = ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', FOLDER, PACKAGE];
  execFileSync('npm', words, { stdio: 'ignore', timeout: 300_000 });
  return join(FOLDER, BINARY);
}
