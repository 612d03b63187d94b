/**
 * package-lock.json is complete and says nothing about where it was made.
 *
 * npm leaves out the optional packages of other platforms when they could not be had while it wrote the lock file, and
 * `npm ci` refuses such a file everywhere. `node scripts/lint.mjs --fix-lock` writes what is missing: the version is
 * known, and npm finds the rest where the package is wanted.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './tools.mjs';

const LOCK = join(ROOT, 'package-lock.json');

export async function checkLockfile() {
  const { packages } = JSON.parse(readFileSync(LOCK, 'utf8'));
  const problems = [
    ...missingOptionals(packages).map(({ name }) => `${name} is missing: run node scripts/lint.mjs --fix-lock`),
    ...Object.keys(packages)
      .filter((path) => packages[path].resolved !== undefined)
      .map((path) => `${path} names a host: npm config set omit-lockfile-registry-resolved true, then npm install`),
  ];
  return { looked: `${Object.keys(packages).length} packages`, problems };
}

export async function fixLockfile() {
  const lock = JSON.parse(readFileSync(LOCK, 'utf8'));
  const missing = missingOptionals(lock.packages);
  for (const { name, version, dev } of missing) {
    lock.packages[`node_modules/${name}`] = { version, ...(dev ? { dev } : {}), optional: true, ...platformOf(name) };
  }
  const [root, ...others] = Object.keys(lock.packages);
  others.sort((a, b) => a.localeCompare(b, 'en'));
  lock.packages = Object.fromEntries([root, ...others].map((path) => [path, lock.packages[path]]));
  if (missing.length > 0) writeFileSync(LOCK, `${JSON.stringify(lock, null, 2)}\n`);
  return { looked: `${missing.length} packages added`, problems: [] };
}

/** Optional dependencies that a locked package names and the lock file lacks. */
function missingOptionals(packages) {
  return Object.values(packages).flatMap(({ optionalDependencies = {}, dev }) =>
    Object.entries(optionalDependencies)
      .filter(([name]) => packages[`node_modules/${name}`] === undefined)
      .map(([name, version]) => ({ name, version, dev })),
  );
}

/** `@biomejs/cli-linux-x64-musl` runs on linux, x64, musl: packages of binaries are named so. */
function platformOf(name) {
  const match = /-(aix|android|darwin|freebsd|linux|netbsd|openbsd|sunos|win32)-([a-z\d]+)(?:-(musl))?$/.exec(name);
  if (match === null) return {};
  const [, os, cpu, libc] = match;
  return { os: [os], cpu: [cpu], ...(libc === undefined ? {} : { libc: [libc] }) };
}
