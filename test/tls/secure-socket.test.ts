/**
 * TLS on native sockets: the statuses of a handshake, what begins it, what goes before it, how it fails and ends, and what
 * is moved from the stream that it is made of. With other peers: secure-socket.peers.test.ts.
 */
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import {
  EOF,
  framed,
  lengthPrefixed,
  lines,
  type MiniprotoError,
  NEED_READ,
  NEED_WRITE,
  NOT_READY,
  ProtocolError,
  socketCounters,
} from 'miniproto';
import { startTls, TlsContext, tlsClient, tlsServer } from 'miniproto/tls';
import { nativeTls } from '#lib/native';
import { threadReactor } from '#lib/net/reactor';
import type { ByteStream } from '#lib/streams/byte-stream';
import { SecureSocketStream } from '#lib/tls/secure-socket-stream';
import { fillUp, pattern, readExactly, readToEnd, writeAll } from '../support/byte-stream-contract.js';
import { certificate, identity } from '../support/certificates.js';
import { turn, until } from '../support/node-sockets.js';
import { describeSecure, type SecureSocketPair, securePair, securePairOver } from '../support/secure-sockets.js';
import { clearFaults, FAIL, type SocketPair, setFaults, socketPair } from '../support/socket-pairs.js';
import { CLIENT, SERVER } from '../support/tls-pairs.js';

const code = (expected: string) => (error: MiniprotoError) => error.code === expected;
const causedBy = (expected: string, cause: string) => (error: MiniprotoError) =>
  error.code === expected && (error.cause as { code: string }).code === cause;

describeSecure('SecureSocketStream', () => {
  let open: { destroy(): void }[] = [];
  const kept = <T extends { one: { destroy(): void }; other: { destroy(): void } }>(pair: T): T => {
    open.push(pair.one, pair.other);
    return pair;
  };
  const plainPair = async (family: 'unix' | 'tcp' = 'unix'): Promise<SocketPair> => kept(await socketPair(family));
  const pair = async (...args: Parameters<typeof securePair>): Promise<SecureSocketPair> =>
    kept(await securePair(...args));
  const before = { sessions: 0, connections: 0 };

  beforeEach(() => {
    before.sessions = nativeTls()!.counters().sessions;
    before.connections = socketCounters()?.connections ?? 0;
  });

  afterEach(async () => {
    clearFaults();
    for (const stream of open) stream.destroy();
    open = [];
    await turn();
    assert.equal(nativeTls()!.counters().sessions, before.sessions, 'sessions');
    assert.equal(socketCounters()!.connections, before.connections, 'connections');
  });

  // ---------------------------------------------------------------- handshakes

  describe('in a handshake', () => {
    it('answers NOT_READY to reads and NEED_READ to writes while the peer has the word', async () => {
      const { one } = await plainPair();
      const client = tlsClient(one, CLIENT);
      open.push(client);
      assert.ok(client instanceof SecureSocketStream && client.native);
      assert.equal(client.secured, false);
      assert.equal(client.tryFill(), NOT_READY);
      assert.equal(client.pendingRead, NOT_READY);
      assert.equal(client.tryWrite(Buffer.from('early')), NEED_READ);
      assert.equal(client.pendingWrite, NEED_READ);
      assert.equal(client.tryFlush(), true);
      await client.ready('write');
      assert.match(inspect(client), /^SecureSocketStream \{ native, not secure yet, open,/);
      assert.equal(client.info, undefined);
    });

    it('answers NEED_WRITE to reads and NOT_READY to writes while our flight cannot leave', async () => {
      const { one, other } = await plainPair();
      setFaults({ send: [FAIL.again] }, { repeats: true });
      const client = tlsClient(one, CLIENT);
      open.push(client);
      assert.ok(client.pendingOutput > 100);
      assert.equal(client.tryFill(), NEED_WRITE);
      assert.equal(client.pendingRead, NEED_WRITE);
      assert.equal(client.tryWrite(Buffer.from('early')), NOT_READY);
      assert.equal(client.pendingWrite, NOT_READY);
      assert.equal(client.tryFlush(), NOT_READY);
      const left = client.ready('write');
      clearFaults();
      await left;
      assert.equal(client.pendingOutput, 0);
      const server = tlsServer(other, SERVER);
      open.push(server);
      await Promise.all([client.handshake(), server.handshake()]);
    });

    it('is driven by each operation, and by none where it is lazy', async () => {
      const operations: { [name: string]: (stream: SecureSocketStream) => unknown } = {
        tryFill: (stream) => stream.tryFill(),
        tryWrite: (stream) => stream.tryWrite(Buffer.from('x')),
        'ready to read': (stream) => stream.ready('read').catch(() => {}),
        'ready to write': (stream) => stream.ready('write').catch(() => {}),
        handshake: (stream) => stream.handshake().catch(() => {}),
        'a push': (stream) =>
          framed(stream, lines())
            .onRecord(() => {})
            .catch(() => {}),
        'a read': (stream) =>
          framed(stream, lines())
            .read()
            .catch(() => {}),
        'a write': (stream) =>
          framed(stream, lines())
            .write('x')
            .catch(() => {}),
      };
      for (const [name, operate] of Object.entries(operations)) {
        for (const lazy of ['one', 'other'] as const) {
          const plain = await plainPair();
          const options = { one: {}, other: {}, [lazy]: { handshake: 'lazy' } };
          const secure = kept(securePairOver(plain, options.one, options.other));
          const stream = secure[lazy];
          const peer = lazy === 'one' ? secure.other : secure.one;
          for (let i = 0; i < 3; i++) await turn();
          assert.equal(stream.secured || peer.secured, false, name);
          assert.equal(stream.counters().bytesSent, 0, name);
          void operate(stream);
          await peer.handshake();
          await until(() => stream.secured);
        }
      }
    });

    it('takes what Node or a codec had read of it before', async () => {
      for (const size of [1, 5, 100, 10_000]) {
        const { one, other } = await plainPair();
        const client = tlsClient(one, CLIENT);
        await other.ready('read');
        setFaults({ receive: [size] }, { repeats: false });
        assert.ok((other.tryFill() as number) <= size);
        const server = tlsServer(other, SERVER);
        open.push(client, server);
        await Promise.all([client.handshake(), server.handshake()]);
        server.tryWrite(Buffer.from('welcome'));
        assert.equal(String(await readExactly(client, 7)), 'welcome');
      }
    });

    it('follows what was written in the clear, and takes nothing of that for what came securely', async () => {
      const { one, other } = await plainPair();
      const [client, server] = [framed(one, lines()), framed(other, lines())];
      await client.write('STARTTLS');
      assert.equal(await server.read(), 'STARTTLS');
      // It is in the queue when TLS begins.
      server.tryWrite('220 go ahead');
      const secureServer = startTls(server as never, { isServer: true, ...SERVER });
      assert.equal(await client.read(), '220 go ahead');
      const secureClient = startTls(client as never, CLIENT);
      open.push(secureServer, secureClient);
      assert.ok(secureClient instanceof SecureSocketStream && secureServer instanceof SecureSocketStream);
      const [talk, answers] = [framed(secureClient, lines()), framed(secureServer, lines())];
      await talk.write('EHLO');
      assert.equal(await answers.read(), 'EHLO');
    });

    it('begins behind plain bytes that the system has not taken', async () => {
      const { one, other } = await plainPair();
      const [client, server] = [framed(one, lines()), framed(other, lines())];
      setFaults({ send: [FAIL.again] }, { repeats: true });
      server.tryWrite('220 go ahead');
      open.push(startTls(server as never, { isServer: true, ...SERVER }));
      clearFaults();
      assert.equal(await client.read(), '220 go ahead');
      const secure = startTls(client as never, CLIENT);
      open.push(secure);
      await secure.handshake();
    });

    it('waits for a context that takes its time, and uses it', async () => {
      const { one, other } = await plainPair();
      const special = new TlsContext(identity('b.example'));
      const asked: string[] = [];
      const server = tlsServer(other, {
        ...identity('a.example'),
        sniCallback: async (servername) => {
          asked.push(servername);
          await turn();
          return special;
        },
      });
      const client = tlsClient(one, { ca: certificate('ca'), host: 'b.example' });
      open.push(server, client);
      await Promise.all([client.handshake(), server.handshake()]);
      assert.deepEqual(asked, ['b.example']);
      assert.match(client.peerCertificate!.subjectAltName!, /b\.example/);
      assert.equal(server.info!.servername, 'b.example');
    });

    it('is refused where the callback throws, and the peer is told', async () => {
      const { one, other } = await plainPair();
      const sniCallback = async () => {
        throw new Error('nobody is called that');
      };
      const { one: client, other: server } = kept(securePairOver({ one, other }, {}, { sniCallback }));
      await assert.rejects(server.handshake(), /nobody is called that/);
      await assert.rejects(client.handshake(), code('ERR_TLS_ALERT'));
    });

    it('agrees on what both ends see', async () => {
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        const { one, other } = await pair(
          'unix',
          { maxVersion: version, ALPNProtocols: ['b', 'a'] },
          { ALPNProtocols: ['a'] },
        );
        assert.equal(one.info!.protocol, version);
        assert.deepEqual(
          [one.info!.alpnProtocol, one.info!.cipher, one.info!.authorized, other.info!.authorized],
          ['a', other.info!.cipher, true, false],
        );
        assert.equal(one.peerCertificate!.fingerprint256, other.certificate!.fingerprint256);
        const [mine, theirs] = [one, other].map((end) =>
          end.exportKeyingMaterial(32, 'EXPERIMENTAL', Buffer.from('x')),
        );
        assert.ok(mine!.equals(theirs!));
        assert.deepEqual(one.tlsUnique, other.tlsUnique);
        assert.equal(one.tlsUnique === undefined, version === 'TLSv1.3');
        assert.match(inspect(one), new RegExp(`native, ${version}, open`));
      }
    });

    it('changes keys on request, both ways, between records', async () => {
      const { one, other } = await pair();
      const [near, far] = [framed(one, lines()), framed(other, lines())];
      for (let i = 0; i < 4; i++) {
        assert.equal(one.updateKeys({ requestPeer: i % 2 === 0 }), true);
        await near.write(`there ${i}`);
        assert.equal(await far.read(), `there ${i}`);
        await far.write(`back ${i}`);
        assert.equal(await near.read(), `back ${i}`);
      }
    });

    it('leaves in one piece with what is written once it is done, by either side', async () => {
      const { one, other } = await plainPair();
      const client = tlsClient(one, CLIENT);
      const server = tlsServer(other, SERVER);
      open.push(client, server);
      const greeting = client.handshake().then(() => client.tryWrite(Buffer.from('HELO')));
      const answer = server.handshake().then(() => server.tryWrite(Buffer.from('220 ')));
      assert.deepEqual(await Promise.all([greeting, answer]), [4, 4]);
      assert.equal((await readExactly(client, 4)).toString(), '220 ');
      assert.equal((await readExactly(server, 4)).toString(), 'HELO');
      // A hello and the last flight, which has the greeting behind it; a flight, and the tickets with the answer.
      assert.equal(client.counters().sends, 2);
      assert.equal(server.counters().sends, 2);
    });

    it('gives sessions that are taken up again', async () => {
      const server = { context: new TlsContext(identity('server')) };
      const context = new TlsContext({ ca: certificate('ca') });
      const sessions: Buffer[] = [];
      const first = await pair('unix', { context, onSession: (session) => sessions.push(session) }, server);
      const talk = framed(first.one, lines());
      const read = talk.read();
      await until(() => sessions.length > 0);
      framed(first.other, lines()).tryWrite('done');
      assert.equal(await read, 'done');
      const second = await pair('unix', { context, session: sessions[0]! }, server);
      assert.deepEqual([second.one.info!.resumed, second.other.info!.resumed], [true, true]);
    });
  });

  // ---------------------------------------------------------------- failures

  describe('fails', () => {
    const secureServer = async (options = {}) => {
      const { one, other } = await plainPair('tcp');
      const server = tlsServer(other, { ...SERVER, ...options });
      open.push(server);
      return { peer: one, server };
    };

    it('with a peer that speaks plain text, which gets an alert and no plaintext', async () => {
      const { peer, server } = await secureServer();
      peer.tryWrite(Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n'));
      await assert.rejects(server.handshake(), ProtocolError);
      assert.throws(() => server.tryWrite(Buffer.from('secret')), ProtocolError);
      assert.throws(() => server.tryFill(), ProtocolError);
      const said = await readToEnd(peer);
      // An alert's record: 21, a version, 2 bytes.
      assert.ok(said.length === 0 || said[0] === 21, said.toString('hex'));
    });

    it('with a certificate that is not trusted, and both ends say why', async () => {
      for (const [name, cause] of [
        ['expired', 'CERT_HAS_EXPIRED'],
        ['other-host', 'ERR_TLS_CERT_ALTNAME_INVALID'],
        ['self-signed', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
      ] as const) {
        const plain = await plainPair('tcp');
        // TLS 1.2: the server waits for the client's word before it is done.
        const server = { ...identity(name), maxVersion: 'TLSv1.2' } as const;
        const { one, other } = kept(securePairOver(plain, {}, server));
        const results = await Promise.allSettled([one.handshake(), other.handshake()]);
        const [client, served] = results.map((result) => (result as PromiseRejectedResult).reason as MiniprotoError);
        assert.ok(causedBy('ERR_TLS_CERTIFICATE', cause)(client!), `${client!.code} ${inspect(client!.cause)}`);
        assert.equal(served!.code, 'ERR_TLS_ALERT');
      }
    });

    it('when the peer ends in the handshake, and when nothing comes of it in time', async () => {
      const { peer, server } = await secureServer();
      const wait = server.ready('read');
      await peer.end();
      await assert.rejects(server.handshake(), code('ERR_TLS_HANDSHAKE'));
      await assert.rejects(
        wait.then(() => server.tryFill()),
        code('ERR_TLS_HANDSHAKE'),
      );
      const late = await secureServer({ handshakeTimeoutMs: 20 });
      await assert.rejects(late.server.handshake(), code('ERR_TLS_HANDSHAKE_TIMEOUT'));
      assert.equal(late.server.destroyed, true);
    });

    it('when it is destroyed in the handshake, for everybody who waits', async () => {
      const { server } = await secureServer();
      const waits = [server.handshake(), server.ready('read')];
      server.destroy(new Error('why'));
      for (const wait of waits) await assert.rejects(wait, code('ERR_TRANSPORT'));
      await assert.rejects(server.handshake(), code('ERR_TRANSPORT'));
    });

    it('with garbage behind the handshake, after every whole record', async () => {
      const { one, other } = await pair('tcp');
      const plain = threadReactor()!.net;
      const talk = framed(other, lines());
      await writeAll(one, Buffer.from('whole\n'));
      // Past the session: the reactor has no filter for a moment.
      plain.setFilter(one.id, null, 0);
      plain.send(one.id, Buffer.from('\x17\x03\x03\x00\x10not what it was!'), 0, 21);
      assert.equal(await talk.read(), 'whole');
      await assert.rejects(talk.read(), code('ERR_TLS_RECORD'));
    });

    it('and the reactor takes no filter but those of the engine', async () => {
      const { one } = await pair('tcp');
      const { net } = threadReactor()!;
      const { filters } = nativeTls()!;
      for (const source of [{}, undefined, 7, 'filters']) {
        assert.throws(() => net.setFilter(one.id, source as object, 1), { code: 'ERR_INVALID_ARG_TYPE' });
      }
      for (const number of [0, -1, 1.5, 2 ** 31 - 1]) {
        assert.throws(() => net.setFilter(one.id, filters, number), { code: 'ERR_OUT_OF_RANGE' });
      }
      assert.ok(one.secured);
    });

    it('when the peer ends without a word, after every whole record, unless that is to be an end', async () => {
      for (const truncation of ['error', 'end'] as const) {
        // A ticket that is not read would make it a reset.
        const { one, other } = await pair('unix', {}, { truncation, tickets: 0 });
        const far = framed(other, lines());
        await writeAll(one, Buffer.from('whole\n'));
        one.destroy();
        assert.equal(await far.read(), 'whole');
        if (truncation === 'end') assert.equal(await far.read(), EOF);
        else await assert.rejects(far.read(), code('ERR_TLS_TRUNCATED'));
      }
    });

    it('alone when a handler of another connection destroys it in the same turn', async () => {
      const pairs = [await pair(), await pair(), await pair()];
      const seen: string[] = [];
      for (const [index, { one }] of pairs.entries()) {
        framed(one, lines())
          .onRecord((record) => {
            seen.push(`${index} ${record.text()}`);
            for (const [at, victim] of pairs.entries()) if (at !== index) victim.one.destroy();
          })
          .catch(() => {});
      }
      await turn();
      for (const { other } of pairs) other.tryWrite(Buffer.from('a\nb\n'));
      await until(() => seen.length >= 2);
      for (let i = 0; i < 3; i++) await turn();
      const first = seen[0]![0];
      assert.deepEqual(seen, [`${first} a`, `${first} b`]);
    });
  });

  // ---------------------------------------------------------------- bytes and ends

  it('gives records whole at every size, in every form of reading', async () => {
    const sizes = [0, 1, 63, 64, 65, 16_383, 16_384, 16_385, 65_535, 65_536, 300_000, 3_000_000];
    for (const family of ['unix', 'tcp'] as const) {
      const { one, other } = await pair(family);
      const options = { bytes: 4, maxLength: 4_000_000 } as const;
      const [near, far] = [framed(one, lengthPrefixed(options)), framed(other, lengthPrefixed(options))];
      const echo = far.onRecord((record, out) => void out.write(record));
      for (const size of sizes) {
        const [, answer] = await Promise.all([near.write(pattern(size)), near.read()]);
        assert.ok(pattern(size).equals(answer as Buffer), `${size} bytes over ${family}`);
      }
      await near.end();
      await echo;
      await far.end();
      assert.equal(await near.read(), EOF);
    }
  });

  it('gives what was opened beyond a small read without another byte of the peer', async () => {
    const { one, other } = await pair();
    one.tryWrite(pattern(30_000));
    await other.ready('read');
    const page = Buffer.alloc(100);
    const { net } = threadReactor()!;
    let count = 0;
    while (count <= 0) count = net.receive(other.id, page, 0, 100, 0);
    assert.equal(count, 100);
    await other.ready('read');
    assert.ok(pattern(29_900, 100).equals(await readExactly(other, 29_900)));
  });

  it('ends one side with close_notify and goes on in the other', async () => {
    const { one, other } = await pair('tcp');
    await writeAll(one, Buffer.from('last'));
    await one.end();
    assert.equal(String(await readToEnd(other)), 'last');
    const bytes = pattern(500_000);
    const [read] = await Promise.all([readToEnd(one), writeAll(other, bytes).then(() => other.end())]);
    assert.ok(read.equals(bytes));
    await until(() => one.id < 0 && other.id < 0);
  });

  it('lets what waits leave by itself before our end', async () => {
    const { one, other } = await pair();
    const size = fillUp(one);
    assert.ok(one.pendingOutput > 0 && one.stalled);
    assert.equal(one.tryFlush(), NOT_READY);
    const ended = one.end();
    const read = await readToEnd(other);
    assert.equal(read.length, size);
    await ended;
    assert.equal(one.pendingOutput, 0);
  });

  it('sends to many in one call, each in its own session', async () => {
    const pairs = [await pair(), await pair(), await pair()];
    const { net } = threadReactor()!;
    const ids = Int32Array.from(pairs, ({ one }) => one.openBypass());
    const results = new Int32Array(3);
    const bytes = Buffer.from('to everybody');
    net.sendToMany(ids, 3, bytes, 0, bytes.length, results);
    for (const [index, { one, other }] of pairs.entries()) {
      assert.equal(one.sentDirectly(results[index]!, bytes.length), bytes.length);
      assert.equal(String(await readExactly(other, bytes.length)), 'to everybody');
    }
    const { one } = await plainPair();
    const client = tlsClient(one, CLIENT) as SecureSocketStream;
    open.push(client);
    assert.equal(client.openBypass(), -1);
  });

  it('has no descriptor to give away, and no record has an end that the system knows of', async () => {
    const { one } = await pair();
    assert.throws(() => one.release(), code('ERR_NOT_NATIVE'));
    assert.throws(() => one.releaseDescriptor(), code('ERR_NOT_NATIVE'));
    assert.throws(() => framed(one, lines(), { exact: true }), code('ERR_EXACT_UNSUPPORTED'));
    assert.equal(one.destroyed, false);
  });

  it('gives the connection back without TLS, with what came behind it', async () => {
    const { one, other } = await pair();
    await writeAll(one, Buffer.from('last'));
    const peer = one.unwrap().then(async (plain) => {
      await writeAll(plain, Buffer.from('in the clear'));
      return plain;
    });
    assert.equal(String(await readExactly(other, 4)), 'last');
    const plain = (await other.unwrap()) as ByteStream & { native: boolean };
    open.push(plain, await peer);
    assert.ok(plain.native && !(plain instanceof SecureSocketStream) && other.destroyed);
    assert.equal(String(await readExactly(plain, 12)), 'in the clear');
    assert.throws(() => other.tryFill(), code('ERR_STREAM_DESTROYED'));
  });

  it('is a stream that takes the place of another, whose methods end with it', async () => {
    const { one, other } = await plainPair();
    let closed = 0;
    one.whenClosed(() => closed++);
    const { one: secure } = kept(securePairOver({ one, other }));
    assert.throws(() => one.tryFill(), code('ERR_STREAM_DESTROYED'));
    assert.equal(closed, 0);
    await secure.handshake();
    assert.deepEqual(secure.addresses, one.addresses);
    secure.destroy();
    assert.equal(closed, 1);
    assert.throws(() => tlsClient(secure, CLIENT).tryFill(), code('ERR_STREAM_DESTROYED'));
  });
});
