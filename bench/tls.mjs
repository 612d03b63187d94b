/**
 * Question: what do echoes, bulk, handshakes and idle connections over TLS cost a server, beside Node's tls?
 *
 * Unit: messages per second of the server's processor time, all threads, user and system. Shapes: connections × in
 * flight on each × payload bytes, behind 4 bytes of length, TLS 1.3 with the ciphers of the default; 4 × 2 × 1 MiB is
 * bulk, both ways. Also WebSockets over TLS beside ws on https, TLS over a Duplex that is no socket, handshakes (a
 * connection, one echo, the end; full, and resumed by ticket, in both versions; a quarter as many come first, since a
 * server's code is compiled while the first thousands come), and resident bytes of idle connections. Bounds: a server in
 * C++ that does the least over OpenSSL (load/peer/), and the same Duplex without TLS.
 * The load comes from a C++ program (load/) over OpenSSL that compares every echo; a wrong one takes its case out,
 * loudly. Each case has a new server process in each round.
 */
import { stdout } from 'node:process';
import { Rounds } from './harness/rounds.mjs';
import { echoResults, figureResults, ratiosBetween } from './harness/server-rounds.mjs';
import { table } from './harness/stats.mjs';
import { buildLoad, load } from './load/load.mjs';
import { start } from './servers/start.mjs';
import { tlsCases, tlsServer } from './servers/tls-cases.mjs';
import { tlsTables, tlsTargets } from './servers/tls-tables.mjs';

const SHAPES = [
  [100, 1, 64],
  [100, 16, 64],
  [10, 4, 16_384],
  [4, 2, 1_048_576],
];
/** Questions with rows of echoes: name, protocol on the wire, shapes. */
const ROWS = [
  ['len32', 'len32', SHAPES],
  ['duplex', 'len32', SHAPES],
  ['ws', 'ws', SHAPES.slice(0, 3)],
];
const HANDSHAKES = [
  { tls: '1.3', resumed: false },
  { tls: '1.3', resumed: true },
  { tls: '1.2', resumed: false },
  { tls: '1.2', resumed: true },
];
/** Seconds of warming up and of measuring, and the counts of the other questions. */
const FULL = { rounds: 5, warmup: 1, seconds: 3, handshakes: 15_000, idle: 3_000 };
const QUICK = { rounds: 1, warmup: 0.3, seconds: 0.6, handshakes: 500, idle: 500 };
/** Connections at once, while they come and go. */
const CONCURRENT = 20;

async function loadOnce(one, options) {
  const { program, words, env } = tlsServer(one);
  const server = await start(program, words, env);
  try {
    const { tls = '1.3', ...others } = options;
    return await load(server, { protocol: one.protocol ?? 'len32', ...(one.plain ? {} : { tls }), ...others });
  } finally {
    await server.stop();
  }
}

async function echo(rounds, question, protocol, [connections, inFlight, bytes], plan) {
  const input = `${question} ${connections}x${inFlight}x${bytes}`;
  const { warmup, seconds } = plan;
  const options = { protocol, connections, 'in-flight': inFlight, bytes, warmup, seconds };
  const { cases, all } = await rounds.ask(question, input, (one) => loadOnce(one, options));
  const results = echoResults(cases, all);
  const shape = { connections, inFlight, bytes };
  return { input, protocol: question, ...shape, rounds: plan.rounds, cases: results, ratios: ratiosBetween(results) };
}

async function handshakes(rounds, { tls, resumed }, plan) {
  const input = `TLS ${tls}, ${resumed ? 'resumed' : 'full'}`;
  const options = { tls, churn: plan.handshakes, connections: CONCURRENT, warmup: plan.warmup };
  const { cases, all } = await rounds.ask('handshakes', input, (one) =>
    loadOnce(one, { ...options, ...(resumed ? { resume: true } : {}) }),
  );
  return { input, tls, resumed, cases: figureResults(cases, all) };
}

async function idle(rounds, question, protocol, { idle: count, warmup, seconds }) {
  const options = { protocol, idle: count, warmup, seconds };
  const { cases, all } = await rounds.ask(question, question, (one) => loadOnce(one, options));
  return figureResults(cases, all);
}

export const bench = {
  question: "What do echoes, bulk, handshakes and idle connections over TLS cost a server, beside Node's tls?",
  unit: "messages per second of the server's processor time",
  /** `--input` takes `len32`, `duplex`, `ws`, `100x1x64`, `'ws 100x1x64'`, `handshakes`, `idle`. */
  async run({ quick, only, rounds: wantedRounds, progress }) {
    const obstacle = buildLoad();
    const { cases, missing } = obstacle === undefined ? tlsCases() : { cases: [], missing: [] };
    if (obstacle !== undefined) missing.push(`!!! NOTHING MEASURED: ${obstacle}`);
    if (missing.length > 0) stdout.write(`${missing.join('\n')}\n`);
    const plan = { ...(quick ? QUICK : FULL), progress };
    if (wantedRounds !== undefined) plan.rounds = wantedRounds;
    const rounds = new Rounds('tls', cases, plan, missing);
    const wanted = (name) =>
      cases.length > 0 && (only.length === 0 || only.some((word) => name === word || name.split(' ').includes(word)));
    const body = { missing, results: [], handshakes: [], idle: [], wssIdle: [] };
    for (const [question, protocol, shapes] of ROWS) {
      for (const shape of shapes.filter((one) => wanted(`${question} ${one.join('x')}`))) {
        body.results.push(await echo(rounds, question, protocol, shape, plan));
      }
    }
    if (wanted('handshakes')) {
      for (const kind of HANDSHAKES) body.handshakes.push(await handshakes(rounds, kind, plan));
    }
    if (wanted('idle')) {
      body.idle = await idle(rounds, 'idle', 'len32', plan);
      body.wssIdle = await idle(rounds, 'wss idle', 'ws', plan);
    }
    const full = { ...body, targets: tlsTargets(body) };
    return { ...full, text: `\n${[...tlsTables(full).map(table), ...missing].join('\n\n')}` };
  },
};
