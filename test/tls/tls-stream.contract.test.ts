/** The contract of byte streams over TlsStream, on every kind of stream below. */

import type { Duplex } from 'node:stream';
import { memoryPair } from 'miniproto';
import { createWebSocketStream } from 'miniproto/ws';
import type { ByteStream } from '#lib/streams/byte-stream';
import { byteStreamContract, type ContractTraits, type Pair } from '../support/byte-stream-contract.js';
import { describeTls, duplexes, secured, tlsOver } from '../support/tls-pairs.js';
import { pair, stopAll } from '../support/ws-pairs.js';

/** Tickets come behind the handshake, and some tests want to begin in silence. */
const QUIET = { tickets: 0 };

type Below = () => readonly [ByteStream | Duplex, ByteStream | Duplex];

async function over(below: Below): Promise<Pair> {
  const { client, server } = await secured(tlsOver(below(), {}, QUIET));
  return { one: client, other: server };
}

async function within(below: Below): Promise<Pair> {
  const outer = await secured(tlsOver(below(), {}, QUIET));
  const { client, server } = await secured(tlsOver([outer.server, outer.client], {}, QUIET));
  return { one: client, other: server };
}

function suite(title: string, connect: () => Promise<Pair>, traits: ContractTraits = {}): void {
  describeTls(title, () => byteStreamContract(title, connect, traits));
}

for (const capacity of [1, 7, 64 * 1024]) {
  const traits = { bulk: capacity === 64 * 1024 ? 200_000 : 8_000 };
  suite(`TLS over a memory pair of capacity ${capacity}`, () => over(() => memoryPair({ capacity })), traits);
}
suite('TLS over a Duplex', () => over(duplexes));
suite('TLS within TLS over a memory pair', () => within(() => memoryPair()));
suite('TLS within TLS over a Duplex', () => within(duplexes));

/** A WebSocket has no half-close: its end, behind our close_notify, comes before the peer's, which is no truncation here. */
async function overWebSockets(): Promise<Pair> {
  const { here, there } = await pair();
  const below = [createWebSocketStream(there), createWebSocketStream(here)] as const;
  const truncation = 'end';
  const { client, server } = await secured(tlsOver(below, { truncation }, { ...QUIET, truncation }));
  return { one: client, other: server, dispose: stopAll };
}
suite('TLS over a WebSocket', overWebSockets, { halfOpen: false });
