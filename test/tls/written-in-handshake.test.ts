/**
 * Writes that are the first to find a handshake done: whoever reads the stream is told of it later, in the stream's own
 * turn, so that nothing is read out of order and nothing is written twice.
 */
import assert from 'node:assert/strict';
import { framed, lengthPrefixed, lines, memoryPair } from 'miniproto';
import { TlsContext, type TlsContextOptions, tlsClient, tlsServer } from 'miniproto/tls';
import { nativeTls } from '#lib/native';
import type { ByteStream } from '#lib/streams/byte-stream';
import { TLS_SECURED } from '#lib/tls-interface';
import { pattern, readExactly, writeAll } from '../support/byte-stream-contract.js';
import { certificate, identity } from '../support/certificates.js';
import { describeSecure } from '../support/secure-sockets.js';
import { socketPairs } from '../support/socket-pairs.js';
import { CLIENT, describeTls, SERVER } from '../support/tls-pairs.js';

/** One end of TLS without a stream: what it has to say is sent when the test says so. */
class Hand {
  readonly #tls = nativeTls()!;
  readonly #context: TlsContext;
  readonly #id: number;
  readonly #page = Buffer.alloc(256 * 1024);

  constructor(role: 'client' | 'server', options: TlsContextOptions) {
    this.#context = new TlsContext(options);
    const context = this.#context.idFor(this.#tls, { role, pauses: false, keyLog: false });
    this.#id = this.#tls.openSession(context, {});
  }

  get secured(): boolean {
    return (this.#tls.state(this.#id) & TLS_SECURED) !== 0;
  }

  /** @returns plaintext */
  open(bytes: Uint8Array): Buffer {
    const count = this.#tls.open(this.#id, bytes, 0, bytes.length, this.#page, 0, this.#page.length);
    return Buffer.from(this.#page.subarray(0, count));
  }

  seal(bytes: Uint8Array): void {
    assert.equal(this.#tls.seal(this.#id, bytes, 0, bytes.length, new Uint8Array(0), 0, 0), bytes.length);
  }

  outgoing(): Buffer {
    return Buffer.from(this.#page.subarray(0, this.#tls.takeOutgoing(this.#id, this.#page, 0, this.#page.length)));
  }

  /** @returns plaintext of what has come, once there is something to open. */
  async hear(stream: ByteStream): Promise<Buffer> {
    while (typeof stream.tryFill() !== 'number') await stream.ready('read');
    return this.open(stream.input.take(stream.input.length));
  }

  close(): void {
    this.#tls.closeSession(this.#id);
  }
}

async function turns(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
}

function prefixed(record: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(record.length);
  return Buffer.concat([length, record]);
}

describeSecure('a write from another connection, in the turn that ends the handshake', () => {
  it('reads nothing ahead of what that turn has still to tell', async () => {
    const [busy, fresh] = await socketPairs('unix', 2);
    assert.ok(busy !== undefined && fresh !== undefined);
    const client = new Hand('client', { ca: certificate('ca') });
    const server = framed(tlsServer(fresh.other, { ...SERVER, tickets: 0 }), lengthPrefixed());
    const records: Buffer[] = [];
    const over = [server.onRecord((record) => void records.push(record.bytes()))];
    client.open(Buffer.alloc(0));
    await writeAll(fresh.one, client.outgoing());
    while (!client.secured) await client.hear(fresh.one);
    over.push(
      framed(busy.other, lines()).onRecord((line) => {
        server.tryWrite(line.text());
        server.tryFlush();
      }),
    );
    await turns();

    // More than one turn receives, so that the system has the rest while the other connection's handler runs.
    const sent = Array.from({ length: 14 }, (_, i) => pattern(10_000 + i));
    for (const record of sent) client.seal(prefixed(record));
    const bytes = client.outgoing();
    assert.equal(busy.one.tryWrite(Buffer.from('hello\n')), 6);
    assert.equal(fresh.one.tryWrite(bytes), bytes.length);
    const answer = client.open(await readExactly(fresh.one, 4 + 5 + 22));
    assert.equal(answer.subarray(4).toString(), 'hello');
    while (records.length < sent.length) await turns();
    assert.deepEqual(records, sent);

    client.close();
    for (const stream of [busy.one, busy.other, fresh.one, server]) stream.destroy();
    await Promise.allSettled(over);
  });
});

describeTls('a write that ends the handshake of a TlsStream', () => {
  it('is made once, although somebody is being handed records', async () => {
    const [one, other] = memoryPair();
    const server = new Hand('server', { ...identity('server'), tickets: 0 });
    const client = framed(tlsClient(one, CLIENT), lines());
    const over = client.onRecord(() => undefined);
    const asked = client.write('asked once');
    await turns();
    await server.hear(other);
    const flight = server.outgoing();
    assert.equal(other.tryWrite(flight), flight.length);
    client.tryFlush();
    await asked;
    await client.flush();
    assert.equal((await server.hear(other)).toString(), 'asked once\n');
    client.destroy();
    server.close();
    await Promise.allSettled([over]);
  });
});
