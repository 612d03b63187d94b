/**
 * `framed` over what people already have: the same conversation over every kind of Node and Web stream, by the framed
 * stream itself, by `toDuplex` and by `toWeb`. Each kind is a pair of ends, or one end whose output is its own input.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { execPath } from 'node:process';
import * as nodeStream from 'node:stream';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TransformStream } from 'node:stream/web';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { constants, createGunzip, createGzip } from 'node:zlib';
import { EOF, type FramedSource, framed, jsonLines, lengthPrefixed, lines, memoryPair } from 'miniproto';

interface Ends {
  readonly one: FramedSource;
  /** Missing: `one` reads what it writes. */
  readonly other?: FramedSource;
  release?(): Promise<unknown>;
}

type Kind = readonly [name: string, open: () => Promise<Ends> | Ends];

type DuplexPair = () => [nodeStream.Duplex, nodeStream.Duplex];

/** From Node 20.17 and 22.6 on. */
const { duplexPair } = nodeStream as { duplexPair?: DuplexPair };

const KINDS: readonly Kind[] = [
  ['a memory pair', () => ends(...memoryPair())],
  ['a TCP connection', openTcp],
  ['a TLS connection', openTls],
  ['two PassThroughs', openPassThroughs],
  ['gzip and gunzip', openZlib],
  ['the stdio of a child process', openChild],
  ['Web streams', openWeb],
  ...(duplexPair === undefined ? [] : [['duplexPair', () => ends(...duplexPair())] as const]),
];

function ends(one: FramedSource, other: FramedSource): Ends {
  return { one, other };
}

async function openTcp(): Promise<Ends> {
  const server = createServer({ allowHalfOpen: true });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const accepted = once(server, 'connection');
  const one = connect({ port: portOf(server), host: '127.0.0.1', allowHalfOpen: true });
  const [other] = await accepted;
  return { one, other, release: () => closed(server) };
}

/** With a shared key, so that no certificate is needed. */
async function openTls(): Promise<Ends> {
  const psk = Buffer.from('0123456789abcdef0123456789abcdef', 'hex');
  const settings = { ciphers: 'PSK', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;
  const server = createTlsServer({ ...settings, allowHalfOpen: true, pskCallback: () => psk });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const accepted = once(server, 'secureConnection');
  const options = {
    ...settings,
    port: portOf(server),
    host: '127.0.0.1',
    allowHalfOpen: true,
    checkServerIdentity: () => undefined,
    pskCallback: () => ({ psk, identity: 'test' }),
  };
  const one = connectTls(options);
  const [other] = (await accepted) as [TLSSocket];
  return { one, other, release: () => closed(server) };
}

function openPassThroughs(): Ends {
  const [there, back] = [new PassThrough(), new PassThrough()];
  return { one: { readable: back, writable: there }, other: { readable: there, writable: back } };
}

function openZlib(): Ends {
  // Otherwise a conversation waits for what deflate holds back.
  const writable = createGzip({ flush: constants.Z_SYNC_FLUSH });
  return { one: { writable, readable: writable.pipe(createGunzip()) } };
}

function openChild(): Ends {
  const child = spawn(execPath, ['-e', 'process.stdin.pipe(process.stdout)'], { stdio: ['pipe', 'pipe', 'inherit'] });
  return { one: { readable: child.stdout, writable: child.stdin }, release: () => exited(child) };
}

function openWeb(): Ends {
  const there = new TransformStream<Uint8Array, Uint8Array>();
  const back = new TransformStream<Uint8Array, Uint8Array>();
  return ends(
    { readable: back.readable, writable: there.writable },
    { readable: there.readable, writable: back.writable },
  );
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

function closed(server: Server): Promise<unknown> {
  return once(server.close(), 'close');
}

async function exited(child: ReturnType<typeof spawn>): Promise<void> {
  if (child.exitCode === null) await once(child, 'exit');
}

const RECORDS = Array.from({ length: 3000 }, (_, i) => ({ i, text: 'é'.repeat(i % 60) }));

for (const [name, open] of KINDS) {
  describe(`framed over ${name}`, () => {
    it('carries a conversation that changes its protocol', async () => {
      const { one, other, release } = await open();
      const talk = framed(one, lines());
      const peer = other === undefined ? undefined : echo(other);
      await talk.write('hello');
      assert.equal(await talk.read(), 'hello');
      const records = talk.switchTo(lengthPrefixed({ bytes: 4 }));
      const payloads = [Buffer.alloc(0), Buffer.from('x'), Buffer.alloc(200_000, 'y')];
      const sending = Promise.all(payloads.map((payload) => records.write(payload))).then(() => records.end());
      for (const payload of payloads) assert.deepEqual(await records.read(), payload);
      assert.equal(await records.read(), EOF);
      await Promise.all([sending, peer]);
      await records.close();
      await release?.();
    });

    it('carries records by toDuplex', async () => {
      const { one, other, release } = await open();
      const duplex = framed(one, jsonLines()).toDuplex();
      const peer = other === undefined ? undefined : framed(other, jsonLines()).toDuplex();
      const echoing = peer && pipeline(peer, peer);
      const got: unknown[] = [];
      await pipeline(RECORDS, duplex, async (source: AsyncIterable<unknown>) => {
        for await (const record of source) got.push(record);
      });
      await echoing;
      assert.deepEqual(got, RECORDS);
      await release?.();
    });

    it('carries records by toWeb', async () => {
      const { one, other, release } = await open();
      const { readable, writable } = framed(one, jsonLines()).toWeb();
      const peer = other === undefined ? undefined : framed(other, jsonLines()).toWeb();
      const echoing = peer?.readable.pipeTo(peer.writable);
      const got: unknown[] = [];
      const reading = (async () => {
        for await (const record of readable) got.push(record);
      })();
      const writer = writable.getWriter();
      for (const record of RECORDS) await writer.write(record);
      await writer.close();
      await Promise.all([reading, echoing]);
      assert.deepEqual(got, RECORDS);
      await release?.();
    });
  });
}

/** Gives back a line, then length-prefixed records, until the end. */
async function echo(source: FramedSource): Promise<void> {
  const talk = framed(source, lines());
  await talk.write((await talk.read()) as string);
  const records = talk.switchTo(lengthPrefixed({ bytes: 4 }));
  for await (const record of records) await records.write(record);
  await records.close();
}
