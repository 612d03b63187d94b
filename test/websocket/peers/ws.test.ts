/** The `ws` package agrees with us, in both roles. */
import WebSocket from 'ws';
import { ask, beAsked, describePeer } from '../../support/echo-peers.js';
import { echoWithWs, WS_CAN, WsEchoServer } from '../../support/ws-echo.js';

describePeer('ws as a client', {
  can: WS_CAN,
  meet: (options) => beAsked(options, (url) => echoWithWs(new WebSocket(url, { maxPayload: 0 }))),
});

describe('a server of ws', () => {
  let server: WsEchoServer;
  before(async () => {
    server = await WsEchoServer.start();
  });
  after(() => server.close());

  describePeer('ws as a server', {
    can: WS_CAN,
    meet: (options) => ask(`ws://127.0.0.1:${server.port}/`, options, server.next()),
  });
});
