/**
 * Bun's WebSocket server. Runs in Bun only.
 *
 * What a socket does not take is queued by Bun, without a limit worth the name: it must not drop what is to come back.
 */
import { announce, deflate, HOST, port } from './arguments.mjs';
import { MAX_PAYLOAD } from './web-socket.mjs';

/** Compressors that all connections share forget everything; a connection's own does not. */
const DEFLATE = { alone: true, takeover: { compress: 'dedicated', decompress: 'dedicated' } };

/** @param {(socket: object, message: string | Buffer, server: object) => void} message */
export function serveBunWebSocket(message) {
  const server = globalThis.Bun.serve({
    hostname: HOST,
    port: port(),
    fetch: (request, self) => (self.upgrade(request) ? undefined : new Response(null, { status: 426 })),
    websocket: {
      maxPayloadLength: MAX_PAYLOAD,
      backpressureLimit: 4 * MAX_PAYLOAD,
      idleTimeout: 0,
      perMessageDeflate: DEFLATE[deflate] ?? false,
      message: (socket, data) => message(socket, data, server),
    },
  });
  announce(server.port);
}
