/**
 * What the options of a context are about, by what two ends agree on: through `miniproto/tls`, whoever does TLS behind it.
 * Whom a context trusts is in handshake.test.ts, what OpenSSL refuses in tls-addon.test.ts.
 */
import assert from 'node:assert/strict';
import { memoryPair } from 'miniproto';
import {
  listenTls,
  TlsContext,
  type TlsContextOptions,
  type TlsServerOptions,
  type TlsVersion,
  tlsClient,
  tlsServer,
} from 'miniproto/tls';
import { listenWebSocket } from 'miniproto/websocket';
import { readToEnd } from '../support/byte-stream-contract.js';
import { certificate, encryptedKey, identity, PASSPHRASE, pfx } from '../support/certificates.js';

const only = (version: TlsVersion) => ({ minVersion: version, maxVersion: version });
const OLD = only('TLSv1.2');
const RSA = identity('server-rsa');

interface Agreed {
  readonly protocol: string;
  readonly cipher: string;
  readonly group: string;
  readonly resumed: boolean;
  readonly session: Buffer | undefined;
}

/** Shakes hands, and tells what the client has seen of it. */
async function agree(client: TlsContextOptions, server: TlsServerOptions, resume?: Buffer): Promise<Agreed> {
  const [one, other] = memoryPair();
  let session: Buffer | undefined;
  const here = tlsClient(one, {
    ca: certificate('ca'),
    host: 'localhost',
    ...client,
    ...(resume === undefined ? {} : { session: resume }),
    onSession: (given) => {
      session = given;
    },
  });
  const there = tlsServer(other, server);
  try {
    await Promise.all([here.handshake(), there.handshake()]);
    const { protocol, cipher, group, resumed } = here.info!;
    // Tickets come behind the handshake.
    await Promise.all([there.end(), readToEnd(here)]);
    return { protocol, cipher, group, resumed, session };
  } finally {
    here.destroy();
    there.destroy();
  }
}

const SUITES = ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384'] as const;
const LIST = SUITES.join(':');
const REVERSED = [...SUITES].reverse().join(':');

describe('options of TLS contexts', () => {
  it('ciphers: of TLS 1.2', async () => {
    for (const ciphers of SUITES) {
      assert.equal((await agree(OLD, { ...identity('server'), ciphers })).cipher, ciphers);
      assert.equal((await agree({ ...OLD, ciphers }, identity('server'))).cipher, ciphers);
    }
  });

  it('ciphers: of TLS 1.3, mixed with others; and where there are only those, there is only TLS 1.3', async () => {
    const [wanted] = SUITES;
    for (const suite of ['TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256']) {
      const server = { ...identity('server'), ciphers: `${suite}:${wanted}` };
      assert.equal((await agree({}, server)).cipher, suite);
      assert.equal((await agree(OLD, server)).cipher, wanted);
      await assert.rejects(agree(OLD, { ...identity('server'), ciphers: suite }));
    }
  });

  it('honorCipherOrder: the order of the server, or that of the client', async () => {
    const client = { ...OLD, ciphers: LIST };
    const server = { ...identity('server'), ciphers: REVERSED };
    assert.equal((await agree(client, server)).cipher, SUITES[1]);
    assert.equal((await agree(client, { ...server, honorCipherOrder: true })).cipher, SUITES[1]);
    assert.equal((await agree(client, { ...server, honorCipherOrder: false })).cipher, SUITES[0]);
  });

  it('ecdhCurve: groups that both have, of either side', async () => {
    // With a key on a curve, TLS 1.2 wants that curve among them.
    const groups: Record<string, RegExp> = { 'P-384': /384/, X25519: /25519/i };
    for (const [ecdhCurve, name] of Object.entries(groups)) {
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        assert.match((await agree(only(version), { ...RSA, ecdhCurve })).group, name);
        assert.match((await agree({ ...only(version), ecdhCurve }, RSA)).group, name);
      }
    }
    await assert.rejects(agree({ ecdhCurve: 'X25519' }, { ...RSA, ecdhCurve: 'P-384' }));
  });

  it('sigalgs: what the certificate of the server can be used with, or nothing', async () => {
    const ecdsa = { sigalgs: 'ECDSA+SHA256' };
    const rsa = { sigalgs: 'RSA-PSS+SHA256' };
    await agree(ecdsa, identity('server'));
    await assert.rejects(agree(rsa, identity('server')));
    await assert.rejects(agree({}, { ...identity('server'), ...rsa }));
  });

  it('dhparam: what TLS 1.2 needs for keys that are neither of a curve nor lasting', async () => {
    const ciphers = 'DHE-RSA-AES128-GCM-SHA256';
    const client = { ...OLD, ciphers };
    assert.equal((await agree(client, { ...RSA, ciphers, dhparam: 'auto' })).cipher, ciphers);
    await assert.rejects(agree(client, { ...RSA, ciphers }));
  });

  it('sessionTimeout: what the client is told', async () => {
    // SSL_SESSION as OpenSSL writes it: tlsext_tick_lifetime_hint [9] EXPLICIT INTEGER.
    const hint = (seconds: number) => Buffer.from([0xa9, 3, 2, 1, seconds]);
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      for (const sessionTimeout of [77, 99]) {
        const { session } = await agree(only(version), { ...identity('server'), sessionTimeout });
        assert.ok(session!.includes(hint(sessionTimeout)), `${version}: ${session!.toString('hex')}`);
      }
    }
  });

  it('ticketKeys and sessionIdContext: sessions of one server are taken up by another that has the same', async () => {
    const ticketKeys = Buffer.alloc(48, 7);
    const shared = { ...identity('server'), ticketKeys, sessionIdContext: 'one' };
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const { session } = await agree(only(version), { context: new TlsContext(shared) });
      const again = async (options: TlsContextOptions) =>
        (await agree(only(version), { context: new TlsContext(options) }, session)).resumed;
      assert.equal(await again(shared), true);
      assert.equal(await again({ ...shared, ticketKeys: Buffer.alloc(48, 8) }), false);
      assert.equal(await again({ ...shared, sessionIdContext: 'other' }), false);
    }
  });

  it('passphrase: of a key, or of a PFX, its own or that of all', async () => {
    const { cert } = identity('server');
    const own = { pem: encryptedKey(), passphrase: PASSPHRASE };
    const ways: TlsServerOptions[] = [
      { cert, key: encryptedKey(), passphrase: PASSPHRASE },
      { cert, key: [own] },
      { pfx: pfx(), passphrase: PASSPHRASE },
      { pfx: [{ buf: pfx(), passphrase: PASSPHRASE }] },
    ];
    for (const way of ways) assert.equal((await agree({}, way)).protocol, 'TLSv1.3');
    for (const way of [{ cert, key: encryptedKey() }, { pfx: pfx() }]) {
      for (const wrong of [{}, { passphrase: 'wrong' }]) {
        assert.throws(() => new TlsContext({ ...way, ...wrong }), { code: 'ERR_TLS_CONTEXT' });
      }
    }
  });

  it('a path, or DER, where the contents of a PEM file are due is said to be that', () => {
    const { key, cert } = identity('server');
    const der = Buffer.from([0x30, 0x82, 1, 0]);
    const path = 'certificates/file.pem';
    const wrong: [string, TlsContextOptions][] = [
      ['key', { key: path, cert }],
      ['key', { key: [{ pem: path }], cert: [cert] }],
      ['key', { key: der, cert }],
      ['cert', { key, cert: path }],
      ['ca', { ca: path }],
      ['ca', { ca: [certificate('ca'), path] }],
      ['crl', { crl: path }],
      ['dhparam', { dhparam: path }],
    ];
    for (const [name, options] of wrong) {
      const message = new RegExp(`options\\.${name} has no "-----BEGIN" in it: .* not its path`);
      assert.throws(() => new TlsContext(options), { name: 'UsageError', code: 'ERR_TLS_CONTEXT', message });
    }
    // @ts-expect-error a PFX is bytes
    assert.throws(() => new TlsContext({ pfx: 'server.pfx' }), {
      code: 'ERR_INVALID_ARG_TYPE',
      message: /server\.pfx/,
    });
  });

  it('a server without any certificate is refused at the call, unless it can do without', async () => {
    const nothing: TlsServerOptions[] = [
      {},
      { context: new TlsContext() },
      { contexts: {} },
      { ALPNProtocols: ['h2'] },
    ];
    const expected = { name: 'UsageError', code: 'ERR_TLS_CONTEXT', message: /has to have a certificate: 'key' and/ };
    for (const options of nothing) {
      assert.throws(() => tlsServer(memoryPair()[0], options), expected);
      assert.throws(() => listenTls({ port: 0, ...options }, () => {}), expected);
      await assert.rejects(
        listenWebSocket({ port: 0, tls: options }, () => {}),
        expected,
      );
    }
    const context = new TlsContext(identity('server'));
    const enough: TlsServerOptions[] = [
      { context },
      { contexts: { localhost: context } },
      { sniCallback: () => context },
    ];
    for (const options of enough) assert.equal((await agree({}, options)).protocol, 'TLSv1.3');
    const anonymous = { ...OLD, ciphers: 'ADH-AES256-GCM-SHA384:@SECLEVEL=0', dhparam: 'auto' };
    assert.equal((await agree({ ...anonymous, rejectUnauthorized: false }, anonymous)).cipher, 'ADH-AES256-GCM-SHA384');
  });
});
