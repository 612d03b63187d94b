/**
 * Servers, or clients, against each other: A, B, C, A, B, C, each in a new process in each round, and what is made of
 * their runs. Where memory at rest is measured nobody is in another's way, and all run at once. A run has `messages` and
 * the processor time that they took, `serverCpuSeconds`.
 */
import { median } from './stats.mjs';

/**
 * @template Case, Run
 * @param {readonly Case[]} cases each with a `name`
 * @param {(one: Case) => Promise<Run>} runOnce
 * @param {{ bench: string, label: string, rounds: number | 'at once', progress: (text: string) => void }} options
 * @returns {Promise<Run[][]>} the runs of each case
 */
export async function inTurns(cases, runOnce, { bench, label, rounds, progress }) {
  if (rounds === 'at once') {
    progress(`${bench} ${label}: all at once`);
    return (await Promise.all(cases.map(runOnce))).map((run) => [run]);
  }
  const runs = cases.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, one] of cases.entries()) {
      progress(`${bench} ${label}: round ${round + 1} of ${rounds}, ${one.name}`);
      runs[index].push(await runOnce(one));
    }
  }
  return runs;
}

/** The medians of each case, and its runs. */
export function echoResults(cases, all) {
  return cases.map(({ name, ours }, index) => ({
    name,
    ours: ours !== undefined,
    messagesPerCpuSecond: Math.round(median(all[index].map((run) => run.messagesPerCpuSecond))),
    messagesPerSecond: Math.round(median(all[index].map((run) => run.messagesPerSecond))),
    bytesPerEcho: median(all[index].map((run) => run.bytesPerEcho ?? 0)) || undefined,
    // Clients measure themselves, and not how late anything is.
    p50Us: median(all[index].map(({ latencyUs }) => latencyUs?.p50 ?? 0)) || undefined,
    p99Us: median(all[index].map(({ latencyUs }) => latencyUs?.p99 ?? 0)) || undefined,
    runs: all[index].map(({ messages, seconds: wall, serverCpuSeconds }) => ({ messages, wall, serverCpuSeconds })),
  }));
}

/** The medians of every figure of each case. */
export function figureResults(cases, all) {
  return cases.map(({ name, ours }, index) => {
    const runs = all[index];
    const figures = Object.keys(runs[0]).filter((key) => typeof runs[0][key] === 'number');
    return {
      name,
      ours: ours !== undefined,
      ...Object.fromEntries(figures.map((key) => [key, median(runs.map((run) => run[key]))])),
    };
  });
}

/** Of every case of ours to every rival: the median of the ratios within a round. */
export function ratiosBetween(results) {
  const rate = ({ messages, serverCpuSeconds }) => messages / serverCpuSeconds;
  const rivals = results.filter(({ ours }) => !ours);
  return results
    .filter(({ ours }) => ours)
    .flatMap((ours) =>
      rivals.map((rival) => {
        const byRound = ours.runs.map((run, round) => rate(run) / rate(rival.runs[round]));
        return { ours: ours.name, rival: rival.name, ratio: Math.round(median(byRound) * 100) / 100 };
      }),
    );
}
