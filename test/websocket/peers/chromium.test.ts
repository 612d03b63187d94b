/** Chromium agrees with us: a page of it with our server, its DevTools with our client. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CHROMIUM, Chromium, type Page } from '../../support/chromium.js';
import { beAsked, describePeer, type SeenEnd } from '../../support/echo-peers.js';
import { skipLoudly } from '../../support/installed.js';
import { echoAsBrowsersDo } from '../../support/peer-scripts.js';

describe('Chromium', function () {
  this.timeout(30_000);
  /** WebSockets are asked for by pages, and pages come from a server. */
  const server = createServer((_, response) =>
    response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>a page</title>'),
  );
  let browser: Chromium | undefined;
  let page: Page;

  before(async function () {
    if (CHROMIUM === undefined) skipLoudly(this, 'Chromium', 'chromium');
    await once(server.listen(0, '127.0.0.1'), 'listening');
    browser = await Chromium.start();
    page = await browser.open(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  });
  after(async () => {
    await browser?.close();
    server.close();
    server.closeAllConnections();
  });

  describePeer('a page', {
    can: ['close without a code'],
    meet: (options) =>
      beAsked(options, (url) => page.evaluate<SeenEnd>(`(${echoAsBrowsersDo})(${JSON.stringify(url)}, WebSocket)`)),
  });

  it('sends large messages in fragments, and takes the sums of them', async () => {
    const meeting = await beAsked({}, (url) =>
      page.evaluate<SeenEnd>(`new Promise((resolve) => {
        const socket = new WebSocket(${JSON.stringify(url)}, []);
        socket.onopen = () => {
          socket.send(new Blob([new Uint8Array(5e6).fill(7)]));
          socket.send('\u20ac'.repeat(1e6));
        };
        socket.onclose = ({ code, reason, wasClean }) => resolve({ code, reason, clean: wasClean });
      })`),
    );
    await using _ = meeting;
    const binary = await meeting.socket.read();
    assert.ok(Buffer.isBuffer(binary) && binary.equals(Buffer.alloc(5e6, 7)));
    assert.ok((await meeting.socket.read()) === '\u20ac'.repeat(1e6));
    assert.ok((await meeting.socket.roundTrip()) >= 0);
    await meeting.socket.close(3001, 'bye');
    assert.deepEqual(await meeting.seen, { code: 3001, reason: 'bye', clean: true });
  });

  it('serves our client: DevTools, with messages of megabytes and pongs', async () => {
    const text = await page.evaluate<string>("'a\u20ac'.repeat(1e6)");
    assert.ok(text === 'a\u20ac'.repeat(1e6));
    assert.equal(await page.evaluate(`${JSON.stringify(text)}.length`), 2e6);
    assert.ok((await browser!.socket.roundTrip()) >= 0);
  });
});
