/** Ours: messages go through a cursor, without an object of their own. */
import { connectWebSocket } from 'miniproto/websocket';
import { fail, run, url, Window } from './window.mjs';

/** A window of large messages goes out at once; the others' clients have no mark at all. */
const ENOUGH = 64 << 20;

await run(async () => {
  const socket = await connectWebSocket(url, { writeHighWaterMark: ENOUGH });
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
