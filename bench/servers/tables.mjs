/** The results of the socket bench as rows of tables; sockets.mjs prints them, report.mjs makes Markdown of them. */
import { digits, short } from '../harness/stats.mjs';

/** @returns {string[][][]} tables, each with its header first */
export function socketTables({ results, idle, churn, flood, targets }) {
  const protocols = [...new Set(results.map(({ protocol }) => protocol))];
  return [
    ...protocols.flatMap((protocol) => echoTables(results.filter((one) => one.protocol === protocol))),
    ...heldTables({ idle, churn, flood }),
    ...(targets.length > 0 ? [targetTable(targets)] : []),
  ];
}

function echoTables(results) {
  const shapes = results.map(({ connections, inFlight, bytes }) => `${connections} × ${inFlight} × ${bytes}`);
  const names = [...new Set(results.flatMap(({ cases }) => cases.map(({ name }) => name)))];
  const cell = (result, name) => result.cases.find((one) => one.name === name);
  const rates = names.map((name) => [
    name,
    ...results.map((result) => {
      const one = cell(result, name);
      return one === undefined ? '' : `${short(one.messagesPerCpuSecond)}/s`;
    }),
  ]);
  const pairs = results[0].ratios.map(({ ours, rival }) => [ours, rival]);
  const ratios = pairs.map(([ours, rival]) => [
    `${ours} ÷ ${rival}`,
    ...results.map((result) => {
      const found = result.ratios.find((one) => one.ours === ours && one.rival === rival);
      return found === undefined ? '' : `${digits(found.ratio)} ×`;
    }),
  ]);
  const { protocol, rounds } = results[0];
  const head = [`${protocol}, ${rounds} rounds: messages a CPU second`, ...shapes];
  const tables = [[head, ...rates]];
  if (ratios.length > 0) tables.push([[`${protocol}: ratio`, ...shapes], ...ratios]);
  return tables;
}

function heldTables({ idle, churn, flood }) {
  const mb = (bytes) => `${digits(bytes / 1e6)} MB`;
  const ms = (microseconds) => `${digits(microseconds / 1000)} ms`;
  const tables = [];
  if (idle.length > 0) {
    const rows = idle.map((one) => [
      one.name,
      ...[one.bytesPerConnection, one.bytesPerConnectionEchoed, one.bytesPerConnectionHeld].map((each) =>
        each.toFixed(0),
      ),
      mb(one.rssBefore),
    ]);
    const head = [`${idle[0].idle} idle connections: bytes each`, 'connected', 'echoed once', 'later', 'RSS before'];
    tables.push([head, ...rows]);
  }
  if (churn.length > 0) {
    const rows = churn.map((one) => [
      one.name,
      `${short(one.connectionsPerCpuSecond)}/s`,
      mb(one.rssBefore),
      mb(one.rssAfter),
      `${one.descriptorsBefore} → ${one.descriptorsAfter}`,
    ]);
    const beside = churn[0].held > 0 ? `, beside ${churn[0].held} that stay` : '';
    tables.push([
      [`${churn[0].churn} connects${beside}`, 'a CPU second', 'RSS before', 'after', 'descriptors'],
      ...rows,
    ]);
  }
  if (flood.length > 0) {
    const rows = flood.map((one) => [
      one.name,
      ms(one.p99Alone),
      ms(one.p99BesideFlood),
      `${digits(one.p99BesideFlood / one.p99Alone)} ×`,
      `${short(one.floodMessagesPerSecond)}/s`,
    ]);
    const head = [`${flood[0].connections} quiet connections: p99`, 'alone', 'beside a flood', 'ratio', 'the flood'];
    tables.push([head, ...rows]);
  }
  return tables;
}

function targetTable(targets) {
  const rows = targets.map(({ input, ours, rival, atLeast, ratio, met }) => [
    `${input}: ${ours} ÷ ${rival}`,
    String(atLeast),
    digits(ratio),
    met ? 'met' : 'MISSED',
  ]);
  return [['asked for', 'at least', 'measured', ''], ...rows];
}
