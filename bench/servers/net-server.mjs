/**
 * An echo server on node:net or node:tls with framing by hand: each record is cut out, and answered with a record of its
 * own.
 *
 * One write for a chunk; where there are several pieces, cork makes one writev of them. When the socket does not take
 * its answers, nothing is read until it has: a peer that sends without reading is held by its own answers.
 */
import { createServer } from 'node:net';
import { announce, HOST, port } from './arguments.mjs';

/**
 * @param {typeof import('./framing.mjs').Len32Cutter} Cutter
 * @param {typeof import('./answers.mjs').Len32Answers} Answers
 * @param {(onSocket: (socket: import('node:stream').Duplex) => void) => import('node:net').Server} listener what makes
 *   the server, given what serves a connection
 */
export function serveNet(Cutter, Answers, listener = (onSocket) => createServer({ noDelay: true }, onSocket)) {
  const server = listener((socket) => {
    const answers = new Answers({ reuse: false });
    const cutter = new Cutter((bytes, from, to) => answers.add(bytes, from, to));
    socket.on('data', (chunk) => {
      answers.begin(chunk.length + 8);
      try {
        cutter.push(chunk);
      } catch (error) {
        socket.destroy(error);
        return;
      }
      if (!writeAll(socket, answers)) socket.pause();
    });
    socket.on('drain', () => socket.resume());
    // A connection that fails is its own affair.
    socket.on('error', () => socket.destroy());
  });
  server.listen(port(), HOST, () => announce(server.address().port));
}

/** @returns {boolean} false: no more for now */
function writeAll(socket, answers) {
  const pieces = answers.finish();
  if (pieces.length === 0) return true;
  answers.pieces = [];
  if (pieces.length === 1) return socket.write(pieces[0]);
  socket.cork();
  let more = true;
  for (const piece of pieces) more = socket.write(piece);
  socket.uncork();
  return more;
}
