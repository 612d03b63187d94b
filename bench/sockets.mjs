/**
 * Question: how many records does an echo server answer, and what do its connections cost it?
 *
 * Unit: messages per second of the server's processor time, all threads, user and system. Shapes: connections × in
 * flight on each × payload bytes, one at a time (100 × 1) and in groups (100 × 16, 1 × 256), small and up to 1 MiB;
 * lines, and records behind 4 bytes of length. Also, over lengths: bytes for an idle connection, what is left of
 * connections that came and went, and how late quiet connections are beside one that floods.
 * Ours: examples/echo-server.mjs, on native sockets and on Node's. Rivals, in servers/: split2 in its usual form and
 * with one write for a chunk; length-prefixed-stream, which speaks varints only; net and Bun.listen with framing by
 * hand. And the bound of all of them: a server in C++ that does the least (load/peer/). The load comes from a C++ program (load/) that compares every echo; a wrong one fails the bench. Each case has
 * a new server process in each round.
 */
import { env, execPath, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import * as miniproto from 'miniproto';
import { echoResults, figureResults, inTurns, ratiosBetween } from './harness/server-rounds.mjs';
import { table } from './harness/stats.mjs';
import { buildLoad, load, PEER } from './load/load.mjs';
import { findBun } from './servers/bun.mjs';
import { BOUND, BUN, NATIVE, OVER_NODE, SPLIT2, socketTargets } from './servers/socket-targets.mjs';
import { start } from './servers/start.mjs';
import { socketTables } from './servers/tables.mjs';

const PROTOCOLS = ['line', 'len32'];
/** Connections, in flight on each, payload bytes. */
const SHAPES = [
  [100, 1, 64],
  [100, 16, 64],
  [1, 256, 64],
  [100, 1, 1024],
  [10, 4, 16_384],
  [4, 2, 1_048_576],
];
/** Seconds of warming up and of measuring, and the counts of the other questions. */
const FULL = { rounds: 5, warmup: 1, seconds: 3, idle: 10_000, rest: 120, churn: 100_000 };
const QUICK = { rounds: 2, warmup: 0.5, seconds: 0.7, idle: 1_000, rest: 0.7, churn: 1_000 };
/** At once, while connections come and go beside as many as are idle. */
const CONCURRENT = 50;
/** Quiet connections beside a flood. */
const QUIET = 100;

const CASES = [
  { name: NATIVE, ours: 'native', protocols: PROTOCOLS },
  { name: OVER_NODE, ours: 'duplex', protocols: PROTOCOLS },
  { name: SPLIT2, server: 'split2-each-line', protocols: ['line'] },
  { name: 'split2, one write', server: 'split2-line', protocols: ['line'] },
  { name: 'net, by hand', server: 'net-PROTOCOL', protocols: PROTOCOLS },
  { name: 'net, latin1', server: 'net-line-latin1', protocols: ['line'] },
  { name: 'length-prefixed-stream', server: 'lps-varint', protocols: ['len32'], speaks: 'varint' },
  { name: BUN, server: 'bun-PROTOCOL', protocols: PROTOCOLS, bun: true },
  { name: BOUND, protocols: PROTOCOLS },
];

/** Loads a fresh server of a case once. */
async function runOnce(one, protocol, options) {
  const server = await serverOf(one, protocol);
  try {
    return await load(server, { protocol: one.speaks ?? protocol, ...options });
  } catch (error) {
    throw new Error(`${one.name}, ${protocol}, ${JSON.stringify(options)}: ${error.message}`, { cause: error });
  } finally {
    await server.stop();
  }
}

function serverOf({ name, ours, server, path }, protocol) {
  const script = (file) => fileURLToPath(new URL(file, import.meta.url));
  if (name === BOUND) return start(PEER, ['--protocol', protocol]);
  if (!ours) return start(path ?? execPath, [script(`servers/${server.replace('PROTOCOL', protocol)}.mjs`)]);
  const words = ['--protocol', protocol, '--transport', ours];
  return start(execPath, [script('../examples/echo-server.mjs'), ...words], nativeWish());
}

/** A server must not fall back to the reference in silence. */
function nativeWish() {
  const addon = miniproto.nativeInfo().implementation === 'addon';
  return { MINIPROTO_NATIVE: addon ? (env.MINIPROTO_NATIVE ?? 'required') : 'off' };
}

async function echo(cases, protocol, [connections, inFlight, bytes], { warmup, seconds, ...how }) {
  const input = nameOf(protocol, [connections, inFlight, bytes]);
  const options = { connections, 'in-flight': inFlight, bytes, warmup, seconds };
  const runEach = (one) => runOnce(one, protocol, options);
  const results = echoResults(cases, await inTurns(cases, runEach, { ...how, bench: 'sockets', label: input }));
  const shape = { connections, inFlight, bytes };
  return { input, protocol, ...shape, rounds: how.rounds, cases: results, ratios: ratiosBetween(results) };
}

/**
 * The other questions: their options, and which figures are kept. Idle connections are looked at again after a rest, since
 * V8 gives the memory of its young generation back when it finds nothing to do, a minute or two later.
 */
function held({ warmup, seconds, idle, rest, churn }) {
  return {
    idle: { options: { idle, warmup, seconds: rest }, rounds: 'at once' },
    churn: { options: { churn, held: idle, connections: CONCURRENT, warmup } },
    flood: {
      options: { flood: true, connections: QUIET, warmup, seconds },
      more: ({ latencyUs, latencyUsBesideFlood }) => ({
        p99Alone: latencyUs.p99,
        p99BesideFlood: latencyUsBesideFlood.p99,
      }),
    },
  };
}

async function ask({ options, more = () => ({}), rounds }, cases, how) {
  const runEach = async (one) => {
    const run = await runOnce(one, 'len32', options);
    return { ...run, ...more(run) };
  };
  return figureResults(
    cases,
    await inTurns(cases, runEach, { ...how, rounds: rounds ?? how.rounds, bench: 'sockets' }),
  );
}

/** Leaves out, loudly, what cannot run here. */
function available() {
  const bun = findBun();
  const missing = [];
  const cases = CASES.map((one) => (one.bun ? { ...one, path: bun.path } : one)).filter(({ name, ours, ...one }) => {
    const without = (ours === 'native' && withoutNative()) || (one.bun && bun.missing) || undefined;
    if (without !== undefined) missing.push(`!!! NOT MEASURED: ${name}: ${without}`);
    return without === undefined;
  });
  return { cases, missing, bun: bun.version };
}

/** @returns {string | undefined} why there are no native sockets; `listen` would take Node's without a word. */
function withoutNative() {
  const { sockets } = miniproto.nativeInfo();
  return sockets?.native ? undefined : (sockets?.reason ?? 'this version has no native sockets');
}

function nameOf(protocol, shape) {
  return `${protocol} ${shape.join('x')}`;
}

export const bench = {
  question: 'How many records does an echo server answer, and what do its connections cost it?',
  unit: "messages per second of the server's processor time",
  /** `--input` takes `line`, `len32`, `100x1x64`, `'line 100x1x64'`, `idle`, `churn`, `flood`. */
  async run({ quick, only, rounds, progress }) {
    const obstacle = buildLoad();
    const { cases, missing, bun } = obstacle === undefined ? available() : { cases: [], missing: [], bun: undefined };
    if (obstacle !== undefined) missing.push(`!!! NOTHING MEASURED: ${obstacle}`);
    if (missing.length > 0) stdout.write(`${missing.join('\n')}\n`);
    const wanted = (name) => only.length === 0 || only.some((word) => name === word || name.split(' ').includes(word));
    const plan = { ...(quick ? QUICK : FULL), progress };
    if (rounds !== undefined) plan.rounds = rounds;
    const body = { bun, missing, results: [], idle: [], churn: [], flood: [] };
    for (const protocol of PROTOCOLS) {
      const mine = cases.filter(({ protocols }) => protocols.includes(protocol));
      for (const shape of SHAPES) {
        if (mine.length === 0 || !wanted(nameOf(protocol, shape))) continue;
        body.results.push(await echo(mine, protocol, shape, plan));
      }
    }
    const mine = cases.filter(({ protocols }) => protocols.includes('len32'));
    for (const [name, question] of Object.entries(held(plan))) {
      if (mine.length > 0 && wanted(name)) body[name] = await ask(question, mine, { ...plan, label: name });
    }
    const full = { ...body, targets: socketTargets(body) };
    return { ...full, text: `\n${[...socketTables(full).map(table), ...missing].join('\n\n')}` };
  },
};
