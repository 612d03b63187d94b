/**
 * A server and a client of lines over TCP: each line comes back in capitals.
 *
 *     node examples/lines-server.mjs
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { asByteStream, framed, lines, serve } from 'miniproto';

// Half-open, so that the client may end and still be answered.
const server = createServer({ allowHalfOpen: true }, (socket) => {
  // And in a `serve`, so that a client that hangs up ends its own connection and no more.
  serve(asByteStream(socket), async (stream) => {
    const talk = framed(stream, lines());
    for await (const line of talk) await talk.write(line.toUpperCase());
  });
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');

const client = framed(connect(server.address().port, '127.0.0.1'), lines());
for (const line of ['one', 'two', 'three']) await client.write(line);
await client.end();
for await (const answer of client) console.log(answer);

await client.close();
server.close();
