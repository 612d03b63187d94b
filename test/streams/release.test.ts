/**
 * The way back to Node, from whatever state: what was not consumed is read by whoever comes next, by every way of reading
 * that Node has, and by another DuplexStream.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Duplex, PassThrough, Writable } from 'node:stream';
import { EOF, NOT_READY } from 'miniproto';
import { DuplexStream } from '#lib/streams/duplex-stream';
import { nodePair } from '../support/node-sockets.js';
import { Random, SEED } from '../support/random.js';

const random = new Random();
const ROUNDS = 25;

/** Everything that has been put off until now has happened. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Those who may come next: each gives all that is left. */
const READERS: Record<string, (source: Duplex, rest: Buffer[]) => Promise<unknown>> = {
  data: (source, rest) =>
    once(
      source.on('data', (chunk: Buffer) => rest.push(chunk)),
      'end',
    ),
  readable: (source, rest) => {
    const readAll = () => {
      for (let chunk = source.read(); chunk !== null; chunk = source.read()) rest.push(chunk as Buffer);
    };
    return once(source.on('readable', readAll), 'end');
  },
  iteration: async (source, rest) => {
    for await (const chunk of source) rest.push(chunk as Buffer);
  },
  pipe: (source, rest) => {
    const target = new Writable({
      highWaterMark: 50,
      write(chunk: Buffer, _encoding, callback) {
        rest.push(chunk);
        setImmediate(callback);
      },
    });
    return once(source.pipe(target), 'finish');
  },
  'another DuplexStream': async (source, rest) => {
    const stream = new DuplexStream(source);
    for (let answer = stream.tryFill(); answer !== EOF; answer = stream.tryFill()) {
      if (answer === NOT_READY) await stream.ready('read');
      else rest.push(stream.input.take(stream.input.length));
    }
  },
};

/** Has something of everything happen to a stream. @returns what was consumed. */
async function live(stream: DuplexStream, put: () => void): Promise<Buffer[]> {
  const taken: Buffer[] = [];
  for (let step = random.between(5, 30); step > 0; step--) {
    const what = random.between(0, 5);
    if (what <= 1) put();
    else if (what === 2) await turn();
    else if (what === 3) stream.ready('read').catch(() => {});
    else if (what === 4) stream.tryFill(random.between(1, 400));
    else taken.push(stream.input.take(random.between(0, stream.input.length)));
  }
  return taken;
}

const SOURCES: Record<string, () => Promise<[Duplex, Duplex]>> = {
  'a PassThrough': async () => {
    const through = new PassThrough({ highWaterMark: 100 });
    return [through, through];
  },
  'a socket': async () => {
    const { accepted, connected } = await nodePair('tcp');
    return [accepted, connected];
  },
};

describe('DuplexStream.release', () => {
  for (const [sourceName, open] of Object.entries(SOURCES)) {
    for (const [readerName, read] of Object.entries(READERS)) {
      it(`gives ${sourceName} back in any state, to ${readerName}`, async () => {
        for (let round = 0; round < ROUNDS; round++) {
          const [source, target] = await open();
          const sent: Uint8Array[] = [];
          const put = () => {
            sent.push(random.bytes(random.between(1, random.oneIn(4) ? 3000 : 90)));
            target.write(sent.at(-1)!);
          };
          const stream = new DuplexStream(source, { readHighWaterMark: 100 });
          const got = await live(stream, put);
          stream.release();
          if (random.oneIn(2)) await turn();
          const reading = read(source, got);
          put();
          if (random.oneIn(2)) await turn();
          target.end();
          await reading;
          assert.ok(Buffer.concat(got).equals(Buffer.concat(sent)), `round ${round}; MINIPROTO_SEED=${SEED}`);
          target.destroy();
          source.destroy();
        }
      });
    }
  }
});
