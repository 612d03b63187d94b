/**
 * A Duplex over a socket that is no socket itself: what TLS stands on behind a proxy, in a tunnel, on an HTTP/2 stream.
 */
import { Duplex } from 'node:stream';

export class PassingDuplex extends Duplex {
  #socket;

  /** @param {import('node:net').Socket} socket */
  constructor(socket) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    socket.on('data', (chunk) => {
      if (!this.push(chunk)) socket.pause();
    });
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  _read() {
    this.#socket.resume();
  }

  _write(chunk, _encoding, done) {
    if (this.#socket.write(chunk)) done();
    else this.#socket.once('drain', done);
  }

  _writev(chunks, done) {
    this.#socket.cork();
    let more = true;
    for (const { chunk } of chunks) more = this.#socket.write(chunk);
    this.#socket.uncork();
    if (more) done();
    else this.#socket.once('drain', done);
  }

  _final(done) {
    this.#socket.end(done);
  }

  _destroy(error, done) {
    this.#socket.destroy();
    done(error);
  }
}
