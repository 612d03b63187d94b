/**
 * The echoing side of test/support/echo-peers.ts for clients with the interface of browsers. It has to stand alone: it
 * is also sent to a browser as its source text.
 */
import type { SeenEnd } from './echo-peers.js';

/** As much of a browser's WebSocket as is used. */
export interface StandardSocket {
  binaryType: string;
  onmessage: unknown;
  onclose: unknown;
  send(data: string | ArrayBuffer): void;
  close(code?: number, reason?: string): void;
}

/** Connects, echoes, does what it is told, and resolves with what its CloseEvent says. */
export function echoAsBrowsersDo(url: string, Socket: new (url: string) => StandardSocket): Promise<SeenEnd> {
  return new Promise((resolve) => {
    const socket = new Socket(url);
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }: { data: string | ArrayBuffer }) => {
      const [order = '', words = ''] = typeof data === 'string' ? data.split(/ (.*)/s) : [];
      if (order === '!send') socket.send(new ArrayBuffer(Number(words)));
      else if (order === '!close') {
        if (words === '') socket.close();
        else socket.close(Number(words.split(' ')[0]), words.slice(words.indexOf(' ') + 1));
      } else socket.send(data);
    };
    socket.onclose = ({ code, reason, wasClean }: { code: number; reason: string; wasClean: boolean }) =>
      resolve({ code, reason, clean: wasClean });
  });
}
