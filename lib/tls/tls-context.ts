/**
 * A TLS context: who we are, whom we trust, and what we agree to. Made once, used for any number of streams, in both roles.
 *
 * Options are named as those of Node's `tls.createSecureContext` and mean the same; types are checked here, values by
 * OpenSSL. The engine's contexts, one for each way of using this one, are made when they are first needed and closed when
 * this is collected.
 */
import type { SecureContextOptions } from 'node:tls';
import { late } from '../late.js';
import { nativeTls } from '../native.js';
import { TLS_CLIENT, TLS_SERVER, type TlsContextSettings, type TlsInterface } from '../tls-interface.js';
import { settingsOf } from './context-settings.js';
import { contextError } from './tls-errors.js';

/** Text in PEM, as a string or as bytes. */
export type Pem = string | Uint8Array;
/** A key that has a passphrase of its own. */
export interface PemKey {
  readonly pem: Pem;
  readonly passphrase?: string | undefined;
}
/** A PFX that has a passphrase of its own. */
export interface Pfx {
  readonly buf: Uint8Array;
  readonly passphrase?: string | undefined;
}
/** The versions there are; older ones are not to be had. */
export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

/** As in Node's `tls`, where nothing else is said. */
export interface TlsContextOptions {
  /** Private keys, PEM, in the order of `cert`. */
  key?: Pem | readonly (Pem | PemKey)[] | undefined;
  /** Certificate chains, PEM, each with our own first. */
  cert?: Pem | readonly Pem[] | undefined;
  /** Keys with their chains, PKCS#12. */
  pfx?: Uint8Array | readonly (Uint8Array | Pfx)[] | undefined;
  /** For keys and PFX that have none of their own. */
  passphrase?: string | undefined;
  /** Authorities to trust, PEM. Default: those that Node trusts. */
  ca?: Pem | readonly Pem[] | undefined;
  /** Revocation lists, PEM. */
  crl?: Pem | readonly Pem[] | undefined;
  /** Ciphers of TLS 1.2 and 1.3, mixed. Default: `tls.DEFAULT_CIPHERS`. */
  ciphers?: string | undefined;
  /** Groups of the key exchange, `X25519:P-256`. Default 'auto'. */
  ecdhCurve?: string | undefined;
  /** Signature algorithms, `RSA-PSS+SHA256:ECDSA+SHA256`. */
  sigalgs?: string | undefined;
  /** Default: `tls.DEFAULT_MIN_VERSION` and `tls.DEFAULT_MAX_VERSION`. */
  minVersion?: TlsVersion | undefined;
  maxVersion?: TlsVersion | undefined;
  /** The server's order of ciphers counts. Default true. */
  honorCipherOrder?: boolean | undefined;
  /** Server: ask for the client's certificate. Default false. */
  requestCert?: boolean | undefined;
  /** Refuse peers whose certificate is not good. Default true. */
  rejectUnauthorized?: boolean | undefined;
  /** Names for ALPN, most wanted first. */
  ALPNProtocols?: readonly string[] | undefined;
  /** Server: 48 bytes that tickets are sealed with, to be the same on several servers. */
  ticketKeys?: Uint8Array | undefined;
  /** Server: tickets sent after a full handshake, 0 to 10. Default 2; 0: no resumption. */
  tickets?: number | undefined;
  /** Seconds that a session can be taken up again. Default 300. */
  sessionTimeout?: number | undefined;
  /** Server: sessions are taken up again among contexts that have the same. */
  sessionIdContext?: string | undefined;
  /** Server: Diffie-Hellman parameters for TLS 1.2, PEM, or 'auto'. */
  dhparam?: Pem | undefined;
}

/** Names of all options of contexts. Internal. */
export const CONTEXT_OPTIONS = [
  'key',
  'cert',
  'pfx',
  'passphrase',
  'ca',
  'crl',
  'ciphers',
  'ecdhCurve',
  'sigalgs',
  'minVersion',
  'maxVersion',
  'honorCipherOrder',
  'requestCert',
  'rejectUnauthorized',
  'ALPNProtocols',
  'ticketKeys',
  'tickets',
  'sessionTimeout',
  'sessionIdContext',
  'dhparam',
] as const satisfies readonly (keyof TlsContextOptions)[];

/** What a context is used for: each needs one of the engine's. Internal. */
export interface ContextUse {
  readonly role: 'client' | 'server';
  readonly pauses: boolean;
  readonly keyLog: boolean;
}

/** The engine's contexts of one TlsContext, which have to be closed when that is gone. */
interface Opened {
  readonly tls: TlsInterface;
  readonly ids: Map<string, number>;
}

const collected = new FinalizationRegistry<Opened>(({ tls, ids }) => {
  for (const id of ids.values()) tls.closeContext(id);
});

let rootsGiven = false;
let defaultContext: TlsContext | undefined;

export class TlsContext {
  /** What it was made of. Internal. */
  readonly options: Readonly<TlsContextOptions>;
  /** Peers whose certificate is not good are refused. Internal. */
  readonly verifies: boolean;
  readonly #settings: Omit<TlsContextSettings, 'role' | 'pauseAtHello' | 'keyLog' | 'verify'>;
  #opened: Opened | undefined;

  /**
   * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE; UsageError ERR_TLS_CONTEXT for what should be
   * PEM and is not, and, with OpenSSL's reason, for keys, certificates, ciphers and the like that it refuses.
   * @example
   * const context = new TlsContext({ key, cert, ALPNProtocols: ['imap'] });
   */
  constructor(options: TlsContextOptions = {}) {
    this.#settings = settingsOf(options);
    this.options = Object.freeze({ ...options });
    this.verifies = options.rejectUnauthorized !== false;
    const tls = nativeTls();
    // OpenSSL's word on it is due here, not at the first connection; who has a certificate is mostly a server.
    const role = this.#settings.identities.length > 0 ? 'server' : 'client';
    if (tls !== undefined) this.idFor(tls, { role, pauses: false, keyLog: false });
    else checkByNode(options);
  }

  /**
   * A server can use it: it has a certificate, or its ciphers may do without, which OpenSSL allows on level 0 alone. Internal.
   */
  get canServe(): boolean {
    return this.#settings.identities.length > 0 || this.options.ciphers?.includes('@SECLEVEL=0') === true;
  }

  /** The context of a client that has nothing to say about it. Internal. */
  static get default(): TlsContext {
    defaultContext ??= new TlsContext();
    return defaultContext;
  }

  /** One that trusts and agrees to the same, and does not say who we are. Internal. */
  withoutIdentity(): TlsContext {
    const { key, cert, pfx, passphrase: _, ...rest } = this.options;
    return key === undefined && cert === undefined && pfx === undefined ? this : new TlsContext(rest);
  }

  /** The engine's context for this use. Internal. @throws UsageError ERR_TLS_CONTEXT */
  idFor(tls: TlsInterface, use: ContextUse): number {
    this.#opened ??= this.#open(tls);
    const key = `${use.role}${use.pauses ? ' pauses' : ''}${use.keyLog ? ' logs' : ''}`;
    const known = this.#opened.ids.get(key);
    if (known !== undefined) return known;
    const id = this.#create(tls, use);
    this.#opened.ids.set(key, id);
    return id;
  }

  #open(tls: TlsInterface): Opened {
    const opened = { tls, ids: new Map() };
    collected.register(this, opened);
    return opened;
  }

  #create(tls: TlsInterface, { role, pauses, keyLog }: ContextUse): number {
    const asks = role === 'client' || this.options.requestCert === true;
    if (asks && this.#settings.ca === undefined) giveRoots(tls);
    try {
      return tls.createContext({
        ...this.#settings,
        role: role === 'client' ? TLS_CLIENT : TLS_SERVER,
        verify: !asks ? 0 : role === 'server' && !this.verifies ? 1 : 2,
        pauseAtHello: pauses,
        keyLog,
      });
    } catch (error) {
      throw contextError(error);
    }
  }
}

/** Some 150 certificates, so only once in a thread, and only where they are needed. */
function giveRoots(engine: TlsInterface): void {
  if (rootsGiven) return;
  rootsGiven = true;
  const { tls } = late;
  engine.setRoots((tls as RootsOfNode).getCACertificates?.('default') ?? tls.rootCertificates);
}

/** Node 22.15 and later also know of authorities that the user or the system has added. */
interface RootsOfNode {
  getCACertificates?(which: 'default'): readonly string[];
}

/** Without the addon Node will make the context, of the same OpenSSL. */
function checkByNode(options: TlsContextOptions): void {
  try {
    late.tls.createSecureContext(options as SecureContextOptions);
  } catch (error) {
    throw contextError(error);
  }
}
