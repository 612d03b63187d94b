/**
 * The addon for TLS through its own functions: two of its sessions against each other, carried by hand, over both
 * versions; then what it says to wrong arguments, and that threads have their own. Node's tls as the peer is in
 * tls-addon-node.test.ts.
 *
 * Over 800 lines, because every function of the addon is called here, with the same two sides.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { types } from 'node:util';
import { Worker } from 'node:worker_threads';
import { nativeInfo, nativeNet, nativeTls } from '#lib/native';
import { parseTlsInfo } from '#lib/tls/tls-info';
import {
  TLS_CLOSED,
  TLS_ENDED,
  TLS_FAILED,
  TLS_NEWS,
  TLS_PAUSED,
  TLS_SEAL_MOST,
  TLS_SECURED,
  TLS_WORD_MORE,
  TLS_WORD_MOVED,
  TLS_WORD_OUTGOING,
  TLS_WORD_STATE,
  type TlsInterface,
} from '#lib/tls-interface';
import { certificate, identity } from '../support/certificates.js';
import { seeded } from '../support/random.js';
import {
  clientSettings,
  exchange,
  recordsOf,
  Side,
  serverSettings,
  shaken,
  TLS_1_2,
  TLS_1_3,
  VERSIONS,
} from '../support/tls-sides.js';

const MODULE = import.meta.resolve('#lib/native');
const APPLICATION_DATA = 23;
const NO_BYTES = new Uint8Array(0);
const addon = nativeTls();

if (addon === undefined) {
  describe('addon for TLS', () => {
    it('is where it can be', function () {
      console.log(`!!! the addon for TLS is NOT tested: ${nativeInfo().tls.reason}`);
      this.skip();
    });
  });
} else {
  for (const { name, version } of VERSIONS) describe(`sessions of TLS [${name}]`, () => inVersion(addon, version));
  describe('sessions of TLS', () => inGeneral(addon));
  describe('arguments of the addon for TLS', () => withArguments(addon));
  describe('TLS in threads', () => inThreads(addon));
}

function inVersion(tls: TlsInterface, version: number): void {
  const only = { minVersion: version, maxVersion: version };
  const both = { client: only, server: only };

  for (const most of [1, 2, 5, 100, Number.POSITIVE_INFINITY]) {
    it(`shake hands, carried ${most} bytes at a time, and agree`, () => {
      const [client, server] = shaken(tls, { ...both, session: { servername: 'localhost', host: 'localhost' }, most });
      for (const side of [client, server]) assert.ok(side.has(TLS_SECURED), JSON.stringify(tls.failure(side.id)));
      const infos = [client, server].map((side) => parseTlsInfo(tls.info(side.id)));
      for (const info of infos) {
        assert.equal(info.protocol, version === TLS_1_3 ? 'TLSv1.3' : 'TLSv1.2');
        assert.equal(info.servername, 'localhost');
        assert.equal(info.alpn, '');
        assert.equal(info.resumed, false);
        assert.equal(info.verifyError, '');
        assert.match(info.standardCipher, /^TLS_/);
      }
      assert.equal(infos[0].cipher, infos[1].cipher);
      assert.deepEqual(
        infos.map(({ peerShown }) => peerShown),
        [true, false],
      );
      assert.deepEqual(tls.peerCertificates(client.id), [tls.certificate(server.id)]);
      assert.deepEqual([tls.certificate(client.id), tls.peerCertificates(server.id)], [undefined, undefined]);
      client.close();
      server.close();
    });
  }

  it('carry data both ways, in every size', () => {
    const [client, server] = shaken(tls, both);
    for (const size of [1, 2, 63, 64, 65, 16_383, 16_384, 16_385, 70_000, TLS_SEAL_MOST]) {
      const data = Buffer.alloc(size, `${size},`);
      for (const [from, to] of [
        [client, server],
        [server, client],
      ]) {
        assert.equal(from.seal(data), size);
        exchange(from, to, 1000);
        assert.ok(to.received().equals(data));
      }
    }
    assert.equal(client.seal(NO_BYTES), 0);
    assert.equal(client.take().length, 0);
  });

  it('take no more than TLS_SEAL_MOST at once, and nothing before the handshake', () => {
    const client = new Side(tls, clientSettings(only));
    assert.equal(client.seal(Buffer.alloc(10)), 0);
    client.open();
    assert.equal(client.seal(Buffer.alloc(10)), 0);
    client.close();
    const [one] = shaken(tls, both);
    assert.equal(one.seal(Buffer.alloc(TLS_SEAL_MOST + 1)), TLS_SEAL_MOST);
  });

  it('move what they seal to a target, behind what waits, and keep what has no room', () => {
    const [client, server] = shaken(tls, both);
    const { words } = tls;
    client.seal(Buffer.from('first'));
    const waiting = words[TLS_WORD_OUTGOING];
    assert.equal(waiting, tls.outgoing(client.id));
    const target = Buffer.alloc(3 * 16_384);
    const data = Buffer.alloc(40_000, 'x');
    assert.equal(tls.seal(client.id, data, 0, data.length, target, 3, target.length), data.length);
    const moved = words[TLS_WORD_MOVED];
    assert.ok(moved > waiting && moved < target.length - 3);
    const rest = client.take();
    assert.equal(tls.sealParts(client.id, [Buffer.from('la'), Buffer.from('st')], target, 0, 2), 4);
    assert.deepEqual([words[TLS_WORD_MOVED], words[TLS_WORD_OUTGOING]], [2, tls.outgoing(client.id)]);
    const last = Buffer.concat([target.subarray(0, 2), client.take()]);
    server.open(Buffer.concat([target.subarray(3, 3 + moved), rest, last]));
    assert.equal(String(server.received()), `first${data}last`);
  });

  it('say in their words what a call has left', () => {
    const [client, server] = shaken(tls, both);
    const { words } = tls;
    client.seal(Buffer.alloc(100, 'x'));
    tls.shutdown(client.id);
    assert.equal(words[TLS_WORD_STATE], tls.state(client.id));
    assert.equal(words[TLS_WORD_OUTGOING], tls.outgoing(client.id));
    const bytes = client.take();
    assert.equal(words[TLS_WORD_OUTGOING], 0);
    const target = Buffer.alloc(200);
    assert.equal(tls.open(server.id, bytes, 0, bytes.length, target, 0, 10), 10);
    assert.deepEqual([words[TLS_WORD_MORE], tls.hasMore(server.id)], [1, 1]);
    assert.equal(tls.open(server.id, NO_BYTES, 0, 0, target, 10, 200), 90);
    assert.equal(words[TLS_WORD_STATE], tls.state(server.id));
    assert.ok(server.has(TLS_ENDED));
    assert.deepEqual([words[TLS_WORD_MORE], tls.hasMore(server.id)], [0, 0]);
  });

  it('make one record of many small parts, and take 64 of them', () => {
    const [client, server] = shaken(tls, both);
    const parts = Array.from({ length: 70 }, (_, i) => Buffer.alloc(1 + (i % 9), `${i}`));
    const first = Buffer.concat(parts.slice(0, 64));
    assert.equal(tls.sealParts(client.id, parts, NO_BYTES, 0, 0), first.length);
    const bytes = client.take();
    assert.deepEqual(
      recordsOf(bytes).map(({ type }) => type),
      [APPLICATION_DATA],
    );
    server.open(bytes);
    assert.ok(server.received().equals(first));
  });

  it('take parts in the order that they have, whatever their sizes', () => {
    const [client, server] = shaken(tls, both);
    const parts = [5, 20_000, 3, 16_384, 1, 70_000, 9].map((size, i) => Buffer.alloc(size, `${i}`));
    const whole = Buffer.concat(parts);
    let taken = 0;
    while (taken < whole.length) {
      const size = tls.sealParts(client.id, taken === 0 ? parts : [whole.subarray(taken)], NO_BYTES, 0, 0);
      assert.ok(size > 0);
      taken += size;
    }
    exchange(client, server);
    assert.ok(server.received().equals(whole));
  });

  it('keep what has no room, and say so', () => {
    const [client, server] = shaken(tls, both);
    const data = Buffer.from('what has no room stays inside');
    client.seal(data);
    const bytes = client.take();
    const target = Buffer.alloc(10);
    const got: Buffer[] = [];
    let given = tls.open(server.id, bytes, 0, bytes.length, target, 0, 7);
    got.push(Buffer.from(target.subarray(0, given)));
    while (tls.hasMore(server.id) === 1) {
      given = tls.open(server.id, NO_BYTES, 0, 0, target, 3, 10);
      got.push(Buffer.from(target.subarray(3, 3 + given)));
    }
    assert.ok(got.length > 3);
    assert.ok(Buffer.concat(got).equals(data));
  });

  it('write nothing outside of the target', () => {
    const [client, server] = shaken(tls, both);
    client.seal(Buffer.alloc(50, 'x'));
    const bytes = client.take();
    const target = Buffer.alloc(100, '.');
    assert.equal(tls.open(server.id, bytes, 0, bytes.length, target, 20, 80), 50);
    assert.equal(target.toString(), `${'.'.repeat(20)}${'x'.repeat(50)}${'.'.repeat(30)}`);
  });

  it('say that they are done, once, go on reading, and leave what is behind the end', () => {
    const [client, server] = shaken(tls, both);
    client.seal(Buffer.from('last'));
    tls.shutdown(client.id);
    tls.shutdown(client.id);
    assert.ok(client.has(TLS_CLOSED));
    assert.equal(client.seal(Buffer.from('more')), 0);
    const bytes = Buffer.concat([client.take(), Buffer.from('plain text')]);
    assert.equal(server.has(TLS_ENDED), false);
    server.open(bytes);
    assert.equal(server.received().toString(), 'last');
    assert.ok(server.has(TLS_ENDED));
    assert.equal(server.has(TLS_FAILED), false);
    assert.equal(Buffer.from(tls.takeRest(server.id)).toString(), 'plain text');
    assert.equal(tls.takeRest(server.id).length, 0);
    server.seal(Buffer.from('answer'));
    exchange(server, client);
    assert.equal(client.received().toString(), 'answer');
    assert.equal(client.has(TLS_ENDED), false);
  });

  it('put what is no TLS in front of the handshake', () => {
    const client = new Side(tls, clientSettings(only));
    tls.queueRaw(client.id, Buffer.from('STARTTLS\r\n'));
    client.open();
    const bytes = client.take();
    assert.equal(bytes.subarray(0, 10).toString(), 'STARTTLS\r\n');
    assert.equal(recordsOf(bytes.subarray(10))[0].type, 22);
  });

  it('move what waits in pieces', () => {
    const client = new Side(tls, clientSettings(only));
    client.open();
    const size = tls.outgoing(client.id);
    const target = Buffer.alloc(100, '.');
    assert.equal(tls.takeOutgoing(client.id, target, 10, 15), 5);
    assert.deepEqual([...target.subarray(9, 13)], [0x2e, 22, 3, 1]);
    assert.equal(target[15], 0x2e);
    assert.equal(tls.takeOutgoing(client.id, target, 4, 4), 0);
    assert.equal(tls.outgoing(client.id), size - 5);
    assert.equal(client.take().length, size - 5);
    assert.equal(tls.takeOutgoing(client.id, target, 0, 100), 0);
  });

  it('resume a session, and tell both sides', () => {
    const [server, first] = [new Side(tls, serverSettings(only)), new Side(tls, clientSettings(only))];
    first.open();
    exchange(first, server);
    assert.ok(first.has(TLS_SECURED | TLS_NEWS));
    const sessions = tls.news(first.id);
    assert.equal(first.has(TLS_NEWS), false);
    assert.deepEqual([tls.news(first.id), server.has(TLS_NEWS)], [[], false]);
    assert.deepEqual([...new Set(sessions.map(({ kind }) => kind))], ['session']);
    const settings = { session: sessions.at(-1)?.data, servername: 'localhost', host: 'localhost' };
    const [client, again] = [new Side(tls, first.context, settings), new Side(tls, server.context)];
    client.open();
    exchange(client, again);
    for (const side of [client, again]) {
      assert.ok(side.has(TLS_SECURED));
      assert.equal(parseTlsInfo(tls.info(side.id)).resumed, true);
    }
    assert.equal(tls.peerCertificates(client.id)?.length, 1);
  });

  it('give no sessions where nobody wants them', () => {
    for (const options of [
      { ...both, session: { sessions: false } },
      { client: only, server: { ...only, tickets: 0 } },
    ]) {
      const [client] = shaken(tls, options);
      assert.ok(client.has(TLS_SECURED));
      assert.equal(client.has(TLS_NEWS), false);
    }
  });

  it('go on without a session that is none', () => {
    const [client] = shaken(tls, { ...both, session: { session: Buffer.from('no session') } });
    assert.ok(client.has(TLS_SECURED));
    assert.equal(parseTlsInfo(tls.info(client.id)).resumed, false);
  });

  it('write the same key log on both sides', () => {
    const log = { ...only, keyLog: true };
    const [client, server] = shaken(tls, { client: log, server: log, session: { sessions: false } });
    const lines = [client, server].map((side) => {
      assert.ok(side.has(TLS_NEWS));
      const news = tls.news(side.id);
      return news.filter(({ kind }) => kind === 'keylog').map(({ data }) => Buffer.from(data).toString());
    });
    assert.deepEqual(lines[0].sort(), lines[1].sort());
    assert.match(lines[0][0], version === TLS_1_3 ? /^CLIENT_\w+ [0-9a-f]{64} [0-9a-f]+$/ : /^CLIENT_RANDOM /);
    assert.equal(lines[0].length, version === TLS_1_3 ? 5 : 1);
  });

  it('export the same keying material', () => {
    const [client, server] = shaken(tls, both);
    const about = Buffer.from('about');
    for (const [length, label, context] of [
      [32, 'EXPORTER-one', undefined],
      [32, 'EXPORTER-one', NO_BYTES],
      [1, 'EXPORTER-one', about],
      [1000, 'EXPORTER-two', about],
    ] as const) {
      const [one, other] = [client, server].map(({ id }) => tls.exportKeyingMaterial(id, length, label, context));
      assert.equal(one.length, length);
      assert.deepEqual(one, other);
    }
    const fresh = new Side(tls, clientSettings(only));
    assert.equal(tls.exportKeyingMaterial(fresh.id, 32, 'EXPORTER-one', undefined).length, 0);
  });

  it('have each other’s Finished messages', () => {
    const [client, server] = shaken(tls, both);
    for (const whose of [0, 1] as const) {
      const mine = tls.finished(client.id, whose);
      assert.ok(mine.length >= 12);
      assert.deepEqual(mine, tls.finished(server.id, whose === 0 ? 1 : 0));
    }
  });

  it('update keys where the protocol can', () => {
    const [client, server] = shaken(tls, both);
    assert.equal(tls.updateKeys(client.id, 1), version === TLS_1_3);
    assert.equal(tls.updateKeys(server.id, 0), version === TLS_1_3);
    for (let turn = 0; turn < 3; turn++) {
      client.seal(Buffer.from(`to ${turn}`));
      server.seal(Buffer.from(`fro ${turn}`));
      exchange(client, server, 3);
      assert.equal(server.received().toString(), `to ${turn}`);
      assert.equal(client.received().toString(), `fro ${turn}`);
    }
  });

  it('pause at the hello, say what it was, and go on with another context', () => {
    const server = new Side(tls, serverSettings({ ...only, pauseAtHello: true }));
    const client = new Side(tls, clientSettings({ ...only, alpn: ['lines', 'http/1.1'] }), {
      servername: 'b.example',
      host: 'b.example',
    });
    client.open();
    exchange(client, server, 7);
    assert.ok(server.has(TLS_PAUSED));
    assert.deepEqual(tls.hello(server.id), { servername: 'b.example', alpn: ['lines', 'http/1.1'] });
    const other = tls.createContext(serverSettings({ ...only, identities: [identity('b.example')], alpn: ['lines'] }));
    tls.resume(server.id, other);
    tls.closeContext(other);
    server.open();
    assert.equal(server.has(TLS_PAUSED), false);
    exchange(client, server);
    for (const side of [client, server]) {
      assert.ok(side.has(TLS_SECURED), JSON.stringify(tls.failure(side.id)));
      assert.deepEqual(
        [parseTlsInfo(tls.info(side.id)).alpn, parseTlsInfo(tls.info(side.id)).servername],
        ['lines', 'b.example'],
      );
    }
  });

  it('refuse a name after the pause', () => {
    const server = new Side(tls, serverSettings({ ...only, pauseAtHello: true }));
    const client = new Side(tls, clientSettings(only), { servername: 'nobody.example' });
    client.open();
    exchange(client, server);
    tls.resume(server.id, -1);
    server.open();
    exchange(client, server);
    assert.ok(client.has(TLS_FAILED) && server.has(TLS_FAILED));
    const failure = tls.failure(client.id);
    assert.deepEqual([failure?.kind, failure?.alert], ['alert', 112]);
    assert.match(failure?.reason ?? '', /unrecognized name/);
  });

  it('fail on a certificate, with Node’s code for it, and tell the peer', () => {
    const cases: [string, string][] = [
      ['expired', 'CERT_HAS_EXPIRED'],
      ['not-yet-valid', 'CERT_NOT_YET_VALID'],
      ['self-signed', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
      ['wrong-purpose', 'INVALID_PURPOSE'],
      ['other-host', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ];
    for (const [name, code] of cases) {
      const [client, server] = shaken(tls, {
        client: only,
        server: { ...only, identities: [identity(name as never)] },
        session: { host: 'localhost' },
      });
      const failure = tls.failure(client.id);
      assert.deepEqual([failure?.kind, failure?.code], ['certificate', code], name);
      assert.ok(client.has(TLS_FAILED) && !client.has(TLS_SECURED));
      assert.equal(tls.failure(server.id)?.kind, 'alert');
      assert.equal(client.seal(Buffer.from('x')), 0);
    }
  });

  it('report what is wrong with a certificate, where they only report', () => {
    const [client, server] = shaken(tls, {
      client: { ...only, reportOnly: true },
      server: { ...only, identities: [identity('expired')] },
    });
    assert.ok(client.has(TLS_SECURED) && server.has(TLS_SECURED));
    assert.equal(parseTlsInfo(tls.info(client.id)).verifyError, 'CERT_HAS_EXPIRED');
    assert.match(parseTlsInfo(tls.info(client.id)).verifyReason, /expired/);
  });

  it('ask for a client’s certificate, and require it', () => {
    const asking = { ...only, verify: 2, ca: [certificate('ca')] } as const;
    const [client, server] = shaken(tls, { client: { ...only, identities: [identity('client')] }, server: asking });
    assert.ok(server.has(TLS_SECURED), JSON.stringify(tls.failure(server.id)));
    assert.deepEqual(tls.peerCertificates(server.id)?.[0], tls.certificate(client.id));
    const [, refusing] = shaken(tls, { client: only, server: asking });
    assert.ok(refusing.has(TLS_FAILED));
    const [, lenient] = shaken(tls, { client: only, server: { ...asking, verify: 1 } });
    assert.ok(lenient.has(TLS_SECURED));
  });

  it('fail without a protocol in common', () => {
    const [client, server] = shaken(tls, { client: { ...only, alpn: ['a'] }, server: { ...only, alpn: ['b'] } });
    assert.deepEqual([tls.failure(client.id)?.kind, tls.failure(client.id)?.alert], ['alert', 120]);
    assert.equal(tls.failure(server.id)?.kind, 'handshake');
  });

  it('fail on a record that was touched, or is too long, with nothing of it given', () => {
    for (const spoil of [
      (bytes: Buffer) => {
        bytes[bytes.length - 1] ^= 1;
      },
      (bytes: Buffer) => bytes.writeUInt16BE(0xffff, 3),
      (bytes: Buffer) => bytes.writeUInt8(99, 0),
    ]) {
      const [client, server] = shaken(tls, both);
      client.seal(Buffer.from('secret'));
      const bytes = client.take();
      spoil(bytes);
      server.open(bytes);
      assert.equal(tls.failure(server.id)?.kind, 'record', JSON.stringify(tls.failure(server.id)));
      assert.equal(server.received().length, 0);
      client.open(server.take());
      assert.equal(tls.failure(client.id)?.kind, 'alert');
    }
  });
}

function inGeneral(tls: TlsInterface): void {
  it('say which OpenSSL they have: that of the runtime', () => {
    assert.ok(tls.version().startsWith(`OpenSSL ${process.versions.openssl.split('+')[0]}`), tls.version());
  });

  it('fail on plain text, and say what it is', () => {
    for (const [text, kind] of [
      ['GET / HTTP/1.1\r\nhost: a\r\n\r\n', 'record'],
      ['EHLO somebody\r\n', 'record'],
    ] as const) {
      const server = new Side(tls, serverSettings());
      server.open(Buffer.from(text));
      assert.equal(tls.failure(server.id)?.kind, kind, JSON.stringify(tls.failure(server.id)));
      assert.match(tls.failure(server.id)?.code ?? '', /^ERR_SSL_/);
      server.close();
    }
  });

  it('fail without a version in common', () => {
    const [client, server] = shaken(tls, { client: { maxVersion: TLS_1_2 }, server: { minVersion: TLS_1_3 } });
    assert.deepEqual([tls.failure(client.id)?.kind, tls.failure(client.id)?.alert], ['alert', 70]);
    assert.equal(tls.failure(server.id)?.kind, 'handshake');
  });

  it('trust the roots that were set, where a context has no authorities of its own', () => {
    tls.setRoots([certificate('ca')]);
    const [good] = shaken(tls, { client: { ca: undefined } });
    assert.ok(good.has(TLS_SECURED), JSON.stringify(tls.failure(good.id)));
    tls.setRoots([certificate('other-ca'), 'no certificate']);
    const [bad] = shaken(tls, { client: { ca: undefined } });
    assert.equal(tls.failure(bad.id)?.kind, 'certificate');
    tls.setRoots([]);
  });

  it('are refused settings with OpenSSL’s code and reason', () => {
    const { cert, key } = identity('server');
    const cases: [object, RegExp][] = [
      [{ identities: [{ cert, key: 'no key' }] }, /^ERR_OSSL_/],
      [{ identities: [{ cert: 'no certificate', key }] }, /^ERR_OSSL_PEM_NO_START_LINE$/],
      [{ identities: [{ cert, key: identity('client').key }] }, /^ERR_OSSL_X509_KEY_VALUES_MISMATCH$/],
      [{ identities: [{ pfx: Buffer.from('no pfx') }] }, /^ERR_/],
      [{ ca: ['no certificate'] }, /^ERR_/],
      [{ ciphers: 'no-cipher' }, /^ERR_SSL_NO_CIPHER_MATCH$/],
      [{ cipherSuites: 'TLS_NO' }, /^ERR_SSL_NO_CIPHER_MATCH$/],
      [{ groups: 'no-group' }, /^ERR_/],
      [{ sigalgs: 'no-algorithm' }, /^ERR_/],
      [{ dhparam: 'no parameters' }, /^ERR_/],
    ];
    const { contexts } = tls.counters();
    for (const [changes, code] of cases) {
      assert.throws(
        () => tls.createContext({ ...serverSettings(), ...changes }),
        (error: Error & { code: string }) => code.test(error.code) && error.message.length > 3,
        Object.keys(changes)[0],
      );
    }
    assert.equal(tls.counters().contexts, contexts);
  });

  it('go on when their context is closed, and leave nothing', () => {
    const before = tls.counters();
    const [client, server] = [new Side(tls, clientSettings()), new Side(tls, serverSettings())];
    assert.deepEqual(tls.counters(), { contexts: before.contexts + 2, sessions: before.sessions + 2 });
    tls.closeContext(client.context);
    tls.closeContext(server.context);
    client.open();
    exchange(client, server);
    assert.ok(client.has(TLS_SECURED) && server.has(TLS_SECURED));
    tls.closeSession(client.id);
    tls.closeSession(server.id);
    assert.deepEqual(tls.counters(), before);
  });

  it('are given to a reactor as something that JavaScript cannot look into, and may be closed before it is gone', () => {
    const client = new Side(tls, clientSettings());
    assert.ok(types.isExternal(tls.filters));
    client.close();
  });

  it('are not mistaken for others when their number was kept too long', () => {
    const context = tls.createContext(clientSettings());
    const old = tls.openSession(context, {});
    tls.closeSession(old);
    for (let i = 0; i < 100; i++) {
      const id = tls.openSession(context, {});
      assert.notEqual(id, old);
      assert.throws(() => tls.state(old), { code: 'ERR_OUT_OF_RANGE' });
      tls.closeSession(id);
    }
    tls.closeContext(context);
    assert.throws(() => tls.openSession(context, {}), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => tls.closeContext(context), { code: 'ERR_OUT_OF_RANGE' });
  });
}

type AnyFunction = (...values: unknown[]) => unknown;

function withArguments(tls: TlsInterface): void {
  const functions = tls as unknown as Record<string, AnyFunction>;
  const CODES = /^ERR_(?:INVALID_ARG_TYPE|INVALID_ARG_VALUE|OUT_OF_RANGE)$/;
  const right = (id: number, context: number): Record<string, unknown[]> => ({
    openSession: [context, { servername: 'localhost', host: 'localhost' }],
    open: [id, Buffer.alloc(8), 0, 0, Buffer.alloc(200), 0, 200],
    hasMore: [id],
    seal: [id, Buffer.alloc(64), 0, 64, Buffer.alloc(200), 0, 200],
    sealParts: [id, [Buffer.alloc(64), Buffer.alloc(3)], Buffer.alloc(200), 0, 200],
    state: [id],
    outgoing: [id],
    takeOutgoing: [id, Buffer.alloc(200), 0, 200],
    takeRest: [id],
    queueRaw: [id, Buffer.alloc(3)],
    failure: [id],
    info: [id],
    peerCertificates: [id],
    certificate: [id],
    hello: [id],
    news: [id],
    updateKeys: [id, 1],
    exportKeyingMaterial: [id, 32, 'EXPORTER-x', Buffer.alloc(3)],
    finished: [id, 0],
    shutdown: [id],
    resume: [id, context],
  });
  const garbage = (): unknown[] => {
    const bytes = new Uint8Array(64);
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    const numbers = [
      -2,
      -1,
      0,
      0.5,
      99,
      2 ** 21,
      2 ** 30,
      2 ** 31,
      2 ** 53,
      1e300,
      Number.NaN,
      Number.POSITIVE_INFINITY,
    ];
    const others = [
      undefined,
      null,
      true,
      '1',
      'a\0b',
      Symbol('s'),
      10n,
      {},
      [],
      [1],
      [bytes],
      () => 1,
      new ArrayBuffer(8),
    ];
    return [
      ...numbers,
      ...others,
      new Int32Array(8),
      new Uint8Array(0),
      bytes,
      new Uint8Array(new SharedArrayBuffer(64)),
    ];
  };
  /** Calls, and accepts a result or a coded error. */
  const harmless = (name: string, values: unknown[]): void => {
    try {
      const answer = functions[name](...values);
      if (name === 'openSession') tls.closeSession(answer as number);
      if (name === 'createContext') tls.closeContext(answer as number);
    } catch (error) {
      const code = String((error as { code?: string }).code);
      assert.match(code, name === 'createContext' ? /^ERR_/ : CODES, `${name}: ${error}`);
    }
  };

  it('take what is right, and stand everything else in each place', () => {
    const [client, server] = shaken(tls);
    for (const [name, values] of Object.entries(right(client.id, server.context))) {
      for (let place = 0; place < values.length; place++) {
        for (const value of garbage()) harmless(name, values.with(place, value));
        harmless(name, values.slice(0, place));
      }
    }
  });

  it('stand everything else in each field of the settings', () => {
    const context = tls.createContext(clientSettings());
    for (const field of [
      ...Object.keys(serverSettings()),
      'ca',
      'crl',
      'ciphers',
      'ticketKeys',
      'dhparam',
      'sigalgs',
    ]) {
      for (const value of garbage()) {
        harmless('createContext', [{ ...serverSettings(), [field]: value }]);
        harmless('createContext', [{ ...serverSettings(), identities: [{ ...identity('server'), [field]: value }] }]);
      }
    }
    for (const field of ['servername', 'host', 'session', 'sessions']) {
      for (const value of garbage()) harmless('openSession', [context, { [field]: value }]);
    }
    tls.closeContext(context);
  });

  it('refuse names that a null character would cut short', () => {
    const context = tls.createContext(clientSettings());
    for (const settings of [{ host: 'a.example\0.b.example' }, { servername: 'a\0b' }]) {
      assert.throws(() => tls.openSession(context, settings), { code: 'ERR_INVALID_ARG_VALUE' });
    }
    assert.throws(() => tls.createContext(serverSettings({ alpn: ['a\0b'] })), { code: 'ERR_INVALID_ARG_VALUE' });
    tls.closeContext(context);
  });

  it('refuse hosts of which OpenSSL would check only the beginning, or nothing', () => {
    const context = tls.createContext(clientSettings());
    for (const host of ['', '.', '.example', '127.0.0.1 example', '::1\t', 'a.example b.example']) {
      assert.throws(() => tls.openSession(context, { host }), /bad host/, JSON.stringify(host));
    }
    tls.closeContext(context);
  });

  it('are refused one by one', () => {
    const wrong: [object, string][] = [
      [{ role: 2 }, 'ERR_OUT_OF_RANGE'],
      [{ minVersion: 0x0302 }, 'ERR_OUT_OF_RANGE'],
      [{ maxVersion: 0x0305 }, 'ERR_OUT_OF_RANGE'],
      [{ verify: 3 }, 'ERR_OUT_OF_RANGE'],
      [{ tickets: 11 }, 'ERR_OUT_OF_RANGE'],
      [{ tickets: undefined }, 'ERR_INVALID_ARG_TYPE'],
      [{ ticketKeys: Buffer.alloc(47) }, 'ERR_INVALID_ARG_VALUE'],
      [{ alpn: [''] }, 'ERR_INVALID_ARG_VALUE'],
      [{ alpn: ['x'.repeat(256)] }, 'ERR_INVALID_ARG_VALUE'],
      [{ alpn: Array.from({ length: 257 }, () => 'x'.repeat(255)) }, 'ERR_INVALID_ARG_VALUE'],
      [{ alpn: 'x' }, 'ERR_INVALID_ARG_TYPE'],
      [{ keyLog: 1 }, 'ERR_INVALID_ARG_TYPE'],
      [{ identities: ['x'] }, 'ERR_INVALID_ARG_TYPE'],
    ];
    for (const [changes, code] of wrong) {
      assert.throws(() => tls.createContext({ ...serverSettings(), ...changes }), { code }, JSON.stringify(changes));
    }
    const [client, server] = shaken(tls);
    const bytes = Buffer.alloc(64);
    assert.throws(() => tls.seal(client.id, bytes, 0, 65, bytes, 0, 0), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => tls.seal(client.id, bytes, 9, 8, bytes, 0, 0), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => tls.open(client.id, bytes, 0, 65, bytes, 0, 64), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => tls.open(client.id, bytes, 0, 0, bytes, 0, 65), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => tls.sealParts(client.id, [bytes, NO_BYTES], bytes, 0, 0), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => tls.updateKeys(client.id, 2 as never), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => tls.finished(client.id, 2 as never), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => tls.exportKeyingMaterial(client.id, 0, 'x', undefined), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => tls.exportKeyingMaterial(client.id, 65_536, 'x', undefined), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => tls.resume(server.id, client.context), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => tls.resume(server.id, -2), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => tls.setRoots('x' as never), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => tls.setRoots([1 as never]), { code: 'ERR_INVALID_ARG_TYPE' });
  });

  it('stand getters that close the session, or take memory away, while parts are looked at', () => {
    const [client, server] = shaken(tls);
    const bytes = new Uint8Array(1000);
    const parts: Uint8Array[] = [bytes, Buffer.alloc(10)];
    const detach = (): Uint8Array => {
      structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
      return Buffer.alloc(10);
    };
    Object.defineProperty(parts, 1, { get: detach });
    assert.throws(() => tls.sealParts(client.id, parts, NO_BYTES, 0, 0), { code: 'ERR_OUT_OF_RANGE' });
    const closing: Uint8Array[] = [Buffer.alloc(10)];
    Object.defineProperty(closing, 0, {
      get: () => {
        tls.closeSession(server.id);
        return Buffer.alloc(10);
      },
    });
    assert.throws(() => tls.sealParts(server.id, closing, NO_BYTES, 0, 0), { code: 'ERR_OUT_OF_RANGE' });
    const settings = {
      get servername() {
        tls.closeContext(client.context);
        return 'localhost';
      },
    };
    assert.throws(() => tls.openSession(client.context, settings), { code: 'ERR_OUT_OF_RANGE' });
  });

  it('refuse what is closed', () => {
    const [client, server] = shaken(tls);
    client.close();
    for (const [name, values] of Object.entries(right(client.id, server.context))) {
      if (name === 'openSession') continue;
      assert.throws(() => functions[name](...values), { code: 'ERR_OUT_OF_RANGE' }, name);
    }
    assert.throws(() => tls.closeSession(client.id), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => tls.resume(server.id, client.context), { code: 'ERR_OUT_OF_RANGE' });
  });

  seeded('stand any mixture', (random) => {
    let [client, server] = shaken(tls);
    for (let i = 0; i < 5000; i++) {
      if (i % 500 === 0) [client, server] = shaken(tls);
      const pool = [...garbage(), Buffer.alloc(30), 0, 1, 2, 16, 64, client.id, server.id, server.context];
      const [name, values] = random.pick(Object.entries(right(random.pick([client.id, server.id]), server.context)));
      harmless(
        name,
        values.map((value) => (random.oneIn(3) ? random.pick(pool) : value)),
      );
    }
  });
}

function inThreads(tls: TlsInterface): void {
  it('is each thread’s own, and goes with it in the middle of a handshake', async function () {
    this.timeout(30_000);
    const code = `
      const { parentPort, workerData } = require('node:worker_threads');
      import(workerData.module).then(({ nativeTls }) => {
        const tls = nativeTls();
        tls.setRoots([workerData.root]);
        const client = tls.createContext({ ...workerData.client, ca: undefined });
        const server = tls.createContext(workerData.server);
        const target = Buffer.alloc(60_000);
        const carry = (from, to) => {
          const bytes = Buffer.alloc(tls.outgoing(from));
          tls.takeOutgoing(from, bytes, 0, bytes.length);
          tls.open(to, bytes, 0, bytes.length, target, 0, target.length);
        };
        globalThis.held = [];
        for (let i = 0; i < 20; i++) {
          const [one, other] = [tls.openSession(client, {}), tls.openSession(server, {})];
          tls.open(one, target, 0, 0, target, 0, target.length);
          for (let turn = 0; turn < i % 5; turn++) turn % 2 === 0 ? carry(one, other) : carry(other, one);
          held.push(tls.filters);
          if (i % 3 === 0) tls.closeSession(one);
        }
        tls.closeContext(client);
        parentPort.postMessage(tls.counters().sessions);
        if (workerData.stays) setInterval(() => {}, 60_000);
      });`;
    const before = tls.counters();
    const data = { module: MODULE, root: certificate('ca'), client: clientSettings(), server: serverSettings() };
    const workers = Array.from(
      { length: 4 },
      (_, i) => new Worker(code, { eval: true, workerData: { ...data, stays: i % 2 === 0 } }),
    );
    const exits = workers.map((worker) => once(worker, 'exit'));
    for (const [sessions] of await Promise.all(workers.map((worker) => once(worker, 'message')))) {
      assert.equal(sessions, 33);
    }
    await Promise.all([workers[0].terminate(), workers[2].terminate(), ...exits]);
    assert.deepEqual(tls.counters(), before);
  });

  it('keeps what a reactor has until that lets go of it, when the thread ends first', async function () {
    this.timeout(30_000);
    if (nativeNet() === undefined) this.skip();
    const code = `
      const { parentPort, workerData } = require('node:worker_threads');
      const { createServer, connect } = require('node:net');
      Promise.all([import(workerData.module), import(workerData.words)]).then(([{ nativeTls, nativeNet }, words]) => {
        const [tls, sockets] = [nativeTls(), nativeNet()];
        const events = new Int32Array(4096);
        sockets.start(new Uint8Array(65_536), new Int32Array(4096), events, (count) => tell(count));
        const [client, server] = [tls.createContext(workerData.client), tls.createContext(workerData.server)];
        const ids = [];
        const secure = (socket, context) => {
          const id = sockets.add(socket._handle.fd);
          socket.destroy();
          const session = tls.openSession(context, {});
          sockets.setFilter(id, tls.filters, session);
          sockets.want(id, words.WANT_READ);
          // Some are closed here and live on in the reactor, some are not.
          if (ids.length % 3 === 0) tls.closeSession(session);
          ids.push(id);
        };
        const bytes = Buffer.alloc(1000);
        const tell = (count) => {
          for (let i = 0; i < count; i++) {
            const id = events[i * words.EVENT_WORDS + words.E_ID];
            sockets.receive(id, bytes, 0, bytes.length, 0);
            sockets.want(id, words.WANT_READ);
          }
          const secured = ids.filter((id) => sockets.filterState(id) & 1).length;
          if (ids.length < 20 || (secured === 0 && workerData.stays)) return;
          parentPort.postMessage(secured);
          if (!workerData.stays) process.exit();
        };
        const listener = createServer((socket) => secure(socket, server)).listen(0, '127.0.0.1', () => {
          for (let i = 0; i < 10; i++) {
            const socket = connect(listener.address().port, '127.0.0.1', () => secure(socket, client));
          }
        });
      });`;
    const words = import.meta.resolve('#lib/net-interface');
    const data = { module: MODULE, words, client: clientSettings(), server: serverSettings() };
    const workers = [true, false, true, false].map(
      (stays) => new Worker(code, { eval: true, workerData: { ...data, stays } }),
    );
    const exits = workers.map((worker) => once(worker, 'exit'));
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    await Promise.all([workers[0].terminate(), workers[2].terminate(), ...exits]);
  });
}
