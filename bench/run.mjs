/**
 * Runs benches: node bench/run.mjs [name …] [--input=a,b] [--rounds=n] [--quick] [--no-record]
 *
 * Without names, all of them. Each prints a table and leaves bench/record/<name>-<date>.json; `--quick` takes small
 * inputs and two rounds, for a look, and leaves no record.
 */
import { argv, stderr, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { ratiosOf, runPairs, targetsOf } from './harness/pairs.mjs';
import { circumstances, writeRecord } from './harness/record.mjs';
import { digits, short, table } from './harness/stats.mjs';

const NAMES = [
  'lines-file',
  'lines-stream',
  'length-stream',
  'kernels',
  'codecs',
  'memory',
  'startup',
  'sockets',
  'websocket',
  'tls',
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    'no-record': { type: 'boolean', default: false },
    input: { type: 'string', default: '' },
    rounds: { type: 'string' },
  },
});
const quick = values.quick;
const only = values.input.split(',').filter(Boolean);
const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
const keep = !quick && !values['no-record'] && only.length === 0;

for (const name of positionals.length > 0 ? positionals : NAMES) {
  if (!NAMES.includes(name)) throw new Error(`there is no bench '${name}'; there are ${NAMES.join(', ')}`);
  const { bench } = await import(`./${name}.mjs`);
  const about = circumstances(
    ['npm run bench --', name, ...argv.slice(2).filter((word) => word.startsWith('--'))].join(' '),
  );
  stdout.write(
    `\n${bench.question}\n${about.machine.cpu}, ${about.machine.cores} cores, Node ${about.node}, ${about.kernel}\n`,
  );
  const body = bench.run === undefined ? pairs(bench) : await bench.run({ quick, only, rounds, progress });
  progress('');
  if (body.text !== undefined) stdout.write(`${body.text}\n`);
  // A bench that could not measure anything has said so.
  if (keep && body.results.length > 0)
    stdout.write(
      `Recorded in ${writeRecord(name, { ...about, question: bench.question, unit: bench.unit, ...body, text: undefined })}\n`,
    );
}

function pairs(bench) {
  const results = runPairs(bench, { quick, only, rounds, progress });
  progress('');
  for (const result of results) stdout.write(`\n${textOf(bench, result)}\n`);
  const targets = targetsOf(bench, results);
  if (targets.length > 0) stdout.write(`\n${targetText(targets)}\n`);
  return { results: results.map((result) => ({ ...result, ratios: ratiosOf(result) })), targets };
}

function textOf(bench, result) {
  const rivals = result.cases.filter((one) => !one.ours);
  const ratios = ratiosOf(result);
  const rows = result.cases.map((one) => [
    one.name,
    `${short(one.unitsPerCpuSecond)}/s`,
    `${short(one.bytesPerCpuSecond)}B/s`,
    `${short(one.unitsPerWallSecond)}/s`,
    `${one.maxRssMb} MB`,
    ...rivals.map((rival) => {
      const found = ratios.find((ratio) => ratio.ours === one.name && ratio.rival === rival.name);
      return found ? `${digits(found.ratio)} ×` : '';
    }),
  ]);
  const head = [
    `${result.input}, ${short(result.bytes)}B`,
    `${bench.unit}, CPU`,
    'bytes, CPU',
    `${bench.unit}, wall`,
    'peak RSS',
    ...rivals.map((rival) => `÷ ${rival.name}`),
  ];
  return table([head, ...rows]);
}

function targetText(targets) {
  const rows = targets.map(({ input, ours, rival, atLeast, ratio, met }) => [
    `${input}: ${ours} ÷ ${rival}`,
    `≥ ${atLeast}`,
    digits(ratio),
    met ? 'met' : 'MISSED',
  ]);
  return table([['target', 'asked', 'measured', ''], ...rows]);
}

/** What is going on, on a terminal only. */
function progress(text) {
  if (stderr.isTTY) stderr.write(`\r\x1b[2K${text}`);
}
