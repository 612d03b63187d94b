/** What was asked for in WebSocket's name, and what came out. */
import { BUN, BY_HAND, FACE, FACE_DUPLEX, FACE_REFERENCE, OWN, WS } from './websocket-cases.mjs';

/** How many times ws, by what the row is about. */
const TIMES_WS = {
  [OWN]: { group: 15, single: 1.8, large: 2.5, huge: 1.5 },
  [FACE]: { group: 12, single: 1.6, large: 1, huge: 1 },
};
const NEVER_SLOWER = [FACE_DUPLEX, FACE_REFERENCE];
/** Of the processor time of a bare loop, at most 1.2 times: the other way round. */
const OF_A_BARE_LOOP = 0.83;
const MOST_IDLE_BYTES = { [OWN]: 1024, [FACE]: 2048 };

/** @returns {{ input: string, ours: string, rival: string, atLeast: number, ratio: number, met: boolean }[]} */
export function websocketTargets({ results, publish, idle, deflateIdle }) {
  const rows = [
    ...results.flatMap(rowTargets),
    ...publish.flatMap(publishTargets),
    ...idleTargets(idle),
    ...deflateIdleTargets(deflateIdle),
  ];
  return rows.filter(({ ratio }) => Number.isFinite(ratio)).map((row) => ({ ...row, met: row.ratio >= row.atLeast }));
}

function rowTargets({ input, protocol, inFlight, bytes, ratios }) {
  const kind = bytes >= 1 << 20 ? 'huge' : bytes >= 16_384 ? 'large' : inFlight >= 16 ? 'group' : 'single';
  const wanted = ({ ours, rival }) => {
    if (rival === BUN && ours === OWN && protocol === 'echo') return 1.1;
    if (rival !== WS) return undefined;
    if (protocol.startsWith('deflate')) return ours === OWN ? 5 : undefined;
    return NEVER_SLOWER.includes(ours) ? 1 : TIMES_WS[ours]?.[kind];
  };
  return ratios.map((one) => ({ input, ...one, atLeast: wanted(one) })).filter(({ atLeast }) => atLeast !== undefined);
}

function publishTargets({ input, deflate, cases }) {
  const of = (name) => cases.find((one) => one.name === name);
  const row = (ours, rival, figure, atLeast) => {
    const ratio = of(rival)?.[figure] / of(ours)?.[figure];
    return { input: `${input}, ${figure.replace('MsPerPublish', ' time')}`, ours, rival, ratio, atLeast };
  };
  if (deflate !== undefined) return [row(OWN, WS, 'cpuMsPerPublish', 5)];
  return [row(OWN, WS, 'userMsPerPublish', 5), row(OWN, BY_HAND, 'cpuMsPerPublish', OF_A_BARE_LOOP)];
}

function idleTargets(idle) {
  return Object.entries(MOST_IDLE_BYTES).map(([name, most]) => ({
    input: 'idle, bytes of a connection',
    ours: `${most} bytes`,
    rival: name,
    ratio: most / idle.find((one) => one.name === name)?.bytesPerConnectionHeld,
    atLeast: 1,
  }));
}

function deflateIdleTargets(cases) {
  const of = (name) => cases.find((one) => one.name === name)?.bytesPerConnectionHeld;
  return [{ input: 'idle after deflate', ours: `bytes of ${WS}`, rival: OWN, ratio: of(WS) / of(OWN), atLeast: 4 }];
}
