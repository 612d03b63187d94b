/** One line that says what is going on: rewritten in place on a terminal, printed once per step elsewhere. */
import { stdout } from 'node:process';

const started = performance.now();
let current = '';
let shown = '';

/** @param {string} text a step has begun */
export function step(text) {
  current = text;
  if (!stdout.isTTY) stdout.write(`  … ${text}\n`);
  else show('');
}

/** @param {string} detail how far the step is; seen on a terminal only */
export function show(detail) {
  if (!stdout.isTTY) return;
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  shown = `  … ${current} ${detail} (${seconds} s)`.slice(0, (stdout.columns ?? 80) - 1);
  stdout.write(`\r\x1b[2K${shown}`);
}

/** Takes the line away. */
export function clear() {
  if (shown !== '') stdout.write('\r\x1b[2K');
  shown = '';
}

/**
 * Keeps the line alive while something runs that cannot say how far it is.
 * @template T
 * @param {Promise<T>} work
 * @returns {Promise<T>}
 */
export async function during(work) {
  const timer = setInterval(() => show(''), 500);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}
