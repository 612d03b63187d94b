/** What tests of the PROXY protocol with other people's proxies share: a server that tells what it got. */
import { once } from 'node:events';
import net from 'node:net';
import { type ByteServer, framed, lines } from 'miniproto';
import { listenWithProxyHeader, type ProxyHeader } from 'miniproto/proxy-protocol';

/** A server that gives lines back and keeps the headers that connections began with, in order. */
export class HeaderServer {
  readonly server: ByteServer;
  readonly #headers: ProxyHeader[];
  readonly #waiting: ((header: ProxyHeader) => void)[];
  /** What went wrong with connections. */
  readonly errors: unknown[];

  static async start(): Promise<HeaderServer> {
    const [headers, waiting, errors] = [[], [], []] as [ProxyHeader[], ((header: ProxyHeader) => void)[], unknown[]];
    const onError = (error: unknown) => void errors.push(error);
    const options = { port: 0, host: '127.0.0.1', onError, proxyHeader: { trusted: ['127.0.0.1'] } };
    const server = await listenWithProxyHeader(options, async (stream, header) => {
      const waits = waiting.shift();
      if (waits === undefined) headers.push(header);
      else waits(header);
      const talk = framed(stream, lines());
      for await (const line of talk) await talk.write(`you said: ${line}`);
    });
    return new HeaderServer(server, headers, waiting, errors);
  }

  private constructor(
    server: ByteServer,
    headers: ProxyHeader[],
    waiting: ((header: ProxyHeader) => void)[],
    errors: unknown[],
  ) {
    this.server = server;
    this.#headers = headers;
    this.#waiting = waiting;
    this.errors = errors;
  }

  get port(): number {
    return this.server.port;
  }

  /** The next header that has come, or will. */
  next(): Promise<ProxyHeader> {
    const header = this.#headers.shift();
    if (header !== undefined) return Promise.resolve(header);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/** Begins with `sent` over a socket of Node's. @returns where it is, and the first line that comes back. */
export async function askThrough(port: number, sent: string): Promise<{ localPort: number; answer: string }> {
  const socket = net.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const { localPort = 0 } = socket;
  socket.write(sent);
  const answer = String(await framed(socket, lines()).read());
  socket.destroy();
  return { localPort, answer };
}
