/** examples/chat.mjs with people in a browser, and with one who sees the frames. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { connectWebSocket } from 'miniproto/websocket';
import { type RunningServer, startServer } from '../docs/run.js';
import { CHROMIUM, Chromium, type Page } from '../support/chromium.js';
import { request } from '../support/handshakes.js';
import { skipLoudly } from '../support/installed.js';
import { FIN, frameFor, parseFrames, type SentFrame, TEXT, tell } from '../support/websocket-peer.js';

describe('examples/chat.mjs', function () {
  this.timeout(30_000);
  let server: RunningServer;

  beforeEach(async () => {
    server = await startServer(['examples/chat.mjs']);
  });
  afterEach(async () => {
    await server.stop();
    assert.equal(server.complaint(), '');
  });

  it('talks to a program as to a page, and has rooms', async () => {
    const url = `ws://127.0.0.1:${server.port}/chat`;
    await using ann = await connectWebSocket(`${url}?name=Ann`);
    await ann.write('{"join":"lobby"}');
    assert.equal(await ann.read(), '{"room":"lobby","history":[]}');
    assert.equal(await ann.read(), '{"room":"lobby","from":"Ann","people":1}');
    await ann.write('{"say":"nobody hears me"}');
    assert.equal(await ann.read(), '{"room":"lobby","from":"Ann","say":"nobody hears me"}');
    await using bob = await connectWebSocket(`${url}?name=Bob`);
    await bob.write('{"join":"garden"}');
    assert.equal(await bob.read(), '{"room":"garden","history":[]}');
    assert.equal(await bob.read(), '{"room":"garden","from":"Bob","people":1}');
    await bob.write('{"join":"lobby"}');
    assert.equal(await bob.read(), '{"room":"lobby","history":[{"from":"Ann","say":"nobody hears me"}]}');
    assert.equal(await bob.read(), '{"room":"lobby","from":"Bob","people":2}');
    assert.equal(await ann.read(), '{"room":"lobby","from":"Bob","people":2}');
  });

  it('tells the history of a room in fragments', async () => {
    const url = `ws://127.0.0.1:${server.port}/chat`;
    const ann = await connectWebSocket(`${url}?name=Ann`);
    for (const message of ['{"join":"lobby"}', '{"say":"one"}', '{"say":"two"}']) await ann.write(message);
    for (let i = 0; i < 4; i++) await ann.read();
    await ann.close(1000);

    const socket = net.connect(server.port, '127.0.0.1');
    socket.write(request({}, 'GET /chat?name=Bob HTTP/1.1'));
    socket.write(frameFor('server', FIN | TEXT, '{"join":"lobby"}'));
    const frames: SentFrame[] = [];
    let bytes = Buffer.alloc(0);
    for await (const chunk of socket) {
      bytes = Buffer.concat([bytes, chunk as Buffer]);
      const head = bytes.indexOf('\r\n\r\n') + 4;
      if (head < 4) continue;
      frames.length = 0;
      parseFrames(bytes.subarray(head), frames);
      if (frames.length === 5) break;
    }
    assert.deepEqual(frames.slice(0, 2).map(tell), [
      'text unfinished {"room":"lobby","history":[',
      `continuation unfinished ${Buffer.from('{"from":"Ann","say":"one"}').toString('hex')}`,
    ]);
    assert.equal(tell(frames[3]!), `continuation ${Buffer.from(']}').toString('hex')}`);
  });

  for (const [what, message, code] of [
    ['no JSON', '{', 1008],
    ['no message of the chat', '{"sing":"la"}', 1008],
    ['nothing at all', 'null', 1008],
    ['a picture without a room', Buffer.from([1]), 1008],
    ['a picture that is too large', Buffer.alloc((1 << 20) + 1), 1009],
  ] as const) {
    it(`closes with ${code} on ${what}`, async () => {
      const socket = await connectWebSocket(`ws://127.0.0.1:${server.port}/chat?name=Eve`);
      await socket.write(message);
      assert.equal((await socket.closed).code, code);
    });
  }

  describe('in Chromium', () => {
    let browser: Chromium | undefined;
    before(async function () {
      if (CHROMIUM === undefined) skipLoudly(this, 'Chromium', 'chromium');
      browser = await Chromium.start();
    });
    after(() => browser?.close());

    const open = () => browser!.open(`http://127.0.0.1:${server.port}/`);

    it('carries text and pictures between pages, deflated, and tells who comes later what was said', async () => {
      const [ann, bob] = [await open(), await open()];
      assert.match(await enter(ann, 'Ann', 'lobby'), /^in lobby, with permessage-deflate/);
      await enter(bob, 'Bob', 'lobby');
      await say(ann, 'h\u00e9llo <b>Bob</b> \u{1f600}');
      await line(bob, 'Ann: h\u00e9llo <b>Bob</b> \u{1f600}');
      await say(bob, 'x'.repeat(2000));
      await line(ann, `Bob: ${'x'.repeat(2000)}`);

      await show(ann, PICTURE);
      await bob.until("document.querySelector('#lines img')?.naturalWidth === 2");
      const shown = "fetch(document.querySelector('#lines img').src).then((r) => r.arrayBuffer())";
      assert.deepEqual(await bob.evaluate(`${shown}.then((bytes) => [...new Uint8Array(bytes)])`), [...PICTURE]);

      const eve = await open();
      await enter(eve, 'Eve', 'lobby');
      await line(eve, 'Ann: h\u00e9llo <b>Bob</b> \u{1f600}');
      await line(bob, 'Eve: has come: there are 3 here');
    });

    it('shows how a connection has ended: each side, violations of ours and of the protocol', async () => {
      const page = await open();
      await enter(page, 'Ann', 'lobby');
      const other = await open();
      assert.equal(await enter(other, 'Ann', 'lobby'), 'closed cleanly: 4001 this name is taken');
      await page.evaluate("document.getElementById('leave').click()");
      assert.equal(await status(page, 'closed'), 'closed cleanly: 1000 bye');
      await enter(page, 'Ann', 'lobby');
      await say(page, 'x'.repeat(2001));
      assert.equal(await status(page, 'closed'), 'closed cleanly: 1008 this is no message of the chat');
      await enter(page, 'Ann', 'lobby');
      await show(page, Buffer.alloc((1 << 20) + 1));
      assert.equal(await status(page, 'closed'), 'closed cleanly: 1009 ');
      await enter(page, 'Ann', 'lobby');
      await server.stop();
      assert.equal(await status(page, 'closed'), 'closed cleanly: 1001 ');
    });
  });
});

/** Two dots, as a GIF. */
const PICTURE = Buffer.from('R0lGODdhAgABAIAAAAAAAP///ywAAAAAAgABAAACAkQKADs=', 'base64');

/** Enters a room. @returns what the page's status says to that. */
async function enter(page: Page, name: string, room: string): Promise<string> {
  await page.evaluate(`{
    document.getElementById('status').textContent = 'waiting';
    document.getElementById('name').value = ${JSON.stringify(name)};
    document.getElementById('room').value = ${JSON.stringify(room)};
    document.getElementById('entrance').requestSubmit();
  }`);
  return status(page, '(in|closed)');
}

/** The status, once it begins so. */
async function status(page: Page, begin: string): Promise<string> {
  const text = "document.getElementById('status').textContent";
  await page.until(`/^${begin} /.test(${text})`);
  return page.evaluate(text);
}

async function say(page: Page, text: string): Promise<void> {
  await page.evaluate(`{
    document.getElementById('line').value = ${JSON.stringify(text)};
    document.getElementById('speech').requestSubmit();
  }`);
}

async function show(page: Page, picture: Buffer): Promise<void> {
  await page.evaluate(`{
    const files = new DataTransfer();
    const bytes = Uint8Array.from(atob('${picture.toString('base64')}'), (c) => c.charCodeAt(0));
    files.items.add(new File([bytes], 'picture.gif', { type: 'image/gif' }));
    document.getElementById('picture').files = files.files;
    document.getElementById('speech').requestSubmit();
  }`);
}

/** Resolves when the page shows the line. */
function line(page: Page, text: string): Promise<void> {
  return page.until(
    `[...document.querySelectorAll('#lines li')].some((li) => li.textContent === ${JSON.stringify(text)})`,
  );
}
