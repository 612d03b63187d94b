/**
 * Rival: node:net and length-prefixed-stream, whose lengths are varints and nothing else.
 *
 * Its encoder gives length and payload as two chunks; cork makes one writev of all that a turn has written.
 */
import { createServer } from 'node:net';
import { nextTick } from 'node:process';
import lps from 'length-prefixed-stream';
import { announce, HOST, port } from './arguments.mjs';

const server = createServer({ noDelay: true }, (socket) => {
  const encode = lps.encode();
  let corked = false;
  const uncork = () => {
    corked = false;
    socket.uncork();
  };
  encode.on('data', (bytes) => {
    if (!corked) {
      corked = true;
      socket.cork();
      nextTick(uncork);
    }
    if (!socket.write(bytes)) encode.pause();
  });
  socket.on('drain', () => encode.resume());
  socket.pipe(lps.decode()).pipe(encode);
  // A connection that fails is its own affair.
  socket.on('error', () => socket.destroy());
});
server.listen(port(), HOST, () => announce(server.address().port));
