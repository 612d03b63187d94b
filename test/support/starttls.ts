/** Both who may stand where they should not: a client that sends what it must not, and a server that is none. */

import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { execPath } from 'node:process';
import { Companion } from './installed.js';

/** An example that serves, in a process of its own: what it prints can be read line by line. */
export async function startExample(...words: readonly string[]): Promise<{ program: Companion; port: number }> {
  const program = new Companion(execPath, words);
  return { program, port: Number(await program.lineLike(/^up (\d+)$/)) };
}

/** Has a conversation in the clear. @returns everything that was heard until the other side ended, or reset, it. */
export async function sayInClear(port: number, steps: readonly [heard: RegExp, said: string][]): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  let text = '';
  let step = 0;
  let from = 0;
  try {
    for await (const chunk of socket.setEncoding('latin1')) {
      text += chunk as string;
      for (; step < steps.length && steps[step]![0].test(text.slice(from)); step++) {
        from = text.length;
        socket.write(steps[step]![1]); // One write, one packet.
      }
    }
  } catch {
    // Reset: what was heard is what there is.
  }
  if (step < steps.length) throw new Error(`it has not come to ${steps[step]![0]}: ${text}`);
  return text;
}

export interface Impostor extends AsyncDisposable {
  readonly port: number;
  /** Everything that clients have said, as it came. */
  heard(): string;
}

/** A server that greets, and answers each line with what it is told to. */
export async function startImpostor(greeting: string, answer: (line: string) => string): Promise<Impostor> {
  let heard = '';
  const server = net.createServer((socket) => {
    socket
      .on('error', () => {})
      .setEncoding('latin1')
      .write(greeting);
    socket.on('data', (text: string) => {
      heard += text;
      for (const line of text.split('\r\n').slice(0, -1)) socket.write(answer(line), 'latin1');
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    heard: () => heard,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}
