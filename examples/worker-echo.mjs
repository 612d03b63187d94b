/**
 * An echo server on several cores, in threads: one accepts, and hands each connection on to the next of the others.
 *
 *     node examples/worker-echo.mjs
 *
 * A descriptor belongs to the process, so a number is all that has to be sent: `releaseDescriptor` gives it away, with
 * what was read by then, and the other thread makes a socket of it and adopts that. Each thread has a reactor of its
 * own. Without native sockets there is no descriptor to give away, and the first thread serves by itself.
 */
import { once } from 'node:events';
import { Socket } from 'node:net';
import { isMainThread, parentPort, threadId, Worker } from 'node:worker_threads';
import { adopt, connect, framed, lines, listen, nativeInfo } from 'miniproto';

const THREADS = 2;
const CONNECTIONS = 8;
const MESSAGES = 5000;

const served = { thread: threadId, connections: 0, messages: 0 };

if (isMainThread) await lead();
else follow();

/** Serves a connection to its end. */
async function echo(stream) {
  served.connections++;
  const talk = framed(stream, lines());
  await talk.onRecord((record, out) => {
    served.messages++;
    out.write(record);
  });
  await talk.close();
}

function follow() {
  const open = new Set();
  parentPort.on('message', async (message) => {
    if (message !== 'stop') {
      const { descriptor, unread } = message;
      const stream = adopt(new Socket({ fd: descriptor }), { head: unread });
      // A client that hangs up ends its own connection, and not the thread.
      const serving = echo(stream).catch((error) => stream.destroy(error));
      open.add(serving);
      return serving.finally(() => open.delete(serving));
    }
    await Promise.all(open);
    parentPort.postMessage(served);
    // Without somebody who listens to it the thread has nothing left to wait for.
    parentPort.close();
  });
}

async function lead() {
  const { native, reason } = nativeInfo().sockets;
  const workers = native ? Array.from({ length: THREADS }, () => new Worker(new URL(import.meta.url))) : [];
  let next = 0;
  const server = await listen({ port: 0, host: '127.0.0.1' }, (stream) => {
    // A connection may stay with Node all the same, for want of descriptors for example.
    if (workers.length === 0 || !stream.native) return echo(stream);
    workers[next++ % workers.length].postMessage(stream.releaseDescriptor());
  });
  const start = performance.now();
  await Promise.all(Array.from({ length: CONNECTIONS }, () => talk(server.port)));
  const ms = performance.now() - start;
  await server.close();
  const tell = ({ thread, connections, messages }) =>
    console.log(`thread ${thread} served ${messages} messages on ${connections} connections`);
  for (const worker of workers) {
    worker.postMessage('stop');
    tell((await once(worker, 'message'))[0]);
  }
  if (workers.length === 0) console.log(`only one thread serves: ${reason}`);
  if (served.connections > 0) tell(served);
  console.log(`${Math.round((CONNECTIONS * MESSAGES) / ms)} messages a millisecond, this thread included`);
}

/** Sends everything and reads it back. */
async function talk(port) {
  const conversation = framed(await connect({ port, host: '127.0.0.1' }), lines());
  const send = async () => {
    for (let i = 0; i < MESSAGES; i++) await conversation.write(`message ${i}`);
    await conversation.end();
  };
  const receive = async () => {
    let expected = 0;
    for await (const line of conversation) if (line !== `message ${expected++}`) throw new Error(`unexpected: ${line}`);
    if (expected !== MESSAGES) throw new Error(`${expected} of ${MESSAGES} came back`);
  };
  await Promise.all([send(), receive()]);
  await conversation.close();
}
