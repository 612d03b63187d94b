/** Opening handshakes as bytes, for tests: the smallest good ones, with lines changed, and ways to deliver them. */
import type { MemoryStream } from 'miniproto';

export const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
/** What KEY is answered with. RFC 6455 §1.3 */
export const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

/** Lines by name; undefined leaves one out, a list repeats it. */
type Lines = Record<string, string | readonly string[] | undefined>;

/** A good request, but for what is said. */
export function request(changes: Lines = {}, line = 'GET /chat HTTP/1.1'): string {
  const lines: Lines = {
    Host: 'example.org',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': KEY,
    'Sec-WebSocket-Version': '13',
    ...changes,
  };
  return head(line, lines);
}

/** A good answer, but for what is said. */
export function response(changes: Lines = {}, line = 'HTTP/1.1 101 Switching Protocols'): string {
  return head(line, { Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Accept': ACCEPT, ...changes });
}

function head(line: string, lines: Lines): string {
  const fields = Object.entries(lines).flatMap(([name, values]) =>
    [values ?? []].flat().map((value) => `${name}: ${value}\r\n`),
  );
  return `${line}\r\n${fields.join('')}\r\n`;
}

/** Whole, a byte at a time, and cut at every place. */
export function* deliveries(input: string): Generator<Buffer[]> {
  const bytes = Buffer.from(input, 'latin1');
  yield [bytes];
  yield Array.from(bytes, (byte) => Buffer.of(byte));
  for (let cut = 1; cut < bytes.length; cut++) yield [bytes.subarray(0, cut), bytes.subarray(cut)];
}

/** Sends the pieces, with time between them for who reads. */
export async function send(stream: MemoryStream, pieces: readonly Buffer[]): Promise<void> {
  for (const piece of pieces) {
    if (stream.destroyed) return;
    stream.tryWrite(piece);
    await turn();
  }
}

export const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
