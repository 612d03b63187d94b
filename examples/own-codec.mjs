/**
 * A codec of one's own: a greeting that agrees on a version, then records of a type and a payload.
 *
 *     node examples/own-codec.mjs
 *
 *     greeting   | 'M' 'P' | version |                  each side sends one, and speaks the smaller of the two
 *     record     | type | length, 2 bytes | payload |
 */
import { CONTINUE, EOF, framed, memoryPair, NEED_READ, ProtocolError } from 'miniproto';

/** Records `{ type, payload }`. It keeps no state, so one object may serve any number of streams. */
const typed = {
  name: 'typed',
  shared: true,
  decode(input) {
    if (input.length < 3) return input.need(3);
    const size = 3 + input.peekUint(1, 2);
    if (input.length < size) return input.need(size);
    const type = input.byteAt(0);
    input.consume(3);
    return { type, payload: input.take(size - 3) };
  },
  encode({ type, payload }, output) {
    output.writeByte(type);
    output.writeUint(payload.length, 2, 'big');
    output.write(payload);
    return true;
  },
};

/** The greeting. It names its successor when it is done, and until then it lets nobody write. */
class Greeting {
  name = 'greeting';
  next = undefined;
  agreed = 0;
  #version;

  constructor(version) {
    this.#version = version;
  }

  start(output) {
    output.write(Buffer.of(0x4d, 0x50, this.#version));
  }

  decode(input) {
    if (input.length < 3) return input.need(3);
    const [m, p, version] = input.peek(3);
    if (m !== 0x4d || p !== 0x50) throw new ProtocolError('ERR_INVALID_RECORD', { protocol: this.name, offset: 0 });
    input.consume(3);
    this.agreed = Math.min(version, this.#version);
    this.next = typed;
    return CONTINUE;
  }

  encode() {
    // Before the peer's greeting this side does not know what it may say: the write waits for it.
    return NEED_READ;
  }
}

const [one, other] = memoryPair();
const [mine, theirs] = [new Greeting(2), new Greeting(7)];
const client = framed(one, mine);
const server = framed(other, theirs);

const answers = (async () => {
  for await (const { type, payload } of server) await server.write({ type: type + 1, payload });
  await server.end();
})();
await client.write({ type: 1, payload: Buffer.from('hello') });
await client.end();
for (let record = await client.read(); record !== EOF; record = await client.read()) {
  console.log(`version ${mine.agreed}, type ${record.type}: ${record.payload}`);
}
await answers;
