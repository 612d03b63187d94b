/**
 * Runs the files of a run in a few processes at once, each of which gets its next file when it is done with one.
 *
 * One reporter of mocha's hears of all of them, a file at a time, so that what is printed is one run. A process that
 * ends in the middle of a file, badly, or not at all after its last one, is a failure that is named; another takes its
 * place while there are files.
 */
import { fork } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { relative } from 'node:path';
import { execArgv } from 'node:process';
import { fileURLToPath } from 'node:url';
import Mocha from 'mocha';

const PROCESS = fileURLToPath(new URL('process.mjs', import.meta.url));
/**
 * 'miniproto' is the modules in dist/, as '#lib/…' is: a test that uses both wants one instance. Examples and snippets,
 * which run in processes of their own without this, get what is published.
 */
const MODULES = ['--conditions=miniproto-modules'];
/** How long a process may stay after its last test. */
const LINGER_MS = 10_000;

/**
 * Runs the files, in their order, in so many processes with this environment.
 * @returns the counts, and what is wrong apart from failed tests.
 */
export async function runFiles(files, { env, processCount, reporter, root }) {
  const shown = await Shown.over(reporter);
  const run = { queue: [...files], problems: [], env, root, shown };
  await Promise.all(Array.from({ length: Math.min(processCount, files.length) }, () => work(run)));
  const counts = shown.end();
  if (counts.passed + counts.failed + run.problems.length === 0) run.problems.push('no test ran');
  return { ...counts, problems: run.problems };
}

/** Keeps one process at work while there are files. */
async function work(run) {
  while (run.queue.length > 0) {
    const problem = await inProcess(run);
    if (problem !== undefined) run.problems.push(problem);
  }
}

/** One process, until it ends. @returns what is wrong with how it ended, if anything is. */
function inProcess({ queue, env, root, shown }) {
  const child = fork(PROCESS, { cwd: root, execArgv: [...execArgv, ...MODULES], env });
  let file;
  let timer;
  const next = () => {
    file = queue.shift();
    if (file !== undefined) return child.send(file);
    child.disconnect();
    timer = setTimeout(() => child.kill('SIGKILL'), LINGER_MS);
  };
  child.on('message', (events) => {
    shown.replay(events);
    next();
  });
  next();
  return new Promise((resolve) => {
    // Not 'close': there is none where we have disconnected.
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      if (file !== undefined) resolve(`a process ended with ${signal ?? code} in ${relative(root, file)}`);
      else if (signal === 'SIGKILL')
        resolve(`a process was still there ${LINGER_MS} ms after its last test: something was left open`);
      else resolve(code === 0 ? undefined : `a process ended with ${signal ?? code}`);
    });
  });
}

/** A reporter, and as much of mocha's runner as it looks at. */
class Shown {
  #runner = new EventEmitter();

  /** @param reporter a name of mocha's, or a module's path. */
  static async over(reporter) {
    const Reporter = Mocha.reporters[reporter] ?? (await import(reporter)).default;
    return new Shown(Reporter);
  }

  constructor(Reporter) {
    this.#runner.stats = { suites: 0, tests: 0, passes: 0, pending: 0, failures: 0, start: new Date() };
    new Reporter(this.#runner, {});
    this.#runner.emit('start');
  }

  replay(events) {
    const { stats } = this.#runner;
    for (const [name, subject, error] of events) {
      if (name === 'pass') stats.passes++;
      else if (name === 'fail') stats.failures++;
      else if (name === 'pending') stats.pending++;
      else if (name === 'test end') stats.tests++;
      else if (name === 'suite' && !subject.root) stats.suites++;
      this.#runner.emit(name, revive(subject), error);
    }
  }

  /** Has the reporter say its last words. @returns the counts. */
  end() {
    const { stats } = this.#runner;
    stats.end = new Date();
    stats.duration = stats.end - stats.start;
    this.#runner.emit('end');
    return { passed: stats.passes, failed: stats.failures, skipped: stats.pending };
  }
}

/** A suite, a test or a hook with the methods that reporters call. */
function revive({ titles, slowMs, ...subject }) {
  return {
    ...subject,
    titlePath: () => titles,
    fullTitle: () => titles.join(' '),
    slow: () => slowMs,
    isPending: () => subject.pending,
    currentRetry: () => 0,
  };
}
