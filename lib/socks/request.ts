/** What a client of a SOCKS proxy wants, and how it is answered: `accept` or `refuse`, once. */
import { checkOneOf } from '../arguments.js';
import { UsageError } from '../errors.js';
import { parseIpv4 } from '../proxy-protocol/ip-address.js';
import type { ByteStream } from '../streams/byte-stream.js';
import { exchangeOn, HandshakeTime } from '../streams/exchange.js';
import { addressBytes, portBytes } from './fields.js';
import { checkEndpoint, type Endpoint, type HostKind } from './target.js';
import {
  GRANTED_4,
  GRANTED_5,
  REASONS,
  reasonOf,
  replyCodeOf,
  SOCKS,
  type SocksCommand,
  type SocksReason,
} from './words.js';

/** What was asked for. */
export interface SocksWish extends Endpoint {
  readonly version: 4 | 5;
  readonly command: SocksCommand;
  readonly type: HostKind;
  readonly user: string | undefined;
}

/** A request to a SOCKS proxy. `socksServer` gives it. */
export class SocksRequest implements Endpoint {
  /** The next protocol's, once the request has been accepted: its input begins behind the request. */
  readonly stream: ByteStream;
  readonly version: 4 | 5;
  readonly command: SocksCommand;
  /** An address or a name. */
  readonly host: string;
  readonly port: number;
  /** What the host is. A name that is the text of an address counts as that. */
  readonly type: HostKind;
  /** Who asks: the user that was let in, or the user id of SOCKS 4, which nobody has checked; undefined where none was said. */
  readonly user: string | undefined;
  readonly #timeoutMs: number;
  /** Answers that are still to be given: 'bind' has two. */
  #answers: number;

  /** Internal: `socksServer` makes it. */
  constructor(stream: ByteStream, wish: SocksWish, timeoutMs: number) {
    this.stream = stream;
    this.version = wish.version;
    this.command = wish.command;
    this.host = wish.host;
    this.port = wish.port;
    this.type = wish.type;
    this.user = wish.user;
    this.#timeoutMs = timeoutMs;
    this.#answers = wish.command === 'bind' ? 2 : 1;
  }

  /**
   * Grants the request: from now on the stream is the next protocol's. A 'bind' is granted twice: where the proxy listens,
   * and who has connected.
   * @param bound the address that the proxy uses. Default 0.0.0.0 port 0. SOCKS 4 has no other than IPv4, and nobody reads
   * it for 'connect': there any other is left out.
   * @returns once the stream has taken the answer. @throws UsageError ERR_ALREADY_ANSWERED; ERR_INVALID_ARG_VALUE;
   * LimitError ERR_HANDSHAKE_TIMEOUT and TransportError, and then the stream is destroyed
   */
  async accept(bound: Endpoint = NOWHERE): Promise<void> {
    const reply = this.#grant(bound);
    this.#count(1);
    await this.#send(reply);
  }

  /**
   * Refuses the request, and has the connection end once the answer has arrived.
   * @param why a reason, or the error of connecting: ECONNREFUSED and the like become the code for it.
   * @returns once the connection is closed. @throws UsageError ERR_ALREADY_ANSWERED; ERR_INVALID_ARG_VALUE; as `accept`
   */
  async refuse(why: SocksReason | Error = 'general-failure'): Promise<void> {
    const reason = why instanceof Error ? reasonOf(why) : why;
    checkOneOf('why', reason, REASONS);
    this.#count(this.#answers);
    await this.#send(replyBytes(this.version, replyCodeOf(reason, this.version)));
    await this.stream.close();
  }

  #grant(bound: Endpoint): Buffer {
    const kind = checkEndpoint('bound', bound, 0);
    if (this.version === 5) return replyBytes(5, GRANTED_5, addressBytes(bound, kind));
    if (kind !== 'ipv4' && this.command === 'connect') return replyBytes(4, GRANTED_4);
    checkOneOf('bound.host', kind === 'ipv4' ? bound.host : undefined, [bound.host]);
    return replyBytes(4, GRANTED_4, Buffer.from([...portBytes(bound.port), ...parseIpv4(bound.host)!]));
  }

  #count(answers: number): void {
    if (this.#answers === 0) throw new UsageError('ERR_ALREADY_ANSWERED', { protocol: SOCKS });
    this.#answers -= answers;
  }

  async #send(reply: Buffer): Promise<void> {
    const time = new HandshakeTime(SOCKS, this.#timeoutMs, undefined);
    await exchangeOn(this.stream, time, (exchange) => {
      exchange.say(reply);
      return exchange.sent();
    });
  }
}

const NOWHERE: Endpoint = { host: '0.0.0.0', port: 0 };
const NOWHERE_4 = Buffer.alloc(6);
const NOWHERE_5 = addressBytes(NOWHERE, 'ipv4');

/** @param where address and port, in the version's own order */
export function replyBytes(
  version: 4 | 5,
  code: number,
  where: Buffer = version === 5 ? NOWHERE_5 : NOWHERE_4,
): Buffer {
  return Buffer.concat([Buffer.from(version === 5 ? [5, code, 0] : [0, code]), where]);
}
