/** The results of the WebSocket bench as rows of tables; websocket.mjs prints them, report.mjs makes Markdown of them. */
import { digits } from '../harness/stats.mjs';
import { socketTables } from './tables.mjs';

/** @returns {string[][][]} tables, each with its header first */
export function websocketTables({ results, publish, idle, deflateIdle, targets }) {
  const tables = (more) => socketTables({ results: [], idle: [], churn: [], flood: [], targets: [], ...more });
  return [
    ...tables({ results: results.filter(({ cases }) => cases.length > 0) }),
    ...sizeTable(results.filter(({ protocol, cases }) => protocol.startsWith('deflate') && cases.length > 0)),
    ...publish.filter(({ cases }) => cases.length > 0).map(publishTable),
    ...tables({ idle }),
    ...tables({ idle: deflateIdle }).map(([[head, ...columns], ...rows]) => [
      [`with deflate and takeover, ${head}`, ...columns],
      ...rows,
    ]),
    ...tables({ targets }),
  ];
}

/** How well servers deflate: who works less must not seem faster. */
function sizeTable(results) {
  if (results.length === 0) return [];
  const names = [...new Set(results.flatMap(({ cases }) => cases.map(({ name }) => name)))];
  const bytesOf = ({ cases }, name) => cases.find((one) => one.name === name)?.bytesPerEcho?.toFixed(0) ?? '';
  const rows = names.map((name) => [name, ...results.map((result) => bytesOf(result, name))]);
  return [[['bytes of an echo on the wire', ...results.map(({ input }) => input)], ...rows]];
}

function publishTable({ input, subscribers, cases }) {
  const rows = cases.map((one) => [
    one.name,
    ...[one.userMsPerPublish, one.systemMsPerPublish, one.cpuMsPerPublish].map((ms) => `${digits(ms)} ms`),
  ]);
  return [[`${input} to ${subscribers}`, 'user', 'system', 'both'], ...rows];
}
