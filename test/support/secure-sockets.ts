/** Pairs of secure streams on native sockets, both ends ours and native. */
import assert from 'node:assert/strict';
import type { TlsClientOptions, TlsServerOptions } from 'miniproto/tls';
import { nativeInfo } from '#lib/native';
import { SecureSocketStream } from '#lib/tls/secure-socket-stream';
import { type Family, type SocketPair, socketPairs } from './socket-pairs.js';
import { secured, tlsOver, WITHOUT_ENGINE } from './tls-pairs.js';

const { native, reason } = nativeInfo().sockets;
/** Why there are none, or undefined. */
export const WITHOUT_SECURE = native ? WITHOUT_ENGINE : reason;

/** A suite about TLS in the reactor, which there is only with both addons. */
export function describeSecure(title: string, body: () => void): void {
  if (WITHOUT_SECURE === undefined) describe(title, body);
  else describe.skip(`${title} [skipped: ${WITHOUT_SECURE}]`, body);
}

export interface SecureSocketPair {
  /** The client. */
  readonly one: SecureSocketStream;
  /** The server. */
  readonly other: SecureSocketStream;
}

/** Both ends, whose handshake has not been waited for. */
export function securePairOver(
  { one, other }: SocketPair,
  clientOptions: TlsClientOptions = {},
  serverOptions: TlsServerOptions = {},
): SecureSocketPair {
  const { client, server } = tlsOver([one, other], clientOptions, serverOptions);
  assert.ok(client instanceof SecureSocketStream && server instanceof SecureSocketStream);
  return { one: client, other: server };
}

/** Makes `count` connections at once, secure at both ends. */
export async function securePairs(
  family: Family,
  count: number,
  clientOptions: TlsClientOptions = {},
  serverOptions: TlsServerOptions = {},
): Promise<SecureSocketPair[]> {
  const pairs = (await socketPairs(family, count)).map((pair) => securePairOver(pair, clientOptions, serverOptions));
  await Promise.all(pairs.map(({ one, other }) => secured({ client: one, server: other })));
  return pairs;
}

export async function securePair(
  family: Family = 'unix',
  clientOptions: TlsClientOptions = {},
  serverOptions: TlsServerOptions = {},
): Promise<SecureSocketPair> {
  return (await securePairs(family, 1, clientOptions, serverOptions))[0]!;
}
