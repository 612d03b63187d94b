/**
 * One case of a bench, in a process of its own: node child.mjs <bench> <input> <case> <bytes>
 *
 * First a small input, whose answer is checked, again and again for half a second of processor time: every contestant
 * is measured as compiled code, the fast one too. Then the input that is timed, whose answer is checked afterwards.
 * Nothing forces a collection in between: a forced one shrinks the young generation, which nobody's program does to
 * itself. Prints one line of JSON; `firstCpuMs` is what the very first pass over the small input took, cold.
 */

import { performance } from 'node:perf_hooks';
import { argv, cpuUsage, exit, resourceUsage, stdout } from 'node:process';
import { difference } from './tally.mjs';

const [benchName, inputName, caseName, bytesText] = argv.slice(2);
const { bench } = await import(`../${benchName}.mjs`);
const contestant = bench.cases.find(({ name }) => name === caseName);
const input = bench.inputs[inputName];
const bytes = Number(bytesText);

/** Milliseconds of processor time; several times what any loop here takes until it is compiled. */
const WARM_MS = 500;

const small = await bench.prepare(inputName, input.quick / 10);
const timed = await bench.prepare(inputName, bytes);
const firstCpuMs = await warm();
const cpuBefore = cpuUsage();
const before = performance.now();
const answer = await contestant.run(timed);
const wallMs = performance.now() - before;
const { user, system } = cpuUsage(cpuBefore);
const wrong = difference(answer, timed.answer);
if (wrong !== undefined) fail(wrong);
const { maxRSS } = resourceUsage();
const result = { firstCpuMs, cpuMs: (user + system) / 1000, userMs: user / 1000, systemMs: system / 1000, wallMs };
stdout.write(`${JSON.stringify({ ...result, units: answer.count, bytes: timed.bytes, maxRssMb: maxRSS / 1024 })}\n`);

async function warm() {
  const start = cpuUsage();
  let first = 0;
  for (let spentMs = 0; spentMs < WARM_MS; ) {
    const wrong = difference(await contestant.run(small), small.answer);
    if (wrong !== undefined) fail(wrong);
    const { user, system } = cpuUsage(start);
    spentMs = (user + system) / 1000;
    first ||= spentMs;
  }
  return first;
}

/** @param {string} message */
function fail(message) {
  stdout.write(`${JSON.stringify({ error: message })}\n`);
  exit(1);
}
