/** Handshakes: at every split of every flight, byte by byte with every status, begun late, cut off, refused, and too slow. */
import assert from 'node:assert/strict';
import { EOF, framed, lines, type MiniprotoError, memoryPair, NEED_READ, NEED_WRITE, NOT_READY } from 'miniproto';
import { TlsContext, type TlsServerOptions, tlsClient, tlsServer } from 'miniproto/tls';
import { nativeTls } from '#lib/native';
import type { ByteStream } from '#lib/streams/byte-stream';
import { pattern, readExactly } from '../support/byte-stream-contract.js';
import { certificate, identity, revocationList } from '../support/certificates.js';
import { CLIENT, describeTls, SERVER, secured, type TlsPair, tlsOver, tlsPair } from '../support/tls-pairs.js';

/** Moves bytes between two streams by hand, one direction a step. */
async function carry(from: ByteStream, to: ByteStream, cut: number, first: { left: number }): Promise<number> {
  let moved = 0;
  while (typeof from.tryFill() === 'number') {
    const bytes = from.input.take(from.input.length);
    moved += bytes.length;
    const at = first.left > 0 ? Math.min(cut, bytes.length) : 0;
    first.left--;
    if (at > 0) {
      assert.equal(to.tryWrite(bytes.subarray(0, at)), at);
      await turns();
    }
    if (at < bytes.length) assert.equal(to.tryWrite(bytes.subarray(at)), bytes.length - at);
    await turns();
  }
  return moved;
}

async function turns(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A handshake in which the flight `which` is cut behind `cut` bytes. @returns the lengths of the flights. */
async function handshakeCut(which: number, cut: number, version: 'TLSv1.2' | 'TLSv1.3'): Promise<number[]> {
  const [clientSide, here] = memoryPair();
  const [there, serverSide] = memoryPair();
  const limits = { minVersion: version, maxVersion: version } as const;
  const pair = tlsOver([clientSide, serverSide], limits, limits);
  const flights: number[] = [];
  for (let step = 0; step < 8 && !(pair.client.secured && pair.server.secured && step > 3); step++) {
    const [from, to] = step % 2 === 0 ? [here, there] : [there, here];
    flights.push(await carry(from, to, cut, { left: step === which ? 1 : 0 }));
  }
  await secured(pair);
  assert.equal(pair.client.info?.protocol, version);
  pair.client.destroy();
  pair.server.destroy();
  return flights;
}

/** Bytes between two splits that are tried in the middle of a flight; MINIPROTO_TEST_EVERY_SPLIT tries each. */
const STRIDE = process.env.MINIPROTO_TEST_EVERY_SPLIT === undefined ? 37 : 1;

describeTls('handshakes in pieces', () => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`${version} passes at every split of every flight`, async function () {
      this.timeout(60_000);
      const flights = await handshakeCut(-1, 0, version);
      for (const [which, length] of flights.entries()) {
        // All of them take a minute; at capacity 1, below, every byte comes alone.
        for (let cut = 1; cut < length; cut += cut < 12 || length - cut < 8 ? 1 : STRIDE) {
          await handshakeCut(which, Math.min(cut, length - 1), version);
        }
      }
    });
  }

  it('at capacity 1 every status is seen, and each says what to wait for', async () => {
    const { client, server } = tlsPair({ handshake: 'lazy' }, { handshake: 'lazy' }, 1);
    const seen = new Set<unknown>();
    const message = pattern(20);
    async function write(stream: ByteStream): Promise<void> {
      for (let at = 0; at < message.length; ) {
        const taken = stream.tryWrite(message.subarray(at));
        seen.add(typeof taken === 'number' ? 'taken' : `write ${String(taken)}`);
        if (typeof taken === 'number') at += taken;
        else await stream.ready(taken === NEED_READ ? 'read' : 'write');
      }
      await stream.end();
    }
    async function read(stream: ByteStream): Promise<Buffer> {
      for (;;) {
        const filled = stream.tryFill(message.length + 1);
        seen.add(`read ${String(filled)}`);
        if (filled === EOF) return stream.input.take(stream.input.length);
        if (typeof filled !== 'number') await stream.ready(filled === NEED_WRITE ? 'write' : 'read');
      }
    }
    const [, , one, other] = await Promise.all([write(client), write(server), read(client), read(server)]);
    assert.ok(one.equals(message) && other.equals(message));
    for (const status of [`write ${String(NEED_READ)}`, `write ${String(NOT_READY)}`, 'taken'])
      assert.ok(seen.has(status), status);
    for (const status of [NEED_WRITE, NOT_READY, EOF]) assert.ok(seen.has(`read ${String(status)}`), String(status));
  });

  it('says the same by its predicates, without an attempt', async () => {
    const { client, server } = tlsPair({}, { handshake: 'lazy', tickets: 0 }, 1);
    assert.equal(client.pendingRead, NEED_WRITE);
    assert.equal(client.pendingWrite, NOT_READY);
    assert.equal(client.tryFill(), NEED_WRITE);
    assert.equal(client.tryWrite(pattern(1)), NOT_READY);
    assert.equal(server.pendingWrite, NEED_READ);
    assert.equal(server.tryWrite(pattern(1)), NEED_READ);
    await secured({ client, server });
    assert.equal(server.pendingWrite, undefined);
  });

  it('a write that waits is done by ready("read"), and a read by ready("write")', async () => {
    const { client, server } = tlsPair({ handshake: 'lazy' }, { handshake: 'lazy' });
    assert.equal(client.tryWrite(pattern(3)), NEED_READ);
    const serving = readExactly(server, 3);
    while (client.tryWrite(pattern(3)) === NEED_READ) await client.ready('read');
    assert.ok((await serving).equals(pattern(3)));
  });
});

describeTls('lazy handshakes', () => {
  it('send nothing before the first operation', async () => {
    const [one, other] = memoryPair();
    const client = tlsClient(one, { ...CLIENT, handshake: 'lazy' });
    await turns();
    assert.equal(other.tryFill(), NOT_READY);
    assert.equal(client.secured, false);
    assert.equal(client.info, undefined);
    assert.equal(client.tryFill(), NOT_READY);
    assert.ok((other.tryFill() as number) > 100);
    client.destroy();
  });

  it('that nobody has begun end as the stream below ends', async () => {
    const [one, other] = memoryPair();
    const client = tlsClient(one, { ...CLIENT, handshake: 'lazy' });
    await client.end();
    assert.equal(other.tryFill(), EOF);
    client.destroy();
  });
});

describeTls('idea: TLS is a handshake, then records, and new keys at any time', () => {
  it('a conversation begins with a write that needs to read, and lines pass across changes of keys', async () => {
    const { client, server } = tlsPair({ handshake: 'lazy' }, { handshake: 'lazy' });
    const asking = framed(client, lines());
    const answering = framed(server, lines());
    assert.equal(client.tryWrite(Buffer.from('1')), NEED_READ);
    assert.equal(client.secured, false);
    const answered = (async () => {
      for await (const line of answering) {
        assert.equal(server.updateKeys(), true);
        await answering.write(`to ${line}`);
      }
      await answering.end();
    })();
    for (const question of ['1', '2', '3']) {
      await asking.write(question);
      assert.equal(await asking.read(), `to ${question}`);
      assert.equal(client.updateKeys({ requestPeer: true }), true);
    }
    await asking.end();
    assert.equal(await asking.read(), EOF);
    await answered;
  });
});

describeTls('what was agreed', () => {
  it('can be read on both sides', async () => {
    const { client, server } = await secured(tlsPair({ ALPNProtocols: ['x', 'echo'] }, { ALPNProtocols: ['echo'] }));
    assert.equal(client.info?.protocol, 'TLSv1.3');
    assert.equal(client.info.alpnProtocol, 'echo');
    assert.equal(server.info?.alpnProtocol, 'echo');
    assert.equal(server.info.servername, 'localhost');
    assert.equal(client.info.authorized, true);
    assert.match(client.peerCertificate?.subject ?? '', /CN=server/);
    assert.equal(client.peerCertificate?.fingerprint256, server.certificate?.fingerprint256);
    assert.equal(server.peerCertificate, undefined);
    const [key, same] = [client, server].map((side) => side.exportKeyingMaterial(32, 'label', Buffer.from('x')));
    assert.ok(key!.equals(same!));
    assert.equal(client.tlsUnique, undefined);
    client.destroy();
    server.destroy();
  });

  it('has a channel binding in TLS 1.2, and no KeyUpdate', async () => {
    const { client, server } = await secured(tlsPair({ maxVersion: 'TLSv1.2' }));
    assert.ok(client.tlsUnique!.length >= 12);
    assert.ok(client.tlsUnique!.equals(server.tlsUnique!));
    assert.equal(client.updateKeys(), false);
  });

  it('keys are changed both ways while bytes flow', async () => {
    const { client, server } = await secured(tlsPair());
    assert.equal(client.updateKeys({ requestPeer: true }), true);
    client.tryWrite(pattern(100));
    assert.ok((await readExactly(server, 100)).equals(pattern(100)));
    server.tryWrite(pattern(100));
    assert.ok((await readExactly(client, 100)).equals(pattern(100)));
  });

  it('a session is taken up again', async () => {
    const context = new TlsContext(SERVER as never);
    const sessions: Buffer[] = [];
    const first = await secured(
      tlsPair({ onSession: (session) => sessions.push(session) }, { context } as TlsServerOptions),
    );
    first.server.tryWrite(pattern(1));
    await readExactly(first.client, 1);
    assert.ok(sessions.length > 0);
    const second = await secured(tlsPair({ session: sessions[0]! }, { context } as TlsServerOptions));
    assert.equal(second.client.info?.resumed, true);
    assert.equal(second.server.info?.resumed, true);
  });

  it('lines of a key log are handed out', async () => {
    const lines: string[] = [];
    await secured(tlsPair({ onKeyLog: (line) => lines.push(line.toString()) }));
    assert.ok(lines.some((line) => line.startsWith('CLIENT_HANDSHAKE_TRAFFIC_SECRET ')));
  });
});

describeTls('SNI', () => {
  const a = () => new TlsContext(identity('a.example'));
  const wild = () => new TlsContext(identity('wildcard'));
  const commonName = (pair: TlsPair) => pair.client.peerCertificate?.subject;

  it('chooses a context by its name, by a wildcard, or the default', async () => {
    const contexts = { 'A.example': a(), '*.wild.example': wild() };
    const named = await secured(tlsPair({ host: 'a.example' }, { contexts }));
    assert.match(commonName(named) ?? '', /a\.example/);
    const other = await secured(tlsPair({}, { contexts }));
    assert.match(commonName(other) ?? '', /CN=server/);
  });

  it('asks a callback, which may answer later, or not at all', async () => {
    const asked: string[] = [];
    const sniCallback: TlsServerOptions['sniCallback'] = async (servername, hello) => {
      asked.push(servername, ...hello.alpn);
      await turns();
      return servername === 'a.example' ? a() : undefined;
    };
    const pair = await secured(tlsPair({ host: 'a.example', ALPNProtocols: ['p'] }, { sniCallback }));
    assert.match(commonName(pair) ?? '', /a\.example/);
    assert.deepEqual(asked, ['a.example', 'p']);
    assert.match(commonName(await secured(tlsPair({}, { sniCallback }))) ?? '', /CN=server/);
    const synchronous = await secured(tlsPair({ host: 'a.example' }, { sniCallback: () => a() }));
    assert.match(commonName(synchronous) ?? '', /a\.example/);
  });

  it('tells the callback a name in lower case, and what the client said as it said it', async () => {
    const asked: string[] = [];
    const sniCallback: TlsServerOptions['sniCallback'] = (servername, hello) => {
      asked.push(servername, hello.servername);
      return a();
    };
    const pair = await secured(tlsPair({ servername: 'A.Example', host: 'a.example' }, { sniCallback }));
    assert.deepEqual(asked, ['a.example', 'A.Example']);
    assert.equal(pair.server.info?.servername, 'A.Example');
  });

  it('refuses the handshake when the callback throws or rejects, and says why here only', async () => {
    for (const sniCallback of [
      () => {
        throw new Error('no such tenant');
      },
      () => Promise.reject(new Error('no such tenant')),
    ]) {
      const { client, server } = tlsPair({}, { sniCallback });
      await assert.rejects(server.handshake(), { code: 'ERR_TLS_HANDSHAKE', message: /no such tenant/ });
      await assert.rejects(client.handshake(), { code: 'ERR_TLS_ALERT', message: /unrecognized name/ });
    }
  });

  it('does nothing more for a stream that was destroyed meanwhile', async () => {
    let answer: (context: undefined) => void = () => undefined;
    const sniCallback = () => new Promise<undefined>((resolve) => (answer = resolve));
    const { client, server } = tlsPair({}, { sniCallback });
    await turns();
    assert.equal(server.tryFill(), NOT_READY);
    assert.equal(server.pendingRead, NOT_READY);
    server.destroy();
    answer(undefined);
    await turns();
    await assert.rejects(client.handshake());
  });
});

describeTls('certificates that are refused', () => {
  const cases: [string, TlsServerOptions, object, string][] = [
    ['expired', identity('expired'), {}, 'CERT_HAS_EXPIRED'],
    ['not yet valid', identity('not-yet-valid'), {}, 'CERT_NOT_YET_VALID'],
    ['for another host', identity('other-host'), {}, 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['for another address', SERVER, { host: '192.0.2.1' }, 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['self-signed', identity('self-signed'), {}, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['of an unknown authority', identity('unknown-ca'), {}, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['with a broken chain', identity('broken-chain'), {}, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['for another purpose', identity('wrong-purpose'), {}, 'INVALID_PURPOSE'],
    ['revoked', identity('revoked'), { crl: revocationList() }, 'CERT_REVOKED'],
  ];
  for (const [title, server, client, code] of cases) {
    it(`${title}: ${code}`, async () => {
      const pair = tlsPair(client, server);
      await assert.rejects(pair.client.handshake(), (error: MiniprotoError) => {
        assert.equal(error.code, 'ERR_TLS_CERTIFICATE');
        assert.equal(error.name, 'ProtocolError');
        assert.equal((error.cause as { code: string }).code, code);
        return true;
      });
      // In TLS 1.3 the server is done before the client judges; the alert comes behind.
      await assert.rejects(readExactly(pair.server, 1), { code: 'ERR_TLS_ALERT' });
      pair.client.destroy();
      pair.server.destroy();
    });
  }

  it('are reported and not refused where the client says so', async () => {
    const { client } = await secured(tlsPair({ rejectUnauthorized: false }, identity('expired')));
    assert.equal(client.info?.authorized, false);
    assert.equal(client.info.authorizationError, 'CERT_HAS_EXPIRED');
  });

  it('of clients are required, judged, or asked for', async () => {
    const required = { requestCert: true, ca: certificate('ca') };
    const missing = tlsPair({}, required);
    await assert.rejects(missing.server.handshake(), { code: /ERR_TLS_(CERTIFICATE|HANDSHAKE)/ });
    const shown = await secured(tlsPair(identity('client'), required));
    assert.equal(shown.server.info?.authorized, true);
    assert.match(shown.server.peerCertificate?.subject ?? '', /client/);
    const asked = await secured(tlsPair({}, { ...required, rejectUnauthorized: false }));
    assert.equal(asked.server.info?.authorized, false);
  });
});

describeTls('handshakes that fail', () => {
  it('refuse a peer that speaks plain text, and send an alert', async () => {
    const [one, other] = memoryPair();
    const server = tlsServer(one, SERVER);
    other.tryWrite(Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n'));
    await assert.rejects(server.handshake(), { code: /ERR_TLS_(RECORD|HANDSHAKE)/ });
    const client = tlsClient(memoryPair()[0], CLIENT);
    client.destroy();
    await assert.rejects(client.handshake(), { code: 'ERR_STREAM_DESTROYED' });
  });

  it('are over when the peer ends in the middle', async () => {
    const [one, other] = memoryPair();
    const client = tlsClient(one, CLIENT);
    const waiting = client.handshake();
    await other.end();
    await assert.rejects(waiting, { code: 'ERR_TLS_HANDSHAKE' });
    assert.throws(() => client.tryWrite(pattern(1)), { code: 'ERR_TLS_HANDSHAKE' });
    assert.throws(() => client.tryFill(), { code: 'ERR_TLS_HANDSHAKE' });
  });

  it('are over when their time is', async () => {
    const [one] = memoryPair();
    const client = tlsClient(one, { ...CLIENT, handshakeTimeoutMs: 20 });
    await assert.rejects(client.handshake(), { name: 'LimitError', code: 'ERR_TLS_HANDSHAKE_TIMEOUT' });
    assert.throws(() => client.tryFill(), { code: 'ERR_TLS_HANDSHAKE_TIMEOUT' });
  });

  it('have nothing in common', async () => {
    const { client, server } = tlsPair({ minVersion: 'TLSv1.3' }, { maxVersion: 'TLSv1.2' });
    await assert.rejects(server.handshake(), { code: 'ERR_TLS_HANDSHAKE' });
    await assert.rejects(client.handshake(), { code: 'ERR_TLS_ALERT' });
  });

  it('end with a signal, which loses nothing', async () => {
    const { client, server } = tlsPair({}, { handshake: 'lazy' });
    const controller = new AbortController();
    const waiting = client.handshake({ signal: controller.signal });
    controller.abort(new Error('enough'));
    await assert.rejects(waiting, /enough/);
    await secured({ client, server });
  });

  it('leave nothing, wherever they are destroyed', async () => {
    const before = nativeTls()!.counters().sessions;
    for (let steps = 0; steps < 12; steps++) {
      const { client, server } = tlsPair({}, {}, 300);
      for (let i = 0; i < steps; i++) await Promise.resolve();
      client.destroy();
      server.destroy();
    }
    assert.equal(nativeTls()!.counters().sessions, before);
  });
});
