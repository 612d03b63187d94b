/** `exact: true`: what a record does not need stays in the system, for whoever has the descriptor next. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import {
  adopt,
  type Codec,
  EOF,
  type FramedStream,
  framed,
  lengthPrefixed,
  lines,
  memoryPair,
  separated,
} from 'miniproto';
import { nativeNet } from '#lib/native';
import type { SocketStream } from '#lib/net/socket-stream';

describe('framed with exact', () => {
  let server: Server;
  let client: Socket;
  let stream: SocketStream;

  before(function () {
    if (nativeNet() === undefined) this.skip();
  });

  beforeEach(async () => {
    server = createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
    const [[accepted]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [
      [Socket],
      unknown,
    ];
    stream = adopt(accepted) as SocketStream;
    assert.ok(stream.native);
  });

  afterEach(() => {
    stream.destroy();
    client.destroy();
    server.close();
  });

  /** What a socket made of the descriptor gives until the client ends. */
  async function rest(): Promise<string> {
    const { socket } = stream.release();
    assert.equal(socket.readableLength, 0, 'nothing was read past the record');
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString('latin1');
  }

  const cases: [string, () => Codec<unknown>, string, number][] = [
    ['lines', () => lines() as Codec<unknown>, 'one\r\ntwo\nthree\n', 3],
    [
      'a separator of several bytes',
      () => separated('\r\n\r\n') as Codec<unknown>,
      'GET /\r\nHost: a\r\n\r\nnext\r\n\r\n',
      1,
    ],
    ['lengths', () => lengthPrefixed({ bytes: 2 }) as Codec<unknown>, '\0\x03abc\0\x00\0\x02de', 3],
    ['varints', () => lengthPrefixed({ bytes: 'varint' }) as Codec<unknown>, '\x03abc\x01d', 2],
  ];
  for (const [name, codec, wire, count] of cases) {
    for (let after = 1; after <= count; after++) {
      it(`leaves everything behind record ${after} of ${name}`, async () => {
        client.end(`${wire}the rest`, 'latin1');
        const records = framed(stream, codec(), { exact: true });
        for (let i = 0; i < after; i++) assert.notEqual(await records.read(), EOF);
        const consumed = stream.input.offset;
        assert.equal(stream.input.length, 0);
        assert.equal(await rest(), `${wire}the rest`.slice(consumed));
      });
    }
  }

  it('reads a record that comes byte by byte, and a large one', async () => {
    const records = framed(stream, lines(), { exact: true });
    const large = 'x'.repeat(300_000);
    const reading: unknown[] = [];
    for (let i = 0; i < 2; i++) reading.push(await readWhile(records, i === 0 ? 'slow' : large));
    assert.deepEqual(reading, ['slow', large]);
    client.end('behind');
    assert.equal(await rest(), 'behind');
  });

  async function readWhile(records: FramedStream<string, string | Uint8Array>, line: string): Promise<unknown> {
    const reading = records.read();
    if (line.length < 100) {
      for (const char of `${line}\n`) {
        client.write(char);
        await new Promise((resolve) => setImmediate(resolve));
      }
    } else client.write(`${line}\n`);
    return reading;
  }

  it('gives batches of one record, and pushes one at a time', async () => {
    client.end('a\nb\nc\nd\n');
    const records = framed(stream, lines(), { exact: true });
    for await (const batch of records.batches()) {
      assert.equal(batch.length, 1);
      assert.deepEqual(batch.values(), ['a']);
      break;
    }
    const pushed: string[] = [];
    await records
      .onRecord((record) => {
        pushed.push(record.text());
        if (pushed.length === 2) throw new Error('enough');
      })
      .catch((error: Error) => assert.equal(error.message, 'enough'));
    assert.deepEqual(pushed, ['b', 'c']);
    assert.equal(await rest(), 'd\n');
  });

  it('ends at the end, and gives an unterminated line', async () => {
    client.end('a\nb');
    const records = framed(stream, lines(), { exact: true });
    assert.deepEqual([await records.read(), await records.read(), await records.read()], ['a', 'b', EOF]);
  });

  it('is left by a switch that says so', async () => {
    client.end('up\nx1x2x3');
    const head = framed(stream, lines(), { exact: true });
    assert.equal(await head.read(), 'up');
    const tail = head.switchTo(separated('x', { encoding: 'latin1' }), { exact: false });
    assert.deepEqual([await tail.read(), await tail.read()], ['', '1']);
  });

  it('refuses records in pieces, and streams that cannot', async () => {
    const records = framed(stream, lines(), { exact: true });
    assert.throws(() => records.tryReadPieces(), { code: 'ERR_PIECES_UNSUPPORTED' });
    const [one] = memoryPair();
    assert.throws(() => framed(one, lines(), { exact: true }), { code: 'ERR_EXACT_UNSUPPORTED' });
    assert.throws(() => framed(one, lines(), { exact: 1 as never }), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});
