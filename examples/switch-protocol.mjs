/**
 * One connection, two protocols: a request and an answer in lines, then length-prefixed records.
 *
 *     node examples/switch-protocol.mjs
 *
 * The server sends its answer and the first records in one piece. The client reads a line, and the next codec begins
 * at the byte after it: nothing is lost, and nothing has to be pushed back.
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { framed, lengthPrefixed, lines } from 'miniproto';

const server = createServer(async (socket) => {
  const talk = framed(socket, lines());
  const [verb, count] = String(await talk.read()).split(' ');
  if (verb !== 'SQUARES') {
    await talk.write(`ERROR no such verb: ${verb}`);
    return talk.close();
  }
  await talk.write('OK');
  // What was written stays ahead in the same queue.
  const records = talk.switchTo(lengthPrefixed({ bytes: 2 }));
  const square = Buffer.alloc(4);
  for (let number = 1; number <= Number(count); number++) {
    square.writeUInt32BE(number * number);
    await records.write(square);
  }
  await records.close();
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');

const talk = framed(connect(server.address().port, '127.0.0.1'), lines());
await talk.write('SQUARES 1000');
const answer = await talk.read();
if (answer !== 'OK') throw new Error(answer);

const records = talk.switchTo(lengthPrefixed({ bytes: 2 }));
let sum = 0;
for await (const batch of records.batches()) {
  for (const record of batch) sum += record.borrow().readUInt32BE(0);
}
console.log(`the sum of the first 1000 squares is ${sum}`);

await records.close();
server.close();
