/**
 * `createWebSocketStream`: a WebSocket as a Duplex, a message for each chunk. Backpressure goes both ways: a stream that
 * nobody reads pauses the WebSocket, and a chunk counts as written when it has been handed to the system.
 */
import { Duplex, type DuplexOptions } from 'node:stream';
import type { RawData, WebSocket } from './web-socket.js';

const CONNECTING = 0;
const CLOSED = 3;

class WebSocketStream extends Duplex {
  readonly #socket: WebSocket;
  /** Its end has to be an abrupt one: nobody has begun a closing handshake. */
  #terminates = true;

  constructor(socket: WebSocket, options: DuplexOptions | undefined) {
    super({ ...options, autoDestroy: false, emitClose: false, objectMode: false, writableObjectMode: false });
    this.#socket = socket;
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    socket.once('error', (error) => {
      if (this.destroyed) return;
      // A close frame with the reason may be on its way; before the opening there is nothing to end.
      this.#terminates = false;
      this.destroy(error);
    });
    socket.once('close', () => {
      if (!this.destroyed) this.push(null);
    });
    this.on('end', () => {
      if (!this.destroyed && this.writableFinished) this.destroy();
    });
    this.once('error', this.#onError);
  }

  readonly #onError = (error: Error): void => {
    this.destroy();
    // As if we had never listened: an error that nobody hears is thrown.
    if (this.listenerCount('error') === 0) this.emit('error', error);
  };

  #receive(data: RawData, isBinary: boolean): void {
    const chunk = !isBinary && this.readableObjectMode ? data.toString() : data;
    if (!this.push(chunk)) this.#socket.pause();
  }

  override _read(): void {
    if (this.#socket.isPaused) this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    const socket = this.#socket;
    if (socket.readyState === CONNECTING) socket.once('open', () => socket.send(chunk, callback));
    else socket.send(chunk, callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    const socket = this.#socket;
    if (socket.readyState === CONNECTING) {
      socket.once('open', () => this._final(callback));
      return;
    }
    if (socket.readyState === CLOSED) {
      callback();
      if (this.readableEnded) this.destroy();
      return;
    }
    socket.prependListener('close', () => callback());
    socket.close();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const socket = this.#socket;
    if (socket.readyState === CLOSED) {
      callback(error);
      process.nextTick(emitClose, this);
      return;
    }
    let told = false;
    socket.once('error', (late) => {
      told = true;
      callback(late);
    });
    socket.once('close', () => {
      if (!told) callback(error);
      process.nextTick(emitClose, this);
    });
    if (this.#terminates) socket.terminate();
  }
}

function emitClose(stream: Duplex): void {
  stream.emit('close');
}

/** Makes a Duplex of a WebSocket. */
export function createWebSocketStream(socket: WebSocket, options?: DuplexOptions): Duplex {
  return new WebSocketStream(socket, options);
}
