/**
 * One case of a bench, in a process of its own: node child.mjs <bench> <input> <case> <bytes>
 *
 * First a small input, whose answer is checked: it also lets the compiler see the code, for every contestant alike.
 * Then the input that is timed, whose answer is checked afterwards. Prints one line of JSON.
 */
import { argv, cpuUsage, exit, resourceUsage, stdout } from 'node:process';
import { performance } from 'node:perf_hooks';
import { difference } from './tally.mjs';

const [benchName, inputName, caseName, bytesText] = argv.slice(2);
const { bench } = await import(`../${benchName}.mjs`);
const contestant = bench.cases.find(({ name }) => name === caseName);
const input = bench.inputs[inputName];
const bytes = Number(bytesText);

await check(await bench.prepare(inputName, Math.min(bytes, input.warm ?? bytes / 10)));
const timed = await bench.prepare(inputName, bytes);
globalThis.gc?.();
const cpuBefore = cpuUsage();
const before = performance.now();
const answer = await contestant.run(timed);
const wallMs = performance.now() - before;
const { user, system } = cpuUsage(cpuBefore);
const wrong = difference(answer, timed.answer);
if (wrong !== undefined) fail(wrong);
const { maxRSS } = resourceUsage();
const result = { cpuMs: (user + system) / 1000, userMs: user / 1000, systemMs: system / 1000, wallMs };
stdout.write(`${JSON.stringify({ ...result, units: answer.count, bytes: timed.bytes, maxRssMb: maxRSS / 1024 })}\n`);

async function check(small) {
  const wrong = difference(await contestant.run(small), small.answer);
  if (wrong !== undefined) fail(wrong);
}

/** @param {string} message */
function fail(message) {
  stdout.write(`${JSON.stringify({ error: message })}\n`);
  exit(1);
}
