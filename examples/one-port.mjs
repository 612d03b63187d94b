/**
 * One port for everything: WebSockets, lines and length-prefixed records, each in the clear and inside of TLS, with a
 * PROXY header in front or without one. Whatever is said comes back.
 *
 *     node examples/one-port.mjs [--port N] [--cert FILE --key FILE]
 *
 *   begins with                  is
 *   a PROXY header               a proxy, on this machine; what is behind it is told apart again
 *   a ClientHello                TLS; what is inside is told apart again
 *   GET … Upgrade: websocket     a WebSocket: ws, and inside of TLS wss
 *   another request of HTTP/1    answered with what there is here
 *   a byte 0                     records behind a length of 4 bytes: below 16 MiB, the first one is always 0
 *   anything else                lines
 *
 * Prints `up` and the port when it listens, then a line for each connection that says who it is and what it speaks, and
 * one for each that went wrong. Without a certificate it has the one of the tests.
 */
import { readFileSync } from 'node:fs';
import http from 'node:http';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { framed, lengthPrefixed, lines } from 'miniproto';
import { handToNode, serveAny } from 'miniproto/detect';
import { proxiedAddresses, receiveProxyHeader } from 'miniproto/proxy-protocol';
import { TlsContext, tlsServer } from 'miniproto/tls';
import { acceptWebSocketStream } from 'miniproto/websocket';

/** For one's own machine: everybody has the key of it. */
const TEST_CERTIFICATES = new URL('../test/fixtures/tls/', import.meta.url);
/** Bytes of a record, a line or a message: what keeps the first byte of a length 0. */
const LARGEST = 1 << 20;

const { values } = parseArgs({
  options: { port: { type: 'string', default: '0' }, cert: { type: 'string' }, key: { type: 'string' } },
});
const context = new TlsContext({
  cert: readFileSync(values.cert ?? new URL('server.cert.pem', TEST_CERTIFICATES)),
  key: readFileSync(values.key ?? new URL('server.key.pem', TEST_CERTIFICATES)),
  // Browsers offer HTTP/2 as well, which is not here.
  ALPNProtocols: ['http/1.1'],
});

const records = lengthPrefixed({ bytes: 4, maxLength: LARGEST });
// A line ends with LF alone: a CR before it is data, and comes back.
const texts = lines({ encoding: 'buffer', newline: 'lf', maxLength: LARGEST });

/** Answers requests. It listens nowhere: connections are handed to it. */
const web = http.createServer((request, response) => {
  const text = 'Here are WebSockets, lines, and records behind a length of 4 bytes, all with TLS or without.\n';
  const known = request.url === '/' && (request.method === 'GET' || request.method === 'HEAD');
  response.writeHead(known ? 200 : 404, { 'Content-Type': 'text/plain', Connection: 'close' });
  response.end(known ? text : 'There is nothing here.\n');
});

/** What `serveAny` looks for is what is handled here; layers come first, and what is behind them is looked at again. */
const handlers = {
  proxy: (stream) => receiveProxyHeader(stream, { trusted: ['127.0.0.1', '::1'] }),
  tls: (stream) => tlsServer(stream, { context }),
  async websocket(stream, arrival) {
    note('WebSocket', arrival);
    const socket = await acceptWebSocketStream(stream, { maxMessageLength: LARGEST });
    await socket?.onMessage((message) => void socket.send(message));
  },
  http1(stream, arrival) {
    note('HTTP', arrival);
    handToNode(stream, web);
  },
  own: {
    records: { detect: (bytes) => bytes[0] === 0, handle: (stream, arrival) => echo(stream, records, arrival) },
  },
  default: (stream, arrival) => echo(stream, texts, arrival),
};

const onError = (error) => console.log(`failed: ${error.code ?? error.name}: ${error.message}`);
const server = await serveAny({ port: Number(values.port), host: '127.0.0.1', onError }, handlers);
console.log(`up ${server.port}`);
process.once('SIGTERM', async () => {
  await server.close();
  web.closeAllConnections();
});

/** Gives everything back. */
function echo(stream, codec, arrival) {
  note(codec === texts ? 'lines' : 'records', arrival);
  return framed(stream, codec).onRecord((record, out) => out.write(record));
}

/** Says who has come. With a proxy in front that is whom it names, and not the proxy. */
function note(what, { connection, proxy, tls }) {
  const { remoteAddress } = proxiedAddresses(proxy, connection.addresses);
  console.log(`${what}${tls === undefined ? '' : ' over TLS'} from ${remoteAddress}`);
}
