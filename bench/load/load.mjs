/**
 * The load generator from JavaScript: built where CMake and a compiler are found, and run against a server.
 *
 * It is a program of its own, in C++, because it has to be faster than what it loads; see main.cc beside this.
 */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { platform } from 'node:process';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDER = join(ROOT, 'build-bench');
const PROGRAM = join(FOLDER, 'miniproto_load');
/** The server by hand; see peer/main.cc. */
export const PEER = join(FOLDER, 'miniproto_peer');
/** The WebSocket client by hand; see client/main.cc. */
export const CLIENT = join(FOLDER, 'miniproto_client');
const TARGETS = ['miniproto_load', 'miniproto_peer', 'miniproto_client'];
/** More than a run takes beside the seconds that it is told to: connecting, and the patience for missing echoes. */
const TIMEOUT_MS = 120_000;

/** @returns {string | undefined} why there is none */
export function buildLoad() {
  if (platform !== 'linux') return 'the load generator needs epoll, so Linux';
  try {
    const quiet = { stdio: ['ignore', 'ignore', 'pipe'] };
    execFileSync('cmake', ['-S', ROOT, '-B', FOLDER, '-DCMAKE_BUILD_TYPE=Release', '-DMINIPROTO_BENCHES=ON'], quiet);
    execFileSync('cmake', ['--build', FOLDER, '--target', ...TARGETS], quiet);
    return undefined;
  } catch (error) {
    return [PROGRAM, PEER, CLIENT].every((program) => existsSync(program))
      ? undefined
      : `the load generator could not be built: ${error.message.trim()}`;
  }
}

/**
 * Loads a server.
 * @param {{ port: number, pid: number }} server
 * @param {Record<string, string | number | true>} options by name, without the dashes
 * @returns {Promise<Record<string, any>>} what it prints
 * @throws when an echo was wrong or missing
 */
export function load({ port, pid }, options) {
  const all = { port, 'server-pid': pid, ...options };
  const words = Object.entries(all).flatMap(([name, value]) => [`--${name}`, ...(value === true ? [] : [`${value}`])]);
  const timeout = TIMEOUT_MS + 1000 * (options.seconds ?? 0);
  return new Promise((resolve, reject) => {
    execFile(PROGRAM, words, { timeout }, (error, text, complaint) => {
      if (error === null) resolve(JSON.parse(text));
      else reject(new Error(complaint.trim() || `the load generator: ${error.message}`));
    });
  });
}
