/** The echoing side of test/support/echo-peers.ts for the `ws` package, which can do all that a peer can be told. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import type { EchoPeer, SeenEnd } from './echo-peers.js';

export const WS_CAN: EchoPeer['can'] = ['ping', 'fragments', 'close without a code'];

/** Echoes, and does what it is told. @returns how it has seen the connection end. */
export function echoWithWs(socket: WebSocket): Promise<SeenEnd> {
  let fragment = 0;
  socket.on('message', (data: Buffer, binary) => {
    const text = binary ? '' : data.toString();
    const [order = '', words = ''] = text.startsWith('!') ? text.split(/ (.*)/s) : [];
    if (order === '!send') socket.send(Buffer.alloc(Number(words)));
    else if (order === '!close') close(socket, words);
    else if (order === '!ping') socket.once('pong', (pong: Buffer) => socket.send(`pong ${pong}`)).ping(words);
    else if (order === '!fragments') fragment = Number(words);
    else {
      sendIn(socket, fragment || data.length, data, binary);
      fragment = 0;
    }
  });
  // 'close' follows, and says the code.
  socket.on('error', () => {});
  return new Promise((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
}

function close(socket: WebSocket, words: string): void {
  if (words === '') socket.close();
  else socket.close(Number(words.split(' ')[0]), words.slice(words.indexOf(' ') + 1));
}

/** Sends a message in fragments of `size` bytes. */
function sendIn(socket: WebSocket, size: number, data: Buffer, binary: boolean): void {
  let at = 0;
  do {
    const end = at + size;
    socket.send(data.subarray(at, end), { binary, fin: end >= data.length });
    at = end;
  } while (at < data.length);
}

/** A server of such peers: its port, and how each connection that comes to it ends. */
export class WsEchoServer {
  readonly #server: WebSocketServer;

  private constructor(server: WebSocketServer) {
    this.#server = server;
  }

  static async start(): Promise<WsEchoServer> {
    const options = { port: 0, host: '127.0.0.1', perMessageDeflate: { threshold: 0 }, maxPayload: 0 };
    const server = new WebSocketServer(options);
    await once(server, 'listening');
    return new WsEchoServer(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** How the connection that comes next ends. */
  async next(): Promise<SeenEnd> {
    const [socket] = (await once(this.#server, 'connection')) as [WebSocket];
    return echoWithWs(socket);
  }

  close(): void {
    this.#server.close();
  }
}
