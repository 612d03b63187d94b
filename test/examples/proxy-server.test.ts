/** examples/proxy-server.mjs in a process of its own: curl and our clients go through it in every way that it speaks. */
import assert from 'node:assert/strict';
import { connectThroughHttp } from 'miniproto/http-connect';
import { connectThroughSocks } from 'miniproto/socks';
import { type RunningServer, startServer } from '../docs/run.js';
import { findProgram, skipLoudly } from '../support/installed.js';
import { freePort } from '../support/ports.js';
import { curl, pageOf, startPages, startTalker, talkTo } from '../support/proxied.js';

const PROGRAM = 'examples/proxy-server.mjs';
const CURL = findProgram('curl');

describe(PROGRAM, function () {
  this.timeout(60_000);
  let open: RunningServer;
  let guarded: RunningServer;

  before(async () => {
    [open, guarded] = await Promise.all([
      startServer([PROGRAM, '--port', '0']),
      startServer([PROGRAM, '--user', 'me', '--password', 'it is: I']),
    ]);
  });
  after(async () => {
    await Promise.all([open.stop(), guarded.stop()]);
    assert.equal(open.complaint() + guarded.complaint(), '');
  });

  describe('with curl', () => {
    before(function () {
      if (CURL === undefined) skipLoudly(this, 'curl', 'curl');
    });

    for (const scheme of ['socks4', 'socks4a', 'socks5', 'socks5h', 'http']) {
      it(`gets pages over ${scheme}`, async () => {
        await using pages = await startPages();
        const proxy = `${scheme}://127.0.0.1:${open.port}`;
        const urls = ['a', 'b'].map((path) => `http://localhost:${pages.port}/${path}`);
        const { code, text } = await curl(CURL!, '--proxy', proxy, '--proxytunnel', ...urls);
        assert.equal(code, 0);
        assert.ok(text === pageOf('/a') + pageOf('/b'));
      });
    }

    for (const scheme of ['socks5', 'socks5h', 'http']) {
      it(`lets in who knows the password, over ${scheme}`, async () => {
        await using pages = await startPages();
        const words = ['--proxytunnel', '--proxy', `${scheme}://127.0.0.1:${guarded.port}`];
        const url = `http://localhost:${pages.port}/`;
        const { code, text } = await curl(CURL!, ...words, '--proxy-user', 'me:it is: I', url);
        assert.equal(code, 0);
        assert.ok(text === pageOf('/'));
        for (const user of [[], ['--proxy-user', 'me:wrong']]) {
          const { code: refused, text: nothing } = await curl(CURL!, '--no-show-error', ...words, ...user, url);
          // 97: the handshake with the proxy failed; 56: it answered CONNECT with 407.
          assert.equal(refused, scheme === 'http' ? 56 : 97);
          assert.equal(nothing, '');
        }
      });
    }

    it('is told that there is nobody', async () => {
      const url = `http://127.0.0.1:${await freePort()}/`;
      for (const scheme of ['socks4', 'socks5', 'http']) {
        const { code } = await curl(
          CURL!,
          '--no-show-error',
          '--proxytunnel',
          '--proxy',
          `${scheme}://127.0.0.1:${open.port}`,
          url,
        );
        assert.equal(code, scheme === 'http' ? 56 : 97);
      }
    });
  });

  for (const version of [4, '4a', 5] as const) {
    it(`takes our client over SOCKS ${version}`, async () => {
      await using talker = await startTalker();
      const proxy = { host: '127.0.0.1', port: open.port, version };
      await talkTo(await connectThroughSocks({ proxy, host: '127.0.0.1', port: talker.port }));
    });
  }

  it('takes our clients with user and password, in one step too', async () => {
    await using talker = await startTalker();
    const where = { host: '127.0.0.1', port: guarded.port };
    const to = { host: 'localhost', port: talker.port };
    const who = { user: 'me', password: 'it is: I' };
    await talkTo(await connectThroughSocks({ proxy: { ...where, ...who }, ...to }));
    await talkTo(await connectThroughSocks({ proxy: { ...where, ...who, pipelined: true }, ...to }));
    await talkTo(await connectThroughHttp({ proxy: { ...where, authorization: who }, ...to }));
    await assert.rejects(connectThroughSocks({ proxy: where, ...to }), { code: 'ERR_SOCKS_AUTHENTICATION' });
    await assert.rejects(connectThroughHttp({ proxy: where, ...to }), { status: 407 });
  });
});
