/**
 * What tests of the STARTTLS examples share: the example in a process of its own, openssl that talks to it, and both who may
 * stand where they should not: a client that sends what it must not, and a server that is none.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { execPath } from 'node:process';
import { runProgram } from '../docs/run.js';
import { Companion } from './installed.js';
import { CA_OPTIONS, OpensslPeer } from './openssl.js';

/** An example that serves, in a process of its own: what it prints can be read line by line. */
export async function startExample(...words: readonly string[]): Promise<{ program: Companion; port: number }> {
  const program = new Companion(execPath, words);
  return { program, port: Number(await program.lineLike(/^up (\d+)$/)) };
}

/** Runs an example that has to fail like this. @returns what it has printed. */
export async function failsWith(words: readonly string[], expected: RegExp): Promise<string> {
  const { end, complaint, text } = await runProgram(execPath, words);
  assert.equal(end, 1);
  assert.match(complaint, expected);
  return text;
}

export const TLS_OPTIONS = ['-tls1_2', '-tls1_3'] as const;

/** Has a conversation by `openssl s_client -starttls`, which ends it. @returns all that openssl has printed. */
export async function sayByOpenssl(
  { protocol, port, version }: { protocol: 'smtp' | 'imap'; port: number; version: (typeof TLS_OPTIONS)[number] },
  steps: readonly [said: string, answer: RegExp][],
): Promise<string> {
  const where = ['-starttls', protocol, '-connect', `127.0.0.1:${port}`, '-verify_ip', '127.0.0.1'];
  const peer = new OpensslPeer('s_client', [
    ...where,
    ...CA_OPTIONS,
    '-verify_return_error',
    '-quiet',
    '-crlf',
    version,
  ]);
  for (const [said, answer] of steps) {
    await peer.tell(said);
    await peer.prints(answer);
  }
  await peer.ended();
  return peer.printed;
}

/** What nobody may send behind STARTTLS, whatever the protocol. */
export const INJECTED = [
  ['an empty line', '\r\n'],
  ['the beginning of TLS', '\x16\x03\x01\x02\x00'],
] as const;

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

/**
 * Has an example's client meet a server that greets, and answers each line with what it is told to: it has to fail.
 * @param words the example's, without the port
 * @returns everything that the client has said, as it came.
 */
export async function deceive(
  words: readonly string[],
  { greeting, answer, expected }: { greeting: string; answer: (line: string) => string; expected: RegExp },
): Promise<string> {
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
  try {
    await failsWith([...words, '--port', `${(server.address() as AddressInfo).port}`], expected);
  } finally {
    server.close();
    await once(server, 'close');
  }
  return heard;
}
