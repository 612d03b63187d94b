/**
 * Question: how many WebSocket messages does an echo server, or a client, move in a second of its processor time, and
 * what do its connections, deflate, and a message to many subscribers cost?
 *
 * Unit: messages per second of processor time of the process under test, all threads, user and system. Shapes:
 * connections × in flight on each × payload bytes. Deflate: JSON of 1 KiB, level 6 on both sides, with context takeover
 * on both or on none. Publish: processor time for a message to all subscribers. Idle: resident bytes of a connection.
 * Rivals: ws with bufferutil, and Bun. Bounds: a server and a client in C++ that do the least, and for deflate what zlib itself
 * takes (servers/zlib-alone.mjs); see servers/websocket-cases.mjs.
 * Servers are loaded by a C++ program (load/) that masks with a new key each time and compares every echo, deflated ones
 * inflated; clients talk to the C++ server and look at every echo themselves. A wrong one takes its case out, loudly.
 */
import { execFile } from 'node:child_process';
import { env, stdout } from 'node:process';
import { corpusFile } from './harness/corpus.mjs';
import { Rounds } from './harness/rounds.mjs';
import { echoResults, figureResults, ratiosBetween } from './harness/server-rounds.mjs';
import { table } from './harness/stats.mjs';
import { buildLoad, load, PEER } from './load/load.mjs';
import { start } from './servers/start.mjs';
import { LEVEL } from './servers/web-socket.mjs';
import { client, echoServer, publishServer, websocketCases, zlibAlone } from './servers/websocket-cases.mjs';
import { websocketTables } from './servers/websocket-tables.mjs';
import { websocketTargets } from './servers/websocket-targets.mjs';

/** Connections, in flight on each, payload bytes. */
const SHAPES = [
  [100, 1, 64],
  [100, 16, 64],
  [1, 256, 64],
  [100, 1, 1024],
  [10, 4, 16_384],
  [4, 2, 1_048_576],
];
const DEFLATED = [
  [100, 1, 1024],
  [100, 16, 1024],
];
const PUBLISHED_BYTES = 100;
/** Seconds of warming up and of measuring, and the counts of the other questions. */
const FULL = { rounds: 5, warmup: 1, seconds: 3, idle: 10_000, rest: 120, deflateIdle: 1_000, subscribers: 10_000 };
const QUICK = { rounds: 1, warmup: 0.3, seconds: 0.6, idle: 1_000, rest: 0.6, deflateIdle: 200, subscribers: 1_000 };
const CLIENT_TIMEOUT_MS = 60_000;

async function loadOnce({ program, words, env: more }, options) {
  const server = await start(program, words, more);
  try {
    return await load(server, { protocol: 'ws', ...options });
  } finally {
    await server.stop();
  }
}

/** A client under test against a fresh server by hand. */
async function clientOnce({ program, words, env: more }, options) {
  const server = await start(PEER, []);
  try {
    return await answerOf({ program, words, env: more }, { port: server.port, ...options });
  } finally {
    await server.stop();
  }
}

/** What a program that measures itself prints. */
function answerOf({ program, words, env: more }, options) {
  const all = Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  const how = { timeout: CLIENT_TIMEOUT_MS, env: { ...env, ...more } };
  return new Promise((resolve, reject) => {
    execFile(program, [...words, ...all], how, (error, text, complaint) => {
      if (error === null) resolve(JSON.parse(text));
      else reject(new Error(complaint.trim() || error.message, { cause: error }));
    });
  });
}

/** A row of echoes: servers plain or deflating, or clients. */
async function echo(rounds, protocol, [connections, inFlight, bytes], { plan, runOnce, question }) {
  const input = nameOf(protocol, [connections, inFlight, bytes]);
  const { warmup, seconds } = plan;
  const options = { connections, 'in-flight': inFlight, warmup, seconds };
  const { cases, all } = await rounds.ask(question, input, (one) => runOnce(one, options));
  const results = echoResults(cases, all);
  const shape = { connections, inFlight, bytes };
  return { input, protocol, ...shape, rounds: plan.rounds, cases: results, ratios: ratiosBetween(results) };
}

/** The rows, in order: [protocol, shape, how one is run]. */
function rows(corpus) {
  const plain = (bytes) => (one, options) => loadOnce(echoServer(one, {}), { ...options, bytes });
  const deflated = (deflate) => (one, options) => {
    const { warmup, seconds } = options;
    if (one.rival === 'zlib') return answerOf(zlibAlone(), { corpus: corpus(), deflate, warmup, seconds });
    return loadOnce(echoServer(one, { deflate }), { ...options, corpus: corpus(), deflate });
  };
  const clients = (bytes) => (one, options) => clientOnce(client(one), { ...options, bytes });
  return [
    ...SHAPES.map((shape) => ['echo', shape, { question: 'echo', runOnce: plain(shape[2]) }]),
    ...SHAPES.map((shape) => ['client', shape, { question: 'client', runOnce: clients(shape[2]) }]),
    ...['alone', 'takeover'].flatMap((how) =>
      DEFLATED.map((shape) => [`deflate ${how}`, shape, { question: 'deflate echo', runOnce: deflated(how) }]),
    ),
  ];
}

async function publish(rounds, deflate, { warmup, seconds, subscribers }, corpus) {
  const input = deflate === undefined ? `publish ${PUBLISHED_BYTES} bytes` : 'publish deflated JSON';
  const what = deflate === undefined ? { bytes: PUBLISHED_BYTES } : { corpus: corpus(), deflate };
  const options = { publish: subscribers, warmup, seconds: 2 * seconds, ...what };
  const question = deflate === undefined ? 'publish' : 'deflate';
  const runOnce = (one) => loadOnce(publishServer(one, { deflate }), options);
  const { cases, all } = await rounds.ask(question, input, runOnce);
  return { input, deflate, subscribers, cases: figureResults(cases, all) };
}

/**
 * After an echo on each connection; for deflate too, whose contexts are made by then. And after a rest: V8 gives back the
 * memory of its young generation, which the handshakes have made large, when it finds nothing to do, a minute or two
 * later.
 */
async function idle(rounds, deflate, { count, seconds }, { warmup }, corpus) {
  const what = deflate === undefined ? {} : { corpus: corpus(), deflate };
  const runOnce = (one) => loadOnce(echoServer(one, { deflate }), { idle: count, warmup, seconds, ...what });
  const label = deflate === undefined ? 'idle' : `idle deflate ${deflate}`;
  const how = { rounds: 'at once' };
  const { cases, all } = await rounds.ask(deflate === undefined ? 'idle' : 'deflate', label, runOnce, how);
  return figureResults(cases, all);
}

function nameOf(protocol, shape) {
  return `${protocol} ${shape.join('x')}`;
}

export const bench = {
  question: 'How many WebSocket messages does a server or a client move, and what do connections and publishing cost?',
  unit: 'messages per second of processor time',
  /** `--input` takes words of a row's name: `echo`, `client`, `deflate`, `100x1x64`; and `publish`, `idle`. */
  async run({ quick, only, rounds: wantedRounds, progress }) {
    const obstacle = buildLoad();
    const { cases, missing, bun } = obstacle === undefined ? websocketCases({ quick }) : { cases: [], missing: [] };
    if (obstacle !== undefined) missing.push(`!!! NOTHING MEASURED: ${obstacle}`);
    if (missing.length > 0) stdout.write(`${missing.join('\n')}\n`);
    const plan = { ...(quick ? QUICK : FULL), progress };
    if (wantedRounds !== undefined) plan.rounds = wantedRounds;
    const rounds = new Rounds('websocket', cases, plan, missing);
    const wanted = (name) =>
      cases.length > 0 && (only.length === 0 || only.some((word) => name === word || name.split(' ').includes(word)));
    let path;
    const corpus = () => {
      path ??= corpusFile(LEVEL);
      return path;
    };
    const body = { bun, missing, results: [], publish: [], idle: [], deflateIdle: [] };
    for (const [protocol, shape, how] of rows(corpus)) {
      if (wanted(nameOf(protocol, shape))) body.results.push(await echo(rounds, protocol, shape, { ...how, plan }));
    }
    if (wanted('publish')) {
      for (const deflate of [undefined, 'alone']) body.publish.push(await publish(rounds, deflate, plan, corpus));
    }
    if (wanted('idle')) {
      body.idle = await idle(rounds, undefined, { count: plan.idle, seconds: plan.rest }, plan, corpus);
      body.deflateIdle = await idle(
        rounds,
        'takeover',
        { count: plan.deflateIdle, seconds: plan.seconds },
        plan,
        corpus,
      );
    }
    const full = { ...body, targets: websocketTargets(body) };
    return { ...full, text: `\n${[...websocketTables(full).map(table), ...missing].join('\n\n')}` };
  },
};
