/**
 * An echo server on several cores, in processes: cluster shares one port among its workers, each with sockets of its own.
 *
 *     node examples/cluster-echo.mjs
 *
 * Nothing is different from a server in one process: `listen` leaves listening to Node, and so to cluster. The primary
 * puts some load on the port, and each worker says what it has served when it is told to stop.
 */
import cluster from 'node:cluster';
import { once } from 'node:events';
import process from 'node:process';
import { connect, framed, lines, listen } from 'miniproto';

const WORKERS = 2;
const CONNECTIONS = 8;
const MESSAGES = 5000;

if (cluster.isPrimary) await lead();
else await serve();

async function serve() {
  const served = { connections: 0, native: 0, messages: 0 };
  const server = await listen({ port: 0, host: '127.0.0.1' }, async (stream) => {
    served.connections++;
    if (stream.native) served.native++;
    await framed(stream, lines()).onRecord((record, out) => {
      served.messages++;
      out.write(record);
    });
  });
  process.send({ port: server.port });
  await once(process, 'message');
  // Output leaves, peers are told, and only then this resolves.
  await server.close();
  process.send(served);
  process.disconnect();
}

async function lead() {
  const workers = Array.from({ length: WORKERS }, () => cluster.fork());
  const ports = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0].port));
  const start = performance.now();
  await Promise.all(Array.from({ length: CONNECTIONS }, () => talk(ports[0])));
  const ms = performance.now() - start;
  for (const worker of workers) {
    worker.send('stop');
    const [{ connections, native, messages }] = await once(worker, 'message');
    const { pid } = worker.process;
    console.log(`process ${pid} served ${messages} messages on ${connections} connections, ${native} of them native`);
  }
  console.log(`${Math.round((CONNECTIONS * MESSAGES) / ms)} messages a millisecond, this process included`);
}

/** Sends everything and reads it back. */
async function talk(port) {
  const conversation = framed(await connect({ port, host: '127.0.0.1' }), lines());
  const send = async () => {
    for (let i = 0; i < MESSAGES; i++) await conversation.write(`message ${i}`);
    await conversation.end();
  };
  const receive = async () => {
    let next = 0;
    for await (const line of conversation) if (line !== `message ${next++}`) throw new Error(`unexpected: ${line}`);
    if (next !== MESSAGES) throw new Error(`${next} of ${MESSAGES} came back`);
  };
  await Promise.all([send(), receive()]);
  await conversation.close();
}
