/**
 * A toy protocol with a handshake that re-keys in mid-stream: what TLS asks of a codec, in a hundred lines.
 *
 *     HELLO  'H' key            both sides, first; nothing else may be sent before the peer's has come
 *     DATA   'D' length bytes   the bytes masked with the sender's key
 *     REKEY  'R' key            the sender's new key; the receiver must answer before it takes further data
 *     ACK    'A' key            the answer; the sender of REKEY may send no data before it has come
 *     BYE    'B'                the farewell
 *
 * Messages are one byte of kind, then what the kind says. A codec re-keys after `rekeyAfter` records of its own.
 */

import type { Continue, NeedRead, NeedWrite, NotReady } from 'miniproto';
import {
  CONTINUE,
  type Codec,
  type InputBuffer,
  NEED_READ,
  NEED_WRITE,
  type OutputBuffer,
  ProtocolError,
} from 'miniproto';

const [HELLO, DATA, REKEY, ACK, BYE] = [0x48, 0x44, 0x52, 0x41, 0x42];

export class RekeyCodec implements Codec<string> {
  readonly name = 'rekey';
  readonly #rekeyAfter: number;
  #ownKey: number;
  /** undefined: the peer's HELLO has not come. */
  #peerKey: number | undefined;
  /** Records sent under the key in use. */
  #sent = 0;
  /** A REKEY of ours waits for its ACK. */
  #rekeying = false;
  /** An ACK of ours is in the output; the peer's data must wait until it has left. */
  #answering = false;
  /** What happened, for the tests. */
  readonly log: string[] = [];

  constructor(key: number, rekeyAfter: number) {
    this.#ownKey = key;
    this.#rekeyAfter = rekeyAfter;
  }

  start(output: OutputBuffer): void {
    output.write(Uint8Array.of(HELLO!, this.#ownKey));
  }

  end(output: OutputBuffer): void {
    output.writeByte(BYE!);
  }

  decode(input: InputBuffer, output: OutputBuffer): string | NotReady | NeedWrite | Continue {
    if (this.#answering) {
      if (output.length > 0) return NEED_WRITE;
      this.#answering = false;
    }
    if (input.length === 0) return input.need(1);
    const kind = input.byteAt(0);
    if (kind === HELLO || kind === REKEY) return this.#takeKey(kind, input, output);
    if (kind === ACK) {
      if (input.length < 2) return input.need(2);
      input.consume(2);
      this.#rekeying = false;
      this.log.push('ack');
      return CONTINUE;
    }
    if (kind === BYE) {
      input.consume(1);
      this.log.push('bye');
      return CONTINUE;
    }
    if (kind !== DATA || this.#peerKey === undefined) {
      throw new ProtocolError('ERR_INVALID_RECORD', { protocol: this.name, offset: input.offset });
    }
    return this.#takeData(input, this.#peerKey);
  }

  #takeKey(kind: number, input: InputBuffer, output: OutputBuffer): NotReady | Continue {
    if (input.length < 2) return input.need(2);
    this.#peerKey = input.byteAt(1);
    input.consume(2);
    this.log.push(kind === HELLO ? 'hello' : 'rekey');
    if (kind === REKEY) {
      output.write(Uint8Array.of(ACK!, this.#peerKey));
      this.#answering = true;
    }
    return CONTINUE;
  }

  #takeData(input: InputBuffer, key: number): string | NotReady {
    if (input.length < 2) return input.need(2);
    const size = input.byteAt(1);
    if (input.length < 2 + size) return input.need(2 + size);
    const text = Buffer.from(input.peek(2 + size, 2).map((byte) => byte ^ key)).toString();
    input.consume(2 + size);
    return text;
  }

  encode(record: string, output: OutputBuffer): true | NeedRead {
    if (this.#peerKey === undefined || this.#rekeying) return NEED_READ;
    if (this.#sent === this.#rekeyAfter) {
      this.#ownKey = (this.#ownKey * 7 + 1) & 0xff;
      output.write(Uint8Array.of(REKEY!, this.#ownKey));
      this.#rekeying = true;
      this.#sent = 0;
      return NEED_READ;
    }
    const bytes = Buffer.from(record);
    output.write(Uint8Array.of(DATA!, bytes.length));
    output.write(bytes.map((byte) => byte ^ this.#ownKey));
    this.#sent++;
    return true;
  }
}

/** A handshake that names its successor: both sides say a word, then `next` takes over. */
export class HandshakeCodec<R, W> implements Codec<R, W> {
  readonly name = 'handshake';
  next: Codec<R, W> | undefined;
  readonly #word: string;
  readonly #successor: Codec<R, W>;

  constructor(word: string, successor: Codec<R, W>) {
    this.#word = word;
    this.#successor = successor;
  }

  start(output: OutputBuffer): void {
    output.writeText(this.#word);
  }

  decode(input: InputBuffer): NotReady | Continue {
    if (input.length < this.#word.length) return input.need(this.#word.length);
    const word = input.take(this.#word.length).toString();
    if (word !== this.#word) throw new ProtocolError('ERR_INVALID_RECORD', { protocol: this.name, offset: 0 });
    this.next = this.#successor;
    return CONTINUE;
  }

  encode(): NeedRead {
    return NEED_READ;
  }
}
