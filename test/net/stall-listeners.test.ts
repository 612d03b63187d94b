/**
 * Whoever is told that the system took less than it was given is told within a write: what he does then, an exit of the
 * process or a hand-over too, sends nothing twice, loses nothing that could leave, and hangs nowhere.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import net from 'node:net';
import { adopt, type Connection, framed, lines, type MiniprotoError } from 'miniproto';
import { Topics } from 'miniproto/websocket';
import { nodePair, readAll, turn } from '../support/node-sockets.js';
import { clearFaults, describeNative, setFaults } from '../support/socket-pairs.js';
import { connectionOn } from '../support/websocket-cases.js';

const TEXT = '0123456789';
/** Bytes of each that the system takes of what is sent first. */
const TAKEN = 5;

/** How a stall comes about, and what has been written then. */
const WRITERS: { [name: string]: { write: (stream: Connection) => void; written: Buffer } } = {
  'a framed stream': {
    write: (stream) => {
      const talk = framed(stream, lines());
      talk.tryWrite(TEXT);
      void talk.flush().catch(() => {});
    },
    written: Buffer.from(`${TEXT}\n`),
  },
  'a WebSocket': {
    write: (stream) => {
      const socket = connectionOn(stream, 'server');
      socket.send(TEXT);
      void socket.flush().catch(() => {});
    },
    written: Buffer.concat([Buffer.of(0x81, TEXT.length), Buffer.from(TEXT)]),
  },
  'a topic that is published to': {
    write: (stream) => {
      const socket = connectionOn(stream, 'server');
      const topics = new Topics();
      topics.subscribe(socket, 'topic');
      topics.publish('topic', TEXT);
    },
    written: Buffer.concat([Buffer.of(0x81, TEXT.length), Buffer.from(TEXT)]),
  },
};

/** Has `act` done within the first stall of `write`. */
function stalling(write: () => void, act: () => void): void {
  const listener = () => {
    unsubscribe('miniproto:stall', listener);
    act();
  };
  subscribe('miniproto:stall', listener);
  setFaults({ send: [TAKEN] }, { repeats: false });
  write();
}

describeNative('listeners of stalls', () => {
  afterEach(clearFaults);

  for (const [name, { write, written }] of Object.entries(WRITERS)) {
    it(`may destroy the connection: ${name}`, async () => {
      const { accepted, connected } = await nodePair();
      const got = readAll(connected).catch(() => undefined);
      const stream = adopt(accepted);
      stalling(
        () => write(stream),
        () => stream.destroy(),
      );
      const bytes = await got;
      if (bytes !== undefined) assert.deepEqual(bytes, written.subarray(0, TAKEN));
      assert.equal(stream.destroyed, true);
    });

    for (const how of ['release', 'releaseDescriptor'] as const) {
      it(`may not hand the connection over while it is not known what has left, and may right after, by ${how}: ${name}`, async () => {
        const { accepted, connected } = await nodePair();
        const got = readAll(connected);
        const stream = adopt(accepted);
        let next: Connection | undefined;
        let refused: unknown;
        const handOver = () => {
          if (how === 'release') next = adopt(stream.release().socket);
          else {
            const { descriptor, unsent } = stream.releaseDescriptor();
            const socket = new net.Socket({ fd: descriptor });
            socket.write(unsent);
            next = adopt(socket);
          }
        };
        stalling(
          () => write(stream),
          () => {
            try {
              handOver();
            } catch (error) {
              refused = error;
              process.nextTick(handOver);
            }
          },
        );
        while (next === undefined) await turn();
        // What was published is in the queue by then: that write is none of the stream's.
        if (name.startsWith('a topic')) assert.equal(refused, undefined);
        else assert.equal((refused as MiniprotoError).code, 'ERR_STREAM_IN_USE');
        const last = framed(next, lines());
        await last.write('of the next one');
        await last.end();
        assert.deepEqual(await got, Buffer.concat([written, Buffer.from('of the next one\n')]));
        next.destroy();
        connected.destroy();
      });
    }

    it(`may end the process: ${name}`, async () => {
      const server = net.createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as net.AddressInfo;
      const child = spawn(process.execPath, ['--conditions=miniproto-modules', '--input-type=module', '-e', CHILD], {
        env: { ...process.env, PORT: String(port), WRITER: name, FILE: import.meta.url },
        stdio: 'inherit',
      });
      const exited = once(child, 'exit');
      const [socket] = (await once(server, 'connection')) as [net.Socket];
      const got = (await readAll(socket)) as Buffer;
      assert.deepEqual(await exited, [7, null]);
      assert.ok(got.length >= TAKEN, String(got));
      assert.deepEqual(got, written.subarray(0, got.length));
      server.close();
    });
  }
});

/** Writes as one of those above does, and exits within the stall. */
const CHILD = `
  // Mocha's, of which the file wants to register its suites.
  Object.assign(globalThis, { describe() {}, it() {}, afterEach() {} });
  describe.skip = () => {};
  const { exitWithin } = await import(process.env.FILE);
  await exitWithin(process.env.WRITER, Number(process.env.PORT));`;

/** For the child: exits with 7 within the stall. */
export async function exitWithin(writer: string, port: number): Promise<void> {
  const socket = net.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const stream = adopt(socket);
  stalling(
    () => WRITERS[writer]!.write(stream),
    () => process.exit(7),
  );
}
