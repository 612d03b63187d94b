/**
 * The life and death of connections that `listen` and `connect` make: half-closed, reset, cut inside a record, closed
 * with output left, by the exit of a worker or of the process, and without descriptors.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { Worker } from 'node:worker_threads';
import {
  type ByteServer,
  type Connection,
  connect,
  EOF,
  framed,
  lengthPrefixed,
  lines,
  listen,
  type MiniprotoError,
  NOT_READY,
  socketCounters,
} from 'miniproto';
import { pattern, readToEnd, writeAll } from '../support/byte-stream-contract.js';
import { closed, NATIVE, openDescriptors, readAll, startProgram, turn, until } from '../support/node-sockets.js';

const HERE = { port: 0, host: '127.0.0.1' };
const LIBRARY = JSON.stringify(new URL('../../dist/index.js', import.meta.url).href);

const code = (expected: string) => (error: MiniprotoError) => error.code === expected;

describe('a connection', () => {
  let server: ByteServer;
  let waiting: ((stream: Connection) => void)[] = [];
  before(async () => {
    server = await listen(HERE, (stream) => waiting.shift()?.(stream));
  });
  after(() => server.close({ timeoutMs: 0 }));
  afterEach(() => {
    for (const stream of server.connections) stream.destroy();
    waiting = [];
  });

  const accepted = () => new Promise<Connection>((resolve) => waiting.push(resolve));

  /** Both ends ours. */
  async function pair(): Promise<{ one: Connection; other: Connection }> {
    const [one, other] = await Promise.all([connect({ port: server.port }), accepted()]);
    return { one, other };
  }

  /** One end of Node's. */
  async function withNode(): Promise<{ stream: Connection; peer: net.Socket }> {
    const peer = net.connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true });
    const [stream] = await Promise.all([accepted(), once(peer, 'connect')]);
    return { stream, peer };
  }

  it('is closed in one direction and goes on in the other, both ways round', async () => {
    for (const first of [0, 1]) {
      const { one, other } = await pair();
      const [early, late] = (first === 0 ? [one, other] : [other, one]).map((stream) => framed(stream, lines()));
      await early!.write('the last word');
      await early!.end();
      assert.equal(await late!.read(), 'the last word');
      assert.equal(await late!.read(), EOF);
      await late!.write('and an answer to it');
      assert.equal(await early!.read(), 'and an answer to it');
      await assert.rejects(early!.write('one more'), code('ERR_STREAM_ENDED'));
      await Promise.all([late!.close(), early!.close()]);
    }
  });

  (NATIVE ? it : it.skip)(
    'is closed within the call where both sides have ended: the peer hears of the end',
    async () => {
      const { stream, peer } = await withNode();
      const heard = readAll(peer);
      peer.end('unread\nand more');
      const talk = framed(stream, lines());
      assert.equal(await talk.read(), 'unread');
      while (stream.tryFill(stream.input.length + 1) !== EOF) await stream.ready('read');
      await talk.write('the last word');
      const closing = talk.close();
      assert.deepEqual([stream.destroyed, stream.input.length, server.connections.size], [true, 0, 0]);
      await closing;
      assert.equal(String(await heard), 'the last word\n');
    },
  );

  it('says that a record was cut, after those before it, in every form of reading', async () => {
    const forms = {
      read: async (stream: Connection, got: string[]) => {
        for await (const record of framed(stream, lengthPrefixed())) got.push(String(record));
      },
      batches: async (stream: Connection, got: string[]) => {
        for await (const batch of framed(stream, lengthPrefixed()).batches()) {
          for (const record of batch) got.push(String(record.bytes()));
        }
      },
      push: (stream: Connection, got: string[]) =>
        framed(stream, lengthPrefixed()).onRecord((record) => void got.push(String(record.bytes()))),
    };
    for (const [name, form] of Object.entries(forms)) {
      const { stream, peer } = await withNode();
      peer.end(Buffer.from([0, 0, 0, 3, 0x6f, 0x6e, 0x65, 0, 0, 0, 9, 0x74]));
      const got: string[] = [];
      await assert.rejects(form(stream, got), code('ERR_UNEXPECTED_EOF'), name);
      assert.deepEqual(got, ['one'], name);
      stream.destroy();
      peer.destroy();
    }
  });

  it('fails when the peer resets it, after what had arrived', async () => {
    const { stream, peer } = await withNode();
    const talk = framed(stream, lines());
    peer.write('before\n');
    assert.equal(await talk.read(), 'before');
    const read = talk.read();
    peer.resetAndDestroy();
    await assert.rejects(
      read,
      (error: MiniprotoError) =>
        code('ERR_TRANSPORT')(error) && (error.cause as { code: string }).code === 'ECONNRESET',
    );
    assert.throws(() => talk.tryRead(), code('ERR_TRANSPORT'));
    talk.destroy();
  });

  it('that nobody reads is not watched while it is reset, and fails when somebody does', async () => {
    const { stream, peer } = await withNode();
    peer.resetAndDestroy();
    await closed(peer);
    const before = socketCounters()?.polls ?? 0;
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.ok((socketCounters()?.polls ?? 0) - before < 20);
    await assert.rejects(
      stream.ready('read').then(() => stream.tryFill()),
      (error: MiniprotoError) => error.code.startsWith('ERR_'),
    );
    stream.destroy();
  });

  it('refuses what is written after the peer has gone, as soon as the system says so', async () => {
    const { stream, peer } = await withNode();
    const talk = framed(stream, lines());
    peer.destroy();
    await closed(peer);
    await assert.rejects(
      async () => {
        for (;;) {
          await talk.write('x'.repeat(1000));
          await talk.flush();
          await turn();
        }
      },
      (error: MiniprotoError) => code('ERR_TRANSPORT')(error) || code('ERR_STREAM_PREMATURE_CLOSE')(error),
    );
    talk.destroy();
  });

  it('is closed at the deadline although output is left', async () => {
    const { stream, peer } = await withNode();
    peer.pause();
    const talk = framed(stream, lengthPrefixed({ maxLength: 1 << 26 }));
    const write = talk.write(Buffer.alloc(1 << 25)).catch(() => {});
    await talk.close({ timeoutMs: 20 });
    await write;
    assert.equal(stream.destroyed, true);
    peer.destroy();
  });

  it('gives its last record to a peer that is still sending', async () => {
    const { stream, peer } = await withNode();
    const talk = framed(stream, lines());
    // More than any buffer holds, and read by nobody.
    const sending = writeOn(peer, 400_000);
    await stream.ready('read');
    await talk.write('the last record');
    const got = readAll(peer);
    const closing = talk.close();
    assert.equal(String(await got), 'the last record\n');
    await sending;
    peer.end();
    await closing;
  });

  it('is destroyed from inside a push, and nothing more is handed out', async () => {
    const { stream, peer } = await withNode();
    const talk = framed(stream, lines());
    peer.write('one\ntwo\nthree\n');
    const got: string[] = [];
    const push = talk.onRecord((record) => {
      got.push(record.text());
      talk.destroy();
    });
    await assert.rejects(push, code('ERR_STREAM_DESTROYED'));
    assert.deepEqual(got, ['one']);
    peer.destroy();
  });

  it('is closed from inside a push, and what was written leaves', async () => {
    const { stream, peer } = await withNode();
    const talk = framed(stream, lines());
    const got = readAll(peer);
    peer.write('one\n');
    let closing: Promise<void> | undefined;
    const push = talk.onRecord((record, out) => {
      out.write(`${record.text()}, and goodbye`);
      closing = talk.close();
    });
    assert.equal(String(await got), 'one, and goodbye\n');
    peer.end();
    await closing;
    await push.catch(() => {});
  });

  it('keeps what a handler that throws has not been given', async () => {
    const { stream, peer } = await withNode();
    const talk = framed(stream, lines());
    peer.write('one\ntwo\nthree\n');
    const push = talk.onRecord((record) => {
      if (record.text() === 'two') throw new Error('not this one');
    });
    await assert.rejects(push, /not this one/);
    assert.equal(await talk.read(), 'three');
    talk.destroy();
    peer.destroy();
  });

  it('waits for nobody when it is aborted, and loses nothing by it', async () => {
    const { stream, peer } = await withNode();
    const controller = new AbortController();
    const read = framed(stream, lines());
    const waiting = read.read({ signal: controller.signal });
    controller.abort('later');
    await assert.rejects(waiting, (reason) => reason === 'later');
    peer.write('line\n');
    assert.equal(await read.read(), 'line');
    read.destroy();
    peer.destroy();
  });

  it('comes and goes 2,000 times, and leaves neither descriptors nor connections', async function () {
    this.timeout(30_000);
    const serve = async () => {
      const stream = await accepted();
      await framed(stream, lines()).onRecord((record, out) => void out.write(record));
      await stream.close();
    };
    const visit = async (i: number) => {
      const served = serve();
      const talk = framed(await connect({ port: server.port, host: '127.0.0.1' }), lines());
      if (i % 3 > 0) {
        await talk.write(`hello ${i}`);
        assert.equal(await talk.read(), `hello ${i}`);
      }
      if (i % 3 === 2) talk.destroy();
      else await talk.close();
      await served.catch(() => {});
    };
    await visit(0);
    await until(() => server.connections.size === 0);
    const before = [openDescriptors(), socketCounters()?.connections];
    for (let i = 0; i < 2000; i += 20) await Promise.all(Array.from({ length: 20 }, (_, k) => visit(i + k)));
    await until(() => server.connections.size === 0 && openDescriptors() <= before[0]!);
    assert.equal(socketCounters()?.connections, before[1]);
  });
});

/** Writes so many bytes, as fast as they are taken. */
async function writeOn(socket: net.Socket, count: number): Promise<void> {
  for (let left = count; left > 0; left -= 4096) {
    if (!socket.write(Buffer.alloc(4096))) await once(socket, 'drain');
  }
}

describe('a process', () => {
  const echo = `async (stream) => {
    const talk = framed(stream, lines());
    await talk.onRecord((record, out) => void out.write(record));
  }`;
  const start = (body: string, shell = '') =>
    startProgram(`import { connect, framed, lines, listen } from 'miniproto';\n${body}`, { shell });

  it('does not stay for a wait that was aborted, where sockets are native', async function () {
    if (!NATIVE) this.skip();
    await using server = await listen(HERE, (stream) => stream.ready('read').catch(() => {}));
    const left = start(`const stream = await connect({ port: ${server.port} });
      const controller = new AbortController();
      const wait = stream.ready('read', { signal: controller.signal }).catch(() => console.log('aborted'));
      controller.abort();
      await wait;`);
    assert.equal(await left.line(), 'aborted');
    assert.equal(await left.line(), undefined);
  });

  it('stays while somebody waits for a connection, and not for one that is unreferenced', async () => {
    await using server = await listen(HERE, (stream) =>
      stream.ready('read').then(
        () => {},
        () => {},
      ),
    );
    const body = (how: string) => `const stream = await connect({ port: ${server.port} });
      ${how}
      console.log('waits');
      await stream.ready('read').catch(() => {});
      console.log('was told');`;
    const gone = start(body('stream.unref();'));
    assert.equal(await gone.line(), 'waits');
    assert.equal(await gone.line(), undefined);
    // Node's code for a promise that nobody can settle any more.
    assert.equal(await gone.end(), 13);
    for (const how of ['', 'stream.unref().ref();']) {
      const stays = start(body(how));
      assert.equal(await stays.line(), 'waits');
      await until(() => server.connections.size === 1);
      for (let i = 0; i < 10; i++) await new Promise((resolve) => setTimeout(resolve, 5));
      assert.equal(stays.child.exitCode, null);
      for (const stream of server.connections) stream.destroy();
      assert.equal(await stays.line(), 'was told');
      assert.equal(await stays.end(), 0);
    }
  });

  it('stays while it listens, and not when the server is unreferenced', async () => {
    const gone = start(`(await listen({ port: 0 }, () => {})).unref(); console.log('listens');`);
    assert.equal(await gone.line(), 'listens');
    assert.equal(await gone.end(), 0);
    const stays = start(`const { port } = await listen({ port: 0 }, ${echo}); console.log(port);`);
    const talk = framed(await connect({ port: Number(await stays.line()) }), lines());
    await talk.write('hello');
    assert.equal(await talk.read(), 'hello');
    stays.child.kill();
    assert.equal(await stays.end(), 'SIGTERM');
    talk.destroy();
  });

  it('ends when its conversation has ended', async () => {
    const got: string[] = [];
    await using server = await listen(HERE, async (stream) => {
      for await (const line of framed(stream, lines())) got.push(line);
    });
    const program = start(`const talk = framed(await connect({ port: ${server.port} }), lines());
      await talk.write('hello');
      await talk.close();`);
    assert.equal(await program.end(), 0);
    await until(() => got.length === 1);
  });

  for (const how of ['tryWrite', 'write', 'push']) {
    it(`that exits sends what was written just before, by ${how}`, async () => {
      const program = start(`const { port } = await listen({ port: 0 }, async (stream) => {
          const talk = framed(stream, lines());
          ${
            how === 'push'
              ? "await talk.onRecord((record, out) => { out.write('bye ' + record.text()); process.exit(3); });"
              : `talk.${how}('bye ' + (await talk.read())); process.exit(3);`
          }
        });
        console.log(port);`);
      const peer = net.connect(Number(await program.line()), '127.0.0.1');
      const got = readAll(peer);
      peer.write('you\n');
      assert.equal(String(await got), 'bye you\n');
      assert.equal(await program.end(), 3);
    });
  }

  it('that runs out of descriptors survives, and accepts again later', async function () {
    this.timeout(30_000);
    const program = start(
      `const { port } = await listen({ port: 0, onError() {} }, ${echo}); console.log(port);`,
      'ulimit -n 100',
    );
    const port = Number(await program.line());
    const visit = () =>
      new Promise<string>((resolve) => {
        const socket = net.connect(port, '127.0.0.1');
        sockets.push(socket);
        socket.once('data', (bytes) => resolve(String(bytes)));
        socket.once('error', () => {}).once('close', () => resolve('refused'));
        socket.write('hello\n');
      });
    const sockets: net.Socket[] = [];
    let answered = 0;
    let refused = 0;
    for (let i = 0; i < 200; i++) void visit().then((answer) => void (answer === 'hello\n' ? answered++ : refused++));
    await until(() => answered > 3 && answered + refused === 200);
    assert.ok(refused > 0);
    assert.equal(program.child.exitCode, null);
    for (const socket of sockets.splice(0)) socket.destroy();
    while ((await visit()) !== 'hello\n') for (const socket of sockets.splice(0)) socket.destroy();
    for (const socket of sockets) socket.destroy();
    program.child.kill();
    assert.equal(await program.end(), 'SIGTERM');
  });
});

describe('a worker', () => {
  const BODY = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(${LIBRARY}).then(async ({ connect, framed, lines, listen }) => {
      const server = await listen({ port: 0 }, (stream) => void framed(stream, lines()).onRecord((r, out) => void out.write(r)));
      const talks = [];
      for (let i = 0; i < 5; i++) {
        const talk = framed(await connect({ port: server.port }), lines());
        await talk.write('hello');
        await talk.read();
        talks.push(talk.read());
      }
      parentPort.postMessage(server.port);
      if (workerData === 'exit') parentPort.once('message', () => process.exit(0));
      if (workerData === 'throw') parentPort.once('message', () => { throw new Error('on purpose'); });
    });`;

  for (const end of ['terminate', 'exit', 'throw'] as const) {
    it(`that ends by ${end} closes its connections, and the process lives on`, async () => {
      const first = new Worker('', { eval: true });
      await once(first, 'exit');
      const before = openDescriptors();
      for (let i = 0; i < 3; i++) {
        const worker = new Worker(BODY, { eval: true, workerData: end });
        const failed = new Promise<Error>((resolve) => worker.once('error', resolve));
        const [port] = (await once(worker, 'message')) as [number];
        const talk = framed(await connect({ port }), lines());
        await talk.write('from outside');
        assert.equal(await talk.read(), 'from outside');
        const read = talk.read().catch(() => EOF);
        const gone = new Promise((resolve) => worker.once('exit', resolve));
        if (end === 'terminate') void worker.terminate();
        else worker.postMessage('now');
        await gone;
        if (end === 'throw') assert.equal((await failed).message, 'on purpose');
        assert.equal(await read, EOF);
        await talk.close();
      }
      await until(() => openDescriptors() <= before);
      if (NATIVE) assert.equal(typeof socketCounters()?.connections, 'number');
    });
  }
});

describe('a byte stream of a connection', () => {
  it('takes no more than the system does, and says so', async () => {
    const peers: net.Socket[] = [];
    const server = net.createServer({ pauseOnConnect: true }, (socket) => void peers.push(socket)).listen(HERE);
    await once(server, 'listening');
    const stream = await connect({ port: (server.address() as net.AddressInfo).port });
    let taken = 0;
    for (;;) {
      const answer = stream.tryWrite(pattern(1 << 20));
      if (answer === NOT_READY) break;
      taken += answer as number;
    }
    await until(() => peers.length === 1);
    const got = readAll(peers[0]!);
    await writeAll(stream, Buffer.from('end'));
    await stream.end();
    assert.equal((await got).length, taken + 3);
    peers[0]!.end();
    assert.equal((await readToEnd(stream)).length, 0);
    await stream.close();
    server.close();
  });
});
