/** Runs a program in a process of its own, as its reader would. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { execPath } from 'node:process';
import { ROOT } from './blocks.js';

/** Milliseconds until a program that does not end by itself has failed. */
const DEADLINE_MS = 30_000;
/** The same for a server, which lives as long as its suite: nothing but the suite's end is to end it. */
const SERVER_DEADLINE_MS = 600_000;

/** What the reference says once, where there is no addon. */
const NOTICE = /^\(node:\d+\) \[MINIPROTO_REFERENCE\] Warning: .*\n\(Use `node --trace-warnings .*\n/m;

/** Runs a program in the project's folder. @returns how it ended, and what it wrote. */
export async function runProgram(program: string, args: readonly string[]): Promise<ProgramEnd> {
  const child = spawn(program, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], timeout: DEADLINE_MS });
  const output = { text: '', complaint: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output.text += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    output.complaint += chunk;
  });
  const end = await new Promise<number | string | null>((resolve, reject) => {
    child.on('error', reject).on('close', (code, signal) => resolve(signal ?? code));
  });
  return { end, ...output };
}

export interface ProgramEnd {
  /** The exit code, or the signal that ended it. */
  readonly end: number | string | null;
  /** What it wrote to stdout. */
  readonly text: string;
  /** What it wrote to stderr. */
  readonly complaint: string;
}

export interface RunningServer {
  readonly port: number;
  /** What it has written to stderr. */
  complaint(): string;
  /** Ends it with SIGTERM, and resolves when it has ended. */
  stop(): Promise<void>;
}

/**
 * Starts `node ...args`, a server that prints `up` and its port when it listens.
 * @throws AssertionError when it does not.
 */
export async function startServer(args: readonly string[]): Promise<RunningServer> {
  const child = spawn(execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], timeout: SERVER_DEADLINE_MS });
  const closed = once(child, 'close');
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    complaint += chunk;
  });
  const said = () => complaint.replace(NOTICE, '');
  let text = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    text += String(chunk);
    if (text.includes('\n')) break;
  }
  const port = Number(/^up (\d+)\n/.exec(text)?.[1]);
  assert.ok(port > 0, `it is not up: ${text}${said()}`);
  const stop = async (): Promise<void> => {
    child.kill();
    await closed;
  };
  return { port, complaint: said, stop };
}

/**
 * Runs `node ...args`.
 * @returns what it printed.
 * @throws AssertionError when it fails, is killed, or says anything on stderr: a warning is a fault of the example.
 */
export async function runNode(args: readonly string[]): Promise<string> {
  // Node 22.12 says of each `require` of a module that it is experimental, as the README says.
  const { end, text, complaint } = await runProgram(execPath, ['--disable-warning=ExperimentalWarning', ...args]);
  const said = complaint.replace(NOTICE, '');
  assert.ok(end === 0 && said === '', `ended with ${String(end)}: ${said}${text}`);
  return text;
}
