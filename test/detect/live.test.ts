/** What is installed here, as it speaks today: each program is told by what it sends to a listener of ours. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { inspect } from 'node:util';
import { listen } from 'miniproto';
import { type Detected, detect } from 'miniproto/detect';
import { WebSocket } from 'ws';
import { CHROMIUM } from '../support/chromium.js';
import { plain } from '../support/first-bytes.js';
import { findProgram, skipLoudly } from '../support/installed.js';
import { TRANSPORT } from '../support/socket-pairs.js';

/** What has begun to talk, to be ended when it was told. */
type Stop = () => void | Promise<void>;

/** What the first one to talk to a port of ours speaks. */
async function told(start: (port: number) => Stop): Promise<Detected> {
  let tell: (detecting: Promise<Detected>) => void = () => {};
  const telling = new Promise<Detected>((resolve) => {
    tell = resolve;
  });
  const server = await listen({ port: 0, host: '127.0.0.1' }, (connection) => {
    // It connects ahead and says nothing on some: nothing is told by those.
    const detecting = detect(connection, { timeoutMs: 20_000 });
    detecting
      .then(() => connection.counters().bytesReceived > 0 && tell(detecting))
      .catch(() => {})
      .finally(() => connection.destroy());
  });
  const stop = start(server.port);
  try {
    return await telling;
  } finally {
    await stop();
    await server.close();
  }
}

/** In a group of its own, and ended with it: what Chromium starts writes to its folder for a while without it. */
function run(program: string, ...words: string[]): Stop {
  return runIn(tmpdir(), program, ...words);
}

/** @param folder for what a program that is killed leaves behind. */
function runIn(folder: string, program: string, ...words: string[]): Stop {
  const env = { ...process.env, TMPDIR: folder };
  const child: ChildProcess = spawn(program, words, { stdio: 'ignore', detached: true, env });
  const closed = once(child, 'close');
  return async () => {
    const runs = child.exitCode === null && child.signalCode === null;
    if (child.pid !== undefined && runs) process.kill(-child.pid, 'SIGKILL');
    await closed;
  };
}

/** A client in this process. */
function client(made: { on(event: 'error', listener: () => void): unknown }, end: () => void): Stop {
  made.on('error', () => {});
  return end;
}

const CURL = findProgram('curl');
const OPENSSL = findProgram('openssl');

function curl(...words: string[]): Stop {
  return run(CURL!, '-q', '-s', '-m', '20', '--noproxy', '', ...words);
}

describe(`programs that are told over ${TRANSPORT}`, function () {
  this.timeout(60_000);

  it('node:tls', async () => {
    const found = await told((port) => {
      const socket = connectTls({ port, host: '127.0.0.1', servername: 'A.example', ALPNProtocols: ['h2', 'x'] });
      return client(socket, () => void socket.destroy());
    });
    assert.ok(found.protocol === 'tls' && found.fault === undefined);
    assert.deepEqual(
      [found.serverName, found.alpn, found.versions],
      ['a.example', ['h2', 'x'], ['TLSv1.3', 'TLSv1.2']],
    );
  });

  it('node:http2', async () => {
    const found = await told((port) => {
      const session = connectHttp2(`http://127.0.0.1:${port}`);
      return client(session, () => session.destroy());
    });
    assert.equal(found.protocol, 'http2');
  });

  it('ws', async () => {
    const found = await told((port) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`, ['a']);
      return client(socket, () => socket.terminate());
    });
    assert.ok(found.protocol === 'websocket');
    assert.deepEqual([found.target, found.headers.get('sec-websocket-protocol')], ['/chat', 'a']);
  });

  for (const version of ['-tls1_2', '-tls1_3']) {
    it(`openssl s_client ${version}`, async function () {
      if (OPENSSL === undefined) return skipLoudly(this, 'openssl', 'openssl');
      const found = await told((port) =>
        run(
          OPENSSL,
          's_client',
          '-connect',
          `127.0.0.1:${port}`,
          version,
          '-servername',
          'b.example',
          '-alpn',
          'one,two',
        ),
      );
      assert.ok(found.protocol === 'tls' && found.fault === undefined);
      assert.deepEqual([found.serverName, found.alpn], ['b.example', ['one', 'two']]);
      assert.ok(found.versions.includes(version === '-tls1_2' ? 'TLSv1.2' : 'TLSv1.3'));
    });
  }

  const CURLS: readonly (readonly [name: string, words: (port: number) => string[], expected: object])[] = [
    ['http', (port) => [`http://127.0.0.1:${port}/a?b`], { protocol: 'http1', method: 'GET', target: '/a?b' }],
    ['a body', (port) => ['-d', 'x', `http://127.0.0.1:${port}/`], { protocol: 'http1', method: 'POST', target: '/' }],
    [
      'https',
      (port) => ['--connect-to', `c.example:443:127.0.0.1:${port}`, 'https://c.example/'],
      { protocol: 'tls', serverName: 'c.example', fault: undefined },
    ],
    [
      '--http2-prior-knowledge',
      (port) => ['--http2-prior-knowledge', `http://127.0.0.1:${port}/`],
      { protocol: 'http2' },
    ],
    [
      '--haproxy-protocol',
      (port) => ['--haproxy-protocol', `http://127.0.0.1:${port}/`],
      { protocol: 'proxy', version: 1 },
    ],
    ['--socks4', (port) => ['--socks4', `127.0.0.1:${port}`, 'http://192.0.2.1/'], { protocol: 'socks', version: 4 }],
    ['--socks4a', (port) => ['--socks4a', `127.0.0.1:${port}`, 'http://d.example/'], { protocol: 'socks', version: 4 }],
    [
      '--socks5-hostname',
      (port) => ['--socks5-hostname', `127.0.0.1:${port}`, 'http://d.example/'],
      { protocol: 'socks', version: 5 },
    ],
    [
      'a proxy of HTTP',
      (port) => ['-p', '-x', `http://127.0.0.1:${port}`, 'http://d.example/'],
      { protocol: 'http1', method: 'CONNECT', target: 'd.example:80' },
    ],
  ];
  for (const [name, words, expected] of CURLS) {
    it(`curl: ${name}`, async function () {
      if (CURL === undefined) return skipLoudly(this, 'curl', 'curl');
      const found = plain(await told((port) => curl(...words(port))));
      assert.deepEqual({ ...found, ...expected }, found);
    });
  }

  it('Chromium, with GREASE and ECH', async function () {
    if (CHROMIUM === undefined) return skipLoudly(this, 'Chromium', 'chromium');
    const folder = mkdtempSync(join(tmpdir(), 'miniproto-chromium-'));
    const found = await told((port) => {
      const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--no-proxy-server', '--no-first-run'];
      const rules = `--host-resolver-rules=MAP e.example 127.0.0.1:${port}, MAP * ~NOTFOUND`;
      return runIn(folder, CHROMIUM!, ...flags, rules, `--user-data-dir=${folder}`, 'https://e.example/');
    });
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    assert.ok(found.protocol === 'tls' && found.fault === undefined, inspect(found));
    assert.deepEqual([found.serverName, found.alpn], ['e.example', ['h2', 'http/1.1']]);
    assert.deepEqual(found.versions, ['TLSv1.3', 'TLSv1.2']);
  });
});
