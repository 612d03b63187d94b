/**
 * What a WebSocket can run over, for tests: each transport makes a connection of ours, as far as possible with the
 * library's own handshake, and the other end as bytes, for a peer that breaks the rules.
 */
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import tls from 'node:tls';
import { type ByteStream, DuplexStream, memoryPair } from 'miniproto';
import {
  acceptWebSocketHttp2,
  attachWebSocket,
  connectWebSocket,
  connectWebSocketHttp2,
  type DeflateOptions,
  listenWebSocket,
} from 'miniproto/websocket';
import { nativeInfo } from '#lib/native';
import type { WebSocketConnection } from '#lib/websocket/connection';
import type { WebSocketOptions } from '#lib/websocket/connection-options';
import type { AgreedDeflate, WebSocketRole } from '#lib/websocket/established';
import { identity } from './certificates.js';
import { nodePair } from './node-sockets.js';
import { socketPair } from './socket-pairs.js';
import { TLS_CLIENT, TLS_SERVER } from './tls-ends.js';
import { connectionOn } from './websocket-cases.js';
import { ACCEPT_OF, KEY } from './websocket-heads.js';

/** A connection, and what is at its other end. */
export interface Carried {
  readonly socket: WebSocketConnection;
  readonly theirs: ByteStream;
}

export interface Transport {
  readonly name: string;
  /** Why it is left out. */
  readonly skipped?: string | undefined;
  /** Bytes of input that it moves in a sensible time. */
  readonly longest: number;
  open(role: WebSocketRole, options?: WebSocketOptions, deflate?: AgreedDeflate): Promise<Carried>;
  /** Lets go of what all connections share. */
  close(): Promise<void>;
}

const nothing = async () => {};

/** Options from which both sides of a handshake come to what is to be agreed on. */
function deflateFor({ own }: AgreedDeflate): DeflateOptions {
  return { threshold: 0, memory: own.contextTakeover ? 1 << 17 : 'shared' };
}

function optionsFor(options: WebSocketOptions | undefined, deflate: AgreedDeflate | undefined): OptionsWithDeflate {
  return deflate === undefined ? { ...options } : { ...options, deflate: deflateFor(deflate) };
}

type OptionsWithDeflate = WebSocketOptions & { deflate?: DeflateOptions };

/** One that has no handshake. */
function bare(
  name: string,
  pair: () => Promise<[ByteStream, ByteStream]>,
  { skipped, longest = Number.POSITIVE_INFINITY }: { skipped?: string | undefined; longest?: number } = {},
): Transport {
  return {
    name,
    skipped,
    longest,
    close: nothing,
    async open(role, options, deflate) {
      const [ours, theirs] = await pair();
      return { socket: connectionOn(ours, role, options, deflate), theirs };
    },
  };
}

function sockets(family: 'tcp' | 'unix'): Transport {
  const { native, reason } = nativeInfo().sockets;
  const pair = async (): Promise<[ByteStream, ByteStream]> => {
    const { one, other } = await socketPair(family);
    return [one, other];
  };
  return bare(`native sockets (${family})`, pair, { skipped: native ? undefined : reason });
}

const HERE = { port: 0, host: '127.0.0.1' };
const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;

/** The request or answer of a peer that is written by hand; what is read of the other side's ends with its empty line. */
async function shake(
  stream: Duplex,
  head: (theirs: string) => string,
  first: 'speaks' | 'listens',
): Promise<ByteStream> {
  const bytes = new DuplexStream(stream);
  const speak = async (theirs: string) => {
    bytes.tryWrite(Buffer.from(head(theirs)));
  };
  if (first === 'speaks') await speak('');
  for (;;) {
    const end = bytes.input.indexOf(Buffer.from('\r\n\r\n'));
    if (end >= 0) {
      const theirs = bytes.input.take(end + 4).toString('latin1');
      if (first === 'listens') await speak(theirs);
      return bytes;
    }
    if (bytes.tryFill(bytes.input.length + 1) !== bytes.input.length) await bytes.ready('read');
  }
}

const OFFER = 'permessage-deflate';
const ALONE = '; server_no_context_takeover; client_no_context_takeover';

const request = () =>
  head('GET / HTTP/1.1', { Host: 'x', 'Sec-WebSocket-Key': KEY, 'Sec-WebSocket-Version': '13', [EXTENSIONS]: OFFER });

function answer(theirs: string): string {
  const field = (name: string) => new RegExp(`^${name}: (.*)\\r$`, 'im').exec(theirs)?.[1];
  const offered = field(EXTENSIONS);
  return head('HTTP/1.1 101 Switching Protocols', {
    'Sec-WebSocket-Accept': ACCEPT_OF(field('sec-websocket-key')!),
    ...(offered === undefined ? {} : { [EXTENSIONS]: agreedFrom(offered) }),
  });
}

/** Takes what our client offers, context included where it has room for it. */
function agreedFrom(offered: string): string {
  return offered.includes('no_context_takeover') ? OFFER + ALONE : OFFER;
}

const EXTENSIONS = 'Sec-WebSocket-Extensions';

function head(first: string, fields: Record<string, string>): string {
  const lines = Object.entries({ Upgrade: 'websocket', Connection: 'Upgrade', ...fields });
  return `${[first, ...lines.map((line) => line.join(': '))].join('\r\n')}\r\n\r\n`;
}

/** Servers that are started once, and tell of their connections one by one. */
class Arrivals<T> {
  readonly #waiting: ((value: T) => void)[] = [];
  readonly #there: T[] = [];

  readonly add = (value: T): void => {
    const next = this.#waiting.shift();
    if (next === undefined) this.#there.push(value);
    else next(value);
  };

  next(): Promise<T> {
    const value = this.#there.shift();
    return value !== undefined ? Promise.resolve(value) : new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/** A server of ours for each set of options, made when it is asked for. */
class Servers {
  readonly #start: (options: OptionsWithDeflate, arrived: (socket: WebSocketConnection) => void) => Promise<Started>;
  readonly #started = new Map<string, Promise<Started & { arrivals: Arrivals<WebSocketConnection> }>>();

  constructor(
    start: (options: OptionsWithDeflate, arrived: (socket: WebSocketConnection) => void) => Promise<Started>,
  ) {
    this.#start = start;
  }

  /** @param connect gives the stream of a peer, connected. */
  async open(options: OptionsWithDeflate, connect: (port: number) => Promise<Duplex>): Promise<Carried> {
    const key = JSON.stringify(options);
    let starting = this.#started.get(key);
    if (starting === undefined) {
      const arrivals = new Arrivals<WebSocketConnection>();
      starting = this.#start(options, arrivals.add).then((started) => ({ ...started, arrivals }));
      this.#started.set(key, starting);
    }
    const { port, arrivals } = await starting;
    const theirs = await shake(await connect(port), request, 'speaks');
    return { socket: await arrivals.next(), theirs };
  }

  async close(): Promise<void> {
    for (const starting of this.#started.values()) await (await starting).stop();
  }
}

interface Started {
  readonly port: number;
  stop(): Promise<void>;
}

async function connected(port: number, secure: boolean): Promise<Duplex> {
  // With Nagle's algorithm a second piece waits for the kernel's late acknowledgement, and comes joined to others.
  const where = { port, host: '127.0.0.1', noDelay: true };
  const stream = secure ? tls.connect({ ...where, ...TLS_CLIENT }) : net.connect(where);
  await once(stream, secure ? 'secureConnect' : 'connect');
  return stream;
}

/** Our server behind one of Node's, or our client before one that answers by hand; with TLS or without. */
function shaken(secure: boolean): Transport {
  const servers = new Servers(async (options, arrived) => {
    const server = secure ? https.createServer(TLS_SERVER as https.ServerOptions) : http.createServer();
    attachWebSocket(server, { ...options }, async (socket) => {
      arrived(socket);
      await socket.closed;
    });
    await once(server.listen(HERE), 'listening');
    return { port: portOf(server), stop: async () => void server.close() };
  });
  const arrivals = new Arrivals<Duplex>();
  const open = { allowHalfOpen: true, noDelay: true };
  const byHand = secure
    ? tls.createServer({ ...(TLS_SERVER as tls.TlsOptions), ...open }, arrivals.add)
    : net.createServer(open, arrivals.add);
  const scheme = secure ? 'wss' : 'ws';
  async function asClient(options: OptionsWithDeflate): Promise<Carried> {
    if (!byHand.listening) await once(byHand.listen(HERE), 'listening');
    const url = `${scheme}://127.0.0.1:${portOf(byHand)}/`;
    const connecting = connectWebSocket(url, { ...options, ...(secure ? { tls: TLS_CLIENT } : {}) });
    const theirs = await shake(await arrivals.next(), answer, 'listens');
    return { socket: await connecting, theirs };
  }
  return {
    longest: Number.POSITIVE_INFINITY,
    name: `${scheme}, with the handshake`,
    open: (role, given, deflate) => {
      const options = optionsFor(given, deflate);
      return role === 'client' ? asClient(options) : servers.open(options, (port) => connected(port, secure));
    },
    close: async () => {
      byHand.close();
      await servers.close();
    },
  };
}

/** Our server on a listener of its own. */
function listening(secure: boolean): Transport {
  const servers = new Servers(async (options, arrived) => {
    const tls = secure ? { tls: identity('server') } : {};
    const server = await listenWebSocket({ ...HERE, ...tls, ...options }, async (socket) => {
      arrived(socket);
      await socket.closed;
    });
    return { port: server.port, stop: () => server.close({ timeoutMs: 1 }) };
  });
  return {
    name: `${secure ? 'wss' : 'ws'}, on a listener of its own`,
    longest: Number.POSITIVE_INFINITY,
    open: (_, options, deflate) => servers.open(optionsFor(options, deflate), (port) => connected(port, secure)),
    close: () => servers.close(),
  };
}

function overHttp2(): Transport {
  const server = http2.createServer({ settings: { enableConnectProtocol: true } });
  const streams = new Arrivals<[http2.ServerHttp2Stream, http2.IncomingHttpHeaders]>();
  let session: Promise<http2.ClientHttp2Session> | undefined;
  server.on('stream', (stream, headers) => streams.add([stream, headers]));
  const begin = async () => {
    await once(server.listen(HERE), 'listening');
    const made = http2.connect(`http://127.0.0.1:${portOf(server)}`);
    await once(made, 'remoteSettings');
    return made;
  };
  return {
    name: 'HTTP/2',
    longest: Number.POSITIVE_INFINITY,
    async open(role, given, deflate) {
      session ??= begin();
      const shared = await session;
      const options = optionsFor(given, deflate);
      if (role === 'client') {
        const connecting = connectWebSocketHttp2(shared, '/', options);
        const [stream, headers] = await streams.next();
        const offered = headers['sec-websocket-extensions'];
        stream.respond({ ':status': 200, ...(offered === undefined ? {} : { [EXTENSIONS]: agreedFrom(offered) }) });
        return { socket: await connecting, theirs: new DuplexStream(stream) };
      }
      const stream = shared.request({
        ':method': 'CONNECT',
        ':protocol': 'websocket',
        ':path': '/',
        'sec-websocket-version': '13',
        [EXTENSIONS]: OFFER,
      });
      const theirs = new DuplexStream(stream);
      const [accepted, headers] = await streams.next();
      const [socket] = await Promise.all([acceptWebSocketHttp2(accepted, headers, options), once(stream, 'response')]);
      return { socket: socket!, theirs };
    },
    async close() {
      if (session === undefined) return;
      const shared = await session;
      shared.destroy();
      server.close();
    },
  };
}

/** All of them; those with a handshake of ours say so in their names. */
export function transports(): Transport[] {
  return [
    bare('memory, a byte at a time', async () => memoryPair({ capacity: 1 }), { longest: 2000 }),
    bare('memory, 1000 bytes one way and 7 the other', async () => memoryPair({ capacity: [1000, 7] })),
    sockets('unix'),
    sockets('tcp'),
    bare('a pair of Duplexes', async () => {
      const [one, other] = duplexPair();
      return [new DuplexStream(one), new DuplexStream(other)];
    }),
    bare("Node's sockets", async () => {
      const { accepted, connected } = await nodePair('tcp');
      return [new DuplexStream(accepted), new DuplexStream(connected)];
    }),
    shaken(false),
    listening(false),
    shaken(true),
    listening(true),
    overHttp2(),
  ];
}
