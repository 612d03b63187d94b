/**
 * Builds the addon with cmake-js, Release, into build/Release/miniproto_core.node. Never uses the network.
 *
 * Without CMake or a C++ compiler it says so in one line and succeeds, since everything also runs on the TypeScript
 * reference; `--require` makes that an error. A compile that fails is always one. CMake itself knows what changed:
 * the configure step is repeated only when there is none yet, or when it was made for other sources or headers.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const buildFolder = join(root, 'build');
const required = process.argv.includes('--require');

const missing = missingTool();
if (missing) {
  console.error(`miniproto: native addon not built: ${missing}; the TypeScript reference will be used`);
  process.exit(required ? 1 : 0);
}
if (!isConfigured()) {
  rmSync(join(buildFolder, 'CMakeCache.txt'), { force: true });
  run(process.execPath, [
    cmakeJs(),
    'configure',
    '--config',
    'Release',
    '--log-level',
    'error',
    `--CDMINIPROTO_NODE_INCLUDE=${nodeInclude()}`,
  ]);
}
run('cmake', ['--build', buildFolder, '--config', 'Release', '--parallel', '2']);
const built = ['miniproto_core', 'miniproto_net', 'miniproto_deflate', 'miniproto_tls'].filter((name) =>
  existsSync(join(buildFolder, 'Release', `${name}.node`)),
);
console.log(`miniproto: native addon built: build/Release/${built.map((name) => `${name}.node`).join(', ')}`);
if (!built.includes('miniproto_deflate'))
  console.log('miniproto: native compression not built: it needs zlib headers beside those of Node');
if (!built.includes('miniproto_net'))
  console.log('miniproto: native sockets not built: they need Linux and libuv headers beside those of Node');
if (!built.includes('miniproto_tls'))
  console.log('miniproto: native TLS not built: it needs Linux and OpenSSL headers beside those of Node');

/** Where this Node's headers lie, those of libuv, zlib and OpenSSL among them; a folder that may not exist. MINIPROTO_NODE_INCLUDE overrides it. */
function nodeInclude() {
  const wished = process.env.MINIPROTO_NODE_INCLUDE;
  if (wished !== undefined) return wished.replaceAll('\\', '/');
  const folders = [join(dirname(dirname(process.execPath)), 'include', 'node')];
  const prefix = process.config.variables.node_prefix;
  if (typeof prefix === 'string') folders.push(join(prefix, 'include', 'node'));
  return (folders.find((folder) => existsSync(join(folder, 'uv.h'))) ?? folders[0]).replaceAll('\\', '/');
}

/** What is not there, or undefined. */
function missingTool() {
  if (!answers('cmake', ['--version'])) return 'cmake was not found';
  if (!cmakeJs()) return 'cmake-js is not installed';
  if (process.platform === 'win32' || isConfigured()) return undefined;
  const compilers = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++'];
  if (!compilers.some((name) => answers(name, ['--version']))) return 'a C++ compiler was not found';
  return undefined;
}

function answers(command, args) {
  const { error, status } = spawnSync(command, args, { stdio: 'ignore' });
  return !error && status === 0;
}

function cmakeJs() {
  try {
    return createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
  } catch {
    return undefined; // Not installed; missingTool() says so.
  }
}

/** True when CMake was configured here, for this folder and with headers that still exist. */
function isConfigured() {
  const cache = join(buildFolder, 'CMakeCache.txt');
  if (!existsSync(cache)) return false;
  const entries = new Map(
    readFileSync(cache, 'utf8')
      .split('\n')
      .map((line) => /^([^#/:]+):[A-Z]+=(.*)$/.exec(line))
      .filter((match) => match !== null)
      .map((match) => [match[1], match[2]]),
  );
  const headers = (entries.get('CMAKE_JS_INC') ?? '').split(';').filter((path) => path !== '');
  return (
    entries.get('CMAKE_HOME_DIRECTORY') === root.replaceAll('\\', '/') &&
    entries.get('MINIPROTO_NODE_INCLUDE') === nodeInclude() &&
    headers.length > 0 &&
    headers.every(existsSync)
  );
}

function run(command, args) {
  const { error, status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (error || status !== 0) {
    console.error(`miniproto: native build failed: ${error ? error.message : `${command} ended with ${status}`}`);
    process.exit(status || 1);
  }
}
