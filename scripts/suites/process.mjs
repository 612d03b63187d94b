/**
 * One of the processes that share a run's suites, started by pool.mjs: runs each file it is told, and answers with what
 * the file's tests did.
 *
 * A file is a mocha run of its own in the same process, so that modules are loaded and compiled once. Nothing is printed
 * here but by the tests: what mocha's reporters are told goes to the parent, which tells one reporter of its own.
 * The process ends when the parent has disconnected and the tests have left nothing open.
 */
import { env } from 'node:process';
import Mocha from 'mocha';

/** For one test: only what hangs gets there, however busy the machine is. */
const TEST_MS = 60_000;
/** What reporters listen for, apart from a run's start and end. */
const EVENTS = ['suite', 'pending', 'pass', 'fail', 'test end', 'suite end'];

listen();

/** For one file: while tests run, nobody listens, and so the channel keeps no process alive that would have ended. */
function listen() {
  process.once('message', async (file) => {
    const events = await runFile(file);
    listen();
    process.send(events);
  });
}

/** @returns what happened, in order. */
async function runFile(file) {
  const events = [];
  /** Says nothing. Its parent turns what was compared into text, which is then sent. */
  class Recorder extends Mocha.reporters.Base {
    constructor(runner, options) {
      super(runner, options);
      for (const name of EVENTS) {
        runner.on(name, (subject, error) => events.push([name, describe(subject), error && describeError(error)]));
      }
    }
  }
  const mocha = new Mocha({ reporter: Recorder, timeout: TEST_MS, forbidOnly: Boolean(env.CI) });
  mocha.addFile(file);
  await mocha.loadFilesAsync();
  await new Promise((resolve) => mocha.run(resolve));
  mocha.dispose();
  return events;
}

/** A suite, a test or a hook. */
function describe(subject) {
  const { title, file, root, type, duration, pending } = subject;
  return { title, file, root, type, duration, pending, titles: subject.titlePath(), slowMs: subject.slow() };
}

/** As much of an error as is shown. */
function describeError({ name, message, stack, actual, expected, showDiff, uncaught, cause }) {
  const known = { name, message, stack, actual, expected, showDiff, uncaught };
  return cause instanceof Error ? { ...known, cause: describeError(cause) } : known;
}
