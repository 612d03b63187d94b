/**
 * What is written while the loop tells of arrivals leaves when it has told of them all, and before it waits for more.
 *
 * A peer that hears of each answer at once is woken for each, and takes the processor from who has yet to answer others;
 * and what a stream answers to several chunks leaves in one piece. The reactor of native sockets does the same.
 */
import { AsyncResource } from 'node:async_hooks';

/** A stream that has bytes to hand on. */
export interface Leaving {
  /** Hands them on. Must not throw. */
  leave(): void;
}

/** Streams of which the first waits for the last: with more, an answer would be late for little. */
const MOST = 64;

let waiting: Leaving[] = [];
let planned = false;
let handled = false;
let exiting = false;
/** What leaves does so in nobody's asynchronous context, rather than in that of whoever was the first. */
const scope = new AsyncResource('MINIPROTO_TLS');

/** @returns false: there is no later, the process is on its way out. */
export function leaveLater(one: Leaving): boolean {
  if (exiting) return false;
  if (waiting.length >= MOST) leaveInScope();
  if (!planned) {
    planned = true;
    setImmediate(leaveAtEnd);
    handleExit();
  }
  waiting.push(one);
  return true;
}

function leaveAtEnd(): void {
  planned = false;
  leaveInScope();
}

function leaveInScope(): void {
  scope.runInAsyncScope(leave);
}

function leave(): void {
  const all = waiting;
  waiting = [];
  for (const one of all) one.leave();
}

function handleExit(): void {
  if (handled) return;
  handled = true;
  process.on('exit', () => {
    exiting = true;
    leave();
  });
}
