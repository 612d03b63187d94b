/** Our client of SOCKS goes through other people's servers: microsocks and Dante. Their clients are in test/examples/. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { connect } from 'miniproto';
import { connectThroughSocks, type SocksVersion } from 'miniproto/socks';
import { Companion, findProgram, skipLoudly } from '../support/installed.js';
import { freePort } from '../support/ports.js';
import { startTalker, talkTo } from '../support/proxied.js';

const MICROSOCKS = findProgram('microsocks');
const DANTE = findProgram('danted', 'sockd');

/** Resolves when somebody listens there. */
async function listens(port: number, companion: Companion): Promise<void> {
  let ended = false;
  companion.child.once('close', () => {
    ended = true;
  });
  for (;;) {
    const connection = await connect({ port, host: '127.0.0.1' }).catch(() => undefined);
    connection?.destroy();
    if (connection !== undefined) return;
    assert.ok(!ended, 'the proxy has ended');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('microsocks', function () {
  this.timeout(30_000);
  let open: Companion | undefined;
  let guarded: Companion | undefined;
  let ports: number[] = [];

  before(async function () {
    if (MICROSOCKS === undefined) skipLoudly(this, 'microsocks', 'microsocks');
    ports = [await freePort(), await freePort()];
    open = new Companion(MICROSOCKS, ['-i', '127.0.0.1', '-p', String(ports[0])]);
    guarded = new Companion(MICROSOCKS, ['-i', '127.0.0.1', '-p', String(ports[1]), '-u', 'me', '-P', 'pw']);
    open.drop();
    guarded.drop();
    await Promise.all([listens(ports[0]!, open), listens(ports[1]!, guarded)]);
  });
  after(() => Promise.all([open?.stop(), guarded?.stop()]));

  it('connects us by name, by address, and by a name that is looked up here', async () => {
    await using talker = await startTalker();
    const proxy = { host: '127.0.0.1', port: ports[0]! };
    for (const [host, remoteDns] of [
      ['localhost', true],
      ['127.0.0.1', true],
      ['localhost', false],
    ] as const) {
      await talkTo(await connectThroughSocks({ proxy, host, port: talker.port, remoteDns }));
    }
  });

  it('lets us in with the password, and not without', async () => {
    await using talker = await startTalker();
    const proxy = { host: '127.0.0.1', port: ports[1]! };
    const to = { host: '127.0.0.1', port: talker.port };
    await talkTo(await connectThroughSocks({ proxy: { ...proxy, user: 'me', password: 'pw' }, ...to }));
    await assert.rejects(connectThroughSocks({ proxy, ...to }), { code: 'ERR_SOCKS_AUTHENTICATION' });
    const wrong = { ...proxy, user: 'me', password: 'no' };
    await assert.rejects(connectThroughSocks({ proxy: wrong, ...to }), { code: 'ERR_SOCKS_AUTHENTICATION' });
  });

  it('says why it could not', async () => {
    const proxy = { host: '127.0.0.1', port: ports[0]! };
    await assert.rejects(connectThroughSocks({ proxy, host: '127.0.0.1', port: await freePort() }), {
      code: 'ERR_SOCKS_REFUSED',
      reason: 'connection-refused',
    });
  });
});

/** Everything of this machine may go everywhere on it. */
const configuration = (port: number, user: string) => `
logoutput: stderr
internal: 127.0.0.1 port = ${port}
external: 127.0.0.1
clientmethod: none
socksmethod: none
user.privileged: ${user}
user.unprivileged: ${user}
client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
socks block { from: 0.0.0.0/0 to: 0.0.0.0/0 port = 25 }
socks pass { from: 127.0.0.0/8 to: 0.0.0.0/0 protocol: tcp }
`;

describe('Dante', function () {
  this.timeout(30_000);
  let dante: Companion | undefined;
  let folder = '';
  let port = 0;

  before(async function () {
    if (DANTE === undefined) skipLoudly(this, 'Dante', 'dante-server');
    port = await freePort();
    folder = mkdtempSync(join(tmpdir(), 'miniproto-dante-'));
    const file = join(folder, 'danted.conf');
    writeFileSync(file, configuration(port, userInfo().username));
    dante = new Companion(DANTE, ['-f', file, '-p', join(folder, 'pid')], 'stderr');
    dante.drop();
    await listens(port, dante);
  });
  after(async () => {
    await dante?.stop();
    if (folder !== '') rmSync(folder, { recursive: true });
  });

  for (const version of [4, '4a', 5] satisfies SocksVersion[]) {
    it(`connects us over SOCKS ${version}`, async () => {
      await using talker = await startTalker();
      const proxy = { host: '127.0.0.1', port, version };
      await talkTo(await connectThroughSocks({ proxy, host: '127.0.0.1', port: talker.port }));
    });

    it(`says why it could not over SOCKS ${version}`, async () => {
      const proxy = { host: '127.0.0.1', port, version };
      const to = { host: '127.0.0.1', port: await freePort() };
      const reason = version === 5 ? 'connection-refused' : 'general-failure';
      await assert.rejects(connectThroughSocks({ proxy, ...to }), { code: 'ERR_SOCKS_REFUSED', reason });
    });
  }

  it('tells us of its rules', async () => {
    const proxy = { host: '127.0.0.1', port };
    await assert.rejects(connectThroughSocks({ proxy, host: '127.0.0.1', port: 25 }), { reason: 'not-allowed' });
  });
});
