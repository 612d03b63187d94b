/** Rival: ws on https, as its documentation shows it, with bufferutil beside it. */
import { createServer } from 'node:https';
import { WebSocketServer } from 'ws';
import { announce, HOST, port } from './arguments.mjs';
import { identity } from './identity.mjs';
import { MAX_PAYLOAD } from './web-socket.mjs';

const https = createServer(identity());
https.on('connection', (socket) => socket.setNoDelay(true));
const server = new WebSocketServer({ server: https, maxPayload: MAX_PAYLOAD, perMessageDeflate: false });
server.on('connection', (socket) => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  // A connection that fails is its own affair.
  socket.on('error', () => socket.terminate());
});
https.listen(port(), HOST, () => announce(https.address().port));
