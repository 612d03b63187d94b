/**
 * Question: what does it cost a program to load the library?
 *
 * Unit: milliseconds of processor time (user and system, all threads) from before the import to after it, and megabytes
 * of V8's heap: how much it grew, which is what makes V8 enlarge its young generation, and how much of that a full
 * collection leaves. In a process for each run, and in turns; a ratio is taken within a round. What Node itself takes to
 * start is left out; which of its modules a package makes it load is not. Ways: `import`, and `require`, which is how a
 * package in CommonJS loads soonest. Rivals: `ws` (without bufferutil, which not everybody has), split2.
 */
import { spawnSync } from 'node:child_process';
import { argv, cpuUsage, env, execPath, memoryUsage, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import { digits, median, table } from './harness/stats.mjs';

const MB = 1e6;
const ROUNDS = 21;
const QUICK_ROUNDS = 5;

const WAYS = ['import', 'require'];
const CASES = [
  { name: 'miniproto', ours: true },
  { name: 'miniproto/websocket', ours: true },
  { name: 'miniproto/ws', ours: true },
  { name: 'ws' },
  { name: 'miniproto/split', ours: true },
  { name: 'split2' },
];
const RIVALS = CASES.filter(({ ours }) => !ours).map(({ name }) => name);

export const bench = {
  question: 'What does it cost a program to load the library?',
  unit: 'milliseconds',
  run({ quick, only, rounds = quick ? QUICK_ROUNDS : ROUNDS, progress }) {
    const results = WAYS.filter((way) => only.length === 0 || only.includes(way)).map((way) => {
      const runs = CASES.map(() => []);
      for (let round = 0; round < rounds; round++) {
        for (const [index, { name }] of CASES.entries()) {
          progress(`startup: round ${round + 1} of ${rounds}, ${way} ${name}`);
          runs[index].push(runCase(way, name));
        }
      }
      return { way, rounds, cases: CASES.map((one, index) => summary(one, runs[index], runs)) };
    });
    return { results, text: results.map((result) => `\n${table(startupTable(result))}`).join('\n') };
  },
};

function runCase(way, name) {
  const run = spawnSync(execPath, ['--expose-gc', fileURLToPath(import.meta.url), way, name], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...env, WS_NO_BUFFER_UTIL: '1', WS_NO_UTF_8_VALIDATE: '1' },
  });
  if (run.status !== 0) throw new Error(`startup, ${way} ${name}: ended with ${run.status}`);
  return JSON.parse(run.stdout);
}

function summary({ name, ours = false }, runs, all) {
  const middle = (field) => median(runs.map((run) => run[field]));
  const ratios = RIVALS.map((rival) => {
    const others = all[CASES.findIndex((one) => one.name === rival)];
    return { rival, ratio: median(runs.map(({ cpuMs }, round) => others[round].cpuMs / cpuMs)) };
  });
  const measured = { cpuMs: middle('cpuMs'), heapMb: middle('heapMb'), aliveMb: middle('aliveMb') };
  return { name, ours, ...measured, ratios: ours ? ratios : [] };
}

/** Rows, the head first. @param {object} result of one way @param {(name: string) => string} emphasis for names of ours */
export function startupTable({ way, rounds, cases }, emphasis = (name) => name) {
  const rows = cases.map(({ name, ours, cpuMs, heapMb, aliveMb, ratios }) => [
    ours ? emphasis(name) : name,
    `${digits(cpuMs)} ms`,
    `${digits(heapMb)} MB`,
    `${digits(aliveMb)} MB`,
    ...RIVALS.map((_, index) => (ratios[index] === undefined ? '' : `${digits(ratios[index].ratio)} ×`)),
  ]);
  const rivals = RIVALS.map((name) => `÷ ${name}`);
  return [[`${way}, ${rounds} rounds`, 'processor time', 'heap', 'of it alive', ...rivals], ...rows];
}

// The case itself, in a process of its own: node --expose-gc startup.mjs <way> <name>
if (argv[1] === fileURLToPath(import.meta.url)) {
  const [way, name] = argv.slice(2);
  const { createRequire } = await import('node:module');
  const require = createRequire(import.meta.url);
  globalThis.gc();
  const { heapUsed } = memoryUsage();
  const before = cpuUsage();
  const loaded = way === 'require' ? require(name) : await import(name);
  const { user, system } = cpuUsage(before);
  const grown = memoryUsage().heapUsed - heapUsed;
  globalThis.gc();
  const alive = memoryUsage().heapUsed - heapUsed;
  if (Object.keys(loaded).length === 0 && typeof loaded !== 'function') throw new Error(`${name} is empty`);
  stdout.write(JSON.stringify({ cpuMs: (user + system) / 1000, heapMb: grown / MB, aliveMb: alive / MB }));
}
