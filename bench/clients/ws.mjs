/** Rival: the client of ws, with bufferutil beside it; `--module miniproto/ws` is the same program on our face. */
import { once } from 'node:events';
import { fail, module, run, url, Window } from './window.mjs';

const { WebSocket } = await import(module ?? 'ws');

await run(async () => {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  const window = new Window((message) => socket.send(message));
  socket.on('message', (data) => window.echoed(data.length, (data[0] << 8) | data[1], () => data));
  socket.on('close', (code) => fail(`closed with ${code}`));
  await once(socket, 'open');
  return window;
});
