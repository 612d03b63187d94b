/**
 * Rival: node:net and split2.
 *
 * Lines are strings. The answers to a chunk are joined and leave in one write at the end of the turn, which is several
 * times faster than a write for each line.
 */
import { createServer } from 'node:net';
import { nextTick } from 'node:process';
import split2 from 'split2';
import { announce, HOST, port } from './arguments.mjs';

const server = createServer({ noDelay: true }, (socket) => {
  const lines = socket.pipe(split2('\n'));
  let answers = '';
  const flush = () => {
    const more = socket.write(answers);
    answers = '';
    if (!more) lines.pause();
  };
  lines.on('data', (line) => {
    if (answers === '') nextTick(flush);
    answers += `${line}\n`;
  });
  socket.on('drain', () => lines.resume());
  // A connection that fails is its own affair.
  socket.on('error', () => socket.destroy());
});
server.listen(port(), HOST, () => announce(server.address().port));
