/** Ours: messages go through a cursor, without an object of their own. */
import { connectWebSocket } from 'miniproto/websocket';
import { fail, run, url, Window } from './window.mjs';

await run(async () => {
  const socket = await connectWebSocket(url);
  const window = new Window((message) => {
    if (socket.send(message) !== true) fail('a message was not taken');
  });
  const done = socket.onMessage((message) =>
    window.echoed(message.length, (message.byteAt(0) << 8) | message.byteAt(1), () => message.bytes()),
  );
  done.then(
    () => fail('closed'),
    (error) => fail(error.message),
  );
  return window;
});
