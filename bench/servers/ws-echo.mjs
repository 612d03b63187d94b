/**
 * Rival: ws, as its documentation shows an echo server, with bufferutil beside it, and deflate where that is asked for.
 * `--module miniproto/ws` is the same program on our face: the import is all that changes. What else a process has
 * loaded may count as well: `node --trace-gc` shows by which collections V8 gets rid of large messages.
 */
import { announce, deflate, HOST, module, port } from './arguments.mjs';
import { LEVEL, MAX_PAYLOAD } from './web-socket.mjs';

const { WebSocketServer } = await import(module);
const server = new WebSocketServer({
  host: HOST,
  port: port(),
  maxPayload: MAX_PAYLOAD,
  // Whether there is takeover is what the client has asked for.
  perMessageDeflate: deflate !== undefined && { zlibDeflateOptions: { level: LEVEL } },
});
server.on('connection', (socket) => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  // A connection that fails is its own affair.
  socket.on('error', () => socket.terminate());
});
server.on('listening', () => announce(server.address().port));
