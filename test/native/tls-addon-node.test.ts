/**
 * Sessions of the addon for TLS against Node's own tls, over a pair of Duplexes, in both roles and over both versions:
 * what was agreed, data, exported keys, resumption, the end, and what each says of a certificate that it refuses.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Duplex, duplexPair } from 'node:stream';
import { connect, createSecureContext, TLSSocket } from 'node:tls';
import { nativeTls } from '#lib/native';
import { parseTlsInfo } from '#lib/tls/tls-info';
import { TLS_ENDED, TLS_FAILED, TLS_NEWS, TLS_SECURED, type TlsInterface } from '#lib/tls-interface';
import { certificate, identity } from '../support/certificates.js';
import { clientSettings, driven, opened, Side, serverSettings, VERSIONS } from '../support/tls-sides.js';

const addon = nativeTls();

describe('addon for TLS against node:tls', () => {
  if (addon === undefined) {
    it('agrees with it', function () {
      this.skip();
    });
    return;
  }
  for (const { name, version } of VERSIONS) {
    describe(name, () => {
      asClient(addon, { name, version });
      asServer(addon, { name, version });
    });
  }
});

interface Version {
  readonly name: 'TLSv1.2' | 'TLSv1.3';
  readonly version: number;
}

function nodeServer(duplex: Duplex, { name }: Version, options: { ALPNProtocols?: string[] } = {}): TLSSocket {
  const secureContext = createSecureContext({ ...identity('server'), minVersion: name, maxVersion: name });
  return new TLSSocket(duplex, { isServer: true, secureContext, ...options });
}

function asClient(tls: TlsInterface, only: Version): void {
  const versions = { minVersion: only.version, maxVersion: only.version };

  it('as a client: agrees with it, exports its keys, and carries data both ways', async () => {
    const [near, far] = duplexPair();
    const node = nodeServer(far, only, { ALPNProtocols: ['lines'] });
    const client = new Side(tls, clientSettings({ ...versions, alpn: ['lines'] }), {
      servername: 'localhost',
      host: 'localhost',
    });
    const secure = once(node, 'secure');
    const send = driven(client, near);
    await secure;
    await opened(near, () => client.has(TLS_SECURED));
    const info = parseTlsInfo(tls.info(client.id));
    const cipher = node.getCipher();
    assert.deepEqual([info.protocol, info.cipher, info.standardCipher], [only.name, cipher.name, cipher.standardName]);
    assert.deepEqual([info.alpn, node.alpnProtocol], ['lines', 'lines']);
    assertSameSecrets(tls, client, node);
    client.seal(Buffer.alloc(100_000, 'to Node'));
    send();
    assert.ok((await receive(node, 100_000)).equals(Buffer.alloc(100_000, 'to Node')));
    node.write(Buffer.alloc(100_000, 'from Node'));
    let received = Buffer.alloc(0);
    await opened(near, () => {
      received = Buffer.concat([received, client.received()]);
      return received.length === 100_000;
    });
    assert.ok(received.equals(Buffer.alloc(100_000, 'from Node')));
    const ended = once(node.resume(), 'end');
    tls.shutdown(client.id);
    send();
    await ended;
    node.end('last');
    await opened(near, () => client.has(TLS_ENDED));
    assert.equal(client.received().toString(), 'last');
    client.close();
  });

  it('as a client: refuses its certificate, and Node hears why', async () => {
    const [near, far] = duplexPair();
    const node = nodeServer(far, only);
    const client = new Side(tls, clientSettings({ ...versions, ca: [certificate('other-ca')] }));
    const failed = once(node, 'error').then(([error]) => error as Error & { code: string });
    driven(client, near);
    assert.equal((await failed).code, 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA');
    assert.ok(client.has(TLS_FAILED));
    assert.equal(tls.failure(client.id)?.code, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE');
    client.close();
  });

  it('as a client: resumes a session of it', async () => {
    const secureContext = createSecureContext({ ...identity('server'), minVersion: only.name, maxVersion: only.name });
    const context = tls.createContext(clientSettings(versions));
    let session: Uint8Array | undefined;
    for (const resumed of [false, true]) {
      const [near, far] = duplexPair();
      const node = new TLSSocket(far, { isServer: true, secureContext });
      const client = new Side(tls, context, { session });
      driven(client, near);
      node.write('hello');
      let text = '';
      await opened(near, () => {
        text += client.received().toString();
        return text === 'hello' && (resumed || client.has(TLS_NEWS));
      });
      assert.equal(parseTlsInfo(tls.info(client.id)).resumed, resumed);
      session = tls.news(client.id).at(-1)?.data;
      tls.closeSession(client.id);
    }
    tls.closeContext(context);
  });
}

function asServer(tls: TlsInterface, only: Version): void {
  const versions = { minVersion: only.version, maxVersion: only.version };

  it('as a server: agrees with it, exports its keys, and carries data both ways', async () => {
    const [near, far] = duplexPair();
    const server = new Side(tls, serverSettings({ ...versions, alpn: ['other', 'lines'] }));
    const send = driven(server, near);
    const node = connect({ socket: far, ca: certificate('ca'), servername: 'localhost', ALPNProtocols: ['lines'] });
    await once(node, 'secureConnect');
    await opened(near, () => server.has(TLS_SECURED));
    const info = parseTlsInfo(tls.info(server.id));
    const cipher = node.getCipher();
    assert.deepEqual([info.protocol, info.cipher, info.standardCipher], [only.name, cipher.name, cipher.standardName]);
    assert.deepEqual([info.alpn, node.alpnProtocol, info.servername], ['lines', 'lines', 'localhost']);
    assert.ok(node.authorized);
    assertSameSecrets(tls, server, node);
    node.write(Buffer.alloc(100_000, 'from Node'));
    let received = Buffer.alloc(0);
    await opened(near, () => {
      received = Buffer.concat([received, server.received()]);
      return received.length === 100_000;
    });
    assert.ok(received.equals(Buffer.alloc(100_000, 'from Node')));
    server.seal(Buffer.from('to '));
    server.seal(Buffer.from('Node'));
    tls.shutdown(server.id);
    const ended = once(node, 'end');
    send();
    assert.equal((await receive(node, 7)).toString(), 'to Node');
    await ended;
    node.end();
    await opened(near, () => server.has(TLS_ENDED));
    server.close();
  });

  it('as a server: hears why its certificate was refused', async () => {
    const [near, far] = duplexPair();
    const server = new Side(tls, serverSettings({ ...versions, identities: [identity('expired')] }));
    driven(server, near);
    const node = connect({ socket: far, ca: certificate('ca'), servername: 'localhost' });
    const [error] = await once(node, 'error');
    assert.equal(error.code, 'CERT_HAS_EXPIRED');
    server.close();
  });

  it('as a server: resumes a session for it', async () => {
    const context = tls.createContext(serverSettings(versions));
    let session: Buffer | undefined;
    for (const resumed of [false, true]) {
      const [near, far] = duplexPair();
      const server = new Side(tls, context);
      const send = driven(server, near);
      const node = connect({
        socket: far,
        ca: certificate('ca'),
        servername: 'localhost',
        ...(session && { session }),
      });
      const told = once(node, 'session');
      await once(node, 'secureConnect');
      await opened(near, () => server.has(TLS_SECURED));
      assert.deepEqual([parseTlsInfo(tls.info(server.id)).resumed, node.isSessionReused()], [resumed, resumed]);
      server.seal(Buffer.from('x'));
      send();
      await once(node, 'data');
      if (session === undefined) [session] = await told;
      tls.closeSession(server.id);
      node.destroy();
    }
    tls.closeContext(context);
  });
}

/** Resolves with the next `size` bytes. */
function receive(node: TLSSocket, size: number): Promise<Buffer> {
  return new Promise((resolve) => {
    let got = Buffer.alloc(0);
    const take = (bytes: Buffer): void => {
      got = Buffer.concat([got, bytes]);
      if (got.length < size) return;
      node.off('data', take);
      resolve(got);
    };
    node.on('data', take);
  });
}

function assertSameSecrets(tls: TlsInterface, side: Side, node: TLSSocket): void {
  const about = Buffer.from('about');
  for (const context of [undefined, about]) {
    const theirs = node.exportKeyingMaterial(48, 'EXPORTER-test', context as Buffer);
    assert.ok(theirs.equals(tls.exportKeyingMaterial(side.id, 48, 'EXPORTER-test', context)));
  }
  assert.ok(node.getFinished()?.equals(tls.finished(side.id, 1)));
  assert.ok(node.getPeerFinished()?.equals(tls.finished(side.id, 0)));
}
