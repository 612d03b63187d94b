/** Ours: topics, in the library's own interface. */
import { listenWebSocket, Topics } from 'miniproto/websocket';
import { announce, deflate, HOST, port } from './arguments.mjs';
import { LEVEL, SUBSCRIBE } from './web-socket.mjs';

const TOPIC = 'all';
const topics = new Topics();
const options = { host: HOST, port: port(), deflate: deflate === undefined ? undefined : { level: LEVEL } };
const server = await listenWebSocket(options, (socket) =>
  socket.onMessage((message) => {
    if (message.type === 'text' && message.length === SUBSCRIBE.length && message.text() === SUBSCRIBE) {
      topics.subscribe(socket, TOPIC);
      socket.send(SUBSCRIBE, { compress: false });
    } else {
      topics.publish(TOPIC, message.borrow(), { type: message.type });
    }
  }),
);
announce(server.port);
