/**
 * The third part of the demo: the same echo server over native sockets and over Node's, examples/echo-server.mjs.
 *
 * Each runs in a process of its own and is asked by this one, in turns; what counts is the processor time that the
 * server needs, so that the asking, which costs as much or more, does not blur it. Every answer is compared with what
 * was sent. The system counts processor time in hundredths of a second: a turn takes dozens of them.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { connect, framed, lines } from 'miniproto';
import { digits, median, short } from '../../bench/harness/stats.mjs';
import { step } from './progress.mjs';

const SERVER = fileURLToPath(new URL('../echo-server.mjs', import.meta.url));
/** Milliseconds of processor time in a tick of /proc. */
const TICK_MS = 10;
const ROUNDS = 2;
const MIXES = [
  { connections: 50, inFlight: 1, messages: 12_000 },
  { connections: 50, inFlight: 16, messages: 120_000 },
];

/**
 * @param {(name: string, ok: boolean, detail: string) => void} check
 * @returns {Promise<string[][]>} a row for each mix: figures for Node's sockets, for native ones, and their ratio
 */
export async function compareEchoes(check) {
  const servers = await Promise.all(['duplex', 'native'].map(startServer));
  try {
    const rows = [];
    for (const mix of MIXES) rows.push(await compare(servers, mix, check));
    return rows;
  } finally {
    for (const { child } of servers) child.kill();
  }
}

async function startServer(transport) {
  const words = ['--protocol', 'line', '--transport', transport, '--port', '0'];
  const child = spawn(execPath, [SERVER, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [text] = await once(child.stdout.setEncoding('utf8'), 'data');
  return { transport, child, port: Number(/^up (\d+)/.exec(text)[1]) };
}

async function compare(servers, mix, check) {
  const { connections, inFlight, messages } = mix;
  const title = `${connections} connections with ${inFlight} in flight`;
  const rates = { duplex: [], native: [] };
  let wrong = 0;
  // The first round warms up, and is not counted.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const { transport, child, port } of servers) {
      step(`echo: ${title}, ${transport}`);
      const before = processorMs(child.pid);
      wrong += await ask(port, round === 0 ? { ...mix, messages: messages / 4 } : mix);
      const used = processorMs(child.pid) - before;
      if (round > 0) rates[transport].push((messages / Math.max(used, TICK_MS)) * 1000);
    }
  }
  const asked = 2 * (ROUNDS + 0.25) * messages;
  check(
    `echo: every message came back, ${title}`,
    wrong === 0,
    `${asked.toLocaleString('en')} messages, ${wrong} wrong`,
  );
  const [duplex, native] = [median(rates.duplex), median(rates.native)];
  return [
    String(connections),
    String(inFlight),
    messages.toLocaleString('en'),
    `${short(duplex)}/s`,
    `${short(native)}/s`,
    `${digits(native / duplex)} ×`,
  ];
}

/** Sends so many messages and compares the answers. @returns how many were wrong or missing. */
async function ask(port, { connections, inFlight, messages }) {
  const each = messages / connections;
  const wrong = await Promise.all(Array.from({ length: connections }, (_, i) => converse(port, i, inFlight, each)));
  return wrong.reduce((sum, count) => sum + count, 0);
}

async function converse(port, index, inFlight, count) {
  const talk = framed(await connect({ port, host: '127.0.0.1' }), lines({ encoding: 'latin1' }));
  // Lines that tell where they belong: no two of a connection's last 1,000 are alike.
  const texts = Array.from({ length: 1000 }, (_, i) => `connection ${index}, message ${i}`.padEnd(63, '.'));
  let [sent, received, wrong] = [0, 0, 0];
  while (sent < inFlight) talk.tryWrite(texts[sent++]);
  await talk.onRecord((record, out) => {
    if (record.text() !== texts[received++ % texts.length]) wrong++;
    if (sent < count) out.write(texts[sent++ % texts.length]);
    else if (received === count) void talk.end();
  });
  await talk.close();
  return wrong + (count - received);
}

/** What a process has used of the processor, its own code and the system's for it. */
function processorMs(pid) {
  // The name of the program stands in brackets, and may hold anything.
  const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ').slice(11, 13);
  return (Number(user) + Number(system)) * TICK_MS;
}
