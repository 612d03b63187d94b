/** In how many pieces what a TlsStream seals reaches a Node stream: the peer may be woken with each. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureStream } from 'miniproto/tls';
import { TLS_SEAL_MOST } from '#lib/tls-interface';
import { nodePair } from '../support/node-sockets.js';
import { describeTls, duplexes, secured, tlsOver } from '../support/tls-pairs.js';

const PIECE = 2 * TLS_SEAL_MOST;

/** Sizes of what is written to the stream from here on. */
function piecesTo(stream: Duplex): number[] {
  const sizes: number[] = [];
  const write = stream.write.bind(stream) as (bytes: Uint8Array, ...words: unknown[]) => boolean;
  stream.write = ((bytes: Uint8Array, ...words: unknown[]) => {
    sizes.push(bytes.length);
    return write(bytes, ...words);
  }) as typeof stream.write;
  return sizes;
}

/** Bytes that tell where they belong. */
function bytesOf(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + (i >> 8) * 7 + (i >> 16)) & 0xff;
  return bytes;
}

/** The bytes cut at these places. */
function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  return [...at, bytes.length].map((to, i) => bytes.subarray(i === 0 ? 0 : at[i - 1], to));
}

describeTls('what a TlsStream seals over a Node stream', () => {
  const cuts: readonly (readonly number[])[] = [
    [],
    [4],
    [TLS_SEAL_MOST],
    [TLS_SEAL_MOST - 1, TLS_SEAL_MOST + 1],
    [1, 5, 70_000, TLS_SEAL_MOST + 3],
  ];
  for (const at of cuts) {
    for (const size of [TLS_SEAL_MOST + 4, PIECE, PIECE + 4]) {
      it(`leaves in pieces of 512 KiB: ${size} bytes, cut at [${at}]`, async () => {
        const [one, other] = duplexes();
        const { client, server } = await secured(tlsOver([one, other]));
        const bytes = bytesOf(size);
        const sizes = piecesTo(one);
        let parts: Buffer[] = cut(bytes, at);
        let writes = 0;
        const received: Buffer[] = [];
        let left = size;
        while (left > 0) {
          const taken = parts.length === 0 ? undefined : client.tryWrite(parts);
          if (typeof taken === 'number') {
            writes++;
            parts = cut(Buffer.concat(parts).subarray(taken), []).filter((part) => part.length > 0);
          }
          const there = server.tryFill(1);
          if (typeof there !== 'number') await server.ready('read');
          else {
            received.push(server.input.take(there) as Buffer);
            left -= there;
          }
        }
        assert.ok(Buffer.concat(received).equals(bytes));
        const expected = Math.ceil(size / PIECE);
        assert.deepEqual([writes, sizes.length], [expected, expected]);
        for (const stream of [client, server]) stream.destroy();
      });
    }
  }
});

/** Where in memory lies what the socket gives to the system from here on. */
function memoryOf(socket: Socket): ArrayBufferLike[] {
  const memory: ArrayBufferLike[] = [];
  const handle = (socket as unknown as { _handle: { writeBuffer(request: unknown, bytes: Buffer): number } })._handle;
  const write = handle.writeBuffer.bind(handle);
  handle.writeBuffer = (request, bytes) => {
    memory.push(bytes.buffer);
    return write(request, bytes);
  };
  return memory;
}

async function readAll(stream: SecureStream, size: number): Promise<Buffer> {
  while (stream.input.length < size) {
    if (typeof stream.tryFill(stream.input.length + 1) !== 'number') await stream.ready('read');
  }
  return stream.input.take(size) as Buffer;
}

describeTls('the memory of what a TlsStream seals over a socket of Node', () => {
  async function overSockets() {
    const { accepted, connected } = await nodePair('tcp', { reading: true });
    const pair = await secured(tlsOver([connected, accepted]));
    return { ...pair, accepted };
  }

  it('is written again once the system has it, by other connections too', async () => {
    const [one, other] = [await overSockets(), await overSockets()];
    const memory: ArrayBufferLike[] = [];
    for (const { server, client, accepted } of [one, other, one]) {
      const seen = memoryOf(accepted);
      const bytes = bytesOf(40_000);
      assert.equal(server.tryWrite(bytes), bytes.length);
      assert.equal(accepted.writableLength, 0);
      assert.ok((await readAll(client, bytes.length)).equals(bytes));
      memory.push(seen[0]!);
    }
    assert.equal(new Set(memory).size, 1);
    for (const { server, client } of [one, other]) for (const stream of [server, client]) stream.destroy();
  });

  it('is left alone while the system has no room for it', async () => {
    const [slow, other] = [await overSockets(), await overSockets()];
    const bytes = bytesOf(40_000);
    let written = 0;
    while (slow.accepted.writableLength === 0) {
      assert.equal(slow.server.tryWrite(bytes), bytes.length);
      written++;
    }
    for (let i = 0; i < 4; i++) {
      assert.equal(other.server.tryWrite(Buffer.alloc(40_000, i)), 40_000);
      assert.ok((await readAll(other.client, 40_000)).equals(Buffer.alloc(40_000, i)));
    }
    for (let i = 0; i < written; i++) assert.ok((await readAll(slow.client, bytes.length)).equals(bytes));
    for (const { server, client } of [slow, other]) for (const stream of [server, client]) stream.destroy();
  });
});
