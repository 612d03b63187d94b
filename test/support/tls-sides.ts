/**
 * Sessions of the addon for TLS, driven by hand: what one side has to say is carried to the other, whole or in pieces.
 */
import type { Duplex } from 'node:stream';
import {
  TLS_CLIENT,
  TLS_SERVER,
  TLS_SLACK,
  type TlsContextSettings,
  type TlsInterface,
  type TlsSessionSettings,
} from '#lib/tls-interface';
import { certificate, identity } from './certificates.js';

export const TLS_1_2 = 0x0303;
export const TLS_1_3 = 0x0304;
export const VERSIONS = [
  { name: 'TLSv1.2', version: TLS_1_2 },
  { name: 'TLSv1.3', version: TLS_1_3 },
] as const;

const NO_BYTES = new Uint8Array(0);

/** Settings that hold where a test says nothing else. */
export function serverSettings(changes: Partial<TlsContextSettings> = {}): TlsContextSettings {
  return { ...DEFAULTS, role: TLS_SERVER, identities: [identity('server')], verify: 0, ...changes };
}

/** Trusts `ca` of the fixtures. */
export function clientSettings(changes: Partial<TlsContextSettings> = {}): TlsContextSettings {
  return { ...DEFAULTS, role: TLS_CLIENT, ca: [certificate('ca')], ...changes };
}

const DEFAULTS: Omit<TlsContextSettings, 'role'> = {
  identities: [],
  minVersion: TLS_1_2,
  maxVersion: TLS_1_3,
  honorCipherOrder: true,
  verify: 2,
  reportOnly: false,
  alpn: [],
  pauseAtHello: false,
  tickets: 2,
  sessionTimeout: 300,
  sessionIdContext: 'tests',
  keyLog: false,
};

/** One session, its context, and the plaintext that it has opened. */
export class Side {
  readonly id: number;
  readonly context: number;
  readonly #tls: TlsInterface;
  #received = Buffer.alloc(0);

  /** `context`: settings for one, or one that is there. */
  constructor(tls: TlsInterface, context: TlsContextSettings | number, session: TlsSessionSettings = {}) {
    this.#tls = tls;
    this.context = typeof context === 'number' ? context : tls.createContext(context);
    this.id = tls.openSession(this.context, session);
  }

  /** Opens all of it; without bytes it begins, or goes on after a pause. */
  open(bytes: Uint8Array = NO_BYTES): void {
    const target = Buffer.alloc(bytes.length + TLS_SLACK);
    let given = this.#tls.open(this.id, bytes, 0, bytes.length, target, 0, target.length);
    this.#received = Buffer.concat([this.#received, target.subarray(0, given)]);
    while (this.#tls.hasMore(this.id) === 1) {
      given = this.#tls.open(this.id, NO_BYTES, 0, 0, target, 0, target.length);
      this.#received = Buffer.concat([this.#received, target.subarray(0, given)]);
    }
  }

  /** Everything that waits to leave. */
  take(): Buffer {
    const size = this.#tls.outgoing(this.id);
    const bytes = Buffer.alloc(size);
    this.#tls.takeOutgoing(this.id, bytes, 0, size);
    return bytes;
  }

  /** @returns how many bytes were taken */
  seal(bytes: Uint8Array): number {
    return this.#tls.seal(this.id, bytes, 0, bytes.length, NO_BYTES, 0, 0);
  }

  /** Takes what was opened so far. */
  received(): Buffer {
    const bytes = this.#received;
    this.#received = Buffer.alloc(0);
    return bytes;
  }

  has(bits: number): boolean {
    return (this.#tls.state(this.id) & bits) === bits;
  }

  close(): void {
    this.#tls.closeSession(this.id);
    this.#tls.closeContext(this.context);
  }
}

/** Carries bytes between the two, `most` at a time, until neither has any. */
export function exchange(one: Side, other: Side, most = Number.POSITIVE_INFINITY): void {
  for (let quiet = 0; quiet < 2; ) {
    quiet = carry(one, other, most) + carry(other, one, most) === 0 ? quiet + 1 : 0;
  }
}

function carry(from: Side, to: Side, most: number): number {
  const bytes = from.take();
  for (let start = 0; start < bytes.length; start += most) to.open(bytes.subarray(start, start + most));
  return bytes.length;
}

/** A client and a server that have shaken hands, or have failed to. */
export function shaken(
  tls: TlsInterface,
  { client = {}, server = {}, session = {}, most = Number.POSITIVE_INFINITY }: ShakenOptions = {},
): [client: Side, server: Side] {
  const sides: [Side, Side] = [new Side(tls, clientSettings(client), session), new Side(tls, serverSettings(server))];
  sides[0].open();
  exchange(sides[0], sides[1], most);
  return sides;
}

export interface ShakenOptions {
  readonly client?: Partial<TlsContextSettings>;
  readonly server?: Partial<TlsContextSettings>;
  readonly session?: TlsSessionSettings;
  /** Bytes carried at a time. */
  readonly most?: number;
}

/** Lets a session speak over a Duplex. @returns a function that sends what waits */
export function driven(side: Side, duplex: Duplex): () => void {
  const send = (): void => {
    const bytes = side.take();
    if (bytes.length > 0) duplex.write(bytes);
  };
  duplex.on('data', (bytes: Buffer) => {
    side.open(bytes);
    send();
    duplex.emit('opened');
  });
  side.open();
  send();
  return send;
}

/** Resolves when `done()` holds; it is asked whenever something was opened. */
export async function opened(duplex: Duplex, done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => duplex.once('opened', resolve));
}

/** What records are in the bytes: their types and lengths. */
export function recordsOf(bytes: Buffer): { type: number; length: number }[] {
  const records: { type: number; length: number }[] = [];
  for (let at = 0; at < bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) {
    records.push({ type: bytes[at], length: bytes.readUInt16BE(at + 3) });
  }
  return records;
}
