/**
 * Rival: ws and a loop of `send`, as its documentation shows a broadcast. `--module miniproto/ws` is the same program
 * on our face: the import is all that changes.
 */
import { announce, deflate, HOST, module, port } from './arguments.mjs';
import { LEVEL, SUBSCRIBE } from './web-socket.mjs';

const { WebSocket, WebSocketServer } = await import(module);
const subscribers = new Set();
const server = new WebSocketServer({
  host: HOST,
  port: port(),
  // Whether there is takeover is what the client has asked for.
  perMessageDeflate: deflate !== undefined && { zlibDeflateOptions: { level: LEVEL } },
});
server.on('connection', (socket) => {
  socket.on('message', (data, isBinary) => {
    if (!isBinary && data.length === SUBSCRIBE.length && data.toString() === SUBSCRIBE) {
      subscribers.add(socket);
      socket.send(SUBSCRIBE, { compress: false });
      return;
    }
    for (const one of subscribers) {
      if (one.readyState === WebSocket.OPEN) one.send(data, { binary: isBinary });
    }
  });
  socket.on('close', () => subscribers.delete(socket));
  // A connection that fails is its own affair.
  socket.on('error', () => socket.terminate());
});
server.on('listening', () => announce(server.address().port));
