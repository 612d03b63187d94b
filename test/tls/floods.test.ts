/**
 * Peers that make work without saying anything: key updates that want answers which nobody takes, empty records, warnings.
 * What they can fill is bounded, they are refused with a typed error where they do not stop, and others are served
 * meanwhile. The peer forges its records (test/support/record-forger.ts) and hears only when it wants to.
 *
 * Node's `tls`, which does it all without the addon, takes key updates without end: there the connection only has to live.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adopt, EOF, framed, lines, type MiniprotoError, memoryPair, NEED_WRITE, toDuplex } from 'miniproto';
import { type SecureStream, tlsClient, tlsServer } from 'miniproto/tls';
import { nativeTls } from '#lib/native';
import { SecureSocketStream } from '#lib/tls/secure-socket-stream';
import { fillUp } from '../support/byte-stream-contract.js';
import { turn, until } from '../support/node-sockets.js';
import { type ForgedVersion, RecordForger } from '../support/record-forger.js';
import { CLIENT, describeTls, SERVER, secured } from '../support/tls-pairs.js';

const ENGINE = nativeTls() !== undefined;
/** What the server's end is made of; without addons both are Node's socket. */
const KINDS = ['a native socket', 'a Duplex'] as const;

/** Records whose answers are twice what waits at most: 27 bytes each, see native/tls/pipe.cc and lib/tls/tls-stream.ts. */
const UPDATES = 6000;
/** A byte of data in so many records keeps them from being a flood of silence. */
const DATA_EVERY = 500;
/** Bytes of large records behind the updates, as many as are kept, and more. */
const RECORD = 16_384;
/** Bytes. What may wait for a peer that takes nothing: answers, taken out of the engine and in it, and a step of data. */
const MOST_WAITING = 256 * 1024;

interface Attacked {
  readonly secure: SecureStream;
  readonly forger: RecordForger;
}

for (const kind of KINDS) {
  describe(`TLS on ${kind}, whose peer forges records,`, function () {
    this.timeout(30_000);
    let folder: string;
    let server: net.Server;
    let sessions: number | undefined;
    const open: { destroy(): void }[] = [];

    beforeEach(async () => {
      sessions = nativeTls()?.counters().sessions;
      folder = mkdtempSync(join(tmpdir(), 'miniproto-'));
      // A Unix socket holds little.
      server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(join(folder, 'socket'));
      await once(server, 'listening');
    });

    afterEach(async () => {
      for (const one of open.splice(0)) one.destroy();
      server.close();
      rmSync(folder, { recursive: true });
      // Nothing is left of what was refused.
      await until(() => nativeTls()?.counters().sessions === sessions);
    });

    async function sockets(): Promise<[client: net.Socket, server: net.Socket]> {
      const accepted = once(server, 'connection') as Promise<[net.Socket]>;
      const client = net.connect(join(folder, 'socket'));
      const [peer] = await accepted;
      return [client, peer];
    }

    function serve(peer: net.Socket): SecureStream {
      const secure = tlsServer(kind === 'a Duplex' ? peer : adopt(peer), SERVER);
      assert.equal(secure instanceof SecureSocketStream, ENGINE && kind !== 'a Duplex');
      open.push(secure);
      return secure;
    }

    async function attacked(version: ForgedVersion = 'TLSv1.3'): Promise<Attacked> {
      const [client, peer] = await sockets();
      const secure = serve(peer);
      const [forger] = await Promise.all([RecordForger.over(client, version), secure.handshake()]);
      open.push(forger);
      return { secure, forger };
    }

    /** Another connection, of somebody who means it. */
    async function neighbour(): Promise<() => Promise<void>> {
      const [client, peer] = await sockets();
      const pair = await secured({ server: serve(peer), client: tlsClient(client, CLIENT) });
      open.push(pair.client);
      const [here, there] = [framed(pair.client, lines()), framed(pair.server, lines())];
      there.onRecord((record, out) => void out.write(record)).catch(() => {});
      return async () => {
        for (let i = 0; i < 20; i++) {
          await here.write(`line ${i}`);
          assert.equal(await here.read(), `line ${i}`);
        }
      };
    }

    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      it(`reads what is forged well (${version})`, async () => {
        const { secure, forger } = await attacked(version);
        const talk = framed(secure, lines());
        await forger.send(forger.data('hello\n'));
        assert.equal(await talk.read(), 'hello');
        if (version === 'TLSv1.3') await forger.send(forger.keyUpdate({ asks: true }));
        await forger.send(forger.data('and again\n'));
        assert.equal(await talk.read(), 'and again');
        // Its own keys are new then, and the peer follows.
        const heard = once(forger.tls, 'data');
        await talk.write('heard');
        assert.equal(String((await heard)[0]), 'heard\n');
      });

      it(`takes empty records between others, and refuses those that do not stop (${version})`, async () => {
        const { secure, forger } = await attacked(version);
        const talk = framed(secure, lines());
        const empty = (count: number) => Array.from({ length: count }, () => forger.data(''));
        for (let round = 0; round < 20; round++) await forger.send(...empty(30), forger.data(`line ${round}\n`));
        for (let round = 0; round < 20; round++) assert.equal(await talk.read(), `line ${round}`);
        await forger.send(forger.data('the last\nand half of '), ...empty(1000), forger.data('one\n'));
        assert.equal(await talk.read(), 'the last');
        await assert.rejects(talk.read(), refusedFor('ERR_SSL_RECORD_TOO_SMALL'));
        await (await neighbour())();
      });
    }

    it('refuses warnings that do not stop', async () => {
      const { secure, forger } = await attacked('TLSv1.2');
      const talk = framed(secure, lines());
      const userCanceled = () => forger.alert(1, 90);
      await forger.send(userCanceled(), userCanceled(), forger.data('it goes on\n'));
      assert.equal(await talk.read(), 'it goes on');
      await forger.send(...Array.from({ length: 100 }, userCanceled), forger.data('not any more\n'));
      await assert.rejects(talk.read(), refusedFor('ERR_SSL_TOO_MANY_WARN_ALERTS'));
      await (await neighbour())();
    });

    it('refuses key updates that come one after the other without a byte between them', async () => {
      const { secure, forger } = await attacked();
      const talk = framed(secure, lines());
      const meanwhile = await neighbour();
      const flood = Array.from({ length: UPDATES }, () => forger.keyUpdate({ asks: true }));
      await Promise.all([forger.send(...flood), meanwhile()]);
      if (ENGINE) return assert.rejects(talk.read(), refusedFor('ERR_SSL_TOO_MANY_KEY_UPDATES'));
      await forger.send(forger.data('done\n'));
      assert.equal(await talk.read(), 'done');
    });

    it('is given what stands behind more updates than it answers at once, with nothing coming after it', async () => {
      const { secure, forger } = await attacked();
      const { flood, size } = updatesBetweenData(forger, 1);
      const reading = new Reading(secure);
      await forger.send(...flood);
      await until(() => reading.size === size || reading.end !== undefined);
      assert.equal(reading.end, undefined);
    });

    for (const [title, count] of [
      ['waits for a peer that takes none of its answers, and goes on with it', 8],
      ['keeps little for a peer that takes none of its answers and goes on sending', 100],
    ] as const) {
      it(title, async () => {
        const { secure, forger } = await attacked();
        const meanwhile = await neighbour();
        forger.deafen();
        await fillWholly(secure);
        const { flood, size } = updatesBetweenData(forger, count);
        const reading = new Reading(secure);
        const sending = forger.send(...flood);
        const refused = ENGINE && kind === 'a native socket' && count === 100;
        if (!refused) {
          if (ENGINE) await until(() => secure.pendingOutput > 64 * 1024);
          if (ENGINE && kind === 'a Duplex') await until(() => secure.pendingRead === NEED_WRITE);
          await meanwhile();
          assert.ok(secure.pendingOutput < MOST_WAITING);
          if (ENGINE) assert.ok(reading.size < size / 2, 'what it makes us answer stops it');
          assert.equal(reading.end, undefined);
          forger.hearAgain();
          await sending;
          await until(() => reading.size === size);
        } else {
          await assert.rejects(reading.over, refusedFor('ERR_SSL_TOO_MANY_BYTES'));
          assert.ok(secure.counters().bytesReceived < 2 * UPDATES * 27 + 512 * 1024);
        }
        await meanwhile();
      });
    }
  });
}

/** Everything is there at once, as it may be over memory, or over TLS on a socket. */
describeTls('TLS on memory, whose peer forges records,', () => {
  for (const count of [1, 30]) {
    it(`is given ${count} large records behind more updates than it answers at once`, async () => {
      const [one, other] = memoryPair({ capacity: 8 << 20 });
      const secure = tlsServer(other, SERVER);
      const [forger] = await Promise.all([RecordForger.over(toDuplex(one)), secure.handshake()]);
      const { flood, size } = updatesBetweenData(forger, count);
      const bytes = Buffer.concat(flood);
      assert.equal(one.tryWrite(bytes), bytes.length);
      const reading = new Reading(secure);
      await until(() => reading.size === size || reading.end !== undefined);
      assert.equal(reading.end, undefined);
      forger.destroy();
      secure.destroy();
    });
  }
});

function refusedFor(reason: string) {
  return (error: MiniprotoError) => {
    assert.equal(error.code, 'ERR_TLS_RECORD', error.stack);
    assert.equal(error.name, 'ProtocolError');
    assert.equal((error.cause as { code: string }).code, reason);
    return true;
  };
}

/** Until nothing has been taken for some turns: the peer's end may still have had room, in Node or in the system. */
async function fillWholly(stream: SecureStream): Promise<void> {
  for (let quiet = 0; quiet < 10; quiet++) {
    if (fillUp(stream) > 0) quiet = 0;
    await turn();
  }
}

/** @returns records, and the bytes of data in them */
function updatesBetweenData(forger: RecordForger, largeCount: number): { flood: Buffer[]; size: number } {
  const flood: Buffer[] = [];
  let size = 0;
  for (let i = 0; i < UPDATES; i++) {
    if (i % DATA_EVERY === 0) size++;
    flood.push(i % DATA_EVERY === 0 ? forger.data('x') : forger.keyUpdate({ asks: true }));
  }
  const large = Buffer.alloc(RECORD);
  for (let i = 0; i < largeCount; i++) flood.push(forger.data(large));
  return { flood, size: size + largeCount * RECORD };
}

/** Reads and drops, for as long as there is something to come. */
class Reading {
  size = 0;
  end: unknown;
  readonly over: Promise<void>;

  constructor(stream: SecureStream) {
    this.over = this.#read(stream);
    this.over.catch((error) => {
      this.end = error;
    });
  }

  async #read(stream: SecureStream): Promise<void> {
    for (let answer = stream.tryFill(); answer !== EOF; answer = stream.tryFill()) {
      if (typeof answer === 'number') {
        this.size += answer;
        stream.input.consume(answer);
      } else await stream.ready(answer === NEED_WRITE ? 'write' : 'read');
    }
  }
}
