/**
 * The same on Bun.listen. Runs in Bun only.
 *
 * `write` takes what the kernel takes and answers with the count; it keeps nothing. So what is left is ours to keep,
 * copied, since the memory of small answers is used again; and until it has left, the socket is paused.
 */
import { announce, HOST, port } from './arguments.mjs';

/**
 * @param {typeof import('./framing.mjs').Len32Cutter} Cutter
 * @param {typeof import('./answers.mjs').Len32Answers} Answers
 */
export function serveBun(Cutter, Answers) {
  const server = globalThis.Bun.listen({
    hostname: HOST,
    port: port(),
    socket: {
      open(socket) {
        socket.setNoDelay(true);
        const answers = new Answers({ reuse: true });
        const cutter = new Cutter((bytes, from, to) => answers.add(bytes, from, to));
        socket.data = { answers, cutter, left: [] };
      },
      data(socket, chunk) {
        const { answers, cutter } = socket.data;
        answers.begin(chunk.length + 8);
        try {
          cutter.push(chunk);
        } catch {
          // A peer that breaks the protocol: there is nobody to tell.
          socket.terminate();
          return;
        }
        writeAll(socket);
      },
      drain: writeLeft,
      // A connection that fails is its own affair.
      error: (socket) => socket.terminate(),
    },
  });
  announce(server.port);
}

function writeAll(socket) {
  const { answers, left } = socket.data;
  const pieces = answers.finish();
  let blocked = left.length > 0;
  for (const piece of pieces) {
    const taken = blocked ? 0 : socket.write(piece);
    if (taken === piece.length) continue;
    if (!blocked) socket.pause();
    blocked = true;
    // The socket has gone when it answers -1; then nothing of this matters.
    left.push(piece.slice(Math.max(taken, 0)));
  }
  pieces.length = 0;
}

function writeLeft(socket) {
  const { left } = socket.data;
  while (left.length > 0) {
    const taken = Math.max(socket.write(left[0]), 0);
    if (taken < left[0].length) {
      left[0] = left[0].subarray(taken);
      return;
    }
    left.shift();
  }
  socket.resume();
}
