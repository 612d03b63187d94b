/**
 * Programs that speak HTTP over TLS, with answers written by hand: curl as the client of our server, nginx as the server of
 * our client, and nginx in front of our server as the client of it.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { type ByteServer, EOF, framed, lines } from 'miniproto';
import { connectTls, listenTls, type SecureStream } from 'miniproto/tls';
import { nativeInfo } from '#lib/native';
import { pattern, readToEnd, writeAll } from '../support/byte-stream-contract.js';
import { certificate, fixture, identity } from '../support/certificates.js';
import { findProgram, skipLoudly } from '../support/installed.js';
import { Nginx, needNginx, nginxHttp } from '../support/nginx.js';
import { freePorts } from '../support/ports.js';

const CURL = findProgram('curl');
const CA = { ca: certificate('ca') };
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
const OURS = nativeInfo().tls.native ? 'our engine' : "Node's tls, behind our interface";
const PAGE = pattern(500_000);

/** Answers one request with a page, and with what is known of the connection in its head; then it ends. */
async function answer(stream: SecureStream): Promise<void> {
  const request = framed(stream, lines());
  for (let line = await request.read(); line !== '' && line !== EOF; line = await request.read());
  const { info, peerCertificate } = stream;
  const head = [
    'HTTP/1.1 200 OK',
    `Content-Length: ${PAGE.length}`,
    'Connection: close',
    `X-Protocol: ${info?.protocol}`,
    `X-Alpn: ${info?.alpnProtocol}`,
    `X-Resumed: ${info?.resumed}`,
    `X-Name: ${info?.servername}`,
    `X-Client: ${peerCertificate?.subject}`,
  ];
  request.upgrade(() => undefined, { unread: 'discard' });
  await writeAll(stream, Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), PAGE]));
  await stream.end();
}

/** The fields of a head by their names in lower case. */
function fieldsOf(head: string): Record<string, string> {
  return Object.fromEntries(
    [...head.matchAll(/^([\w-]+): (.*?)\r?$/gm)].map(([, name, value]) => [name!.toLowerCase(), value!]),
  );
}

describe(`curl, and ${OURS} as its server`, function () {
  this.timeout(20_000);
  let server: ByteServer;
  let port = 0;
  const errors: { code?: string; message: string }[] = [];

  before(async function () {
    if (CURL === undefined) skipLoudly(this, 'curl', 'curl');
    const own = { ...identity('server'), ...CA, requestCert: true, rejectUnauthorized: false };
    const options = { ...own, ALPNProtocols: ['http/1.1'], onError: (error: unknown) => errors.push(error as Error) };
    server = await listenTls({ port: 0, host: '127.0.0.1', ...options }, answer);
    port = server.port!;
  });
  after(() => server?.close({ timeoutMs: 0 }));

  async function curl(...options: string[]): Promise<{ head: string; body: Buffer }> {
    const url = `https://localhost:${port}/`;
    const all = ['-sS', '-i', '--resolve', `localhost:${port}:127.0.0.1`, ...options, url];
    const { stdout } = await promisify(execFile)(CURL!, all, { encoding: 'buffer', maxBuffer: 2 ** 24 });
    const end = stdout.indexOf('\r\n\r\n') + 4;
    return { head: stdout.subarray(0, end).toString(), body: stdout.subarray(end) };
  }

  for (const version of VERSIONS) {
    const only = version === 'TLSv1.2' ? ['--tlsv1.2', '--tls-max', '1.2'] : ['--tlsv1.3'];

    it(`gets a page over ${version}, checking everything`, async () => {
      const { head, body } = await curl(...only, '--cacert', fixture('ca.cert.pem'));
      assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
      const fields = fieldsOf(head);
      assert.equal(fields['x-protocol'], version);
      assert.equal(fields['x-alpn'], 'http/1.1');
      assert.equal(fields['x-name'], 'localhost');
      assert.equal(fields['x-client'], 'undefined');
      assert.ok(body.equals(PAGE));
    });

    it(`shows its certificate over ${version}`, async () => {
      const own = ['--cert', fixture('client.cert.pem'), '--key', fixture('client.key.pem')];
      const { head } = await curl(...only, ...own, '--cacert', fixture('ca.cert.pem'));
      assert.equal(fieldsOf(head)['x-client'], 'CN=client');
    });

    it(`refuses us over ${version} when it does not know who we are, and we hear why`, async () => {
      errors.length = 0;
      await assert.rejects(curl(...only, '--cacert', fixture('other-ca.cert.pem')), /certificate/);
      while (errors.length === 0) await new Promise(setImmediate);
      assert.equal(errors[0]!.code, 'ERR_TLS_ALERT');
      assert.match(errors[0]!.message, /unknown ca/);
    });
  }
});

/** nginx with a page of its own over TLS, and in front of the two ports, ours: plain, and with TLS. */
const configuration = (ports: { page: number; front: number; plain: number; secure: number }) =>
  nginxHttp(`
  ssl_certificate ${fixture('chain.cert.pem')};
  ssl_certificate_key ${fixture('chain.key.pem')};
  ssl_client_certificate ${fixture('ca.cert.pem')};
  ssl_verify_client optional;
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:all:1m;
  server {
    listen 127.0.0.1:${ports.page} ssl;
    location / {
      add_header X-Seen "$ssl_protocol $ssl_session_reused $ssl_client_verify $ssl_client_s_dn $ssl_server_name";
      return 200 "a page of nginx";
    }
    location /plain/ { proxy_pass http://127.0.0.1:${ports.plain}/; }
  }
  server {
    listen 127.0.0.1:${ports.front};
    location / {
      proxy_pass https://127.0.0.1:${ports.secure};
      proxy_ssl_verify on;
      proxy_ssl_trusted_certificate ${fixture('ca.cert.pem')};
      proxy_ssl_name localhost;
      proxy_ssl_server_name on;
      proxy_ssl_certificate ${fixture('client.cert.pem')};
      proxy_ssl_certificate_key ${fixture('client.key.pem')};
    }
  }
`);

describe(`nginx, and ${OURS} on either side of it`, function () {
  this.timeout(30_000);
  let nginx: Nginx | undefined;
  const servers: { close(...args: never[]): unknown }[] = [];
  const ports = { page: 0, front: 0, plain: 0, secure: 0 };

  before(async function () {
    needNginx(this);
    const plain = net.createServer((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nplain'));
    });
    await once(plain.listen(0, '127.0.0.1'), 'listening');
    const own = { ...identity('server'), ...CA, requestCert: true };
    const secure = await listenTls({ port: 0, host: '127.0.0.1', ...own }, answer);
    servers.push(plain, secure);
    ports.plain = (plain.address() as AddressInfo).port;
    ports.secure = secure.port!;
    [ports.page, ports.front] = (await freePorts(2)) as [number, number];
    nginx = await Nginx.start(configuration(ports));
  });
  after(async () => {
    await nginx?.stop();
    for (const server of servers) server.close();
  });

  async function get(path: string, options: object): Promise<string> {
    const where = { port: ports.page, host: '127.0.0.1', servername: 'localhost' };
    const stream = await connectTls({ ...where, ...CA, ...options });
    await writeAll(stream, Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`));
    const page = String(await readToEnd(stream));
    await stream.close();
    return page;
  }

  for (const version of VERSIONS) {
    const only = { minVersion: version, maxVersion: version };

    it(`gives our client a page over ${version}, and takes a session up again`, async () => {
      const sessions: Buffer[] = [];
      const onSession = (session: Buffer) => void sessions.push(session);
      const first = await get('/', { ...only, onSession });
      assert.match(first, /a page of nginx$/);
      assert.equal(fieldsOf(first)['x-seen'], `${version} . NONE  localhost`);
      const again = await get('/', { ...only, session: sessions.at(-1) });
      assert.equal(fieldsOf(again)['x-seen'], `${version} r NONE  localhost`);
    });

    it(`knows our client by its certificate over ${version}`, async () => {
      const page = await get('/', { ...only, ...identity('client') });
      assert.equal(fieldsOf(page)['x-seen'], `${version} . SUCCESS CN=client localhost`);
    });

    it(`ends TLS for a server behind it, over ${version}`, async () => {
      assert.match(await get('/plain/', only), /^HTTP\/1\.1 200 OK[\s\S]*\r\n\r\nplain$/);
    });
  }

  it('is a client of our server, and each knows the other', async () => {
    const socket = net.connect(ports.front, '127.0.0.1');
    // Ending our side would be to give up.
    socket.write('GET / HTTP/1.0\r\n\r\n');
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    const page = Buffer.concat(chunks);
    const fields = fieldsOf(page.subarray(0, page.indexOf('\r\n\r\n')).toString());
    assert.equal(fields['x-client'], 'CN=client');
    assert.equal(fields['x-name'], 'localhost');
    assert.ok(page.subarray(page.indexOf('\r\n\r\n') + 4).equals(PAGE));
  });
});
