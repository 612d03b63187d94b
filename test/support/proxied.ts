/** What is behind a proxy in tests, and how it is asked for through one. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Connection, EOF, framed, lines, listen } from 'miniproto';

/** A server of HTTP that answers each request with its path, many times, on a port of this machine. */
export async function startPages(host = '127.0.0.1'): Promise<AsyncDisposable & { port: number }> {
  const server = createServer((request, response) => response.end(pageOf(request.url!)));
  await once(server.listen(0, host), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

export const pageOf = (path: string): string => `${path}\n`.repeat(20_000);

/** A server that speaks first, and gives lines back in capitals until their end. */
export const startTalker = (host = '127.0.0.1') =>
  listen({ port: 0, host }, async (stream) => {
    const talk = framed(stream, lines());
    await talk.write('hello');
    for await (const line of talk) await talk.write(line.toUpperCase());
  });

/** Has a conversation with a talker. */
export async function talkTo(connection: Connection): Promise<void> {
  const talk = framed(connection, lines());
  assert.equal(await talk.read(), 'hello');
  const said = Array.from({ length: 1000 }, (_, i) => `line ${i}`);
  const writing = (async () => {
    for (const line of said) await talk.write(line);
  })();
  for (const line of said) assert.equal(await talk.read(), line.toUpperCase());
  await writing;
  // Not before: some proxies take an end for the end of both directions.
  await talk.end();
  assert.equal(await talk.read(), EOF);
  await talk.close();
}

/** Runs curl. @returns its exit code and what it printed. */
export async function curl(program: string, ...args: readonly string[]): Promise<{ code: number; text: string }> {
  const child = spawn(program, ['--silent', '--show-error', '--max-time', '20', '--noproxy', '', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const [code] = (await once(child, 'close')) as [number];
  return { code, text };
}
