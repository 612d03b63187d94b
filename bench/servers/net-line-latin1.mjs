/**
 * Rival: node:net and lines, written by hand with strings.
 *
 * latin1 has a character for each byte, so every byte comes back as it was. V8 searches, cuts and joins such strings
 * without leaving JavaScript: short lines go twice as fast as with Buffers (net-line.mjs), long ones half as fast.
 */
import { createServer } from 'node:net';
import { announce, HOST, port } from './arguments.mjs';

const server = createServer({ noDelay: true }, (socket) => {
  /** A line that has not ended yet. */
  let rest = '';
  socket.setEncoding('latin1');
  socket.on('data', (chunk) => {
    let end = chunk.indexOf('\n');
    if (end < 0) {
      rest += chunk;
      return;
    }
    let answers = answer(rest + chunk.slice(0, end));
    let at = end + 1;
    for (end = chunk.indexOf('\n', at); end >= 0; end = chunk.indexOf('\n', at)) {
      answers += answer(chunk.slice(at, end));
      at = end + 1;
    }
    rest = chunk.slice(at);
    if (!socket.write(answers, 'latin1')) socket.pause();
  });
  socket.on('drain', () => socket.resume());
  // A connection that fails is its own affair.
  socket.on('error', () => socket.destroy());
});
server.listen(port(), HOST, () => announce(server.address().port));

/** @param {string} line @returns {string} what is sent for it */
function answer(line) {
  return `${line}\n`;
}
