/**
 * wss between a page of Chromium and our server.
 *
 * Chromium is told by `--ignore-certificate-errors-spki-list` to take every chain in which the key of the test CA stands;
 * so the server that is trusted sends the CA along, as a server may (RFC 8446 §4.4.2). That checks no signature and no
 * name, but there is nothing to trust in the other servers' chains, and those are refused.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ListeningWebSocketServer, listenWebSocket } from 'miniproto/websocket';
import { certificate, identity, type LeafName } from '../../support/certificates.js';
import { CHROMIUM, Chromium, type Page } from '../../support/chromium.js';
import { skipLoudly } from '../../support/installed.js';

type Seen = { events: string[]; code: number; reason: string; clean: boolean };

describe('Chromium over TLS', function () {
  this.timeout(30_000);
  const pages = createServer((_, response) => response.setHeader('Content-Type', 'text/html').end('<!doctype html>'));
  let browser: Chromium | undefined;
  let page: Page;

  before(async function () {
    if (CHROMIUM === undefined) skipLoudly(this, 'Chromium', 'chromium');
    await once(pages.listen(0, '127.0.0.1'), 'listening');
    browser = await Chromium.start({ trusted: [certificate('ca')] });
    page = await browser.open(`http://127.0.0.1:${(pages.address() as AddressInfo).port}/`);
  });
  after(async () => {
    await browser?.close();
    pages.close();
    pages.closeAllConnections();
  });

  /** What a page sees of a server that gives back messages, and is sent text, binary and what ends it. */
  const visit = ({ port }: ListeningWebSocketServer, host = '127.0.0.1'): Promise<Seen> =>
    page.evaluate<Seen>(`new Promise((resolve) => {
      const events = [];
      const socket = new WebSocket('wss://${host}:${port}/');
      socket.binaryType = 'arraybuffer';
      socket.onopen = () => {
        events.push('open');
        socket.send('h\\u00e9llo');
        socket.send(new Uint8Array(100_000).fill(7));
        socket.send('bye');
      };
      socket.onmessage = ({ data }) =>
        events.push(typeof data === 'string' ? data : data.byteLength + ' of ' + new Set(new Uint8Array(data)).size);
      socket.onerror = () => events.push('error');
      socket.onclose = ({ code, reason, wasClean }) => resolve({ events, code, reason, clean: wasClean });
    })`);

  for (const name of ['server', 'server-rsa'] as const) {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      it(`carries text and binary, and the close code, in ${version} with the certificate of ${name}`, async () => {
        const { cert, key } = identity(name);
        const tls = { cert: cert + certificate('ca'), key, minVersion: version, maxVersion: version };
        const failures: unknown[] = [];
        const onError = (error: unknown) => void failures.push(error);
        await using server = await listenWebSocket({ port: 0, host: '127.0.0.1', tls, onError }, (socket) =>
          socket.onMessage((message) => {
            if (message.text() === 'bye') void socket.close(4001, 'as you say');
            else socket.send(message);
          }),
        );
        const events = ['open', 'h\u00e9llo', '100000 of 1'];
        assert.deepEqual(await visit(server), { events, code: 4001, reason: 'as you say', clean: true });
        assert.deepEqual(failures, []);
      });
    }
  }

  for (const name of ['unknown-ca', 'self-signed', 'expired', 'server'] satisfies LeafName[]) {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      it(`does not connect in ${version} with the certificate ${name} alone, and the server says why`, async () => {
        const tls = { ...identity(name), minVersion: version, maxVersion: version };
        let told: (error: unknown) => void;
        const failure = new Promise<unknown>((resolve) => {
          told = resolve;
        });
        const where = { port: 0, host: '127.0.0.1', tls, onError: (error: unknown) => told(error) };
        await using server = await listenWebSocket(where, () => assert.fail('nobody may get so far'));
        assert.deepEqual(await visit(server), { events: ['error'], code: 1006, reason: '', clean: false });
        const { code, message } = (await failure) as { code: string; message: string };
        assert.equal(code, 'ERR_TLS_ALERT');
        assert.match(message, /certificate unknown$/);
      });
    }
  }
});
