/** Both sides of the handshake on a bad day: the stream below fails at each of its operations, and peers send noise. */
import assert from 'node:assert/strict';
import { MiniprotoError, memoryPair } from 'miniproto';
import { HeaderList, requestHeads } from 'miniproto/websocket';
import { acceptRules } from '#lib/websocket/handshake/decision';
import { type Offer, openOn } from '#lib/websocket/handshake/offer';
import { HandshakeDeadline } from '#lib/websocket/handshake/read-head';
import { HandshakeRefusedError } from '#lib/websocket/handshake/response';
import { serveRaw } from '#lib/websocket/handshake/serve';
import { FailingStream } from '../../support/failing-stream.js';
import { KEY, request, response, send, turn } from '../../support/handshakes.js';
import { seeded } from '../../support/random.js';

const HOW = { timeoutMs: 60_000, origin: { addresses: {} } };
const OFFER: Offer = {
  key: KEY,
  target: '/',
  host: 'h',
  protocols: [],
  extensions: '',
  checkDeflate: undefined,
  headers: new HeaderList(),
};
const halves = (text: string) => [Buffer.from(text.slice(0, 30), 'latin1'), Buffer.from(text.slice(30), 'latin1')];

describe('a handshake on a stream that fails at operation 0, 1, 2, …', () => {
  for (const [name, input] of [
    ['a good request', request()],
    ['one that is refused', request({ Host: undefined })],
    ['none', 'nonsense\r\n\r\n'.padEnd(40, 'x')],
  ] as const) {
    it(`is an outcome to the server: ${name}`, async () => {
      for (let failAt = 0; ; failAt++) {
        const [client, ours] = memoryPair();
        const server = new FailingStream(ours, failAt);
        const serving = serveRaw(server, requestHeads(), acceptRules({}), HOW);
        await send(client, halves(input));
        if (!client.destroyed) await client.end();
        const outcome = await serving;
        if (!server.failed) {
          assert.ok(!('gone' in outcome) && failAt > 2, `operation ${failAt}`);
          ours.destroy();
          break;
        }
        // What fails while the connection is being closed is nobody's concern.
        assert.ok('gone' in outcome || 'refused' in outcome, `operation ${failAt}`);
        assert.ok(ours.destroyed);
      }
    });
  }

  it('is an error to the client', async () => {
    for (let failAt = 0; ; failAt++) {
      const [ours, server] = memoryPair();
      const client = new FailingStream(ours, failAt);
      const deadline = new HandshakeDeadline(60_000);
      const opening = openOn(client, OFFER, deadline, {}).catch((error: unknown) => error);
      await send(server, halves(response()));
      const result = await opening;
      deadline.clear();
      if (!client.failed) {
        assert.ok(!(result instanceof Error) && failAt > 1);
        break;
      }
      assert.equal((result as Error).message.includes(client.error.message), true, `operation ${failAt}: ${result}`);
    }
  });
});

/** What may be said of bytes that are no handshake. */
const DOCUMENTED = /^ERR_(INVALID_HEAD|BARE_CR|BARE_LF|HEAD_TOO_LARGE|TOO_MANY_HEADERS|UNEXPECTED_EOF|HANDSHAKE)$/;

describe('noise', () => {
  seeded('in a request is an outcome, and an error that is documented', async (random) => {
    for (let round = 0; round < 400; round++) {
      const [client, server] = memoryPair();
      const serving = serveRaw(server, requestHeads({ maxHeaderBytes: 300 }), acceptRules({}), HOW);
      await send(client, pieces(random, mutated(random, request())));
      if (!client.destroyed) await client.end();
      const outcome = await serving;
      if ('established' in outcome) server.destroy();
      else if ('refused' in outcome) assert.match(outcome.refused.error.code, DOCUMENTED);
      else assert.ok('gone' in outcome);
    }
  });

  seeded('in an answer is an error that is documented', async (random) => {
    for (let round = 0; round < 400; round++) {
      const [client, server] = memoryPair();
      const deadline = new HandshakeDeadline(60_000);
      const opening = openOn(client, OFFER, deadline, { maxHeaderBytes: 300 }).catch((error: unknown) => error);
      await send(server, pieces(random, mutated(random, response())));
      await server.end();
      const result = await opening;
      deadline.clear();
      if (result instanceof HandshakeRefusedError) assert.ok(result.status >= 200);
      else if (result instanceof MiniprotoError) assert.match(result.code, DOCUMENTED);
      else assert.ok(!(result instanceof Error), String(result));
      client.destroy();
      await turn();
    }
  });
});

type Random = Parameters<Parameters<typeof seeded>[1]>[0];

/** The text with some bytes changed, left out or added. */
function mutated(random: Random, text: string): Buffer {
  const bytes = [...Buffer.from(text, 'latin1')];
  for (let count = random.below(4); count > 0; count--) {
    const at = random.below(bytes.length);
    const byte = random.oneIn(2) ? random.below(256) : random.pick([0x0d, 0x0a, 0x20, 0x3a, 0x09, 0x2c, 0x22]);
    bytes.splice(at, random.below(2), ...(random.oneIn(3) ? [] : [byte]));
  }
  return Buffer.from(bytes);
}

function pieces(random: Random, bytes: Buffer): Buffer[] {
  let from = 0;
  return random.cuts(bytes.length, 4).map((to) => {
    const piece = bytes.subarray(from, to);
    from = to;
    return piece;
  });
}
