/** Our client of CONNECT goes through somebody else's proxy: tinyproxy. Other clients are in test/examples/. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectThroughHttp } from 'miniproto/http-connect';
import { Companion, findProgram, skipLoudly } from '../support/installed.js';
import { freePort } from '../support/ports.js';
import { startTalker, talkTo } from '../support/proxied.js';

const TINYPROXY = findProgram('tinyproxy');

const configuration = (port: number) => `
Port ${port}
Listen 127.0.0.1
Timeout 20
MaxClients 10
LogLevel Info
Allow 127.0.0.1
BasicAuth me secret
`;

describe('tinyproxy', function () {
  this.timeout(30_000);
  let tinyproxy: Companion | undefined;
  let folder = '';
  let port = 0;

  before(async function () {
    if (TINYPROXY === undefined) skipLoudly(this, 'tinyproxy', 'tinyproxy-bin');
    port = await freePort();
    folder = mkdtempSync(join(tmpdir(), 'miniproto-tinyproxy-'));
    const file = join(folder, 'tinyproxy.conf');
    writeFileSync(file, configuration(port));
    tinyproxy = new Companion(TINYPROXY, ['-d', '-c', file]);
    await tinyproxy.lineLike(/Accepting connections|listening on fd/);
    tinyproxy.drop();
  });
  after(async () => {
    await tinyproxy?.stop();
    if (folder !== '') rmSync(folder, { recursive: true });
  });

  it('connects us with user and password', async () => {
    await using talker = await startTalker();
    const proxy = { host: '127.0.0.1', port, authorization: { user: 'me', password: 'secret' } };
    await talkTo(await connectThroughHttp({ proxy, host: 'localhost', port: talker.port }));
  });

  it('refuses us without them, and says who it wants to know', async () => {
    const proxy = { host: '127.0.0.1', port };
    const error = await connectThroughHttp({ proxy, host: 'localhost', port: 1 }).catch((reason) => reason);
    assert.deepEqual([error.code, error.status], ['ERR_HTTP_CONNECT_REFUSED', 407]);
    assert.match(error.headers.get('proxy-authenticate'), /^Basic/);
    assert.match(error.body.toString(), /[Aa]uthentication/);
  });

  it('says why it could not', async () => {
    const proxy = { host: '127.0.0.1', port, authorization: { user: 'me', password: 'secret' } };
    const asking = connectThroughHttp({ proxy, host: '127.0.0.1', port: await freePort() });
    await assert.rejects(asking, (error: { status: number }) => error.status >= 500);
  });
});
