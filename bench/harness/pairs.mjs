/**
 * Runs the cases of a bench against each other: A, B, C, A, B, C, …, each in a new process, so that none profits from
 * what another left in the heap or taught the compiler, and slow minutes of the machine hit all alike.
 *
 * A ratio is taken within a round, and the median over the rounds is reported: noise that lasts longer than a round
 * cancels out. Processor time is what is compared: on a shared machine wall time tells about the neighbours.
 */
import { spawnSync } from 'node:child_process';
import { env, execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { nativeInfo } from 'miniproto';
import { median } from './stats.mjs';

const CHILD = fileURLToPath(new URL('./child.mjs', import.meta.url));

/**
 * @param {object} bench
 * @param {{ quick: boolean, only?: string[], progress: (text: string) => void }} options
 */
export function runPairs(bench, { quick, only, rounds = quick ? 2 : bench.rounds, progress }) {
  const results = [];
  for (const [inputName, input] of Object.entries(bench.inputs)) {
    if (only?.length > 0 && !only.includes(inputName)) continue;
    const bytes = quick ? input.quick : input.bytes;
    bench.prepare(inputName, bytes); // Makes files here, not in somebody's process.
    const cases = bench.cases.filter((one) => one.inputs === undefined || one.inputs.includes(inputName));
    const runs = new Map(cases.map((one) => [one.name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const { name } of cases) {
        progress(`${bench.name} ${inputName}: round ${round + 1} of ${rounds}, ${name}`);
        runs.get(name).push(runCase(bench.name, inputName, name, bytes));
      }
    }
    results.push({ input: inputName, bytes, rounds, cases: cases.map((one) => summary(one, runs.get(one.name))) });
  }
  return results;
}

function runCase(...words) {
  const run = spawnSync(execPath, [CHILD, ...words.map(String)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...env, MINIPROTO_NATIVE: implementationWish() },
  });
  const result = JSON.parse(run.stdout.trim().split('\n').at(-1) || '{"error":"no output"}');
  if (result.error !== undefined) throw new Error(`${words.slice(0, 3).join(', ')}: ${result.error}`);
  return result;
}

/** A case must not fall back to the reference in silence when the table says it is the addon. */
function implementationWish() {
  return nativeInfo().implementation === 'addon' ? (env.MINIPROTO_NATIVE ?? 'required') : 'off';
}

function summary({ name, ours = false }, runs) {
  const rates = runs.map(({ units, cpuMs }) => (units / cpuMs) * 1000);
  return {
    name,
    ours,
    units: runs[0].units,
    unitsPerCpuSecond: median(rates),
    bytesPerCpuSecond: median(runs.map(({ bytes, cpuMs }) => (bytes / cpuMs) * 1000)),
    unitsPerWallSecond: median(runs.map(({ units, wallMs }) => (units / wallMs) * 1000)),
    maxRssMb: Math.round(median(runs.map(({ maxRssMb }) => maxRssMb))),
    runs: runs.map(({ cpuMs, systemMs, wallMs }) => ({
      cpuMs: round(cpuMs),
      systemMs: round(systemMs),
      wallMs: round(wallMs),
    })),
  };
}

/** Ratios of every case of ours to every rival, by round. */
export function ratiosOf({ cases }) {
  const ratios = [];
  for (const ours of cases.filter((one) => one.ours)) {
    for (const rival of cases.filter((one) => !one.ours)) {
      const byRound = ours.runs.map(({ cpuMs }, i) => (rival.runs[i].cpuMs / cpuMs) * (ours.units / rival.units));
      ratios.push({ ours: ours.name, rival: rival.name, ratio: round(median(byRound), 100) });
    }
  }
  return ratios;
}

/** What was promised, and what came out. */
export function targetsOf(bench, results) {
  const rows = [];
  for (const target of bench.targets ?? []) {
    const result = results.find(({ input }) => input === target.input);
    const found = result && ratiosOf(result).find(({ ours, rival }) => ours === target.ours && rival === target.rival);
    if (found) rows.push({ ...target, ratio: found.ratio, met: found.ratio >= target.atLeast });
  }
  return rows;
}

function round(value, per = 10) {
  return Math.round(value * per) / per;
}
