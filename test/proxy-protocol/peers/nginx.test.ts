/** nginx and curl: nginx believes our headers and sends its own (where it has its stream module), curl sends one. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { EOF, framed, lines } from 'miniproto';
import { connectWithProxyHeader, listenWithProxyHeader, type ProxyHeaderInit } from 'miniproto/proxy-protocol';
import { findProgram, skipLoudly } from '../../support/installed.js';
import { Nginx, needNginx, nginxHttp } from '../../support/nginx.js';
import { freePort, freePorts } from '../../support/ports.js';
import { askThrough, HeaderServer } from '../../support/proxy-protocol-peers.js';

const CURL = findProgram('curl');
/** Where Debian has it. */
const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

const http = (port: number) =>
  nginxHttp(`
  server {
    listen 127.0.0.1:${port} proxy_protocol;
    location / {
      return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port\\n";
    }
  }
`);
const stream = ([sends, both]: readonly number[], server: number) => `
stream {
  server {
    listen 127.0.0.1:${sends};
    proxy_pass 127.0.0.1:${server};
    proxy_protocol on;
  }
  server {
    listen 127.0.0.1:${both} proxy_protocol;
    proxy_pass 127.0.0.1:${server};
    proxy_protocol on;
  }
}
`;

describe('PROXY protocol: nginx', function () {
  this.timeout(30_000);
  let nginx: Nginx | undefined;
  let port = 0;

  before(async function () {
    needNginx(this);
    port = await freePort();
    nginx = await Nginx.start(http(port));
  });
  after(async () => {
    await nginx?.stop();
  });

  const ends = (address: string, other: string, more: ProxyHeaderInit = {}): ProxyHeaderInit => {
    return { source: { address, port: 5 }, destination: { address: other, port: 6 }, ...more };
  };
  const fields = { crc32c: true, authority: 'a.example', alpn: 'h2', tlvs: [{ type: 0xe0, value: Buffer.alloc(500) }] };
  for (const [name, proxyHeader, expected] of [
    ['version 1 over IPv4', ends('192.0.2.1', '192.0.2.2', { version: 1 }), '192.0.2.1 5 192.0.2.2 6'],
    ['version 1 over IPv6', ends('2001:db8::1', '2001:db8::2', { version: 1 }), '2001:db8::1 5 2001:db8::2 6'],
    ['version 2 over IPv4', ends('192.0.2.1', '192.0.2.2'), '192.0.2.1 5 192.0.2.2 6'],
    ['version 2 over IPv6 with fields', ends('2001:db8::1', '2001:db8::2', fields), '2001:db8::1 5 2001:db8::2 6'],
    ['LOCAL', { command: 'local' }, '   '],
    ['UNKNOWN', { version: 1 }, '   '],
  ] as const) {
    it(`believes our client: ${name}`, async () => {
      const talk = framed(await connectWithProxyHeader({ port, host: '127.0.0.1', proxyHeader }), lines());
      for (const line of ['GET / HTTP/1.0', 'Host: a', '']) await talk.write(line);
      const got: string[] = [];
      for await (const line of talk) got.push(line);
      assert.match(got[0]!, /^HTTP\/1.1 200/);
      assert.equal(got.at(-1), expected);
    });
  }
});

describe('PROXY protocol: the stream module of nginx', function () {
  this.timeout(30_000);
  let nginx: Nginx | undefined;
  let server: HeaderServer | undefined;
  let [sends, both] = [0, 0];

  before(async function () {
    needNginx(this);
    if (!existsSync(STREAM_MODULE)) skipLoudly(this, 'stream module of nginx', 'libnginx-mod-stream');
    server = await HeaderServer.start();
    [sends, both] = (await freePorts(2)) as [number, number];
    nginx = await Nginx.start(stream([sends, both], server.port), [STREAM_MODULE]);
  });
  after(async () => {
    await nginx?.stop();
    await server?.server.close();
  });

  it('tells our server who its client is', async () => {
    const { localPort, answer } = await askThrough(sends, 'hello\n');
    assert.equal(answer, 'you said: hello');
    const { version, source, destination } = await server!.next();
    assert.equal(version, 1);
    assert.deepEqual(
      [source, destination],
      [
        { address: '127.0.0.1', port: localPort },
        { address: '127.0.0.1', port: sends },
      ],
    );
  });

  it('stands between our client and our server', async () => {
    for (const version of [1, 2] as const) {
      const proxyHeader = {
        version,
        source: { address: '127.0.0.1', port: 5 },
        destination: { address: '127.0.0.1', port: 6 },
      };
      const talk = framed(await connectWithProxyHeader({ port: both, host: '127.0.0.1', proxyHeader }), lines());
      await talk.write('hello');
      assert.equal(await talk.read(), 'you said: hello');
      await talk.end();
      assert.equal(await talk.read(), EOF);
      // It speaks of the connection that it has, not of what it was told, unless it is told to believe that.
      assert.equal((await server!.next()).family, 'IPv4');
    }
    assert.deepEqual(server!.errors, []);
  });
});

describe('PROXY protocol: curl', function () {
  this.timeout(30_000);
  before(function () {
    if (CURL === undefined) skipLoudly(this, 'curl', 'curl');
  });

  it('tells our server who it is, with --haproxy-protocol', async () => {
    const options = { port: 0, host: '127.0.0.1' };
    await using server = await listenWithProxyHeader(options, async (connection, header) => {
      const talk = framed(connection, lines());
      while ((await talk.read()) !== '');
      assert.equal(header.family, 'IPv4');
      assert.deepEqual(header.source, { address: '127.0.0.1', port: connection.addresses.remotePort });
      for (const line of ['HTTP/1.1 200 OK', 'Connection: close', '', `version ${header.version}`])
        await talk.write(line);
    });
    const { stdout } = await promisify(execFile)(CURL!, [
      '--silent',
      '--haproxy-protocol',
      `http://127.0.0.1:${server.port}/`,
    ]);
    assert.match(stdout, /^version 1\n$/);
  });
});
