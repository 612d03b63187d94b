/** HAProxy, whose protocol it is: in front of our server in both versions, with TLS ended and checks of its own, and behind our client. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { EOF, framed, lines } from 'miniproto';
import { connectWithProxyHeader, encodeProxyHeader, type ProxyHeaderInit } from 'miniproto/proxy-protocol';
import { Companion, findProgram, skipLoudly } from '../../support/installed.js';
import { freePorts } from '../../support/ports.js';
import { askThrough, HeaderServer } from '../../support/proxy-protocol-peers.js';

const HAPROXY = findProgram('haproxy');
const OPENSSL = findProgram('openssl');

const configuration = (ports: readonly number[], server: number, folder: string) => `
global
  stats timeout 10s
defaults
  mode tcp
  timeout connect 10s
  timeout client 10s
  timeout server 10s
  unique-id-format id-%cp
listen one
  bind 127.0.0.1:${ports[0]}
  server a 127.0.0.1:${server} send-proxy
listen two
  bind 127.0.0.1:${ports[1]}
  server a 127.0.0.1:${server} send-proxy-v2 proxy-v2-options crc32c,unique-id
listen through
  bind 127.0.0.1:${ports[2]} accept-proxy
  server a 127.0.0.1:${server} send-proxy-v2
listen tls
  bind 127.0.0.1:${ports[3]} ssl crt ${join(folder, 'all.pem')} ca-file ${join(folder, 'cert.pem')} verify optional alpn h2,http/1.1
  server a 127.0.0.1:${server} send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,crc32c
`;

const checks = (port: number, server: number) => `
listen checks
  bind 127.0.0.1:${port}
  option tcp-check
  tcp-check send hello\\n
  tcp-check expect string said
  server a 127.0.0.1:${server} send-proxy-v2 check check-send-proxy inter 100ms
`;

describe('PROXY protocol: HAProxy', function () {
  this.timeout(30_000);
  let folder = '';
  let haproxy: Companion | undefined;
  let server: HeaderServer;
  /** Has a server of its own: checks come when they like. */
  let checked: HeaderServer;
  let [one, two, through, withTls] = [0, 0, 0, 0];

  before(async function () {
    if (HAPROXY === undefined) skipLoudly(this, 'haproxy', 'haproxy');
    if (OPENSSL === undefined) skipLoudly(this, 'openssl', 'openssl');
    folder = mkdtempSync(join(tmpdir(), 'miniproto-haproxy-'));
    makeCertificate(folder);
    server = await HeaderServer.start();
    checked = await HeaderServer.start();
    const ports = await freePorts(5);
    [one, two, through, withTls] = ports as [number, number, number, number];
    const file = join(folder, 'haproxy.cfg');
    writeFileSync(file, configuration(ports, server.port, folder) + checks(ports[4]!, checked.port));
    haproxy = new Companion(HAPROXY, ['-W', '-db', '-f', file], 'stderr');
    await haproxy.lineLike(/Loading success/);
    haproxy.drop();
  });
  after(async () => {
    await haproxy?.stop();
    await server?.server.close();
    await checked?.server.close();
    if (folder !== '') rmSync(folder, { recursive: true });
  });
  afterEach(() => assert.deepEqual(server.errors, []));

  it('tells our server who its client is, in version 1', async () => {
    const { localPort, answer } = await askThrough(one, 'hello\n');
    assert.equal(answer, 'you said: hello');
    const header = await server.next();
    assert.deepEqual([header.version, header.family, header.transport], [1, 'IPv4', 'stream']);
    assert.deepEqual(header.source, { address: '127.0.0.1', port: localPort });
    assert.deepEqual(header.destination, { address: '127.0.0.1', port: one });
  });

  it('tells it in version 2, with a unique id and a CRC32C that is right', async () => {
    const { localPort, answer } = await askThrough(two, 'hello\n');
    assert.equal(answer, 'you said: hello');
    const header = await server.next();
    assert.deepEqual([header.version, header.crc32c, String(header.uniqueId)], [2, true, `id-${localPort}`]);
    assert.deepEqual(header.source, { address: '127.0.0.1', port: localPort });
  });

  it('sends LOCAL to see whether our server lives', async () => {
    const header = await checked.next();
    assert.deepEqual([header.version, header.command, header.source], [2, 'local', undefined]);
  });

  it("tells what the client's TLS was, that it has ended", async () => {
    const socket = tls.connect({
      port: withTls,
      host: '127.0.0.1',
      servername: 'shop.example',
      ALPNProtocols: ['h2'],
      ca: readFileSync(join(folder, 'cert.pem')),
      cert: readFileSync(join(folder, 'cert.pem')),
      key: readFileSync(join(folder, 'key.pem')),
      checkServerIdentity: () => undefined,
    });
    await once(socket, 'secureConnect');
    const talk = framed(socket, lines());
    await talk.write('hello');
    assert.equal(await talk.read(), 'you said: hello');
    const { alpn, authority, crc32c, tls: told } = await server.next();
    assert.deepEqual([alpn, authority, crc32c], ['h2', 'shop.example', true]);
    assert.equal(told?.encrypted && told.certificateOnConnection && told.certificateInSession, true);
    assert.deepEqual([told?.verify, told?.version, told?.commonName], [0, 'TLSv1.3', 'proxy.example']);
    assert.equal(told?.cipher, socket.getCipher().name);
    assert.deepEqual([told?.signatureAlgorithm, told?.keyAlgorithm], ['RSA-SHA256', 'RSA2048']);
    socket.destroy();
  });

  const client = (address: string, other: string, more: ProxyHeaderInit = {}): ProxyHeaderInit => {
    return { source: { address, port: 5 }, destination: { address: other, port: 6 }, ...more };
  };
  for (const [name, header] of [
    ['version 1 over IPv4', client('192.0.2.1', '192.0.2.2', { version: 1 })],
    ['version 1 over IPv6', client('2001:db8::1', '2001:db8::2', { version: 1 })],
    ['version 2 over IPv4', client('192.0.2.1', '192.0.2.2')],
    [
      'version 2 over IPv6, with fields and a CRC32C',
      client('2001:db8::1', '::2', { crc32c: true, authority: 'a.example' }),
    ],
  ] as const) {
    it(`believes our client, and tells our server: ${name}`, async () => {
      const stream = await connectWithProxyHeader({ port: through, host: '127.0.0.1', proxyHeader: header });
      const talk = framed(stream, lines());
      await talk.write('hello');
      assert.equal(await talk.read(), 'you said: hello');
      const { source, destination } = await server.next();
      assert.deepEqual([source, destination], [header.source, header.destination]);
      await talk.close();
    });
  }

  it("takes our LOCAL, and UNKNOWN, for the connection's own", async () => {
    for (const proxyHeader of [{ command: 'local' }, { version: 1 }] as const) {
      const stream = await connectWithProxyHeader({ port: through, host: '127.0.0.1', proxyHeader });
      const talk = framed(stream, lines());
      await talk.write('hello');
      assert.equal(await talk.read(), 'you said: hello');
      assert.deepEqual((await server.next()).source, { address: '127.0.0.1', port: stream.addresses.localPort });
      await talk.close();
    }
  });

  it('refuses a CRC32C that is wrong, as we do', async () => {
    const bytes = encodeProxyHeader(client('192.0.2.1', '192.0.2.2', { crc32c: true }));
    bytes[bytes.length - 1]! ^= 1;
    const socket = net.connect(through, '127.0.0.1');
    socket.write(Buffer.concat([bytes, Buffer.from('hello\n')]));
    const answer = await framed(socket, lines())
      .read()
      .catch(() => EOF);
    assert.equal(answer, EOF);
    socket.destroy();
  });
});

/** A certificate that signs itself, for both sides, with its key. */
function makeCertificate(folder: string): void {
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=proxy.example', '-days', '2', '-sha256'];
  execFileSync(OPENSSL!, ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, ...subject], {
    stdio: 'ignore',
  });
  writeFileSync(join(folder, 'all.pem'), readFileSync(cert, 'utf8') + readFileSync(key, 'utf8'));
}
