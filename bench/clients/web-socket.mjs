/** The WebSocket that a runtime brings along: Bun's, and undici's in Node. */
import { fail, run, url, Window } from './window.mjs';

await run(async () => {
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  const window = new Window((message) => socket.send(message));
  socket.addEventListener('message', ({ data }) => {
    const bytes = new Uint8Array(data);
    window.echoed(bytes.length, (bytes[0] << 8) | bytes[1], () => bytes);
  });
  socket.addEventListener('close', ({ code }) => fail(`closed with ${code}`));
  await new Promise((resolve) => socket.addEventListener('open', resolve));
  return window;
});
