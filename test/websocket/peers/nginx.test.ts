/** WebSockets pass through an nginx proxy: to our server, from our client, and with both of them on its two sides. */
import assert from 'node:assert/strict';
import { connectWebSocket } from 'miniproto/websocket';
import WebSocket from 'ws';
import { ask, beAsked, describePeer } from '../../support/echo-peers.js';
import { Nginx, needNginx, nginxHttp } from '../../support/nginx.js';
import { freePort } from '../../support/ports.js';
import { echoWithWs, WS_CAN, WsEchoServer } from '../../support/ws-echo.js';

/** As its documentation has it for WebSockets; the path says which port to go to. */
const configuration = (port: number) =>
  nginxHttp(`
  server {
    listen 127.0.0.1:${port};
    location ~ ^/(\\d+)/$ {
      proxy_pass http://127.0.0.1:$1/;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_set_header Host $host;
    }
  }
`);

describe('nginx', function () {
  this.timeout(30_000);
  let nginx: Nginx | undefined;
  let server: WsEchoServer | undefined;
  let proxy = 0;

  before(async function () {
    needNginx(this);
    proxy = await freePort();
    nginx = await Nginx.start(configuration(proxy));
    server = await WsEchoServer.start();
  });
  after(async () => {
    server?.close();
    await nginx?.stop();
  });

  /** Where a port is, behind the proxy. */
  const behind = (port: number) => `ws://127.0.0.1:${proxy}/${port}/`;

  describePeer('in front of our server', {
    can: WS_CAN,
    meet: (options) => beAsked(options, (url) => echoWithWs(new WebSocket(url, { maxPayload: 0 })), behind),
  });

  describePeer('behind our client', {
    can: WS_CAN,
    meet: (options) => ask(behind(server!.port), options, server!.next()),
  });

  it('stands between our client and our server', async () => {
    const deflate = { threshold: 0, memory: 64 << 10 };
    const connecting: Promise<Awaited<ReturnType<typeof connectWebSocket>>>[] = [];
    const meeting = await beAsked(
      { deflate },
      async (url) => {
        connecting.push(connectWebSocket(url, { deflate }));
        return (await connecting[0]!).closed;
      },
      behind,
    );
    await using _ = meeting;
    const client = await connecting[0]!;
    for (const text of ['there', 'and there', 'x'.repeat(1e6)]) {
      await client.write(text);
      assert.equal(await meeting.socket.read(), text);
      await meeting.socket.write(text);
      assert.equal(await client.read(), text);
    }
    await meeting.socket.close(4000, 'enough');
    assert.deepEqual(await meeting.seen, { code: 4000, reason: 'enough', clean: true });
  });

  it('ends the other side when one is gone', async () => {
    await using meeting = await beAsked(
      {},
      (url) => {
        const client = new WebSocket(url);
        client.on('open', () => client.terminate());
        return echoWithWs(client);
      },
      behind,
    );
    const { code, clean } = await meeting.socket.closed;
    assert.deepEqual([code, clean], [1006, false]);
  });
});
