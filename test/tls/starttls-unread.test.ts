/**
 * What becomes of input that came in the clear and was not read when a conversation becomes secure: 'refuse', 'carry' and
 * 'discard', in both roles, over each kind of stream. None of it may ever be read as if it had come securely.
 */
import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { asByteStream, type ByteStream, type FramedStream, framed, lines, memoryPair } from 'miniproto';
import { type StartTlsOptions, startTls, tlsClient, tlsServer } from 'miniproto/tls';
import { readToEnd, writeAll } from '../support/byte-stream-contract.js';
import { turn } from '../support/node-sockets.js';
import { socketPair, TRANSPORT } from '../support/socket-pairs.js';
import { CLIENT, duplexes, SERVER } from '../support/tls-pairs.js';

type Talk = FramedStream<string, string | Uint8Array>;

const PAIRS: { readonly [name: string]: () => Promise<readonly [ByteStream | Duplex, ByteStream | Duplex]> } = {
  memory: async () => memoryPair(),
  'a Duplex': async () => duplexes(),
  [TRANSPORT]: async () => {
    const { one, other } = await socketPair();
    return [one, other];
  },
};

/** The side that starts TLS in the middle, and what its peer says for that. */
const ROLES = {
  server: { word: 'STARTTLS', options: { isServer: true, ...SERVER } as StartTlsOptions },
  client: { word: '220 Ready', options: CLIENT as StartTlsOptions },
} as const;
type Role = keyof typeof ROLES;

const INJECTED = 'MAIL FROM:<mallory@example.org>\n';

/** TLS of the other role, on a stream of its own, for bytes that are to be sent along with others. */
function peerOf(role: Role, stream: ByteStream) {
  return role === 'server' ? tlsClient(stream, CLIENT) : tlsServer(stream, SERVER);
}

for (const [name, connect] of Object.entries(PAIRS)) {
  for (const role of ['server', 'client'] as const) {
    describe(`startTls of a ${role} over ${name}, with unread input,`, () => {
      const { word, options } = ROLES[role];
      let talk: Talk;
      let mallory: ByteStream;

      beforeEach(async () => {
        const [one, other] = await connect();
        talk = framed(one, lines());
        mallory = asByteStream(other);
      });
      afterEach(() => {
        talk.destroy();
        mallory.destroy();
      });

      /** Sends what stands behind the word with it, in one piece, and reads the word. */
      async function saidWith(behind: string | Uint8Array): Promise<void> {
        await writeAll(mallory, Buffer.concat([Buffer.from(`${word}\n`), Buffer.from(behind as Uint8Array)]));
        await arrived();
        assert.equal(await talk.read(), word);
      }

      /** A few turns, in which a Duplex moves what there is. */
      async function arrived(): Promise<void> {
        for (let i = 0; i < 3; i++) await turn();
      }

      it('refuses it by default, whatever it is, and nothing has changed', async () => {
        await saidWith(`${INJECTED}QUIT\n`);
        for (const unread of [undefined, 'refuse'] as const) {
          const said = unread === undefined ? options : { ...options, unread };
          assert.throws(() => startTls(talk, said), { name: 'UsageError', code: 'ERR_UNREAD_INPUT' });
        }
        assert.equal(await talk.read(), INJECTED.trim());
        // A whole line and half of one are the same here.
        assert.throws(() => startTls(talk, options), { code: 'ERR_UNREAD_INPUT' });
        assert.equal(await talk.read(), 'QUIT');
        await talk.write('still in the clear');
        assert.equal(await framed(mallory, lines()).read(), 'still in the clear');
      });

      for (const [what, behind] of [
        ['a line', INJECTED],
        ['half a line', 'MAIL FR'],
        ['the beginning of a record', '\x16\x03\x01\x02\x00'],
        ['an empty line', '\n'],
      ] as const) {
        it(`drops ${what} where it is to be discarded, and then speaks TLS`, async () => {
          await saidWith(behind);
          const secure = framed(startTls(talk, { ...options, unread: 'discard' }), lines());
          const peer = framed(peerOf(role, mallory), lines());
          await Promise.all([secure.write('only this was'), peer.write('said securely')]);
          assert.equal(await secure.read(), 'said securely');
          assert.equal(await peer.read(), 'only this was');
          // Nothing stands behind it that came before.
          await peer.end();
          const rest: string[] = [];
          for await (const line of secure) rest.push(line);
          assert.deepEqual(rest, []);
        });

        it(`takes ${what} for TLS where it is to be carried, and so refuses it`, async () => {
          await saidWith(behind);
          const secure = framed(startTls(talk, { ...options, unread: 'carry' }), lines());
          const reading = assert.rejects(secure.read(), { code: /^ERR_TLS_(?:RECORD|HANDSHAKE|ALERT)$/ });
          // What makes half a record whole is no record either.
          await writeAll(mallory, Buffer.alloc(600, 'x')).catch(() => {});
          await reading;
          await assert.rejects(async () => {
            await secure.write('in the clear');
            await secure.flush();
          });
          assert.doesNotMatch(String(await readToEnd(mallory).catch(() => '')), /clear/);
        });
      }

      it('refuses what comes of a line that was half there when it was discarded', async () => {
        await saidWith(INJECTED.slice(0, 10));
        const secure = framed(startTls(talk, { ...options, unread: 'discard' }), lines());
        const reading = assert.rejects(secure.read(), { code: /^ERR_TLS_(?:RECORD|HANDSHAKE)$/ });
        await writeAll(mallory, Buffer.from(INJECTED.slice(10)));
        await reading;
      });

      it('refuses what a batch has and has not given out, and finds nothing behind one that was read whole', async () => {
        await writeAll(mallory, Buffer.from(`${word}\n${INJECTED}`));
        await arrived();
        for await (const batch of talk.batches()) {
          for (const line of batch) {
            assert.equal(line.text(), word);
            break;
          }
          break;
        }
        assert.throws(() => startTls(talk, options), { code: 'ERR_UNREAD_INPUT' });
        for await (const batch of talk.batches()) {
          assert.deepEqual(batch.values(), [INJECTED.trim()]);
          break;
        }
        const secure = framed(startTls(talk, options), lines());
        const peer = framed(peerOf(role, mallory), lines());
        await peer.write('said securely');
        assert.equal(await secure.read(), 'said securely');
      });
    });
  }

  describe(`startTls of a server over ${name}, whose client does not wait for the answer,`, () => {
    /** The client's first flight, and the stream that its further ones go to and come from. */
    async function hello(): Promise<{ secure: Talk; far: ByteStream; flight: Buffer }> {
      const [near, far] = memoryPair();
      const secure = framed(tlsClient(near, CLIENT), lines()) as Talk;
      while (typeof far.tryFill() !== 'number') await far.ready('read');
      return { secure, far, flight: far.input.take(far.input.length) };
    }

    it("takes up the handshake in the same packet where that is to be carried, after the answer's line", async () => {
      const [one, other] = await connect();
      const [talk, wire] = [framed(one, lines()), asByteStream(other)];
      const { secure, far, flight } = await hello();
      await writeAll(wire, Buffer.concat([Buffer.from('STARTTLS\n'), flight]));
      assert.equal(await talk.read(), 'STARTTLS');
      talk.tryWrite('220 Ready');
      const server = framed(startTls(talk, { isServer: true, ...SERVER, unread: 'carry' }), lines());
      const clear = Buffer.from('220 Ready\n');
      while (wire.input.length < clear.length) {
        if (typeof wire.tryFill(clear.length) !== 'number') await wire.ready('read');
      }
      assert.ok(wire.input.take(clear.length).equals(clear));
      pour(wire, far).catch(() => {});
      pour(far, wire).catch(() => {});
      await Promise.all([server.write('one'), secure.write('other')]);
      assert.deepEqual([await secure.read(), await server.read()], ['one', 'other']);
      for (const stream of [server, wire, far]) stream.destroy();
    });

    it('loses the handshake in the same packet where that is discarded: it is over when the client is gone', async () => {
      const [one, other] = await connect();
      const [talk, wire] = [framed(one, lines()), asByteStream(other)];
      const { secure, far, flight } = await hello();
      await writeAll(wire, Buffer.concat([Buffer.from('STARTTLS\n'), flight]));
      for (let i = 0; i < 3; i++) await turn();
      assert.equal(await talk.read(), 'STARTTLS');
      const server = startTls(talk, { isServer: true, ...SERVER, unread: 'discard' });
      const failing = assert.rejects(server.handshake(), { code: 'ERR_TLS_HANDSHAKE' });
      await wire.end();
      await failing;
      assert.equal(server.secured, false);
      for (const stream of [secure, wire, far]) stream.destroy();
    });
  });
}

async function pour(from: ByteStream, to: ByteStream): Promise<void> {
  for (;;) {
    if (from.input.length > 0) await writeAll(to, from.input.take(from.input.length));
    if (typeof from.tryFill() !== 'number') await from.ready('read');
  }
}
