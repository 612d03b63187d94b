/**
 * The echo server for WebSockets: what `--protocol ws` of examples/echo-server.mjs starts.
 *
 * Own face: a message goes back from where it lies, as a cursor, without an object of its own. The ws face is the
 * program that one writes with the `ws` package, with another import. Both agree to permessage-deflate when asked to.
 */
import { once } from 'node:events';
import { env } from 'node:process';

/** Messages may be larger than a default allows. */
const MAX_LENGTH = 16 << 20;
/** The level of zlib's own default. */
const LEVEL = 6;
/** What a connection may keep, so that messages may refer to those before them: enough for the largest window. */
const TAKEOVER_MEMORY = 36 << 10;

const faces = {
  async own(address, { deflate, identity }) {
    const { listenWebSocket } = await import('miniproto/websocket');
    const options = { ...address, maxMessageLength: MAX_LENGTH, deflate: compression(deflate), tls: identity };
    // One function for all connections: those that are idle need none of their own.
    const onMessage = (message, socket) => {
      // Taken for sure: no message is handed out while there is no room for its answer.
      socket.send(message);
    };
    const { port } = await listenWebSocket({ ...options, onMessage });
    return port;
  },
  async ws(address, { deflate, identity }) {
    const { WebSocketServer } = await import('miniproto/ws');
    // Whether there is takeover is what the client asks for.
    const perMessageDeflate = deflate !== undefined && { zlibDeflateOptions: { level: LEVEL } };
    const https = identity && (await import('node:https')).createServer(identity).listen(address);
    const where = https === undefined ? address : { server: https };
    const server = new WebSocketServer({ ...where, maxPayload: MAX_LENGTH, perMessageDeflate });
    server.on('connection', (socket) => {
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
      // It was reset, or broke the protocol. That is the end of this connection, and of no other.
      socket.on('error', () => socket.terminate());
    });
    await once(server, 'listening');
    return server.address().port;
  },
};

function compression(deflate) {
  if (deflate === undefined) return undefined;
  return { level: LEVEL, memory: deflate === 'takeover' ? TAKEOVER_MEMORY : 'shared' };
}

/**
 * @param {{ port: number, host: string }} address
 * @param {{ face: 'own' | 'ws', transport: 'native' | 'duplex', deflate?: 'alone' | 'takeover', identity?: { cert: Buffer, key: Buffer } }} options
 * @returns {Promise<number>} the port, once it listens
 */
export async function serveWebSockets(address, { face, transport, deflate, identity }) {
  if (!Object.hasOwn(faces, face)) throw new RangeError(`there is no face '${face}'; there are own and ws`);
  // Looked at when the first socket comes.
  if (transport === 'duplex') env.MINIPROTO_SOCKETS = 'node';
  return faces[face](address, { deflate, identity });
}
