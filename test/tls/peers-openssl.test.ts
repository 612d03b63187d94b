/**
 * `openssl s_server` and `s_client` as the other end, over sockets, in both versions: what they print of the connection
 * is what they have seen of it.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ByteServer, framed, lines } from 'miniproto';
import { connectTls, listenTls, type SecureStream, TlsContext } from 'miniproto/tls';
import { nativeInfo } from '#lib/native';
import { readToEnd, writeAll } from '../support/byte-stream-contract.js';
import { certificate, identity } from '../support/certificates.js';
import { skipLoudly } from '../support/installed.js';
import { CA_OPTIONS, identityOptions, OPENSSL, OpensslPeer } from '../support/openssl.js';

const CA = { ca: certificate('ca') };
const { tls: ENGINE } = nativeInfo();
/** For titles. */
const OURS = ENGINE.native ? 'our engine' : "Node's tls, behind our interface";

/** A line from us, and one from them. */
async function converse(stream: SecureStream, peer: OpensslPeer, word = 'there'): Promise<void> {
  const talk = framed(stream, lines());
  await talk.write(`from us: ${word}`);
  await peer.prints(new RegExp(`from us: ${word}\n`));
  await peer.tell(`from them: ${word}`);
  assert.equal(await talk.read(), `from them: ${word}`);
  talk.upgrade(() => undefined, { unread: 'carry' });
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  const flag = version === 'TLSv1.2' ? '-tls1_2' : '-tls1_3';

  describe(`openssl s_server, ${version}, and ${OURS} as its client`, function () {
    this.timeout(20_000);
    let peer: OpensslPeer | undefined;
    let port = 0;
    const open: SecureStream[] = [];

    before(function () {
      if (OPENSSL === undefined) skipLoudly(this, 'openssl', 'openssl');
    });
    afterEach(async () => {
      for (const stream of open.splice(0)) stream.destroy();
      await peer?.stop();
      peer = undefined;
    });

    async function serve(options: readonly string[] = [], connections = 1): Promise<OpensslPeer> {
      const started = await OpensslPeer.server([flag, ...identityOptions('server'), ...options], connections);
      port = started.port;
      peer = started.peer;
      return peer;
    }

    async function connected(options: object = {}): Promise<SecureStream> {
      const stream = await connectTls({ port, host: '127.0.0.1', ...CA, ...options });
      open.push(stream);
      return stream;
    }

    it('agrees on the version and a cipher, and on every line in both directions', async () => {
      const server = await serve();
      const stream = await connected();
      assert.equal(stream.info?.protocol, version);
      assert.equal(stream.info.authorized, true);
      await converse(stream, server);
      await server.prints(new RegExp(`CIPHER is ${stream.info.cipher}`));
    });

    it('takes our certificate, or does without one and says so', async () => {
      const server = await serve(['-Verify', '1', '-verify_return_error', ...CA_OPTIONS]);
      const stream = await connected(identity('client-rsa'));
      assert.equal(stream.certificate?.subject, 'CN=client-rsa');
      await converse(stream, server);
      await server.prints(/subject=CN ?= ?client-rsa/);
    });

    it('sends an alert for want of our certificate', async () => {
      await serve(['-Verify', '1', '-verify_return_error', ...CA_OPTIONS]);
      // In TLS 1.3 our handshake is over before the server has judged it.
      const failed = connected().then(readToEnd);
      await assert.rejects(failed, (error: { code: string; message: string }) => {
        assert.match(error.code, /^ERR_TLS_(?:ALERT|HANDSHAKE)$/);
        if (error.code === 'ERR_TLS_ALERT') assert.match(error.message, /certificate required|handshake failure/);
        return true;
      });
    });

    it('agrees on a protocol', async () => {
      const server = await serve(['-alpn', 'b,a']);
      const stream = await connected({ ALPNProtocols: ['c', 'a'] });
      assert.equal(stream.info?.alpnProtocol, 'a');
      await server.prints(/ALPN protocols? selected: a/);
    });

    it('has another certificate for another name', async () => {
      await serve(['-servername', 'a.example', ...identityOptions('a.example', '2')], 2);
      const stream = await connected({ servername: 'a.example' });
      assert.equal(stream.peerCertificate?.subject, 'CN=a.example');
      stream.destroy();
      assert.equal((await connected()).peerCertificate?.subject, 'CN=server');
    });

    it('takes a session up again', async () => {
      const server = await serve([], 2);
      const sessions: Buffer[] = [];
      const given = { onSession: (session: Buffer) => void sessions.push(session), servername: 'localhost' };
      const first = await connected(given);
      await converse(first, server, 'first');
      await server.tell('q');
      await first.close();
      const again = await connected({ session: sessions.at(-1), servername: 'localhost' });
      assert.equal(again.info?.resumed, true);
      assert.equal(again.peerCertificate?.subject, 'CN=server');
      await converse(again, server, 'again');
      await server.prints(/Reused session-id/);
    });

    if (version === 'TLSv1.3') {
      it('changes keys, and has us change them', async () => {
        const server = await serve();
        const stream = await connected();
        for (const [i, command] of ['k', 'K', 'k', 'K'].entries()) {
          await server.tell(command);
          // A word that was printed before would not be waited for, and what follows a command in one read is lost.
          await converse(stream, server, `after its ${command}, ${i}`);
        }
        for (const requestPeer of [false, true]) {
          assert.equal(stream.updateKeys({ requestPeer }), ENGINE.native);
          await converse(stream, server, `after ours, ${requestPeer}`);
        }
      });
    }

    it('says close_notify', async () => {
      // Its command `q` does not, but its page does.
      await serve(['-www']);
      const stream = await connected();
      await writeAll(stream, Buffer.from('GET / HTTP/1.0\r\n\r\n'));
      assert.match(String(await readToEnd(stream)), /^HTTP\/1\.0 200 ok\r\n[\s\S]*<\/html>/i);
      await stream.close();
    });

    it('hears our close_notify', async () => {
      const server = await serve();
      const stream = await connected();
      await converse(stream, server);
      server.printed = '';
      await stream.end();
      // An end without it is an error to it.
      await server.prints(/^DONE$/m);
      assert.doesNotMatch(server.printed, /ERROR/);
    });

    it('is cut off, which is no end', async () => {
      const server = await serve();
      const stream = await connected();
      await converse(stream, server);
      await server.stop();
      await assert.rejects(readToEnd(stream), { code: 'ERR_TLS_TRUNCATED' });
    });

    it('is refused where its certificate is', async () => {
      for (const [name, code] of [
        ['expired', 'CERT_HAS_EXPIRED'],
        ['other-host', 'ERR_TLS_CERT_ALTNAME_INVALID'],
      ] as const) {
        const { peer: server, port: at } = await OpensslPeer.server([flag, ...identityOptions(name)]);
        await assert.rejects(connectTls({ port: at, host: '127.0.0.1', ...CA }), (error: Error) => {
          assert.equal((error as { code?: string }).code, 'ERR_TLS_CERTIFICATE');
          assert.equal((error.cause as { code?: string }).code, code);
          return true;
        });
        // Node hangs up without a word.
        if (ENGINE.native) await server.prints(/alert (?:certificate expired|bad certificate|certificate unknown)/);
        await server.stop();
      }
    });
  });

  describe(`openssl s_client, ${version}, and ${OURS} as its server`, function () {
    this.timeout(20_000);
    let server: ByteServer | undefined;
    const peers: OpensslPeer[] = [];
    const streams: SecureStream[] = [];
    let waiting: ((stream: SecureStream) => void)[] = [];
    let errors: (Error & { code: string })[] = [];
    let failed: ((error: Error & { code: string }) => void) | undefined;
    let folder: string;

    before(function () {
      if (OPENSSL === undefined) skipLoudly(this, 'openssl', 'openssl');
      folder = mkdtempSync(join(tmpdir(), 'miniproto-'));
    });
    after(() => {
      if (folder !== undefined) rmSync(folder, { recursive: true });
    });
    afterEach(async () => {
      for (const stream of streams.splice(0)) stream.destroy();
      for (const peer of peers.splice(0)) await peer.stop();
      await server?.close({ timeoutMs: 0 });
      server = undefined;
      waiting = [];
      errors = [];
    });

    async function listening(options: object = {}): Promise<void> {
      const own = 'context' in options ? {} : identity('server');
      const onError = (error: unknown) => {
        errors.push(error as (typeof errors)[0]);
        failed?.(error as (typeof errors)[0]);
      };
      server = await listenTls({ port: 0, host: '127.0.0.1', ...own, onError, ...options }, (stream) => {
        streams.push(stream);
        waiting.shift()?.(stream);
      });
    }

    /** A client of theirs, which insists on a good certificate. */
    function client(...options: string[]): OpensslPeer {
      const { port } = server!.address as { port: number };
      const where = ['-connect', `127.0.0.1:${port}`, '-verify_return_error', ...CA_OPTIONS];
      const peer = new OpensslPeer('s_client', [flag, ...where, ...options]);
      peers.push(peer);
      return peer;
    }

    function accepted(): Promise<SecureStream> {
      return new Promise((resolve) => waiting.push(resolve));
    }

    /** The next handshake that fails. */
    function refused(): Promise<Error & { code: string }> {
      return new Promise((resolve) => {
        failed = resolve;
      });
    }

    it('agrees on the version and a cipher, and on every line in both directions', async () => {
      await listening();
      const coming = accepted();
      const peer = client('-verify_ip', '127.0.0.1');
      const stream = await coming;
      assert.equal(stream.info?.protocol, version);
      await converse(stream, peer);
      assert.match(peer.printed, new RegExp(`Cipher is ${stream.info.cipher}`));
      assert.match(peer.printed, /Verification: OK/);
    });

    it('has its certificate judged', async () => {
      await listening({ ...CA, requestCert: true });
      let coming = accepted();
      const peer = client(...identityOptions('client'));
      const stream = await coming;
      assert.equal(stream.info?.authorized, true);
      assert.equal(stream.peerCertificate?.subject, 'CN=client');
      await converse(stream, peer);
      const refusal = refused();
      coming = accepted();
      client(...identityOptions('unknown-ca'));
      assert.equal((await refusal).code, 'ERR_TLS_CERTIFICATE');
    });

    it('hears why it was refused', async function () {
      // Node hangs up without a word.
      if (!ENGINE.native) this.skip();
      await listening({ ...CA, requestCert: true });
      await client().prints(/alert (?:certificate required|handshake failure)/);
      await client(...identityOptions('unknown-ca')).prints(/alert unknown ca/);
    });

    it('sends an alert where it refuses our certificate', async () => {
      await listening(identity('expired'));
      const refusal = refused();
      const peer = client();
      const error = await refusal;
      assert.equal(error.code, 'ERR_TLS_ALERT');
      assert.match(error.message, /certificate expired/);
      await peer.ended();
    });

    it('agrees on a protocol, or is refused', async () => {
      await listening({ ALPNProtocols: ['b', 'a'] });
      const coming = accepted();
      const peer = client('-alpn', 'a,c');
      assert.equal((await coming).info?.alpnProtocol, 'a');
      await peer.prints(/ALPN protocol: a/);
      const refusal = refused();
      const other = client('-alpn', 'c');
      assert.equal((await refusal).code, 'ERR_TLS_HANDSHAKE');
      await other.prints(/no application protocol/);
    });

    it('gets the certificate for the name that it asks for', async () => {
      const contexts = { 'a.example': new TlsContext(identity('a.example')) };
      const sniCallback = async (name: string) =>
        name === 'b.example' ? new TlsContext(identity('b.example')) : undefined;
      await listening({ contexts, sniCallback });
      for (const [name, subject] of [
        ['a.example', 'a.example'],
        ['b.example', 'b.example'],
        ['server.example', 'server'],
      ]) {
        const coming = accepted();
        const peer = client('-servername', name!);
        assert.equal((await coming).info?.servername, name);
        await peer.prints(new RegExp(`subject=CN ?= ?${subject!.replace('.', '\\.')}\n`));
      }
    });

    it('takes a session up again', async () => {
      await listening({ context: new TlsContext(identity('server')) });
      const file = join(folder, `session-${version}`);
      let coming = accepted();
      const peer = client('-sess_out', file);
      const first = await coming;
      // In TLS 1.3 the ticket is read with the first data.
      await converse(first, peer, 'first');
      assert.equal(first.info?.resumed, false);
      peer.endInput();
      await readToEnd(first);
      await first.close();
      await peer.ended();
      coming = accepted();
      const again = client('-sess_in', file);
      const second = await coming;
      assert.equal(second.info?.resumed, true);
      await converse(second, again, 'again');
      assert.match(again.printed, /^Reused, /m);
    });

    if (version === 'TLSv1.3') {
      it('changes keys, and has us change them', async () => {
        await listening();
        const coming = accepted();
        const peer = client();
        const stream = await coming;
        for (const command of ['k', 'K', 'k', 'K']) {
          await peer.tell(command);
          await peer.prints(/KEYUPDATE/);
          peer.printed = '';
          await converse(stream, peer, `after its ${command}`);
        }
        for (const requestPeer of [false, true]) {
          assert.equal(stream.updateKeys({ requestPeer }), ENGINE.native);
          await converse(stream, peer, `after ours, ${requestPeer}`);
        }
      });
    }

    it('says close_notify, and hears ours', async () => {
      await listening();
      let coming = accepted();
      const peer = client();
      const stream = await coming;
      await peer.tell('the last line');
      peer.endInput();
      assert.equal(String(await readToEnd(stream)), 'the last line\n');
      await stream.close();
      await peer.ended();
      coming = accepted();
      const other = client();
      await (await coming).end();
      // 'closed' is what it says of close_notify; a mere end would be an error to it.
      await other.prints(/^closed$/m);
    });
  });
}
