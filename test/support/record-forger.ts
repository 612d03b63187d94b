/**
 * A client of TLS that sends records which no engine would: after a handshake by Node's `tls` it has the keys, from the
 * key log, and seals by itself, straight into the stream below. It hears nothing that it does not want to hear.
 *
 *     const forger = await RecordForger.over(net.connect(port));
 *     forger.deafen();
 *     await forger.send(forger.keyUpdate({ asks: true }), forger.data(''));
 *
 * Suites are fixed, AES-128-GCM for both versions. RFC 8446 §5.2, §7.1 to 7.3; RFC 5246 §5, §6.3; RFC 5288 §3.
 */
import assert from 'node:assert/strict';
import { createCipheriv, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import { certificate } from './certificates.js';

export type ForgedVersion = 'TLSv1.2' | 'TLSv1.3';

const SUITES: Record<ForgedVersion, string> = {
  'TLSv1.2': 'ECDHE-ECDSA-AES128-GCM-SHA256',
  'TLSv1.3': 'TLS_AES_128_GCM_SHA256',
};

/** Types of records, RFC 8446 §5.1. */
const ALERT = 21;
const HANDSHAKE = 22;
const DATA = 23;
/** RFC 8446 §4.6.3 */
const KEY_UPDATE = 24;
/** Where the server's random is in its first record: behind the headers of record and message, and a version. */
const SERVER_RANDOM_AT = 11;

/** Everything that Node's `tls` says and hears passes here. */
class Wire extends Duplex {
  readonly #lower: Duplex;
  /** The first bytes that the server said. */
  first: Buffer = Buffer.alloc(0);
  deaf = false;

  constructor(lower: Duplex) {
    super();
    this.#lower = lower;
    lower.on('data', (bytes: Buffer) => {
      if (this.first.length < 1000) this.first = Buffer.concat([this.first, bytes]);
      this.push(bytes);
    });
    lower.on('end', () => this.push(null));
    lower.on('error', (error) => this.destroy(error));
  }

  override _read(): void {
    if (!this.deaf) this.#lower.resume();
  }

  override _write(bytes: Buffer, _encoding: string, callback: (error?: Error | null) => void): void {
    this.#lower.write(bytes, callback);
  }
}

export class RecordForger {
  readonly version: ForgedVersion;
  /** What Node makes of the connection, while we hear. */
  readonly tls: tls.TLSSocket;
  readonly #lower: Duplex;
  readonly #wire: Wire;
  #secret: Buffer = Buffer.alloc(0);
  #key: Buffer = Buffer.alloc(0);
  #iv: Buffer = Buffer.alloc(0);
  /** Of the next record. */
  #sequence = 0n;

  /** Resolves when Node has shaken hands; whoever forges waits for the server to be secure as well. */
  static async over(lower: Duplex, version: ForgedVersion = 'TLSv1.3'): Promise<RecordForger> {
    const forger = new RecordForger(lower, version);
    let log = '';
    forger.tls.on('keylog', (line: Buffer) => {
      log += line;
    });
    await once(forger.tls, 'secureConnect');
    forger.#derive(log);
    return forger;
  }

  private constructor(lower: Duplex, version: ForgedVersion) {
    this.version = version;
    this.#lower = lower;
    this.#wire = new Wire(lower);
    this.tls = tls.connect({
      socket: this.#wire,
      ca: certificate('ca'),
      servername: 'localhost',
      ciphers: SUITES[version],
      minVersion: version,
      maxVersion: version,
    });
    // What a server that has had enough does is the server's test.
    this.tls.on('error', () => {});
    this.tls.resume();
  }

  #derive(log: string): void {
    if (this.version === 'TLSv1.3') {
      this.#secret = Buffer.from(/^CLIENT_TRAFFIC_SECRET_0 \w+ (\w+)$/m.exec(log)![1]!, 'hex');
      return this.#useSecret();
    }
    const [, random, master] = /^CLIENT_RANDOM (\w+) (\w+)$/m.exec(log)!;
    const server = this.#wire.first.subarray(SERVER_RANDOM_AT, SERVER_RANDOM_AT + 32);
    const seed = Buffer.concat([Buffer.from('key expansion'), server, Buffer.from(random!, 'hex')]);
    const block = pseudoRandom(Buffer.from(master!, 'hex'), seed, 40);
    this.#key = block.subarray(0, 16);
    this.#iv = block.subarray(32, 36);
    // Finished was the first one.
    this.#sequence = 1n;
  }

  #useSecret(): void {
    this.#key = expandLabel(this.#secret, 'key', 16);
    this.#iv = expandLabel(this.#secret, 'iv', 12);
    this.#sequence = 0n;
  }

  /** From here on nothing is read: what the server sends stays in the system, as far as that takes it. */
  deafen(): void {
    this.#wire.deaf = true;
    this.#lower.pause();
  }

  hearAgain(): void {
    this.#wire.deaf = false;
    this.#lower.resume();
  }

  data(content: string | Uint8Array): Buffer {
    return this.#record(DATA, Buffer.from(content as Uint8Array));
  }

  /** Changes our keys; `asks`: and wants the server to. */
  keyUpdate({ asks }: { asks: boolean }): Buffer {
    assert.equal(this.version, 'TLSv1.3');
    const record = this.#record(HANDSHAKE, Buffer.of(KEY_UPDATE, 0, 0, 1, asks ? 1 : 0));
    this.#secret = expandLabel(this.#secret, 'traffic upd', 32);
    this.#useSecret();
    return record;
  }

  alert(level: number, description: number): Buffer {
    return this.#record(ALERT, Buffer.of(level, description));
  }

  #record(type: number, content: Buffer): Buffer {
    const sequence = Buffer.alloc(8);
    sequence.writeBigUInt64BE(this.#sequence++);
    if (this.version === 'TLSv1.3') {
      const nonce = Buffer.from(this.#iv);
      for (let i = 0; i < 8; i++) nonce[4 + i]! ^= sequence[i]!;
      const header = headerOf(DATA, content.length + 1 + 16);
      return Buffer.concat([header, seal(this.#key, nonce, header, Buffer.concat([content, Buffer.of(type)]))]);
    }
    const about = Buffer.concat([sequence, headerOf(type, content.length)]);
    const sealed = seal(this.#key, Buffer.concat([this.#iv, sequence]), about, content);
    return Buffer.concat([headerOf(type, 8 + sealed.length), sequence, sealed]);
  }

  /** Sends records as they are; resolves when the stream below has taken them, or is gone. */
  async send(...records: readonly Uint8Array[]): Promise<void> {
    const bytes = Buffer.concat(records);
    await new Promise<void>((resolve) => {
      this.#lower.once('close', resolve);
      this.#lower.write(bytes, () => {
        this.#lower.off('close', resolve);
        resolve();
      });
    });
  }

  /** Bytes that were sent and wait for the system. */
  get waiting(): number {
    return this.#lower.writableLength;
  }

  destroy(): void {
    this.tls.destroy();
    this.#wire.destroy();
    this.#lower.destroy();
  }
}

function headerOf(type: number, length: number): Buffer {
  return Buffer.of(type, 3, 3, length >> 8, length & 255);
}

function seal(key: Buffer, nonce: Buffer, about: Buffer, content: Buffer): Buffer {
  const cipher = createCipheriv('aes-128-gcm', key, nonce).setAAD(about);
  return Buffer.concat([cipher.update(content), cipher.final(), cipher.getAuthTag()]);
}

/** HKDF-Expand-Label without a context, of at most one hash. RFC 8446 §7.1 */
function expandLabel(secret: Buffer, label: string, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`);
  const about = Buffer.concat([Buffer.of(0, length, name.length), name, Buffer.of(0, 1)]);
  return createHmac('sha256', secret).update(about).digest().subarray(0, length);
}

/** P_SHA256. RFC 5246 §5 */
function pseudoRandom(secret: Buffer, seed: Buffer, length: number): Buffer {
  const mac = (bytes: Buffer) => createHmac('sha256', secret).update(bytes).digest();
  const blocks: Buffer[] = [];
  for (let [a, size] = [mac(seed), 0]; size < length; a = mac(a), size += 32) {
    blocks.push(mac(Buffer.concat([a, seed])));
  }
  return Buffer.concat(blocks).subarray(0, length);
}
