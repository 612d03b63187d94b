/** The results of the WebSocket bench as rows of tables; websocket.mjs prints them, report.mjs makes Markdown of them. */
import { digits } from '../harness/stats.mjs';
import { socketTables } from './tables.mjs';

/** @returns {string[][][]} tables, each with its header first */
export function websocketTables({ results, publish, idle, deflateIdle, targets }) {
  const tables = (more) => socketTables({ results: [], idle: [], churn: [], flood: [], targets: [], ...more });
  return [
    ...tables({ results: results.filter(({ cases }) => cases.length > 0) }),
    ...publish.filter(({ cases }) => cases.length > 0).map(publishTable),
    ...tables({ idle }),
    ...tables({ idle: deflateIdle }).map(([[head, ...columns], ...rows]) => [
      [`with deflate and takeover, ${head}`, ...columns],
      ...rows,
    ]),
    ...tables({ targets }),
  ];
}

function publishTable({ input, subscribers, cases }) {
  const rows = cases.map((one) => [
    one.name,
    ...[one.userMsPerPublish, one.systemMsPerPublish, one.cpuMsPerPublish].map((ms) => `${digits(ms)} ms`),
  ]);
  return [[`${input} to ${subscribers}`, 'user', 'system', 'both'], ...rows];
}
