/** The results of the TLS bench as rows of tables, and what was asked for; tls.mjs prints them, report.mjs makes Markdown. */
import { digits, short } from '../harness/stats.mjs';
import { socketTables } from './tables.mjs';
import { DUPLEX, NATIVE, NODE_TLS, NODE_TLS_DUPLEX, WS_HTTPS, WSS } from './tls-cases.mjs';

/** @returns {string[][][]} tables, each with its header first */
export function tlsTables({ results, handshakes, idle, wssIdle, targets }) {
  const tables = (more) => socketTables({ results: [], idle: [], churn: [], flood: [], targets: [], ...more });
  return [
    ...tables({ results: results.filter(({ cases }) => cases.length > 0) }),
    ...(handshakes.length > 0 ? handshakeTables(handshakes) : []),
    ...tables({ idle }),
    ...tables({ idle: wssIdle }),
    ...tables({ targets }),
  ];
}

function handshakeTables(handshakes) {
  const inputs = handshakes.map(({ input }) => input);
  const { cases } = handshakes[0];
  const rateOf = (one, name) => figure(one.cases, name, 'connectionsPerCpuSecond') ?? Number.NaN;
  const rates = cases.map(({ name }) => [name, ...handshakes.map((one) => `${short(rateOf(one, name))}/s`)]);
  const pairs = cases
    .filter(({ ours }) => ours)
    .flatMap((ours) => cases.filter((one) => !one.ours).map((rival) => [ours.name, rival.name]));
  const ratios = pairs.map(([ours, rival]) => [
    `${ours} ÷ ${rival}`,
    ...handshakes.map((one) => `${digits(rateOf(one, ours) / rateOf(one, rival))} ×`),
  ]);
  const tables = [[['connections with one echo, a CPU second', ...inputs], ...rates]];
  if (ratios.length > 0) tables.push([['connections with one echo: ratio', ...inputs], ...ratios]);
  return tables;
}

/** @returns {{ input: string, ours: string, rival: string, atLeast: number, ratio: number, met: boolean }[]} */
export function tlsTargets({ results, handshakes, idle }) {
  const rows = [
    ...results.flatMap(rowTargets),
    ...handshakes.map(({ input, resumed, cases }) => ({
      input,
      ours: NATIVE,
      rival: NODE_TLS,
      ratio: figure(cases, NATIVE, 'connectionsPerCpuSecond') / figure(cases, NODE_TLS, 'connectionsPerCpuSecond'),
      atLeast: resumed ? 1.5 : 1,
    })),
    {
      input: 'idle, bytes of a connection',
      ours: NODE_TLS,
      rival: NATIVE,
      ratio: figure(idle, NODE_TLS, 'bytesPerConnectionHeld') / figure(idle, NATIVE, 'bytesPerConnectionHeld'),
      atLeast: 2,
    },
  ];
  return rows.filter(({ ratio }) => Number.isFinite(ratio)).map((row) => ({ ...row, met: row.ratio >= row.atLeast }));
}

function figure(cases, name, key) {
  return cases.find((one) => one.name === name)?.[key];
}

function rowTargets({ input, inFlight, bytes, ratios }) {
  const wanted = ({ ours, rival }) => {
    if (ours === NATIVE && rival === NODE_TLS) return bytes >= 1 << 20 ? 1.2 : bytes >= 16_384 ? 1.4 : 2;
    if (ours === DUPLEX && rival === NODE_TLS_DUPLEX) return 2;
    return ours === WSS && rival === WS_HTTPS && inFlight >= 16 ? 3 : undefined;
  };
  return ratios.map((one) => ({ input, ...one, atLeast: wanted(one) })).filter(({ atLeast }) => atLeast !== undefined);
}
