/** Starts an echo server in a process of its own, and ends it. All of them print `up PORT` when they listen. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { env } from 'node:process';

const START_MS = 20_000;

/**
 * @param {string} program
 * @param {readonly string[]} words
 * @param {Record<string, string>} [more] of the environment
 * @returns {Promise<{ port: number, pid: number, stop: () => Promise<void> }>}
 */
export async function start(program, words, more = {}) {
  const child = spawn(program, [...words, '--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...env, ...more },
  });
  const closed = once(child, 'close');
  const stop = async () => {
    child.kill();
    await closed;
  };
  try {
    return { port: await portOf(child, closed), pid: child.pid, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function portOf(child, closed) {
  const late = AbortSignal.timeout(START_MS);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  for (;;) {
    const port = /^up (\d+)$/m.exec(text)?.[1];
    if (port !== undefined) return Number(port);
    const ended = await Promise.race([once(child.stdout, 'data', { signal: late }).then(() => undefined), closed]);
    if (ended !== undefined) throw new Error(`${child.spawnargs.join(' ')} ended before it was up`);
  }
}
