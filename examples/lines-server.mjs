/**
 * A server and a client of lines over TCP: each line comes back in capitals.
 *
 *     node examples/lines-server.mjs
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { framed, lines } from 'miniproto';

// Half-open, so that the client may end and still be answered.
const server = createServer({ allowHalfOpen: true }, async (socket) => {
  const talk = framed(socket, lines());
  for await (const line of talk) await talk.write(line.toUpperCase());
  await talk.close();
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');

const client = framed(connect(server.address().port, '127.0.0.1'), lines());
for (const line of ['one', 'two', 'three']) await client.write(line);
await client.end();
for await (const answer of client) console.log(answer);

await client.close();
server.close();
