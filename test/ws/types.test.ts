/** The types: what is written against those of `ws` compiles against ours, and ours fit where those are wanted. */
import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type * as face from 'miniproto/ws';
import WebSocket, {
  type ClientOptions,
  createWebSocketStream,
  type RawData,
  type ServerOptions,
  WebSocketServer,
} from 'miniproto/ws';
import type * as theirs from 'ws';

/** Compiles when the one fits where the other is wanted. */
function fits<Wanted>(_given: Wanted): void {}

/** Every name that theirs have, in both places where programs look for it. */
type Names = [
  face.AddressInfo & WebSocket.AddressInfo,
  face.CertMeta & WebSocket.CertMeta,
  face.ClientOptions & WebSocket.ClientOptions,
  face.CloseEvent & WebSocket.CloseEvent,
  face.Data & WebSocket.Data,
  face.ErrorEvent & WebSocket.ErrorEvent,
  face.Event & WebSocket.Event,
  face.EventListenerOptions & WebSocket.EventListenerOptions,
  face.FinishRequestCallback & WebSocket.FinishRequestCallback,
  face.MessageEvent & WebSocket.MessageEvent,
  face.PerMessageDeflateOptions & WebSocket.PerMessageDeflateOptions,
  face.RawData & WebSocket.RawData,
  face.Server & WebSocket.Server,
  face.ServerOptions & WebSocket.ServerOptions,
  face.VerifyClientCallbackAsync & WebSocket.VerifyClientCallbackAsync,
  face.VerifyClientCallbackSync & WebSocket.VerifyClientCallbackSync,
  face.WebSocket & WebSocket.WebSocket,
  face.WebSocketEventMap & WebSocket.WebSocketEventMap,
  face.WebSocketServer & WebSocket.WebSocketServer,
];

// Never run: the compiler is what tests it.
const compiled = (socket: WebSocket, given: theirs.ClientOptions, server: WebSocketServer): void => {
  fits<theirs.WebSocket>(socket);
  fits<typeof theirs.WebSocket>(WebSocket);
  fits<theirs.WebSocketServer>(server);
  fits<ClientOptions>(given);
  fits<WebSocket.RawData>(Buffer.alloc(0) as RawData);
  fits<WebSocket.ServerOptions>({ port: 1 } satisfies ServerOptions);
  socket.on('message', function (this: WebSocket, data, isBinary) {
    const text: string = isBinary ? '' : data.toString();
    this.send(text, { fin: true }, (error?: Error) => fits<Error | undefined>(error));
  });
  socket.onmessage = ({ data, target, type }) => target.send(`${type}: ${data}`);
  socket.addEventListener('close', { handleEvent: ({ code, reason }) => fits<[number, string]>([code, reason]) });
  socket.once('an event of my own', (...values: unknown[]) => fits<unknown[]>(values));
  server.on('connection', (client, request) => {
    fits<WebSocket>(client);
    fits<IncomingMessage>(request);
    fits<Duplex>(createWebSocketStream(client, { encoding: 'utf8' }));
  });
  class Client extends WebSocket {
    readonly name = 'mine';
  }
  const own = new WebSocketServer({ noServer: true, WebSocket: Client });
  own.on('connection', (client) => fits<string>(client.name));
  for (const client of own.clients) fits<Client>(client);
  fits<WebSocket.Server>(new WebSocket.Server({ port: 0 }));
  fits<Names | undefined>(undefined);
};

describe('types of miniproto/ws', () => {
  it('name the values of the module as well', () => {
    assert.equal(WebSocket.WebSocketServer, WebSocketServer);
    assert.equal(WebSocket.Server, WebSocketServer);
    assert.equal(WebSocket.WebSocket, WebSocket);
    assert.equal(WebSocket.createWebSocketStream, createWebSocketStream);
    assert.equal(compiled.length, 3);
  });
});
