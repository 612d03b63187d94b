/**
 * The client's side of SOCKS 4, 4a and 5: what is asked, and what a proxy may answer. RFC 1928, RFC 1929
 *
 *   SOCKS 4, 4a   request → reply
 *   SOCKS 5       methods → method; with a password: credentials → status; request → reply
 *
 * Everything that can be said is said at once; no byte behind the reply is taken. A failed handshake destroys the stream,
 * since nothing else can be made of it.
 */
import { lookup } from 'node:dns';
import type { InputBuffer } from '../bytes/input-buffer.js';
import { asTransportError, ProtocolError } from '../errors.js';
import { asByteStream, type FramedSource } from '../framed/framed.js';
import { parseIpv4 } from '../proxy-protocol/ip-address.js';
import type { NotReady } from '../status.js';
import type { ByteStream } from '../streams/byte-stream.js';
import { type Exchange, exchangeOn, HandshakeTime } from '../streams/exchange.js';
import { checkClientOptions, type SocksAsked, type SocksClientOptions } from './client-options.js';
import { addressBytes, countedBytes, portBytes, readAddress } from './fields.js';
import type { Endpoint } from './target.js';
import {
  COMMANDS,
  GRANTED_4,
  GRANTED_5,
  hex,
  METHOD_NONE,
  METHOD_NOT_ACCEPTABLE,
  METHOD_PASSWORD,
  SOCKS,
  SocksRefusedError,
} from './words.js';

/** What a proxy has granted. */
export interface SocksReply {
  /** The next protocol's: its input begins behind the reply. */
  readonly stream: ByteStream;
  readonly version: 4 | 5;
  /**
   * 'connect': where the proxy connects from; many say 0.0.0.0. 'bind': where it listens. 'udp-associate': where datagrams
   * are to be sent.
   */
  readonly bound: Endpoint;
  /** How the proxy had itself be told who asks. */
  readonly authentication: 'none' | 'password';
}

/**
 * Asks a proxy for a connection, on a stream that leads to the proxy. When this resolves, the stream leads to the
 * destination, and what it sent behind the reply is in the stream's input.
 * @throws SocksRefusedError when the proxy will not; ProtocolError ERR_SOCKS_AUTHENTICATION, ERR_SOCKS_REPLY,
 * ERR_UNEXPECTED_EOF; LimitError ERR_HANDSHAKE_TIMEOUT; TransportError; the signal's reason. Then the stream is
 * destroyed. ERR_INVALID_ARG_TYPE and the like, and then it was not touched.
 * @example
 * const { stream: tunnel } = await socksClient(stream, { host: 'example.org', port: 25 });
 * const mail = framed(tunnel, lines());
 */
export async function socksClient(source: FramedSource, options: SocksClientOptions): Promise<SocksReply> {
  const asked = checkClientOptions(options, options, 'options');
  asked.signal?.throwIfAborted();
  const stream = asByteStream(source);
  const time = new HandshakeTime(SOCKS, asked.timeoutMs, asked.signal);
  return exchangeOn(stream, time, (exchange) => askProxy(exchange, asked));
}

/** How a second reply is waited for. */
export interface SocksBindOptions {
  /** Milliseconds. Default 30000. */
  timeoutMs?: number;
  signal?: AbortSignal | undefined;
}

/**
 * Waits for the second reply to 'bind': somebody has connected to the proxy, and the stream leads there.
 * @param reply the first one
 * @throws as `socksClient`
 */
export async function socksBound(
  { stream, version, authentication, bound: { host, port } }: SocksReply,
  options: SocksBindOptions = {},
): Promise<SocksReply> {
  const checked = checkClientOptions({ ...options, host: '0.0.0.0', port: 1 }, {}, 'options');
  checked.signal?.throwIfAborted();
  const time = new HandshakeTime(SOCKS, checked.timeoutMs, checked.signal);
  const what = `the reply that somebody has connected to ${host} port ${port}`;
  const hear = (exchange: Exchange) => exchange.hear(version === 4 ? takeReply4 : takeReply5, what);
  return { stream, version, bound: await exchangeOn(stream, time, hear), authentication };
}

/** Does the handshake. The stream is its caller's to end. */
export function askProxy(exchange: Exchange, asked: SocksAsked): Promise<SocksReply> {
  return asked.version === 5 ? askProxy5(exchange, asked) : askProxy4(exchange, asked);
}

async function askProxy4(exchange: Exchange, asked: SocksAsked): Promise<SocksReply> {
  exchange.say(requestBytes4(asked.lookUp ? await lookedUp(asked, exchange.time) : asked));
  const bound = await exchange.hear(takeReply4, "the proxy's reply");
  return { stream: exchange.stream, version: 4, bound, authentication: 'none' };
}

async function askProxy5(exchange: Exchange, asked: SocksAsked): Promise<SocksReply> {
  const { user, password, pipelined } = asked;
  const credentials = user === undefined ? undefined : credentialsBytes(user, password!);
  const methods = methodsFor(credentials, pipelined);
  const greeting = Buffer.from([5, methods.length, ...methods]);
  // The proxy thinks about its method while a name is looked up here.
  if (!pipelined) exchange.say(greeting);
  const request = requestBytes5(asked.lookUp ? await lookedUp(asked, exchange.time) : asked);
  if (pipelined) exchange.say(Buffer.concat([greeting, credentials ?? NOTHING, request]));
  const method = await exchange.hear((input) => takeMethod(input, methods), "the proxy's choice of a method");
  if (method === METHOD_PASSWORD) {
    if (!pipelined) exchange.say(credentials!);
    await exchange.hear(takeStatus, "the proxy's answer to user and password");
  }
  if (!pipelined) exchange.say(request);
  const bound = await exchange.hear(takeReply5, "the proxy's reply");
  const authentication = method === METHOD_PASSWORD ? 'password' : 'none';
  return { stream: exchange.stream, version: 5, bound, authentication };
}

const NOTHING = Buffer.alloc(0);

/** Who says everything at once cannot leave the choice open. */
function methodsFor(credentials: Buffer | undefined, pipelined: boolean): readonly number[] {
  if (credentials === undefined) return [METHOD_NONE];
  return pipelined ? [METHOD_PASSWORD] : [METHOD_NONE, METHOD_PASSWORD];
}

/** The request with an address in the place of its name. */
function lookedUp(asked: SocksAsked, time: HandshakeTime): Promise<SocksAsked> {
  const family = asked.version === 4 ? 4 : 0;
  const looking = new Promise<SocksAsked>((resolve, reject) => {
    lookup(asked.host, { family }, (error, host, found) => {
      if (error !== null) reject(asTransportError(error));
      else resolve({ ...asked, host, kind: found === 6 ? 'ipv6' : 'ipv4' });
    });
  });
  return time.within(looking);
}

// ---------------------------------------------------------------- what is said

/**
 *     4 | command 1 | port 2 | address 4 | user id | 0
 *
 * 4a sends 0.0.0.1 for an address, and the name with a null byte behind everything.
 */
function requestBytes4({ command, host, port, kind, user = '' }: SocksAsked): Buffer {
  const address = kind === 'ipv4' ? parseIpv4(host)! : [0, 0, 0, 1];
  const head = Buffer.from([4, COMMANDS.indexOf(command) + 1, ...portBytes(port), ...address]);
  return Buffer.concat([head, Buffer.from(kind === 'ipv4' ? `${user}\0` : `${user}\0${host}\0`)]);
}

/** `5 | command 1 | 0 | address and port`. RFC 1928 §4 */
function requestBytes5({ command, host, port, kind }: SocksAsked): Buffer {
  const head = Buffer.from([5, COMMANDS.indexOf(command) + 1, 0]);
  return Buffer.concat([head, addressBytes({ host, port }, kind)]);
}

/** `1 | length 1 | user | length 1 | password`. RFC 1929 §2 */
function credentialsBytes(user: string, password: string): Buffer {
  return Buffer.concat([Buffer.from([1]), countedBytes(user), countedBytes(password)]);
}

// ---------------------------------------------------------------- what is answered

/** `0 | code 1 | port 2 | address 4` */
function takeReply4(input: InputBuffer): Endpoint | NotReady {
  if (input.length < 2) return input.need(input.length + 1);
  const fault = faultAt(input);
  if (input.byteAt(0) !== 0) throw fault(`its first byte is ${hex(input.byteAt(0))}, not 0x00`);
  const code = input.byteAt(1);
  if (code !== GRANTED_4) throw new SocksRefusedError('the proxy answered', code, 4);
  if (input.length < 8) return input.need(8);
  const bytes = input.peek(8);
  const bound = { host: bytes.subarray(4).join('.'), port: bytes.readUInt16BE(2) };
  input.consume(8);
  return bound;
}

/** `5 | method 1`. RFC 1928 §3 */
function takeMethod(input: InputBuffer, offered: readonly number[]): number | NotReady {
  if (input.length < 1) return input.need(2);
  checkVersion5(input);
  if (input.length < 2) return input.need(2);
  const method = input.byteAt(1);
  if (method === METHOD_NOT_ACCEPTABLE) {
    const wanted = offered.includes(METHOD_PASSWORD) ? 'user and password' : 'being asked without user and password';
    throw refusedAuthentication(input, `the proxy does not accept ${wanted}`);
  }
  if (!offered.includes(method)) throw faultAt(input)(`it chose the method ${hex(method)}, which was not offered`);
  input.consume(2);
  return method;
}

/** `1 | status 1`, and 0 is success. RFC 1929 §2 */
function takeStatus(input: InputBuffer): true | NotReady {
  if (input.length < 2) return input.need(input.length + 1);
  const version = input.byteAt(0);
  if (version !== 1) throw faultAt(input)(`the version of its authentication is ${hex(version)}, not 0x01`);
  const status = input.byteAt(1);
  if (status !== 0) throw refusedAuthentication(input, `the proxy refused user and password with ${hex(status)}`);
  input.consume(2);
  return true;
}

/** `5 | code 1 | 0 | address and port`. RFC 1928 §6 */
function takeReply5(input: InputBuffer): Endpoint | NotReady {
  if (input.length < 1) return input.need(4);
  checkVersion5(input);
  if (input.length < 2) return input.need(2);
  // What follows a refusal says nothing, and some servers leave it out.
  const code = input.byteAt(1);
  if (code !== GRANTED_5) throw new SocksRefusedError('the proxy answered', code, 5);
  const fault = faultAt(input);
  if (input.length > 2 && input.byteAt(2) !== 0) throw fault(`its reserved byte is ${hex(input.byteAt(2))}`);
  const read = readAddress(input, 3, fault);
  if (typeof read === 'number') return input.need(read);
  input.consume(read.end);
  const { host, port } = read.value;
  return { host, port };
}

function checkVersion5(input: InputBuffer): void {
  const version = input.byteAt(0);
  if (version !== 5) throw faultAt(input)(`its version is ${hex(version)}, not 0x05`);
}

function faultAt({ offset }: InputBuffer): (message: string) => ProtocolError {
  return (message) =>
    new ProtocolError('ERR_SOCKS_REPLY', { protocol: SOCKS, offset, message: `the answer is malformed: ${message}` });
}

function refusedAuthentication({ offset }: InputBuffer, message: string): ProtocolError {
  return new ProtocolError('ERR_SOCKS_AUTHENTICATION', { protocol: SOCKS, offset, message });
}
