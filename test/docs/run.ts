/** Runs a program in a process of its own, as its reader would. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { execPath } from 'node:process';
import { ROOT } from './blocks.js';

/** Milliseconds until a program that does not end by itself has failed. */
const DEADLINE_MS = 30_000;

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

/**
 * Runs `node ...args`.
 * @returns what it printed.
 * @throws AssertionError when it fails, is killed, or says anything on stderr: a warning is a fault of the example.
 */
export async function runNode(args: readonly string[]): Promise<string> {
  const { end, text, complaint } = await runProgram(execPath, args);
  const said = complaint.replace(NOTICE, '');
  assert.ok(end === 0 && said === '', `ended with ${String(end)}: ${said}${text}`);
  return text;
}
