/**
 * A proxy: SOCKS 4, 4a and 5 and HTTP CONNECT on one port, told apart by their first byte.
 *
 *     node examples/proxy-server.mjs [--port N] [--user name --password secret]
 *     curl --proxy socks5h://127.0.0.1:PORT http://example.org/
 *
 * Prints `up PORT` when it listens. It connects to whatever it is asked for, so it listens to this machine only. With a
 * user, SOCKS 4 is refused: it has no passwords.
 */
import { parseArgs } from 'node:util';
import { connect, drain, listen, NOT_READY, relay } from 'miniproto';
import { httpConnectServer } from 'miniproto/http-connect';
import { socksServer } from 'miniproto/socks';

const { values } = parseArgs({
  options: { port: { type: 'string', default: '0' }, user: { type: 'string' }, password: { type: 'string' } },
});
const { user, password } = values;
const isKnown = (name, secret) => name === user && secret === password;
const socks = user === undefined ? {} : { authenticate: isKnown };
const http =
  user === undefined ? {} : { authorize: ({ credentials }) => isKnown(credentials?.user, credentials?.password) };

/** Milliseconds. For a client that connects and says nothing, and for a destination that does not answer. */
const PATIENCE_MS = 10_000;

/** What goes wrong is the end of one connection, whose client has been told, and of no other. */
const onError = () => undefined;

const server = await listen({ port: Number(values.port), host: '127.0.0.1', onError }, async (client) => {
  const request = await requestOf(client);
  const { host, port } = request;
  let there;
  try {
    there = await connect({ host, port, signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch (error) {
    if ('command' in request) await request.refuse(error);
    else await request.refuse(502, error.message);
    return;
  }
  try {
    await request.accept();
    await relay(client, there);
  } finally {
    there.destroy();
  }
});
console.log(`up ${server.port}`);
process.once('SIGTERM', () => drain(server.server));

/** SOCKS begins with its version, 4 or 5; a method of HTTP with a letter. */
async function requestOf(client) {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  while (client.tryFill(1) === NOT_READY) await client.ready('read', { signal });
  if (client.input.length > 0 && client.input.byteAt(0) <= 5) return socksServer(client, socks);
  return httpConnectServer(client, http);
}
