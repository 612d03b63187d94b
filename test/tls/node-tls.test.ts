/**
 * TLS by Node's own `tls`, which is what there is without the addon: held against `node:tls` itself in both roles, in
 * all cases in which the engine is too, and against itself over everything that carries bytes.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Duplex, duplexPair } from 'node:stream';
import tls from 'node:tls';
import { type ByteStream, DuplexStream, EOF, framed, lines, memoryPair, NOT_READY, toDuplex } from 'miniproto';
import { nodeTls } from '#lib/tls/node-tls';
import { nodeTlsError } from '#lib/tls/node-tls-errors';
import { clientPlan, serverPlan, type TlsClientOptions, type TlsServerOptions } from '#lib/tls/options';
import type { SecureStream } from '#lib/tls/secure-stream';
import { TlsContext } from '#lib/tls/tls-context';
import {
  byteStreamContract,
  fillUp,
  pattern,
  readExactly,
  readToEnd,
  writeAll,
} from '../support/byte-stream-contract.js';
import { certificate, encryptedKey, identity, PASSPHRASE, pfx, revocationList } from '../support/certificates.js';
import { nodePair } from '../support/node-sockets.js';
import { socketPair, TRANSPORT } from '../support/socket-pairs.js';

const CA = { ca: certificate('ca') };

function client(stream: ByteStream | Duplex, options: Partial<TlsClientOptions> = {}): SecureStream {
  return nodeTls(stream, clientPlan({ ...(options.context === undefined ? CA : {}), host: 'localhost', ...options }));
}

function server(stream: ByteStream | Duplex, options: Partial<TlsServerOptions> = {}): SecureStream {
  const own = options.context === undefined && options.pfx === undefined ? identity('server') : {};
  return nodeTls(stream, serverPlan({ ...own, ...options }));
}

interface Both {
  readonly one: SecureStream;
  readonly other: SecureStream;
}

/** A client and a server of ours over memory. */
function both(clientOptions: Partial<TlsClientOptions> = {}, serverOptions: Partial<TlsServerOptions> = {}): Both {
  const [one, other] = memoryPair();
  return { one: client(one, clientOptions), other: server(other, serverOptions) };
}

async function shaken({ one, other }: Both): Promise<Both> {
  await Promise.all([one.handshake(), other.handshake()]);
  return { one, other };
}

/** How the two handshakes end. */
async function outcomes({ one, other }: Both): Promise<string[]> {
  const results = await Promise.allSettled([one.handshake(), other.handshake()]);
  one.destroy();
  other.destroy();
  return results.map((result) => (result.status === 'fulfilled' ? 'secured' : describeError(result.reason)));
}

/** `ERR_TLS_CERTIFICATE CERT_HAS_EXPIRED`: ours, and Node's name for it. */
function describeError(error: Error & { code: string }): string {
  return [error.code, (error.cause as { code?: string } | undefined)?.code].filter(Boolean).join(' ');
}

async function say(from: ByteStream, to: ByteStream, text: string): Promise<void> {
  await writeAll(from, Buffer.from(text));
  assert.equal(String(await readExactly(to, text.length)), text);
}

/** Both directions, then both ends. */
async function converse({ one, other }: Both): Promise<void> {
  await say(one, other, 'there');
  await say(other, one, 'and back');
  await Promise.all([one.close(), other.close()]);
}

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

byteStreamContract("Node's tls over a memory pair", () => shaken(both()));
byteStreamContract(
  "Node's tls over a memory pair of capacity 11",
  () => {
    const [one, other] = memoryPair({ capacity: 11 });
    return shaken({ one: client(one), other: server(other) });
  },
  { bulk: 3000 },
);
byteStreamContract(`Node's tls over ${TRANSPORT}`, async () => {
  const { one, other } = await socketPair('tcp');
  return shaken({ one: client(one), other: server(other) });
});
byteStreamContract("Node's tls on the sockets of Node themselves", async () => {
  const { accepted, connected } = await nodePair();
  return shaken({ one: client(connected, { truncation: 'end' }), other: server(accepted, { truncation: 'end' }) });
});
byteStreamContract(
  "Node's tls over Node's tls",
  async () => {
    const outer = await shaken(both());
    return shaken({ one: client(outer.one), other: server(outer.other) });
  },
  // Node's streams move what they hold over many turns, and that it is full is seen after a few.
  { backpressure: false },
);

for (const version of VERSIONS) {
  describe(`nodeTls against node:tls, ${version}`, () => {
    const versions = { minVersion: version, maxVersion: version };

    it('is a client of it', async () => {
      const [one, other] = memoryPair();
      const peer = tlsServer(toDuplex(other), { ALPNProtocols: ['b', 'a'] });
      const stream = client(one, { ...versions, ALPNProtocols: ['a'], servername: 'server.example' });
      await stream.handshake();
      const { info } = stream;
      assert.equal(info?.protocol, version);
      assert.equal(info.alpnProtocol, 'a');
      assert.equal(info.servername, 'server.example');
      assert.equal(info.authorized, true);
      assert.equal(info.authorizationError, undefined);
      assert.equal(info.resumed, false);
      assert.match(info.standardCipher, /^TLS_/);
      assert.equal(stream.peerCertificate?.subject, 'CN=server');
      assert.equal(stream.peerCertificates[0], stream.peerCertificate);
      assert.equal(stream.certificate, undefined);
      await echo(stream, peer);
    });

    it('is a server of it', async () => {
      const [one, other] = memoryPair();
      const peer = tls.connect({
        socket: toDuplex(one) as never,
        ...CA,
        servername: 'localhost',
        ...identity('client'),
      });
      const stream = server(other, { ...versions, ...CA, requestCert: true });
      await stream.handshake();
      assert.equal(stream.info?.protocol, version);
      assert.equal(stream.info.servername, 'localhost');
      assert.equal(stream.info.authorized, true);
      assert.equal(stream.peerCertificate?.subject, 'CN=client');
      assert.equal(stream.certificate?.subject, 'CN=server');
      await echo(stream, peer);
    });

    it('agrees with it on exported keys and the channel binding', async () => {
      const [one, other] = memoryPair();
      const peer = tlsServer(toDuplex(other));
      const stream = client(one, versions);
      await Promise.all([stream.handshake(), once(peer, 'secure')]);
      const context = Buffer.from('context');
      assert.ok(
        stream.exportKeyingMaterial(40, 'label', context).equals(peer.exportKeyingMaterial(40, 'label', context)),
      );
      if (version === 'TLSv1.3') assert.equal(stream.tlsUnique, undefined);
      else assert.ok(stream.tlsUnique?.equals(peer.getPeerFinished()!));
      stream.destroy();
    });

    it('takes a session up again, and tells so', async () => {
      const context = new TlsContext({ ...identity('server'), ...versions });
      const sessions: Buffer[] = [];
      const first = await shaken(both({ onSession: (session) => void sessions.push(session) }, { context }));
      await converse(first);
      assert.ok(sessions.length > 0);
      const again = await shaken(both({ session: sessions.at(-1)! }, { context }));
      assert.equal(again.one.info?.resumed, true);
      assert.equal(again.other.info?.resumed, true);
      assert.equal(again.one.peerCertificate?.subject, 'CN=server');
      if (version === 'TLSv1.2') assert.ok(again.one.tlsUnique?.equals(again.other.tlsUnique!));
      await converse(again);
    });

    it('judges whom the certificate is for although a session was taken up again', async () => {
      const context = new TlsContext({ ...identity('server'), ...versions });
      const sessions: Buffer[] = [];
      await converse(await shaken(both({ onSession: (session) => void sessions.push(session) }, { context })));
      const again = both({ session: sessions.at(-1)!, host: 'elsewhere.example' }, { context });
      assert.equal((await outcomes(again))[0], 'ERR_TLS_CERTIFICATE ERR_TLS_CERT_ALTNAME_INVALID');
      const names = { servername: 'localhost', host: 'elsewhere.example' };
      const anyway = { session: sessions.at(-1)!, ...names, rejectUnauthorized: false };
      const { one, other } = await shaken(both(anyway, { context }));
      assert.equal(one.info?.resumed, true);
      assert.equal(one.info.authorizationError, 'ERR_TLS_CERT_ALTNAME_INVALID');
      await converse({ one, other });
    });

    it('takes no session up again where there are no tickets', async () => {
      const context = new TlsContext({ ...identity('server'), ...versions, tickets: 0 });
      const sessions: Buffer[] = [];
      await converse(await shaken(both({ onSession: (session) => void sessions.push(session) }, { context })));
      const again = await shaken(both({ session: sessions.at(-1) ?? Buffer.alloc(0) }, { context }));
      assert.equal(again.one.info?.resumed, false);
      await converse(again);
    });

    it('gives lines for a key log', async () => {
      const logs: string[][] = [[], []];
      const [onKeyLog, onPeersKeyLog] = logs.map((log) => (line: Buffer) => void log.push(String(line)));
      await converse(await shaken(both({ ...versions, onKeyLog: onKeyLog! }, { onKeyLog: onPeersKeyLog! })));
      assert.ok(logs[0]!.length > 0);
      assert.deepEqual(logs[0]!.sort(), logs[1]!.sort());
      assert.match(logs[0]![0]!, /^(?:CLIENT|SERVER|EXPORTER)_/);
    });

    it('tells a truncation from an end, after all that came', async () => {
      for (const truncation of ['error', 'end'] as const) {
        const [one, other] = memoryPair();
        const stream = client(one, { ...versions, truncation });
        const peer = server(other);
        await Promise.all([stream.handshake(), peer.handshake()]);
        await writeAll(peer, Buffer.from('almost all'));
        while (peer.tryFlush() !== true) await peer.ready('write');
        // Below TLS, so that nothing is said.
        await other.end();
        const got: string[] = [];
        const reading = (async () => {
          for (;;) {
            const filled = stream.tryFill();
            if (filled === EOF) return 'end';
            if (filled === NOT_READY) await stream.ready('read');
            else got.push(String(stream.input.take(stream.input.length)));
          }
        })();
        if (truncation === 'end') assert.equal(await reading, 'end');
        else await assert.rejects(reading, { name: 'ProtocolError', code: 'ERR_TLS_TRUNCATED', protocol: 'tls' });
        assert.equal(got.join(''), 'almost all');
        stream.destroy();
        peer.destroy();
      }
    });

    it('refuses what the server does not know to be its client', async () => {
      const asks = { ...CA, requestCert: true };
      const cases: [string, Partial<TlsClientOptions>, RegExp][] = [
        ['none', {}, /^ERR_TLS_CERTIFICATE ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE$/],
        ['of an authority unknown', identity('unknown-ca'), /^ERR_TLS_CERTIFICATE UNABLE_TO_VERIFY_LEAF_SIGNATURE$/],
        ['that is expired', identity('expired'), /^ERR_TLS_CERTIFICATE (CERT_HAS_EXPIRED|INVALID_PURPOSE)$/],
        ['of a server', identity('server'), /^ERR_TLS_CERTIFICATE INVALID_PURPOSE$/],
      ];
      for (const [name, options, expected] of cases) {
        assert.match((await outcomes(both({ ...versions, ...options }, asks)))[1]!, expected, name);
      }
    });

    it('gives nothing of a client that is refused', async () => {
      const { one, other } = both({ ...versions, ...identity('unknown-ca') }, { ...CA, requestCert: true });
      const reading = readToEnd(other);
      // In TLS 1.3 a client is done before it is judged.
      const writing = one.handshake().then(() => writeAll(one, Buffer.from('let me in')));
      await assert.rejects(reading, { code: 'ERR_TLS_CERTIFICATE' });
      assert.equal(other.input.length, 0);
      await writing.catch(() => {});
      one.destroy();
      other.destroy();
    });
  });
}

/** Node's side of a connection. */
function tlsServer(duplex: Duplex, options: tls.TLSSocketOptions = {}): tls.TLSSocket {
  return new tls.TLSSocket(duplex as never, { isServer: true, ...identity('server'), ...options });
}

/** Sends much, has it echoed by Node, and ends. */
async function echo(stream: SecureStream, peer: tls.TLSSocket): Promise<void> {
  peer.on('data', (bytes) => peer.write(bytes)).on('end', () => peer.end());
  const bytes = pattern(300_000);
  const [read] = await Promise.all([readToEnd(stream), writeAll(stream, bytes).then(() => stream.end())]);
  assert.ok(read.equals(bytes));
  await stream.close();
}

describe('nodeTls refuses a server certificate', () => {
  const cases: [string, string, Partial<TlsClientOptions>][] = [
    ['expired', 'CERT_HAS_EXPIRED', {}],
    ['not-yet-valid', 'CERT_NOT_YET_VALID', {}],
    ['self-signed', 'DEPTH_ZERO_SELF_SIGNED_CERT', {}],
    ['unknown-ca', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', {}],
    ['broken-chain', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', {}],
    ['wrong-purpose', 'INVALID_PURPOSE', {}],
    ['other-host', 'ERR_TLS_CERT_ALTNAME_INVALID', {}],
    ['wildcard', 'ERR_TLS_CERT_ALTNAME_INVALID', { host: 'a.b.example.test' }],
    ['server', 'ERR_TLS_CERT_ALTNAME_INVALID', { host: '127.0.0.2' }],
    ['server', 'ERR_TLS_CERT_ALTNAME_INVALID', { host: '::2' }],
    ['revoked', 'CERT_REVOKED', { crl: revocationList() }],
  ];
  for (const [name, code, options] of cases) {
    it(`${name}: ${code}`, async () => {
      const refused = await outcomes(both(options, identity(name as 'server')));
      assert.equal(refused[0], `ERR_TLS_CERTIFICATE ${code}`);
      // Node's client says nothing and hangs up; to a server of TLS 1.3 it has said by then that it is done.
      assert.match(refused[1]!, /^(?:secured|ERR_TLS_HANDSHAKE ECONNRESET)$/);
    });

    it(`${name}: or says so, where it is told to go on`, async () => {
      const { one, other } = await shaken(both({ ...options, rejectUnauthorized: false }, identity(name as 'server')));
      assert.equal(one.info?.authorized, false);
      assert.equal(one.info.authorizationError, code);
      await converse({ one, other });
    });
  }

  it('and takes those that are good', async () => {
    const good: [string, Partial<TlsClientOptions>][] = [
      ['chain', {}],
      ['wildcard', { host: 'a.example.test' }],
      ['other-host', { host: '192.0.2.1' }],
      ['other-host', { host: false }],
      ['server', { crl: revocationList(), host: '::1' }],
      ['server-rsa', { host: '127.0.0.1' }],
      ['self-signed', { ca: certificate('self-signed') }],
    ];
    for (const [name, options] of good) {
      const { one, other } = await shaken(both(options, identity(name as 'server')));
      assert.equal(one.info?.authorized, true, name);
      await converse({ one, other });
    }
  });

  it('and knows keys with a passphrase, and PFX', async () => {
    const locked = { cert: certificate('server'), key: encryptedKey(), passphrase: PASSPHRASE };
    await converse(await shaken(both({}, locked)));
    await converse(await shaken(both({}, { pfx: pfx(), passphrase: PASSPHRASE })));
  });
});

describe('nodeTls chooses a context by name', () => {
  const contexts = {
    'a.example': new TlsContext(identity('a.example')),
    '*.example.test': new TlsContext(identity('wildcard')),
  };

  it('from a map, in any case, and with a wildcard for one label', async () => {
    const names: [string, string][] = [
      ['a.example', 'CN=a.example'],
      ['A.Example', 'CN=a.example'],
      ['x.example.test', 'CN=wildcard'],
      ['localhost', 'CN=server'],
    ];
    for (const [servername, subject] of names) {
      const { one, other } = await shaken(both({ servername, host: servername }, { contexts }));
      assert.equal(one.peerCertificate?.subject, subject);
      assert.equal(other.info?.servername, servername);
      await converse({ one, other });
    }
  });

  it('by a callback, which may take its time', async () => {
    const asked: string[] = [];
    for (const later of [false, true]) {
      const sniCallback = (servername: string) => {
        asked.push(servername);
        const context = servername === 'b.example' ? new TlsContext(identity('b.example')) : undefined;
        return later ? new Promise<typeof context>((resolve) => setImmediate(resolve, context)) : context;
      };
      for (const servername of ['B.example', 'localhost', 'a.example']) {
        const { one, other } = await shaken(both({ servername, host: servername }, { contexts, sniCallback }));
        const subject = servername === 'localhost' ? 'server' : servername.toLowerCase();
        assert.equal(one.peerCertificate?.subject, `CN=${subject}`);
        await converse({ one, other });
      }
    }
    assert.deepEqual(asked, ['b.example', 'localhost', 'b.example', 'localhost']);
  });

  it('and refuses the handshake when the callback throws or rejects', async () => {
    const error = new Error('nobody of that name');
    const throws = () => {
      throw error;
    };
    for (const sniCallback of [throws, () => Promise.reject(error)]) {
      const { one, other } = both({ servername: 'a.example' }, { sniCallback });
      const refused = assert.rejects(other.handshake(), { code: 'ERR_TLS_HANDSHAKE', cause: error });
      await assert.rejects(one.handshake());
      await refused;
      one.destroy();
      other.destroy();
    }
  });

  it('but not one that would let in whom the other does not, since Node would not see to it', async () => {
    const strict = new TlsContext({ ...identity('a.example'), ...CA, requestCert: true });
    const code = { name: 'UsageError', code: 'ERR_TLS_CONTEXT' };
    const [one, other] = memoryPair();
    assert.throws(() => server(one, { contexts: { 'a.example': strict } }), code);
    // Nothing was touched.
    await say(other, one, 'still there');
    const secure = both({ servername: 'a.example' }, { sniCallback: () => strict });
    const refused = assert.rejects(secure.other.handshake(), code);
    await assert.rejects(secure.one.handshake());
    await refused;
    secure.one.destroy();
    secure.other.destroy();
  });
});

describe('nodeTls, the handshake', () => {
  it('has its time', async () => {
    const [one, other] = memoryPair();
    const stream = server(one, { handshakeTimeoutMs: 20 });
    const late = { name: 'LimitError', code: 'ERR_TLS_HANDSHAKE_TIMEOUT', protocol: 'tls' };
    await Promise.all([
      assert.rejects(stream.handshake(), late),
      assert.rejects(stream.ready('read'), late),
      assert.rejects(stream.ready('write'), late),
    ]);
    assert.throws(() => stream.tryFill(), late);
    await assert.rejects(stream.handshake(), late);
    await assert.rejects(other.ready('read'));
    other.destroy();
  });

  it('begins with the first operation where it is lazy, and its time does too', async () => {
    const begins: ((stream: SecureStream) => unknown)[] = [
      (stream) => stream.tryFill(),
      (stream) => stream.tryWrite(Buffer.from('x')),
      (stream) => stream.ready('read'),
      (stream) => stream.ready('write'),
      (stream) => stream.handshake(),
    ];
    for (const begin of begins) {
      const [one, other] = memoryPair();
      const stream = client(one, { handshake: 'lazy', handshakeTimeoutMs: 100_000 });
      for (let turns = 0; turns < 5; turns++) await new Promise(setImmediate);
      assert.equal(stream.secured, false);
      assert.equal(stream.info, undefined);
      assert.equal(other.tryFill(), NOT_READY);
      const begun = Promise.resolve(begin(stream));
      const peer = server(other);
      await Promise.all([peer.handshake(), stream.handshake()]);
      peer.destroy();
      stream.destroy();
      await begun.catch(() => {});
    }
  });

  it('takes nothing and gives nothing before it is done', async () => {
    const { one, other } = both();
    for (const stream of [one, other]) {
      assert.equal(stream.tryWrite(Buffer.from('early')), NOT_READY);
      assert.equal(stream.pendingWrite, NOT_READY);
      assert.equal(stream.tryFill(), NOT_READY);
      assert.equal(stream.peerCertificate, undefined);
      assert.deepEqual(stream.peerCertificates, []);
      assert.equal(stream.updateKeys(), false);
      assert.throws(() => stream.exportKeyingMaterial(10, 'x'), { code: 'ERR_TLS_NOT_SECURED' });
    }
    await one.ready('write');
    assert.equal(one.secured, true);
    await converse({ one, other });
  });

  it('lets what is written early wait for the certificate to be judged', async () => {
    const { one, other } = both({}, identity('expired'));
    const read = readToEnd(other);
    await assert.rejects(writeAll(one, Buffer.from('a secret')), { code: 'ERR_TLS_CERTIFICATE' });
    await assert.rejects(read);
    assert.equal(other.input.length, 0);
    other.destroy();
  });

  it('can be waited for with a signal, and goes on without it', async () => {
    const [one, other] = memoryPair();
    const stream = client(one);
    const reason = new Error('enough');
    await assert.rejects(stream.handshake({ signal: AbortSignal.abort(reason) }), reason);
    const controller = new AbortController();
    const waiting = stream.handshake({ signal: controller.signal });
    controller.abort(reason);
    await assert.rejects(waiting, reason);
    await converse(await shaken({ one: stream, other: server(other) }));
  });

  it('ends with the stream, for whoever waits', async () => {
    const cause = new Error('why');
    for (const side of [client, server]) {
      const [one, other] = memoryPair();
      const stream = side(one);
      const waiting = stream.handshake();
      stream.destroy(cause);
      await assert.rejects(waiting, { code: 'ERR_TRANSPORT', cause });
      await assert.rejects(stream.handshake(), { code: 'ERR_TRANSPORT', cause });
      assert.ok(one.destroyed);
      other.destroy();
    }
  });

  it('fails when the peer ends, is gone, or speaks something else', async () => {
    const asks: [string, (other: ByteStream) => unknown, RegExp][] = [
      ['ends', (other) => other.end(), /^ERR_TLS_HANDSHAKE ECONNRESET$/],
      ['goes', (other) => other.destroy(), /^ERR_STREAM_PREMATURE_CLOSE$/],
      ['speaks plain text', (other) => writeAll(other, Buffer.from('220 mail.example ESMTP\r\n')), /^ERR_TLS_RECORD /],
    ];
    for (const side of [client, server]) {
      for (const [name, does, expected] of asks) {
        const [one, other] = memoryPair();
        const stream = side(one);
        const failed = stream.handshake().catch(describeError);
        await does(other);
        assert.match((await failed) ?? 'secured', expected, name);
        stream.destroy();
        other.destroy();
      }
    }
  });

  it('tells the reason of an alert in words', async () => {
    const refused = await outcomes(both({ ALPNProtocols: ['a'] }, { ALPNProtocols: ['b'] }));
    assert.match(refused[0]!, /^ERR_TLS_ALERT ERR_SSL_\w*NO_APPLICATION_PROTOCOL$/);
    assert.equal(refused[1], 'ERR_TLS_HANDSHAKE ERR_SSL_NO_APPLICATION_PROTOCOL');
    const versions = await outcomes(both({ maxVersion: 'TLSv1.2' }, { minVersion: 'TLSv1.3' }));
    assert.match(versions[0]!, /^ERR_TLS_ALERT ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION$/);
    assert.match(versions[1]!, /^ERR_TLS_HANDSHAKE ERR_SSL_UNSUPPORTED_PROTOCOL$/);
  });

  it('knows an alert by its name in OpenSSL 3.0 and by the one it has since 3.2', () => {
    for (const older of ['sslv3', 'ssl/tls', 'tlsv1', 'tlsv13']) {
      const reason = `${older} alert certificate expired`;
      const code = `ERR_SSL_${reason.toUpperCase().replaceAll(' ', '_')}`;
      for (const secured of [false, true]) {
        const error = nodeTlsError(Object.assign(new Error(reason), { code, reason }), { secured }) as Error;
        assert.equal(describeError(error as Error & { code: string }), `ERR_TLS_ALERT ${code}`);
        assert.match(error.message, /the peer sent a fatal alert: certificate expired$/);
      }
    }
  });

  it('refuses contexts that OpenSSL refuses, and leaves the stream alone', () => {
    const [one] = memoryPair();
    const wrong = { name: 'UsageError', code: 'ERR_TLS_CONTEXT' };
    assert.throws(() => server(one, { ...identity('server'), key: 'nothing' }), wrong);
    assert.throws(() => client(one, { ciphers: 'NO-SUCH-CIPHER' }), wrong);
    assert.equal(one.destroyed, false);
  });
});

describe('nodeTls, the stream', () => {
  it('says that it is not native, and why', () => {
    const { one, other } = both();
    assert.equal(one.native, false);
    assert.match(one.reason, /^TLS is Node's: /);
    one.destroy();
    other.destroy();
  });

  it('has the addresses and the counters of the connection below', async () => {
    const pair = await socketPair('tcp');
    const { one, other } = await shaken({ one: client(pair.one), other: server(pair.other) });
    assert.deepEqual(one.addresses, pair.one.addresses);
    assert.equal(one.addresses.remotePort, other.addresses.localPort);
    await say(one, other, 'plain');
    // More than what was said: it is what went over the wire.
    assert.ok(one.counters().bytesSent > 300);
    one.destroy();
    other.destroy();
  });

  it('goes over a Duplex, and is closed with it', async () => {
    for (const pair of [
      duplexPair?.(),
      [memoryPair()].flatMap((streams) => streams.map((stream) => toDuplex(stream))),
    ]) {
      if (pair === undefined) continue;
      const { one, other } = await shaken({ one: client(pair[0]!), other: server(new DuplexStream(pair[1]!)) });
      let told = 0;
      one.whenClosed(() => told++);
      await converse({ one, other });
      await new Promise(setImmediate);
      assert.equal(told, 1);
    }
  });

  it('sends what another protocol has left to send before anything of its own, also where it is lazy', async () => {
    for (const handshake of ['now', 'lazy'] as const) {
      const [one, other] = memoryPair();
      const stream = server(other, { handshake, unsent: Buffer.from('220 ready\r\n') });
      assert.equal(String(await readExactly(one, 11)), '220 ready\r\n');
      await converse(await shaken({ one: client(one), other: stream }));
    }
  });

  it('begins with what the stream below has in its input', async () => {
    const [one, other] = memoryPair();
    const stream = client(one);
    while (other.tryFill(100) === NOT_READY) await other.ready('read');
    await converse(await shaken({ one: stream, other: server(other) }));
  });

  it('refuses a stream that somebody reads', () => {
    const [one, other] = memoryPair();
    framed(one, lines());
    assert.throws(() => client(one), { code: 'ERR_STREAM_IN_USE' });
    const duplex = toDuplex(other);
    client(duplex).destroy();
    assert.throws(() => client(duplex), { code: 'ERR_STREAM_IN_USE' });
  });

  it('goes on in one direction after the other has ended', async () => {
    const { one, other } = await shaken(both());
    await one.end();
    assert.equal(await readToEnd(other).then(String), '');
    await say(other, one, 'one more thing');
    await Promise.all([one.close(), other.close()]);
  });

  it('fails for whoever reads when the stream below fails', async () => {
    for (const which of ['one', 'other'] as const) {
      const pair = memoryPair();
      const secure = await shaken({ one: client(pair[0]), other: server(pair[1]) });
      const cause = new Error('the cable');
      pair[which === 'one' ? 0 : 1].destroy(cause);
      await assert.rejects(
        secure[which].ready('read').then(() => readToEnd(secure[which])),
        { code: 'ERR_TRANSPORT', cause },
      );
      secure.one.destroy();
      secure.other.destroy();
    }
  });

  it('fails with the alert that a peer sends later, on both sides', async () => {
    const { one, other } = await shaken(both());
    assert.ok(fillUp(one, 100) > 0);
    assert.ok(one.pendingOutput >= 0);
    one.destroy();
    await assert.rejects(readToEnd(other), (error: { code: string }) =>
      /^ERR_(?:STREAM|TLS|TRANSPORT)/.test(error.code),
    );
    other.destroy();
  });

  it('gives the TLSSocket back, with what was not read', async () => {
    const { one, other } = await shaken(both());
    await writeAll(other, Buffer.from('unread'));
    while (one.tryFill(6) === NOT_READY) await one.ready('read');
    one.input.consume(2);
    const { socket } = one.release();
    assert.ok(socket instanceof tls.TLSSocket);
    assert.equal(String((await once(socket, 'data'))[0]), 'read');
    socket.end('by Node');
    assert.equal(String(await readToEnd(other)), 'by Node');
    assert.throws(() => one.releaseDescriptor(), { code: 'ERR_NOT_NATIVE' });
    await assert.rejects(one.unwrap(), { code: 'ERR_NOT_NATIVE' });
    other.destroy();
    socket.destroy();
  });
});
