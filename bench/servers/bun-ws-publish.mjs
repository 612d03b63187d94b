/** Rival: Bun's WebSocket server with its own topics. See bun-ws-server.mjs. */
import { deflate } from './arguments.mjs';
import { serveBunWebSocket } from './bun-ws-server.mjs';
import { SUBSCRIBE } from './web-socket.mjs';

const TOPIC = 'all';

serveBunWebSocket((socket, data, server) => {
  if (data === SUBSCRIBE) {
    socket.subscribe(TOPIC);
    socket.send(SUBSCRIBE, false);
  } else {
    server.publish(TOPIC, data, deflate !== undefined);
  }
});
