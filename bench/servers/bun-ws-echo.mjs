/** Rival: Bun's WebSocket server, echoing. See bun-ws-server.mjs. */
import { deflate } from './arguments.mjs';
import { serveBunWebSocket } from './bun-ws-server.mjs';

serveBunWebSocket((socket, data) => socket.send(data, deflate !== undefined));
