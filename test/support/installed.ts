/** Programs of other people's that tests talk to. What is missing is said out loud, and what needs it is skipped. */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { env } from 'node:process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** Where servers are, which are on no user's path. */
const MORE = ['/usr/bin', '/usr/sbin', '/usr/local/sbin'];

/** The path of the first of these programs that is there. */
export function findProgram(...names: readonly string[]): string | undefined {
  const folders = [...(env.PATH ?? '').split(delimiter), ...MORE];
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Says that a peer is not there, and skips what would talk to it. */
export function skipLoudly(test: Mocha.Context, peer: string, debianPackage: string): never {
  console.log(`\n!!! NOT TESTED: there is no ${peer} (apt-get install ${debianPackage})`);
  // biome-ignore lint/suspicious/noSkippedTests: it depends on the machine, and CI installs all of them.
  return test.skip();
}

/** A program in a process of its own that is told and tells lines. */
export class Companion {
  readonly child: ChildProcess;
  readonly #closed: Promise<void>;
  readonly #lines: AsyncIterator<string>;
  #complaint = '';

  /**
   * @param from where its lines are; the other of the two is kept as its complaint.
   * @param more of the environment
   */
  constructor(
    program: string,
    args: readonly string[],
    from: 'stdout' | 'stderr' = 'stdout',
    more: Record<string, string> = {},
  ) {
    this.child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...env, ...more } });
    this.#closed = new Promise((resolve, reject) => {
      this.child.on('error', reject).on('close', () => resolve());
    });
    const { stdout, stderr } = this.child as { stdout: Readable; stderr: Readable };
    const [told, other] = from === 'stdout' ? [stdout, stderr] : [stderr, stdout];
    this.#lines = createInterface({ input: told })[Symbol.asyncIterator]();
    other.setEncoding('utf8').on('data', (chunk: string) => {
      this.#complaint += chunk;
    });
  }

  tell(line: string): void {
    this.child.stdin!.write(`${line}\n`);
  }

  /** The next line. @throws with its complaint when it has ended. */
  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`${this.child.spawnfile} has ended: ${this.#complaint}`);
    return value;
  }

  /** The next line that matches. @returns what the expression's first group matched. */
  async lineLike(expression: RegExp): Promise<string> {
    const passed: string[] = [];
    for (;;) {
      const line = await this.line().catch((error: unknown) => {
        throw new Error(passed.join('\n'), { cause: error });
      });
      const found = expression.exec(line);
      if (found !== null) return found[1] ?? line;
      passed.push(line);
    }
  }

  /** Reads no more of its lines, and lets it write what it wants. */
  drop(): void {
    void this.#lines.return?.();
    this.child.stdout!.resume();
    this.child.stderr!.resume();
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.child.kill(signal);
    await this.#closed;
  }
}
