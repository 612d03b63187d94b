/**
 * The server's side of SOCKS 4, 4a and 5: what a client may ask, and how it is told that it may not.
 *
 *   state        on                                   next
 *   start        4                                    request of SOCKS 4
 *   start        5 and the methods, one is ours       credentials; request, where nobody is asked
 *   credentials  user and password, let in            request
 *   request      whole, of a command that is handled  given to the program, which answers
 *   any          anything else                        the answer that the protocol has for it, and the end
 *
 * An answer is said in the turn in which what it needs has come. No byte behind the request is taken.
 */
import type { InputBuffer } from '../bytes/input-buffer.js';
import { asTransportError, LimitError, ProtocolError, TransportError } from '../errors.js';
import { asByteStream, type FramedSource } from '../framed/framed.js';
import { formatIpv4 } from '../proxy-protocol/ip-address.js';
import type { NotReady } from '../status.js';
import { Exchange, HandshakeTime, isPromise } from '../streams/exchange.js';
import { nameOf, readAddress, readCounted, readTerminated, type SocksAddress, textOf } from './fields.js';
import { replyBytes, SocksRequest, type SocksWish } from './request.js';
import { checkServerOptions, type SocksRules, type SocksServerOptions } from './server-options.js';
import {
  COMMANDS,
  hex,
  METHOD_NONE,
  METHOD_NOT_ACCEPTABLE,
  METHOD_PASSWORD,
  replyCodeOf,
  SOCKS,
  type SocksReason,
  SocksRefusedError,
} from './words.js';

/**
 * Reads what a client of a SOCKS proxy wants, on a stream that comes from the client. The program answers with `accept`
 * or `refuse`; what the client sent behind its request is in the stream's input.
 * @throws ProtocolError ERR_SOCKS_REQUEST, ERR_SOCKS_AUTHENTICATION, ERR_UNEXPECTED_EOF, SocksRefusedError for what was
 * refused here, what a hook throws: the client has been told, and the stream is being closed. LimitError
 * ERR_HANDSHAKE_TIMEOUT, TransportError, the signal's reason: the stream is destroyed.
 * @example
 * await using server = await listen({ port: 0 }, async (client) => {
 *   const request = await socksServer(client);
 *   const { host, port } = request;
 *   const there = await connect({ host, port }).catch((error: Error) => error);
 *   if (there instanceof Error) return request.refuse(there);
 *   await request.accept();
 *   await relay(client, there);
 * });
 */
export async function socksServer(source: FramedSource, options: SocksServerOptions = {}): Promise<SocksRequest> {
  const rules = checkServerOptions(options);
  rules.signal?.throwIfAborted();
  const exchange = new Exchange(asByteStream(source), new HandshakeTime(SOCKS, rules.timeoutMs, rules.signal));
  const { stream, time } = exchange;
  try {
    const request = await new Serving(exchange, rules).request();
    time.clear();
    return request;
  } catch (error) {
    const lost = error instanceof TransportError || error instanceof LimitError || rules.signal?.aborted === true;
    if (lost) stream.destroy(asTransportError(error));
    else void endAfterAnswer(exchange);
    if (lost) time.clear();
    throw error;
  }
}

/** The answer is said: it leaves, and then the connection ends with care. */
async function endAfterAnswer(exchange: Exchange): Promise<void> {
  try {
    await exchange.sent();
    await exchange.stream.close();
  } catch {
    // Whoever called has the reason; that the client did not read it is no further one.
    exchange.stream.destroy();
  } finally {
    exchange.time.clear();
  }
}

class Serving {
  readonly #exchange: Exchange;
  readonly #rules: SocksRules;

  constructor(exchange: Exchange, rules: SocksRules) {
    this.#exchange = exchange;
    this.#rules = rules;
  }

  async request(): Promise<SocksRequest> {
    const { speaks4, speaks5 } = this.#rules;
    const version = await this.#exchange.hear(
      (input) => (input.length < 1 ? input.need(1) : input.byteAt(0)),
      'a request',
    );
    if (version === 4 && speaks4) return this.#judge(await this.#wish4());
    if (version === 5 && speaks5) return this.#judge(await this.#wish5());
    // No version has an answer for that.
    throw this.#fault(undefined)(`the version ${hex(version)} is not spoken here`);
  }

  /** Gives what is asked for to the program, unless it is refused here. */
  async #judge(wish: SocksWish): Promise<SocksRequest> {
    const { commands, allow, timeoutMs } = this.#rules;
    if (!commands.includes(wish.command)) throw this.#refused('command-not-supported', wish);
    const request = new SocksRequest(this.#exchange.stream, wish, timeoutMs);
    if (allow === undefined) return request;
    const failed = replyBytes(wish.version, replyCodeOf('general-failure', wish.version));
    if (!(await this.#asked(() => allow(request), failed))) throw this.#refused('not-allowed', wish);
    return request;
  }

  #refused(reason: SocksReason, { version, command, host, port }: SocksWish): ProtocolError {
    const code = replyCodeOf(reason, version);
    this.#exchange.say(replyBytes(version, code));
    return new SocksRefusedError('the request was refused', code, version, `: ${command} to ${host} port ${port}`);
  }

  /** @returns whether a hook said true. @param failed what the client is told when it throws */
  async #asked(hook: () => boolean | PromiseLike<boolean>, failed: Buffer): Promise<boolean> {
    try {
      const answer = hook();
      return (isPromise(answer) ? await this.#exchange.time.within(answer) : answer) === true;
    } catch (error) {
      this.#exchange.say(failed);
      throw error;
    }
  }

  // ---------------------------------------------------------------- SOCKS 4

  async #wish4(): Promise<SocksWish> {
    const failed = replyBytes(4, replyCodeOf('general-failure', 4));
    const wish = await this.#exchange.hear((input) => this.#takeRequest4(input, this.#fault(failed)), 'the request');
    const { authenticate } = this.#rules;
    if (authenticate === undefined) return wish;
    const { user = '' } = wish;
    if (!(await this.#asked(() => authenticate(user, undefined), failed))) {
      this.#exchange.say(replyBytes(4, replyCodeOf('identd-mismatch', 4)));
      throw this.#notLetIn(user);
    }
    return wish;
  }

  /** `4 | command 1 | port 2 | address 4 | user id | 0`, and for 0.0.0.x `name | 0`. */
  #takeRequest4(input: InputBuffer, fault: (message: string) => ProtocolError): SocksWish | NotReady {
    if (input.length < 8) return input.need(8);
    const command = COMMANDS.slice(0, 2)[input.byteAt(1) - 1];
    if (command === undefined) throw fault(`the command is ${hex(input.byteAt(1))}, which SOCKS 4 does not have`);
    const bytes = input.peek(8);
    const port = bytes.readUInt16BE(2);
    const named = bytes.readUInt32BE(4) < 0x100 && bytes[7] !== 0;
    let address: Omit<SocksAddress, 'port'> = { type: 'ipv4', host: formatIpv4(bytes, 4) };
    if (named && !this.#rules.speaks4a) throw fault('it has a name, and SOCKS 4a is not spoken here');
    const id = readTerminated(input, 8, 'the user id', fault);
    if (typeof id === 'number') return input.need(id);
    let { end } = id;
    if (named) {
      const name = readTerminated(input, end, 'the host name', fault);
      if (typeof name === 'number') return input.need(name);
      address = nameOf(name.value, fault);
      end = name.end;
    }
    const user = textOf(id.value, 'the user id', fault);
    input.consume(end);
    return { version: 4, command, ...address, port, user: user === '' ? undefined : user };
  }

  // ---------------------------------------------------------------- SOCKS 5

  async #wish5(): Promise<SocksWish> {
    const user = await this.#letIn();
    const wish = await this.#exchange.hear((input) => this.#takeRequest5(input), 'the request');
    return { ...wish, user };
  }

  /** @returns who asks; undefined where nobody was asked. RFC 1928 §3 */
  async #letIn(): Promise<string | undefined> {
    const { authenticate } = this.#rules;
    const method = authenticate === undefined ? METHOD_NONE : METHOD_PASSWORD;
    const notAcceptable = Buffer.from([5, METHOD_NOT_ACCEPTABLE]);
    const fault = this.#fault(notAcceptable);
    const offered = await this.#exchange.hear((input) => takeMethods(input, fault), 'the list of methods');
    if (!offered.includes(method)) {
      this.#exchange.say(notAcceptable);
      const wanted = authenticate === undefined ? 'to go without authentication' : 'user and password';
      throw this.#authentication(`the client does not offer ${wanted}`);
    }
    this.#exchange.say(Buffer.from([5, method]));
    return authenticate === undefined ? undefined : this.#checkPassword(authenticate);
  }

  /** RFC 1929 */
  async #checkPassword(authenticate: NonNullable<SocksRules['authenticate']>): Promise<string> {
    const failed = Buffer.from([1, 1]);
    const fault = this.#fault(failed);
    const take = (input: InputBuffer) => takeCredentials(input, fault);
    const { user, password } = await this.#exchange.hear(take, 'user and password');
    const letIn = await this.#asked(() => authenticate(user, password), failed);
    this.#exchange.say(letIn ? Buffer.from([1, 0]) : failed);
    if (!letIn) throw this.#notLetIn(user);
    return user;
  }

  /** `5 | command 1 | 0 | address and port`. RFC 1928 §4 */
  #takeRequest5(input: InputBuffer): SocksWish | NotReady {
    if (input.length < 1) return input.need(5);
    const fault = this.#faultWith('general-failure');
    if (input.byteAt(0) !== 5) throw fault(`the request's version is ${hex(input.byteAt(0))}, not 0x05`);
    if (input.length < 3) return input.need(5);
    const command = COMMANDS[input.byteAt(1) - 1];
    if (command === undefined) {
      throw this.#faultWith('command-not-supported')(
        `the command is ${hex(input.byteAt(1))}, which is assigned to nothing`,
      );
    }
    if (input.byteAt(2) !== 0) throw fault(`the reserved byte is ${hex(input.byteAt(2))}`);
    const read = readAddress(input, 3, fault, this.#faultWith('address-type-not-supported'));
    if (typeof read === 'number') return input.need(read);
    input.consume(read.end);
    return { version: 5, command, ...read.value, user: undefined };
  }

  // ---------------------------------------------------------------- errors

  #faultWith(reason: SocksReason): (message: string) => ProtocolError {
    return this.#fault(replyBytes(5, replyCodeOf(reason, 5)));
  }

  /** Makes errors for what cannot be read, and tells the client so. */
  #fault(answer: Buffer | undefined): (message: string) => ProtocolError {
    return (message) => {
      if (answer !== undefined) this.#exchange.say(answer);
      const { offset } = this.#exchange.stream.input;
      return new ProtocolError('ERR_SOCKS_REQUEST', { protocol: SOCKS, offset, message });
    };
  }

  #notLetIn(user: string): ProtocolError {
    return this.#authentication(`the user ${JSON.stringify(user)} is not let in`);
  }

  #authentication(message: string): ProtocolError {
    return new ProtocolError('ERR_SOCKS_AUTHENTICATION', { protocol: SOCKS, message });
  }
}

/** `5 | count 1 | methods`. RFC 1928 §3 */
function takeMethods(input: InputBuffer, fault: (message: string) => ProtocolError): Uint8Array | NotReady {
  if (input.length < 2) return input.need(3);
  const count = input.byteAt(1);
  if (count === 0) throw fault('the client offers no method');
  if (input.length < 2 + count) return input.need(2 + count);
  const methods = Uint8Array.from(input.peek(2 + count, 2));
  input.consume(2 + count);
  return methods;
}

/** `1 | length 1 | user | length 1 | password`. RFC 1929 §2 */
function takeCredentials(
  input: InputBuffer,
  fault: (message: string) => ProtocolError,
): { user: string; password: string } | NotReady {
  if (input.length < 1) return input.need(5);
  const version = input.byteAt(0);
  if (version !== 1) throw fault(`the version of the authentication is ${hex(version)}, not 0x01`);
  const user = readCounted(input, 1, 'the user', fault);
  if (typeof user === 'number') return input.need(user);
  const password = readCounted(input, user.end, 'the password', fault);
  if (typeof password === 'number') return input.need(password);
  input.consume(password.end);
  return { user: user.value, password: password.value };
}
