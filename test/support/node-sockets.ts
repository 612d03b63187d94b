/** Sockets of Node for tests of adopting and releasing, and programs in processes of their own. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execArgv, execPath } from 'node:process';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { nativeInfo } from 'miniproto';

/** Whether connections are expected to be native here. */
export const NATIVE = nativeInfo().sockets.native;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface NodePair {
  /** The side that accepted. */
  readonly accepted: net.Socket;
  /** The side that connected. */
  readonly connected: net.Socket;
}

/** Two connected sockets of Node. Nobody has read of them; `reading` lets Node read ahead on the accepted side. */
export async function nodePair(
  family: 'tcp' | 'unix' = 'tcp',
  { reading = false, allowHalfOpen = true }: { reading?: boolean; allowHalfOpen?: boolean } = {},
): Promise<NodePair> {
  const server = net.createServer({ allowHalfOpen, pauseOnConnect: !reading });
  const folder = family === 'unix' ? mkdtempSync(join(tmpdir(), 'miniproto-')) : undefined;
  try {
    server.listen(folder === undefined ? { port: 0, host: '127.0.0.1' } : { path: join(folder, 'socket') });
    await once(server, 'listening');
    const address = server.address() as net.AddressInfo | string;
    const where = typeof address === 'string' ? { path: address } : { port: address.port, host: '127.0.0.1' };
    const connected = net.connect({ ...where, allowHalfOpen, noDelay: true });
    if (!reading) connected.pause();
    const [[accepted]] = await Promise.all([once(server, 'connection'), once(connected, 'connect')]);
    return { accepted: accepted as net.Socket, connected };
  } finally {
    server.close();
    if (folder !== undefined) rmSync(folder, { recursive: true });
  }
}

/** Collects the names of what a socket emits, listeners' own events left out. */
export function eventsOf(socket: net.Socket): string[] {
  const names: string[] = [];
  const emit = socket.emit.bind(socket);
  socket.emit = (name: string, ...args: unknown[]) => {
    if (name !== 'newListener' && name !== 'removeListener') names.push(name);
    return emit(name, ...args);
  };
  return names;
}

/** Everything until the peer's end. The socket goes on: an iteration would destroy it. */
export async function readAll(readable: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  readable.on('data', (chunk: Buffer) => void chunks.push(chunk)).resume();
  await once(readable, 'end');
  return Buffer.concat(chunks);
}

/** Resolves once Node has read `count` bytes of the socket without giving them out. */
export async function buffered(socket: net.Socket, count: number): Promise<void> {
  while (socket.readableLength < count) await turn();
}

/** Resolves when the socket has said 'close'; its property says so earlier. */
export async function closed(socket: net.Socket): Promise<void> {
  await until(() => socket.closed);
  await turn();
  await turn();
}

/** Lets the event loop turn once. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Resolves when it holds. A suite's time limit ends what never does. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Descriptors that this process has open now. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

export interface Program {
  readonly child: ChildProcess;
  /** The next line that it prints; undefined at its end. */
  line(): Promise<string | undefined>;
  /** How it ended: its exit code or signal. What it wrote to stderr has to be nothing. */
  end(): Promise<number | string | null>;
  /** What it has written to stderr so far. */
  complaint(): string;
}

/**
 * Starts a module in a process of its own, in the project's folder: it may import 'miniproto' and '#lib/…', which are one
 * instance there as they are here, by the same options.
 */
export function startProgram(source: string, { args = [] as string[], shell = '' } = {}): Program {
  const words = [...execArgv, '--input-type=module', '--no-warnings', '--eval', source, '--', ...args];
  const child =
    shell === ''
      ? spawn(execPath, words, { cwd: ROOT, stdio: ['pipe', 'pipe', 'pipe'], timeout: 30_000 })
      : spawn('sh', ['-c', `${shell}; exec "$@"`, 'sh', execPath, ...words], {
          cwd: ROOT,
          stdio: ['pipe', 'pipe', 'pipe'],
          timeout: 30_000,
        });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    complaint += chunk;
  });
  const closed = new Promise<number | string | null>((resolve, reject) => {
    child.on('error', reject).on('close', (code, signal) => resolve(signal ?? code));
  });
  const lines = linesOf(child.stdout.setEncoding('utf8'));
  return {
    child,
    complaint: () => complaint,
    line: async () => {
      const { value, done } = await lines.next();
      return done === true ? undefined : value;
    },
    end: async () => {
      const end = await closed;
      assert.equal(complaint, '');
      return end;
    },
  };
}

async function* linesOf(text: AsyncIterable<unknown>): AsyncGenerator<string, undefined> {
  let rest = '';
  for await (const chunk of text) {
    const parts = (rest + String(chunk)).split('\n');
    rest = parts.pop() ?? '';
    yield* parts;
  }
  if (rest !== '') yield rest;
  return undefined;
}
