/**
 * Small questions, with the package `benchmark`: contestants of one question in a process of their own, so that what
 * one question taught the compiler does not slow the next.
 *
 * A question module exports `questions`, each `{ name, units?, contestants: { name: () => unknown } }`; a contestant is
 * called thousands of times. Before anything is timed all must have returned the same, or what the question's own
 * `verify` asks for. The median of the samples is reported: on a shared machine the mean is the neighbours'.
 */
import { spawnSync } from 'node:child_process';
import { env, execPath, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import Benchmark from 'benchmark';
import { nativeInfo } from 'miniproto';
import { median } from './stats.mjs';

/** A, B, A, B, A, B: what slows the machine for a while slows all contestants. */
const ROUNDS = 3;

const CHILD = fileURLToPath(new URL('./micro-child.mjs', import.meta.url));

/**
 * @param {string} module file name of the bench
 * @param {string} question
 * @param {{ quick: boolean }} options
 * @returns {{ name: string, nanoseconds: number, runs: number[] }[]}
 */
export function ask(module, question, { quick }) {
  const run = spawnSync(execPath, [CHILD, module, question, quick ? 'quick' : 'full'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...env,
      MINIPROTO_NATIVE: nativeInfo().implementation === 'addon' ? (env.MINIPROTO_NATIVE ?? 'required') : 'off',
    },
  });
  const answer = JSON.parse(run.stdout.trim().split('\n').at(-1) || '{"error":"no output"}');
  if (answer.error !== undefined) throw new Error(`${module}, ${question}: ${answer.error}`);
  return answer;
}

/** In the child: measures the contestants of a question in turns, and prints. */
export async function answerQuestion({ contestants, verify }, { quick }) {
  const wrong = verify === undefined ? disagreement(contestants) : await verify();
  if (wrong !== undefined) {
    stdout.write(`${JSON.stringify({ error: wrong })}\n`);
    return;
  }
  const entries = Object.entries(contestants);
  const runs = entries.map(() => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, [name, work]] of entries.entries()) runs[index].push(await measure(name, work, quick));
  }
  const results = entries.map(([name], index) => ({
    name,
    nanoseconds: rounded(median(runs[index])),
    runs: runs[index].map(rounded),
  }));
  stdout.write(`${JSON.stringify(results)}\n`);
}

function disagreement(contestants) {
  const answers = Object.entries(contestants).map(([name, work]) => [name, JSON.stringify(work())]);
  const other = answers.find(([, answer]) => answer !== answers[0][1]);
  return other && `${answers[0][0]} gives ${answers[0][1]}, ${other[0]} gives ${other[1]}`;
}

function measure(name, work, quick) {
  const asynchronous = work.constructor.name === 'AsyncFunction';
  return new Promise((resolve, reject) => {
    const one = new Benchmark(name, {
      fn: asynchronous ? (deferred) => void work().then(() => deferred.resolve(), reject) : work,
      defer: asynchronous,
      maxTime: quick ? 0.03 : 0.1,
      minSamples: quick ? 3 : 5,
      onError: ({ target }) => reject(target.error),
      onComplete: () => {
        resolve(median(one.stats.sample) * 1e9);
      },
    });
    one.run({ async: true });
  });
}

/** @param {number} nanoseconds */
function rounded(nanoseconds) {
  return Number(nanoseconds.toPrecision(4));
}
