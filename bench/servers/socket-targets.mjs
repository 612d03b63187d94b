/** What was asked for of sockets, and what came out. */

export const NATIVE = 'native sockets';
export const OVER_NODE = "Node's sockets";
export const SPLIT2 = 'split2';
export const BUN = 'Bun, by hand';
/** No rival: what the kernel costs, and the least on top of it. Nothing is asked for against it. */
export const BOUND = 'C++, by hand';
const PACKAGES = [SPLIT2, 'split2, one write', 'length-prefixed-stream'];
const BY_HAND = ['net, by hand', 'net, latin1'];

const MOST_IDLE_BYTES = 1024;
/** How much later quiet connections may be beside a flood. */
const MOST_LATER = 3;

/** @returns {{ input: string, ours: string, rival: string, atLeast: number, ratio: number, met: boolean }[]} */
export function socketTargets({ results, idle, churn, flood }) {
  const native = (all) => all.filter(({ name }) => name === NATIVE);
  const rows = [
    ...results.flatMap(rowTargets),
    ...native(idle).map(({ bytesPerConnectionHeld: bytes }) =>
      figure('idle, bytes of a connection', `${MOST_IDLE_BYTES} bytes`, MOST_IDLE_BYTES / bytes),
    ),
    ...native(churn).map(({ descriptorsBefore, descriptorsAfter }) =>
      figure('come and gone, descriptors', 'before', descriptorsBefore / descriptorsAfter),
    ),
    ...native(flood).map(({ p99Alone, p99BesideFlood }) =>
      figure('beside a flood, p99', `${MOST_LATER} × alone`, (MOST_LATER * p99Alone) / p99BesideFlood),
    ),
  ];
  return rows.map((row) => ({ ...row, met: row.ratio >= row.atLeast }));
}

/** Each against the best of its kind, so the least ratio. */
function rowTargets({ input, inFlight, bytes, ratios }) {
  const least = (ours, rivals, atLeast) => {
    const mine = ratios.filter((one) => one.ours === ours && rivals.includes(one.rival));
    return mine
      .sort((a, b) => a.ratio - b.ratio)
      .slice(0, 1)
      .map((one) => ({ input, ...one, atLeast }));
  };
  return [
    ...(inFlight >= 16 ? least(NATIVE, PACKAGES, 10) : []),
    ...(inFlight === 1 ? least(NATIVE, BY_HAND, 1.5) : []),
    ...(bytes >= 16_384 ? least(NATIVE, BY_HAND, 2) : []),
    ...least(NATIVE, [BUN], 1.1),
    ...(inFlight >= 16 ? least(OVER_NODE, [SPLIT2], 5) : []),
  ];
}

/** A figure of ours that may be so much at most: the other way round. */
function figure(input, most, ratio) {
  return { input, ours: most, rival: NATIVE, atLeast: 1, ratio };
}
