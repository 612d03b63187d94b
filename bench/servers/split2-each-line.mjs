/**
 * Rival: node:net and split2 as its documentation shows it, one pipe after the other: a write for each line.
 *
 * split2-line.mjs does the same with one write for a chunk, which has to be thought of.
 */
import { createServer } from 'node:net';
import split2 from 'split2';
import { announce, HOST, port } from './arguments.mjs';

const server = createServer({ noDelay: true }, (socket) => {
  // A connection that fails is its own affair.
  socket.on('error', () => socket.destroy());
  socket.pipe(split2('\n', (line) => `${line}\n`)).pipe(socket);
});
server.listen(port(), HOST, () => announce(server.address().port));
