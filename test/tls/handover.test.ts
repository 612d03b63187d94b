/**
 * From a conversation in the clear to Node's own `tls`, as STARTTLS does it, in both roles: with `exact: true` no byte of
 * TLS is taken by whoever reads lines, so the descriptor that `release` gives back is at the right place; without it the
 * bytes that were read go along. Not a byte is lost, and none that came in the clear passes for one that came securely.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import tls from 'node:tls';
import { adopt, type Connection, type FramedStream, framed, lines } from 'miniproto';
import { nativeInfo } from '#lib/native';
import { pattern } from '../support/byte-stream-contract.js';
import { certificate, identity } from '../support/certificates.js';
import { NATIVE, nodePair, readAll, turn } from '../support/node-sockets.js';

type Talk = FramedStream<string, string | Uint8Array>;

const CLIENT: tls.ConnectionOptions = { ca: certificate('ca'), servername: 'localhost' };
const SIZE = 300_000;

/** Which ways there are here: exact reading is of native sockets. */
const WAYS: { readonly title: string; readonly exact: boolean }[] = [
  ...(NATIVE ? [{ title: 'exact', exact: true }] : []),
  { title: 'with what was read in front', exact: false },
];

if (!NATIVE) console.log(`!!! handover: nothing is read exactly, because ${nativeInfo().sockets.reason}`);

function linesOn(socket: Socket, exact: boolean): Talk {
  return framed(adopt(socket), lines(), exact ? { exact } : {});
}

/** Node's socket, at the first byte behind the last line. */
function released(talk: Talk, exact: boolean): Socket {
  const { socket } = (talk.stream as Connection).release();
  if (exact) assert.equal(socket.readableLength, 0, 'nothing was read past the line');
  return socket;
}

/** What the server of a conversation says and does until TLS begins. */
async function serverUntilTls(talk: Talk): Promise<void> {
  await talk.write('220 ready');
  assert.equal(await talk.read(), 'EHLO me');
  await talk.write('250 STARTTLS');
  assert.equal(await talk.read(), 'STARTTLS');
  await talk.write('220 go ahead');
  await talk.flush();
}

async function clientUntilTls(talk: Talk): Promise<void> {
  assert.equal(await talk.read(), '220 ready');
  await talk.write('EHLO me');
  assert.equal(await talk.read(), '250 STARTTLS');
  await talk.write('STARTTLS');
  assert.equal(await talk.read(), '220 go ahead');
}

/** Everything that is said over it, both ways at once, and both ends. */
async function converse(one: tls.TLSSocket, other: tls.TLSSocket): Promise<void> {
  const [there, back] = [pattern(SIZE), pattern(SIZE, 7)];
  const read = Promise.all([readAll(one), readAll(other)]);
  one.end(back);
  other.end(there);
  const [atOne, atOther] = await read;
  assert.ok(atOne.equals(there));
  assert.ok(atOther.equals(back));
}

function secureServer(socket: Socket, maxVersion: tls.SecureVersion): tls.TLSSocket {
  const secureContext = tls.createSecureContext({ ...identity('server'), maxVersion });
  return new tls.TLSSocket(socket, { isServer: true, secureContext });
}

for (const { title, exact } of WAYS) {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    describe(`handover to Node's tls, ${title}, ${version}`, () => {
      it('by a server, whose client is Node', async () => {
        const { accepted, connected } = await nodePair();
        const talk = linesOn(accepted, exact);
        const served = serverUntilTls(talk);
        await nodesClientUntilTls(connected);
        await served;
        const client = tls.connect({ ...CLIENT, socket: connected });
        await converse(client, secureServer(released(talk, exact), version));
        assert.equal(client.authorized, true);
      });

      it('by a server, although the hello came with the last line', async () => {
        const { accepted, connected } = await nodePair();
        const talk = linesOn(accepted, exact);
        connected.cork();
        connected.write('EHLO me\nSTARTTLS\n');
        connected.write(await helloOf(version));
        connected.uncork();
        await serverUntilTls(talk);
        // Nobody goes on with this hello, but it was one, and whole: it is answered.
        const server = secureServer(released(talk, exact), version).on('error', () => {});
        const clear = '220 ready\n250 STARTTLS\n220 go ahead\n';
        const got = await received(connected, clear.length + 5);
        assert.equal(got.subarray(0, clear.length).toString(), clear);
        // The header of a handshake record. RFC 8446 §5.1
        assert.deepEqual([...got.subarray(clear.length, clear.length + 2)], [22, 3]);
        connected.destroy();
        server.destroy();
      });

      it('by a client', async () => {
        const { accepted, connected } = await nodePair();
        const talk = linesOn(connected, exact);
        const [server] = await Promise.all([nodesServer(accepted, version), clientUntilTls(talk)]);
        const client = tls.connect({ ...CLIENT, socket: released(talk, exact) });
        await converse(client, server);
        assert.equal(client.authorized, true);
      });

      it('by both', async () => {
        const { accepted, connected } = await nodePair();
        const [theirs, ours] = [linesOn(accepted, exact), linesOn(connected, exact)];
        await Promise.all([serverUntilTls(theirs), clientUntilTls(ours)]);
        const server = secureServer(released(theirs, exact), version);
        await converse(tls.connect({ ...CLIENT, socket: released(ours, exact) }), server);
      });

      it('gives nobody what was said in the clear for what came securely', async () => {
        const { accepted, connected } = await nodePair();
        const talk = linesOn(accepted, exact);
        // The attack: a command behind STARTTLS, for whoever reads on when all is secure. RFC 3207 §6
        connected.write('EHLO me\nSTARTTLS\nMAIL FROM:<eve@example.com>\n');
        await serverUntilTls(talk);
        const server = secureServer(released(talk, exact), version);
        server.on('data', (bytes) => assert.fail(`it was given ${bytes}`));
        const [error] = await once(server, 'error');
        assert.match(error.code, /^ERR_SSL_(?:WRONG_VERSION_NUMBER|HTTP_REQUEST)$/);
        connected.destroy();
      });
    });
  }
}

/** The client of `serverUntilTls`, over Node's socket. */
async function nodesClientUntilTls(socket: Socket): Promise<void> {
  for (const [said, answer] of [
    ['220 ready\n', 'EHLO me\n'],
    ['250 STARTTLS\n', 'STARTTLS\n'],
    ['220 go ahead\n', ''],
  ] as const) {
    assert.equal(String(await received(socket, said.length)), said);
    socket.write(answer);
  }
}

/** The server of `clientUntilTls`, over Node's socket. It is ready for the hello before the client may send it. */
async function nodesServer(socket: Socket, version: tls.SecureVersion): Promise<tls.TLSSocket> {
  socket.write('220 ready\n');
  assert.equal(String(await received(socket, 8)), 'EHLO me\n');
  socket.write('250 STARTTLS\n');
  assert.equal(String(await received(socket, 9)), 'STARTTLS\n');
  socket.write('220 go ahead\n');
  return secureServer(socket, version);
}

async function received(socket: Socket, count: number): Promise<Buffer> {
  while (socket.readableLength < count) {
    socket.read(0);
    await turn();
  }
  // Exactly so many: what follows may be TLS.
  return socket.read(count) as Buffer;
}

/** What a client of that version says first. */
async function helloOf(version: tls.SecureVersion): Promise<Buffer> {
  const { accepted, connected } = await nodePair();
  const client = tls.connect({ ...CLIENT, maxVersion: version, socket: connected }).on('error', () => {});
  const header = await received(accepted, 5);
  const body = await received(accepted, header.readUInt16BE(3));
  client.destroy();
  accepted.destroy();
  return Buffer.concat([header, body]);
}
