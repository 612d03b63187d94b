/**
 * TLS whose records travel in messages of a WebSocket (`createWebSocketStream`), with lines, large records and a WebSocket
 * on it: what is there on any other stream is there here. A WebSocket has no half-close, so its end is the end of both
 * directions; what TLS says of that, close_notify or truncation, has to be right.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { EOF, framed, lengthPrefixed, lines, type MiniprotoError } from 'miniproto';
import { type SecureStream, type TlsClientOptions, tlsClient, tlsServer } from 'miniproto/tls';
import { acceptWebSocketStream, connectWebSocket } from 'miniproto/websocket';
import { createWebSocketStream, type WebSocket } from 'miniproto/ws';
import { nativeTls } from '#lib/native';
import { pattern, readExactly, readToEnd, writeAll } from '../support/byte-stream-contract.js';
import { Random } from '../support/random.js';
import { CLIENT, SERVER, secured, tlsOver } from '../support/tls-pairs.js';
import { pair, stopAll } from '../support/ws-pairs.js';

const ENGINE = nativeTls() !== undefined;
const MIB = 1 << 20;

interface Ends {
  readonly client: SecureStream;
  readonly server: SecureStream;
  readonly sockets: { readonly here: WebSocket; readonly there: WebSocket };
  readonly duplexes: readonly [client: Duplex, server: Duplex];
}

async function ends(options: TlsClientOptions = {}, deflate = false): Promise<Ends> {
  const sockets = await pair({ perMessageDeflate: deflate }, { perMessageDeflate: deflate });
  const duplexes = [createWebSocketStream(sockets.there), createWebSocketStream(sockets.here)] as const;
  const { client, server } = await secured(tlsOver(duplexes, options, options));
  return { client, server, sockets, duplexes };
}

/** Says all of it, in an order that differs between the two, and hears all of the other's. */
async function converse(stream: SecureStream, name: string, other: string, random: Random): Promise<void> {
  const talk = framed(stream, lines());
  const writing = (async () => {
    for (let i = 0; i < 300; i++) await talk.write(`${name} ${i} ${'x'.repeat(random.below(400))}`);
  })();
  for (let i = 0; i < 300; i++) assert.match(String(await talk.read()), new RegExp(`^${other} ${i} x*$`));
  await writing;
}

describe('TLS over a WebSocket', () => {
  afterEach(stopAll);

  for (const deflate of [false, true]) {
    it(`carries lines both ways at once${deflate ? ', with compression in the way' : ''}`, async () => {
      const { client, server } = await ends({}, deflate);
      const random = new Random();
      await Promise.all([
        converse(client, 'from the client', 'from the server', random),
        converse(server, 'from the server', 'from the client', random),
      ]);
      client.destroy();
    });
  }

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`carries a mebibyte each way at once (${maxVersion})`, async () => {
      const { client, server } = await ends({ maxVersion });
      assert.equal(client.info!.protocol, maxVersion);
      const codec = () => lengthPrefixed({ maxLength: MIB });
      const [here, there] = [framed(client, codec()), framed(server, codec())];
      const [asked, answer] = [pattern(MIB), pattern(MIB, 5)];
      const [, , heard, back] = await Promise.all([here.write(asked), there.write(answer), there.read(), here.read()]);
      assert.ok(asked.equals(heard as Buffer));
      assert.ok(answer.equals(back as Buffer));
      // It goes on behind that.
      await here.write(Buffer.from('small'));
      assert.equal(String(await there.read()), 'small');
      client.destroy();
    });
  }

  it('ends with close_notify, behind all that was written, and so does the WebSocket', async () => {
    const { client, server, sockets } = await ends();
    const closed = once(sockets.here, 'close');
    const reading = readToEnd(server);
    await writeAll(client, pattern(300_000));
    await client.end();
    assert.ok((await reading).equals(pattern(300_000)));
    // Nobody was cut off: a close frame without a code, answered with the same.
    assert.equal((await closed)[0], 1005);
  });

  it('ends the other direction without close_notify, since a WebSocket ends both: that is a truncation', async () => {
    const { client, server } = await ends();
    await writeAll(server, pattern(1000));
    assert.ok((await readExactly(client, 1000)).equals(pattern(1000)));
    const reading = readToEnd(server);
    await client.end();
    await reading;
    await assert.rejects(readToEnd(client), { name: 'ProtocolError', code: 'ERR_TLS_TRUNCATED' });
    const lenient = await ends({ truncation: 'end' });
    await Promise.all([lenient.client.end(), readToEnd(lenient.server)]);
    assert.equal((await readToEnd(lenient.client)).length, 0);
  });

  it('is closed by both with care, and nothing is left', async () => {
    const before = nativeTls()?.counters().sessions;
    const { client, server, sockets } = await ends();
    const [here, there] = [framed(client, lines()), framed(server, lines())];
    const gone = Promise.all([once(sockets.here, 'close'), once(sockets.there, 'close')]);
    await here.write('last words');
    const closing = here.close();
    assert.equal(await there.read(), 'last words');
    assert.equal(await there.read(), EOF);
    await Promise.all([closing, there.close()]);
    await gone;
    assert.equal(nativeTls()?.counters().sessions, before);
  });

  for (const [title, leave] of [
    ['closes', (socket: WebSocket) => socket.close(1000)],
    ['is gone', (socket: WebSocket) => socket.terminate()],
  ] as const) {
    for (const role of ['client', 'server'] as const) {
      it(`is truncated when the WebSocket of the ${role} ${title}, behind every whole record`, async () => {
        const all = await ends();
        const leaving = role === 'client' ? all.client : all.server;
        const staying = role === 'client' ? all.server : all.client;
        const talk = framed(staying, lines());
        await framed(leaving, lines()).write('whole');
        assert.equal(await talk.read(), 'whole');
        leave(role === 'client' ? all.sockets.there : all.sockets.here);
        await assert.rejects(talk.read(), (error: MiniprotoError) => {
          assert.equal(error.code, 'ERR_TLS_TRUNCATED', error.stack);
          return true;
        });
        // Whoever left has no more of it either.
        await assert.rejects(readToEnd(leaving));
      });
    }
  }

  it('refuses messages that are no records, and gives nothing of them', async () => {
    const { client, server, sockets } = await ends();
    const talk = framed(server, lines());
    client.tryWrite(Buffer.from('whole\n'));
    assert.equal(await talk.read(), 'whole');
    sockets.there.send('MAIL FROM:<mallory@example.org>\n');
    await assert.rejects(talk.read(), { code: 'ERR_TLS_RECORD' });
    assert.equal(server.input.length, 0);
    await assert.rejects(readToEnd(client), { code: 'ERR_TLS_ALERT' });
  });

  it('is half-closed by who ends TLS and keeps the WebSocket', async function () {
    // Node's `tls` gives nothing back.
    if (!ENGINE) return this.skip();
    const { client, server, duplexes } = await ends();
    const unwrapping = client.unwrap();
    assert.equal(await server.ready('read').then(() => server.tryFill()), EOF);
    // The other direction is open still.
    const reading = readExactly(client, 5);
    await writeAll(server, Buffer.from('later'));
    assert.equal(String(await reading), 'later');
    const [bytes, theirs] = await Promise.all([unwrapping, server.unwrap()]);
    bytes.tryWrite(Buffer.from('clear'));
    assert.equal(String(await readExactly(theirs, 5)), 'clear');
    assert.deepEqual([duplexes[0].destroyed, duplexes[1].destroyed], [false, false]);
  });

  it('carries a WebSocket, with TLS and a WebSocket on that', async () => {
    const { here, there } = await pair();
    const level = async ([client, server]: readonly [Duplex, Duplex]) => {
      const secure = [tlsClient(client, CLIENT), tlsServer(server, SERVER)] as const;
      const accepting = acceptWebSocketStream(secure[1]);
      const asking = await connectWebSocket('wss://localhost/', { socket: secure[0] });
      return [asking, (await accepting)!] as const;
    };
    const [asking, answering] = await level([createWebSocketStream(there), createWebSocketStream(here)]);
    const echoing = answering.onMessage((message) => void answering.send(message));
    for (const size of [0, 1, 16_384, MIB]) {
      await asking.write(pattern(size));
      assert.ok(pattern(size).equals((await asking.read()) as Buffer));
    }
    const { code, clean } = await asking.close(1000);
    assert.deepEqual([code, clean], [1000, true]);
    await echoing;
  });
});
