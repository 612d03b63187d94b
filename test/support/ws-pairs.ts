/** Connections for tests of `miniproto/ws`: a server of ours with clients of ours or of `ws`, all ended afterwards. */
import { type EventEmitter, once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { type ServerOptions, WebSocket, WebSocketServer } from 'miniproto/ws';
import * as ws from 'ws';

export const HERE = { port: 0, host: '127.0.0.1' };

/** Servers that `stopAll` stops. */
const running: { clients?: Set<{ terminate(): void }>; close(): void }[] = [];

/** A server that listens. */
export async function listening(
  options: Partial<ServerOptions> = {},
): Promise<{ server: WebSocketServer; url: string }> {
  const server = new WebSocketServer({ ...HERE, ...options });
  running.push(server);
  await once(server, 'listening');
  return { server, url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** The same of `ws`. */
export async function theirListening(
  options: ws.ServerOptions = {},
): Promise<{ server: ws.WebSocketServer; url: string }> {
  const server = new ws.WebSocketServer({ ...HERE, ...options });
  running.push(server);
  await once(server, 'listening');
  return { server, url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** Both ends of a connection, open. */
export async function pair(
  options: Partial<ServerOptions> = {},
  clientOptions: object = {},
): Promise<{ here: WebSocket; there: WebSocket; server: WebSocketServer }> {
  const { server, url } = await listening(options);
  const connected = once(server, 'connection');
  const there = new WebSocket(url, clientOptions);
  await once(there, 'open');
  const [here] = (await connected) as [WebSocket];
  return { here, there, server };
}

/** Our server's end of a connection, and a bare socket that has shaken hands: for bytes that no client would send. */
export async function raw(options: Partial<ServerOptions> = {}): Promise<{ here: WebSocket; socket: net.Socket }> {
  const { server, url } = await listening(options);
  const connected = once(server, 'connection');
  const socket = net.connect(Number(new URL(url).port), '127.0.0.1');
  socket.write(
    'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  );
  const [here] = (await connected) as [WebSocket];
  await once(socket, 'data');
  return { here, socket };
}

/** A plain HTTP server that listens. */
export async function httpServer(): Promise<{ server: http.Server; port: number }> {
  const server = http.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  running.push(server);
  return { server, port: (server.address() as AddressInfo).port };
}

/** How an HTTP server answers a request to upgrade. */
export async function answerTo(
  url: string,
  headers: Record<string, string | undefined> = {},
  method = 'GET',
): Promise<http.IncomingMessage & { text: string }> {
  const all = {
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version': '13',
    ...headers,
  };
  const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  const request = http.request(url.replace('ws:', 'http:'), { method, headers: given as Record<string, string> });
  request.end();
  const [event, response, socket] = await Promise.race([
    once(request, 'response').then((values) => ['response', ...values]),
    once(request, 'upgrade').then((values) => ['upgrade', ...values]),
  ]);
  let text = '';
  if (event === 'upgrade') (socket as net.Socket).destroy();
  else for await (const chunk of response) text += chunk;
  return Object.assign(response as http.IncomingMessage, { text });
}

/** Ends everything that was begun. */
export function stopAll(): void {
  for (const server of running.splice(0)) {
    for (const client of server.clients ?? []) client.terminate();
    server.close();
  }
}

/** What 'close' is emitted with, whether there was an error before it or not. */
export function closeOf(socket: EventEmitter): Promise<[number, string]> {
  return new Promise((resolve) => socket.once('close', (code, reason) => resolve([code, String(reason)])));
}
