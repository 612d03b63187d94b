/** The cases of a bench of servers and clients, in turns, where one that fails does not stop the others. */
import process, { stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import { inTurns } from './server-rounds.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The cases a question is put to, in turns; whoever fails is out, and said to be. */
export class Rounds {
  #bench;
  #cases;
  #plan;
  #missing;

  /**
   * @param {string} bench its name
   * @param {object[]} cases each with a `name`; `only`, where there is one, lists the questions that are put to it
   * @param {{ rounds: number, progress: (text: string) => void }} plan
   * @param {string[]} missing what was not measured, in lines; failures are added
   */
  constructor(bench, cases, plan, missing) {
    this.#bench = bench;
    this.#cases = cases;
    this.#plan = plan;
    this.#missing = missing;
  }

  /**
   * @param {{ rounds?: number | 'at once' }} how another count of rounds than the plan's
   * @returns {Promise<{ cases: object[], all: object[][] }>} those that got through, and their runs
   */
  async ask(question, label, runOnce, how = {}) {
    const cases = this.#cases.filter(({ only }) => only === undefined || only.includes(question));
    const failed = new Set();
    const all = await inTurns(
      cases,
      (one) => (failed.has(one.name) ? undefined : this.#try(one, label, runOnce, failed)),
      {
        ...this.#plan,
        ...how,
        bench: this.#bench,
        label,
      },
    );
    const through = (_, index) => !failed.has(cases[index].name);
    return { cases: cases.filter(through), all: all.filter(through) };
  }

  async #try(one, label, runOnce, failed) {
    try {
      return await runOnce(one);
    } catch (error) {
      const text = `!!! FAILED: ${one.name}, ${label}: ${reasonOf(error)}`;
      failed.add(one.name);
      this.#missing.push(text);
      stdout.write(`${text}\n`);
      process.exitCode = 1;
      return undefined;
    }
  }
}

/** The line that says it, without folders: this goes into records. */
function reasonOf({ message }) {
  const lines = message.split('\n');
  return (lines.find((line) => /Error\b.*:/.test(line)) ?? lines[0]).replaceAll(ROOT, '');
}
