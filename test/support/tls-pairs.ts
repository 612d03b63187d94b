/** Two ends that speak TLS with each other, over whatever carries bytes. */
import { Duplex } from 'node:stream';
import { memoryPair } from 'miniproto';
import { type SecureStream, type TlsClientOptions, type TlsServerOptions, tlsClient, tlsServer } from 'miniproto/tls';
import { nativeTls } from '#lib/native';
import type { ByteStream } from '#lib/streams/byte-stream';
import { certificate, identity } from './certificates.js';

/** Why tests of the engine cannot run, or undefined. */
export const WITHOUT_ENGINE = nativeTls() === undefined ? 'TLS is not native' : undefined;

/** A suite about TlsStream, which there is only with the addon. */
export function describeTls(title: string, body: () => void): void {
  if (WITHOUT_ENGINE === undefined) describe(title, body);
  else describe.skip(`${title} [skipped: ${WITHOUT_ENGINE}]`, body);
}

export const CLIENT: TlsClientOptions = { ca: certificate('ca'), host: 'localhost' };
export const SERVER: TlsServerOptions = identity('server');

export interface TlsPair {
  readonly client: SecureStream;
  readonly server: SecureStream;
}

/** Both ends, which have not been waited for. */
export function tlsOver(
  [one, other]: readonly [ByteStream | Duplex, ByteStream | Duplex],
  client: TlsClientOptions = {},
  server: TlsServerOptions = {},
): TlsPair {
  const serverOptions = 'context' in server ? server : { ...SERVER, ...server };
  const clientOptions = 'context' in client ? { host: 'localhost', ...client } : { ...CLIENT, ...client };
  return { server: tlsServer(other, serverOptions), client: tlsClient(one, clientOptions) };
}

/** Both ends over a memory pair. */
export function tlsPair(client: TlsClientOptions = {}, server: TlsServerOptions = {}, capacity = 64 * 1024): TlsPair {
  return tlsOver(memoryPair({ capacity }), client, server);
}

/** Resolves when both are secure. */
export async function secured(pair: TlsPair): Promise<TlsPair> {
  await Promise.all([pair.client.handshake(), pair.server.handshake()]);
  return pair;
}

/** One end of two streams of Node's that are connected, with all that streams of Node have: marks, ticks, drains. */
class Side extends Duplex {
  peer: Side | undefined;
  #continue: (() => void) | undefined;

  override _read(): void {
    const go = this.#continue;
    this.#continue = undefined;
    go?.();
  }

  override _write(bytes: Buffer, _encoding: string, callback: () => void): void {
    const { peer } = this;
    if (peer === undefined || peer.destroyed) return callback();
    if (peer.push(bytes)) callback();
    else peer.#continue = callback;
  }

  override _final(callback: () => void): void {
    this.peer?.push(null);
    callback();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    const { peer } = this;
    this.peer = undefined;
    if (peer !== undefined) {
      peer.peer = undefined;
      const go = this.#continue;
      this.#continue = undefined;
      go?.();
      if (!this.writableFinished) peer.destroy();
    }
    callback(error);
  }
}

/** As `duplexPair` of Node 22.6 and later. */
export function duplexes(): [Duplex, Duplex] {
  const one = new Side();
  const other = new Side();
  one.peer = other;
  other.peer = one;
  return [one, other];
}
