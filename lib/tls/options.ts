/**
 * Options of TLS streams, and what becomes of them: everything a session needs, checked, in one object.
 *
 * Options of a context may stand among those of a stream, or be a context's, made once with `new TlsContext`; not both,
 * since one of them would not count, and `rejectUnauthorized` is one of them.
 */
import { isIP } from 'node:net';
import {
  checkFunction,
  checkInteger,
  checkObject,
  checkOneOf,
  checkString,
  checkUint8Array,
  invalidArgType,
  invalidArgValue,
} from '../arguments.js';
import { UsageError } from '../errors.js';
import { TLS_HANDSHAKE_TIMEOUT_MS } from '../limits.js';
import type { SocketStreamOptions } from '../net/socket-stream.js';
import { streamOptions } from '../net/stream-options.js';
import type { TlsHello } from '../tls-interface.js';
import { CONTEXT_OPTIONS, TlsContext, type TlsContextOptions } from './tls-context.js';

/** What both sides may say of a stream. */
export interface SecureStreamOptions extends SocketStreamOptions {
  /** The context; default: one of the context's options that stand here. */
  context?: TlsContext;
  /** When the handshake begins: 'now' (default), or 'lazy', at the first operation. */
  handshake?: 'now' | 'lazy';
  /** Milliseconds that the handshake may take. Default 30 seconds; 0: no limit. */
  handshakeTimeoutMs?: number;
  /** The end of the stream below without the peer's close_notify: an 'error' (default), or an 'end' like any other. */
  truncation?: 'error' | 'end';
  /** Bytes that have to leave before anything of TLS, in the clear: the last of another protocol, see `upgrade`. */
  unsent?: Uint8Array;
  /** Is given each line for a key log (SSLKEYLOGFILE), for debugging: whoever has them can read everything. */
  onKeyLog?: (line: Buffer) => void;
}

export interface TlsClientOptions extends TlsContextOptions, SecureStreamOptions {
  /** The name that is asked for (SNI). Default: `host`, when that is a name. */
  servername?: string;
  /**
   * The name or the IP address that the server's certificate has to be for. Default: `servername`. False: any
   * certificate of a trusted authority will do.
   */
  host?: string | false;
  /** A session to take up again, as `onSession` gave it. */
  session?: Uint8Array;
  /** Is given each session (DER) that the server offers to take up again. They are secrets. */
  onSession?: (session: Buffer) => void;
}

/**
 * Chooses the context for a client; undefined: the stream's own. The name comes in lower case, as names of hosts are
 * compared; `hello.servername` is as the client spelt it.
 */
export type SniCallback = (
  servername: string,
  hello: TlsHello,
) => TlsContext | undefined | Promise<TlsContext | undefined>;

export interface TlsServerOptions extends TlsContextOptions, SecureStreamOptions {
  /** Contexts by the name that the client asks for; `*.example.com` stands for any one label. */
  contexts?: Readonly<Record<string, TlsContext>>;
  /** Is asked where `contexts` has none. When it throws or rejects, the handshake is refused. */
  sniCallback?: SniCallback;
}

/** For the socket below: it is the secure stream that has timeouts. Internal. */
export const UNTIMED = { idleTimeoutMs: 0, firstRecordTimeoutMs: 0, writeStallTimeoutMs: 0 } as const;

/** What a session is made of. Internal. */
export interface TlsPlan {
  readonly role: 'client' | 'server';
  readonly context: TlsContext;
  readonly handshake: 'now' | 'lazy';
  readonly handshakeTimeoutMs: number;
  readonly truncation: 'error' | 'end';
  readonly unsent: Uint8Array | undefined;
  readonly onKeyLog: ((line: Buffer) => void) | undefined;
  readonly onSession: ((session: Buffer) => void) | undefined;
  readonly servername: string | undefined;
  readonly host: string | undefined;
  readonly session: Uint8Array | undefined;
  readonly contexts: Readonly<Record<string, TlsContext>> | undefined;
  readonly sniCallback: SniCallback | undefined;
  /** Timeouts and the mark of the input, for the stream. */
  readonly stream: SocketStreamOptions;
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE; UsageError ERR_TLS_CONTEXT */
export function clientPlan(options: TlsClientOptions): TlsPlan {
  const common = commonPlan(options);
  const { session, onSession } = options;
  if (session !== undefined) checkUint8Array('options.session', session);
  if (onSession !== undefined) checkFunction('options.onSession', onSession);
  const names = namesOf(options, common.context);
  return { ...common, ...names, role: 'client', session, onSession, contexts: undefined, sniCallback: undefined };
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE; UsageError ERR_TLS_CONTEXT */
export function serverPlan(options: TlsServerOptions): TlsPlan {
  const common = commonPlan(options);
  const { contexts, sniCallback } = options;
  if (contexts !== undefined) {
    checkObject('options.contexts', contexts);
    for (const [name, context] of Object.entries(contexts)) checkContext(`options.contexts[${name}]`, context);
  }
  if (sniCallback !== undefined) checkFunction('options.sniCallback', sniCallback);
  checkIdentity(options, common.context);
  const client = { servername: undefined, host: undefined, session: undefined, onSession: undefined };
  return { ...common, ...client, role: 'server', contexts: lowered(contexts), sniCallback };
}

/** Who has no certificate can only fail each handshake, and that is due here. @throws UsageError ERR_TLS_CONTEXT */
function checkIdentity({ contexts, sniCallback }: TlsServerOptions, context: TlsContext): void {
  if (context.canServe || sniCallback !== undefined) return;
  if (contexts !== undefined && Object.keys(contexts).length > 0) return;
  throw new UsageError('ERR_TLS_CONTEXT', {
    message: "a server has to have a certificate: 'key' and 'cert', 'pfx', 'contexts' or 'sniCallback' are missing",
    protocol: 'tls',
  });
}

/** Options for another server than they were given for: whom we trust stays, who we are there does not. Internal. */
export function withoutIdentity(options: Partial<TlsClientOptions>): Partial<TlsClientOptions> {
  const { key: _key, cert: _cert, pfx: _pfx, passphrase: _passphrase, session: _session, ...rest } = options;
  return rest.context instanceof TlsContext ? { ...rest, context: rest.context.withoutIdentity() } : rest;
}

type CommonPlan = Pick<
  TlsPlan,
  'context' | 'handshake' | 'handshakeTimeoutMs' | 'truncation' | 'unsent' | 'onKeyLog' | 'stream'
>;

function commonPlan(options: SecureStreamOptions & TlsContextOptions): CommonPlan {
  checkObject('options', options);
  const { handshake = 'now', handshakeTimeoutMs = TLS_HANDSHAKE_TIMEOUT_MS, truncation = 'error', onKeyLog } = options;
  checkOneOf('options.handshake', handshake, ['now', 'lazy']);
  checkInteger('options.handshakeTimeoutMs', handshakeTimeoutMs, 0, 2 ** 31 - 1);
  checkOneOf('options.truncation', truncation, ['error', 'end']);
  const { unsent } = options;
  if (unsent !== undefined) checkUint8Array('options.unsent', unsent);
  if (onKeyLog !== undefined) checkFunction('options.onKeyLog', onKeyLog);
  const context = contextOf(options);
  return { context, handshake, handshakeTimeoutMs, truncation, unsent, onKeyLog, stream: streamOptions(options) };
}

/** The names that a client asks for and wants to see. A certificate for nobody in particular has to be wanted. */
function namesOf(options: TlsClientOptions, context: TlsContext): Pick<TlsPlan, 'servername' | 'host'> {
  const { servername, host = servername } = options;
  if (servername !== undefined) {
    checkString('options.servername', servername);
    // RFC 6066 §3: literal addresses are not permitted.
    if (isIP(servername) !== 0)
      throw invalidArgValue('options.servername', servername, 'must be a name, not an IP address');
  }
  if (host !== undefined && host !== false) checkString('options.host', host);
  if ((host === undefined || host === '') && context.verifies) {
    const reason = "must be the name or address that the server's certificate is for, or false for any";
    throw invalidArgValue('options.host', host, reason);
  }
  const name = host === false ? undefined : host;
  const asked = servername ?? (name === undefined || isIP(name) !== 0 ? undefined : name);
  return { servername: asked === '' ? undefined : asked, host: name };
}

function contextOf(options: SecureStreamOptions & TlsContextOptions): TlsContext {
  const { context } = options;
  const inline = CONTEXT_OPTIONS.filter((name) => options[name] !== undefined);
  if (context === undefined) {
    if (inline.length === 0) return TlsContext.default;
    return new TlsContext(Object.fromEntries(inline.map((name) => [name, options[name]])));
  }
  checkContext('options.context', context);
  const [first] = inline;
  if (first !== undefined)
    throw invalidArgValue(`options.${first}`, options[first], 'is for the context, which is given');
  return context;
}

function checkContext(name: string, value: unknown): asserts value is TlsContext {
  if (!(value instanceof TlsContext)) throw invalidArgType(name, 'an instance of TlsContext', value);
}

/** Names of hosts are compared without case. */
function lowered(contexts: TlsServerOptions['contexts']): TlsPlan['contexts'] {
  if (contexts === undefined) return undefined;
  const entries = Object.entries(contexts).map(([name, context]) => [name.toLowerCase(), context] as const);
  return Object.assign(Object.create(null), Object.fromEntries(entries));
}
