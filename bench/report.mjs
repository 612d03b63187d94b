/**
 * Puts the newest record of each bench into docs/benchmarks.md: node bench/report.mjs [--readme]
 *
 * The tables stand between `<!-- bench:<name> -->` and `<!-- /bench -->`; no figure is written by hand. With `--readme`
 * it prints the small table for README instead and writes nothing.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { argv, stdout } from 'node:process';
import { digits, markdown, short } from './harness/stats.mjs';
import { socketTargets } from './servers/socket-targets.mjs';
import { socketTables } from './servers/tables.mjs';
import { tlsTables } from './servers/tls-tables.mjs';
import { websocketTables } from './servers/websocket-tables.mjs';
import { startupTable } from './startup.mjs';

const FOLDER = new URL('./record/', import.meta.url);
const PAGE = new URL('../docs/benchmarks.md', import.meta.url);
const MARK = /(<!-- bench:([a-z-]+) -->\n)[\s\S]*?(<!-- \/bench -->)/g;

/** The newest record of a bench; names end in their date. @param {string} name */
function newest(name) {
  const pattern = new RegExp(`^${name}-\\d{4}-\\d\\d-\\d\\d\\.json$`);
  const file = readdirSync(FOLDER)
    .filter((one) => pattern.test(one))
    .sort()
    .at(-1);
  return file === undefined ? undefined : JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8'));
}

const rate = (value) => `${short(value)}/s`;

/** Whole-process pairs. */
function pairs({ results, targets, unit }) {
  const texts = results.map(({ input, bytes, rounds, cases, ratios }) => {
    const rivals = cases.filter(({ ours }) => !ours).map(({ name }) => name);
    const ratioOf = (ours, rival) => ratios.find((one) => one.ours === ours && one.rival === rival);
    const rows = cases.map((one) => [
      one.ours ? `**${one.name}**` : one.name,
      rate(one.unitsPerCpuSecond),
      `${short(one.bytesPerCpuSecond)}B/s`,
      `${one.maxRssMb} MB`,
      ...rivals.map((rival) => (one.ours ? `${digits(ratioOf(one.name, rival).ratio)} ×` : '')),
    ]);
    const head = [
      `${input}, ${short(bytes)}B, ${rounds} rounds`,
      unit,
      'bytes',
      'peak RSS',
      ...rivals.map((name) => `÷ ${name}`),
    ];
    return markdown([head, ...rows]);
  });
  const rows = targets.map(({ input, ours, rival, atLeast, ratio, met }) => [
    `${input}: ${ours} ÷ ${rival}`,
    String(atLeast),
    digits(ratio),
    met ? 'met' : '**missed**',
  ]);
  return [...texts, markdown([['asked for', 'at least', 'measured', ''], ...rows])].join('\n\n');
}

/** Time of each contestant by size. */
function kernels({ results, native }) {
  const texts = [...new Set(results.map(({ kernel }) => kernel))].map((kernel) => {
    const mine = results.filter((result) => result.kernel === kernel);
    const names = mine[0].contestants.map(({ name }) => name);
    const rows = mine.map(({ size, contestants }) => {
      const time = (wanted) => contestants.find(({ name }) => name === wanted).nanoseconds;
      const plain = time('plain JavaScript') / time('internal');
      return [String(size), ...names.map((name) => digits(time(name))), `${digits(plain)} ×`];
    });
    return markdown([[`${kernel}, ns by size`, ...names, 'plain ÷ internal'], ...rows]);
  });
  const program =
    typeof native === 'string' ? [`Without JavaScript, against libc:\n\n\`\`\`text\n${native.trimEnd()}\n\`\`\``] : [];
  return [...texts, ...program].join('\n\n');
}

function codecs({ results }) {
  return results
    .map(({ question, contestants }) => {
      const last = contestants.at(-1);
      const rows = contestants.map(({ name, nanoseconds }) => [
        name,
        `${digits(nanoseconds)} ns`,
        `${digits(last.nanoseconds / nanoseconds)} ×`,
      ]);
      return markdown([[question, 'a record', `÷ ${last.name}`], ...rows]);
    })
    .join('\n\n');
}

function memory({ results }) {
  const mb = (value) => `${digits(value)} MB`;
  const rows = results
    .filter(({ bytes }) => bytes !== undefined)
    .map((one) => [
      one.name,
      `${short(one.bytes)}B`,
      mb(one.earlyRssMb),
      mb(one.mostRssMb),
      mb(one.lastRssMb),
      mb(one.aliveMb),
      mb(one.aliveMb + one.grownAliveMb),
      one.flat ? 'flat' : '**grows**',
    ]);
  const slow = results.find(({ mostHeldBytes }) => mostHeldBytes !== undefined);
  const text =
    slow && `A slow reader held at most ${slow.mostHeldBytes} bytes of input; allowed are ${slow.allowedBytes}.`;
  const head = ['', 'read', 'RSS in the first GB', 'highest after it', 'at the end', 'alive at 1 GB', 'at the end', ''];
  return [markdown([head, ...rows]), text].filter(Boolean).join('\n\n');
}

/** What loading takes, by how it is loaded. */
function startup({ results }) {
  return results.map((result) => markdown(startupTable(result, (name) => `**${name}**`))).join('\n\n');
}

function sockets(record) {
  return serverTables(record, socketTables({ ...record, targets: socketTargets(record) }));
}

function websocket(record) {
  return serverTables(record, websocketTables(record));
}

function tls(record) {
  return serverTables(record, tlsTables(record));
}

function serverTables(record, tables) {
  return [...tables.map(markdown), ...record.missing, record.bun && `Bun ${record.bun}.`].filter(Boolean).join('\n\n');
}

const RENDER = {
  'lines-file': pairs,
  'lines-stream': pairs,
  'length-stream': pairs,
  kernels,
  codecs,
  memory,
  startup,
  sockets,
  websocket,
  tls,
};

function section(name) {
  const record = newest(name);
  if (record === undefined) return 'Not recorded yet.';
  const { machine, node, compiler, kernel, commit, date, command } = record;
  const about = [
    machine.cpu,
    `${machine.cores} cores`,
    `${machine.memoryGb} GB`,
    `Node ${node.slice(1)}`,
    compiler,
    kernel,
    `commit ${commit}`,
    date.slice(0, 10),
  ];
  return `${RENDER[name](record)}\n\n${about.filter(Boolean).join(', ')}: \`${command}\``;
}

/** The few rows that README has room for. */
function readme() {
  const rows = [];
  const add = (name, input, ours, what, notRivals = []) => {
    const result = newest(name)?.results.find((one) => one.input === input);
    if (result === undefined) return;
    const rivals = result.ratios
      .filter((one) => one.ours === ours && !notRivals.includes(one.rival))
      .map(({ rival, ratio }) => `${digits(ratio)} × ${rival}`);
    const { unitsPerCpuSecond, messagesPerCpuSecond } = result.cases.find((one) => one.name === ours);
    rows.push([what, rate(unitsPerCpuSecond ?? messagesPerCpuSecond), rivals.join(', ')]);
  };
  const bounds = ['by hand, latin1 split', 'least loop, by hand'];
  add('lines-file', 'ascii', 'batches().values()', 'lines of an ASCII log from a file, as strings', bounds);
  add('lines-file', 'mixed', 'batches().values()', 'the same, mixed UTF-8');
  add('lines-stream', 'file stream', 'batches().values()', 'lines from fs.createReadStream', bounds);
  add('lines-stream', 'pipe', 'batches().values()', 'lines from a pipe', bounds);
  add('length-stream', 'u32', 'batches(), cursor', '64-byte records with u32 lengths, cursors', bounds);
  add('length-stream', 'varint', 'batches(), cursor', '64-byte records with varint lengths, cursors', bounds);
  const byHand = ['split2, one write', 'net, latin1', 'C++, by hand'];
  add('sockets', 'line 100x16x64', 'native sockets', 'lines echoed, 100 connections × 16 in flight', byHand);
  add('sockets', 'len32 10x4x16384', 'native sockets', '16 KiB records echoed, 10 × 4', byHand);
  add('websocket', 'echo 100x1x64', 'own interface', 'WebSocket messages echoed, 100 × 1', byHand);
  add('websocket', 'echo 100x16x64', 'own interface', 'the same, 100 × 16', byHand);
  add('websocket', 'echo 100x16x64', 'ws face', 'the same, by the face of `ws`', byHand);
  add('tls', 'len32 100x16x64', 'native sockets', 'records echoed over TLS, 100 × 16', byHand);
  return markdown([['', 'a second of processor time', 'against'], ...rows]);
}

if (argv.includes('--readme')) stdout.write(`${readme()}\n`);
else {
  const page = readFileSync(PAGE, 'utf8');
  writeFileSync(
    PAGE,
    page.replace(MARK, (_all, open, name, close) => `${open}${section(name)}\n${close}`),
  );
  stdout.write('docs/benchmarks.md is up to date.\n');
}
