/**
 * All wire cases over everything that a WebSocket can run over: native sockets, Duplexes, TLS, HTTP/2, with the library's
 * own handshake where there is one. Each case comes whole, or in pieces that are drawn.
 */
import assert from 'node:assert/strict';
import { Random, SEED } from '../../support/random.js';
import { converse, expected, framesOf, READERS, type WebSocketCase } from '../../support/websocket-cases.js';
import { RawPeer } from '../../support/websocket-peer.js';
import { type Transport, transports } from '../../support/websocket-transports.js';
import { COMPRESSED_SECTIONS, SECTIONS } from './cases/index.js';

const random = new Random();

async function runOver(
  transport: Transport,
  wire: WebSocketCase,
  role: 'server' | 'client',
  drawn: boolean,
): Promise<void> {
  const input = Buffer.concat(framesOf(wire, role));
  if (input.length > transport.longest) return;
  let from = 0;
  const cuts = drawn ? random.cuts(input.length, 6) : [input.length];
  const chunks = cuts.map((to) => {
    const chunk = input.subarray(from, to);
    from = to;
    return chunk;
  });
  const { socket, theirs } = await transport.open(role, wire.options, wire.deflate?.(role));
  const by = random.pick(wire.notInPieces ? READERS.filter((form) => form !== 'pieces') : READERS);
  const outcome = await converse(socket, new RawPeer(theirs, { role }), chunks, by);
  assert.deepEqual(outcome, expected(wire), `${wire.name}, ${role}, ${by}, cut at ${cuts}; MINIPROTO_SEED=${SEED}`);
  theirs.destroy();
}

for (const transport of transports()) {
  const suite = transport.skipped === undefined ? describe : describe.skip;
  suite(`WebSocketConnection over ${transport.name}`, () => {
    after(() => transport.close());

    for (const [title, cases] of [...SECTIONS, ...COMPRESSED_SECTIONS]) {
      for (const role of ['server', 'client'] as const) {
        it(`${title}, ${role}`, async function () {
          this.timeout(60_000);
          if (role === 'client' && transport.name.includes('listener')) this.skip();
          for (const wire of cases) {
            if ((wire.role ?? role) === role) await runOver(transport, wire, role, random.oneIn(2));
          }
        });
      }
    }
  });
}
