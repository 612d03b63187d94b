/** The client of undici agrees with our server: it is the WebSocket that Node has as a global, from version 22 on. */
import { WebSocket as UndiciSocket } from 'undici';
import { beAsked, describePeer } from '../../support/echo-peers.js';
import { echoAsBrowsersDo, type StandardSocket } from '../../support/peer-scripts.js';

type Constructor = new (url: string) => StandardSocket;

describePeer('undici', {
  can: ['close without a code'],
  meet: (options) => beAsked(options, (url) => echoAsBrowsersDo(url, UndiciSocket as unknown as Constructor)),
});

const { WebSocket: NodesOwn } = globalThis as unknown as { WebSocket?: Constructor };
if (NodesOwn !== undefined) {
  describePeer("Node's own WebSocket", {
    can: ['close without a code'],
    meet: (options) => beAsked(options, (url) => echoAsBrowsersDo(url, NodesOwn)),
  });
}
