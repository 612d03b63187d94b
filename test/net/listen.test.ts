/** `listen`: what it hands out, what a handler that fails ends, and the careful end of a server; and `drain`. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  adopt,
  type Connection,
  connect,
  drain,
  EOF,
  type FramedStream,
  framed,
  lengthPrefixed,
  lines,
  listen,
  type MiniprotoError,
  ProtocolError,
} from 'miniproto';
import { listenTls } from 'miniproto/tls';
import { pattern, readToEnd } from '../support/byte-stream-contract.js';
import { identity } from '../support/certificates.js';
import { NATIVE, readAll, startProgram, turn, until } from '../support/node-sockets.js';

const code = (expected: string) => (error: MiniprotoError) => error.code === expected;
const HERE = { port: 0, host: '127.0.0.1' };

/** Gives lines back, until the peer ends. */
async function echo(stream: Connection): Promise<void> {
  await framed(stream, lines()).onRecord((record, out) => void out.write(record));
}

describe('listen', () => {
  it('hands out native connections where there are any, and knows its address', async () => {
    const seen: boolean[] = [];
    await using server = await listen({ ...HERE, backlog: 5, keepAlive: true }, (stream) => {
      seen.push(stream.native);
      return echo(stream);
    });
    assert.ok(server.port > 0);
    assert.deepEqual(server.address, { address: '127.0.0.1', family: 'IPv4', port: server.port });
    const talk = framed(await connect({ port: server.port }), lines());
    await talk.write('hello');
    assert.equal(await talk.read(), 'hello');
    assert.equal(server.connections.size, 1);
    await talk.close();
    await until(() => server.connections.size === 0);
    assert.deepEqual(seen, [NATIVE]);
  });

  it('listens at a path, which is gone with it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'miniproto-'));
    const path = join(folder, 'socket');
    const server = await listen({ path }, echo);
    assert.equal(server.address, path);
    assert.equal(server.port, 0);
    const talk = framed(await connect({ path }), lines());
    await talk.write('hello');
    assert.equal(await talk.read(), 'hello');
    await Promise.all([talk.close(), server.close()]);
    assert.equal(existsSync(path), false);
    rmSync(folder, { recursive: true });
  });

  it('rejects when it cannot listen', async () => {
    await using server = await listen(HERE, echo);
    await assert.rejects(
      listen({ ...HERE, port: server.port }, echo),
      (error: MiniprotoError) => (error.cause as { code: string }).code === 'EADDRINUSE',
    );
    await assert.rejects(listen(null as never, echo), { code: 'ERR_INVALID_ARG_TYPE' });
    await assert.rejects(listen(HERE, undefined as never), { code: 'ERR_INVALID_ARG_TYPE' });
    await assert.rejects(listen({ ...HERE, maxConnections: -1 }, echo), { code: 'ERR_OUT_OF_RANGE' });
    await assert.rejects(listen({ ...HERE, onError: 1 as never }, echo), { code: 'ERR_INVALID_ARG_TYPE' });
  });

  it('rejects for an option of connections, which none would be there to hear of', async () => {
    for (const [wrong, expected] of [
      [{ idleTimeoutMs: '5s' }, 'ERR_INVALID_ARG_TYPE'],
      [{ firstRecordTimeoutMs: Number.NaN }, 'ERR_OUT_OF_RANGE'],
      [{ writeStallTimeoutMs: -1 }, 'ERR_OUT_OF_RANGE'],
      [{ readHighWaterMark: 0 }, 'ERR_OUT_OF_RANGE'],
    ] as [object, string][]) {
      await assert.rejects(listen({ ...HERE, ...wrong }, echo), { code: expected });
      await assert.rejects(connect({ port: 1, ...wrong } as never), { code: expected });
      await assert.rejects(async () => listenTls({ ...HERE, ...identity('server'), ...wrong }, echo), {
        code: expected,
      });
    }
  });

  it('stops listening when its signal aborts, and rejects when it has', async () => {
    await assert.rejects(listen({ ...HERE, signal: AbortSignal.abort('no') }, echo), (reason) => reason === 'no');
    const early = new AbortController();
    const waiting = listen({ ...HERE, signal: early.signal }, echo);
    early.abort('changed my mind');
    await assert.rejects(waiting, (reason) => reason === 'changed my mind');
    const controller = new AbortController();
    const server = await listen({ ...HERE, signal: controller.signal }, echo);
    const talk = framed(await connect({ port: server.port }), lines());
    await talk.write('before');
    assert.equal(await talk.read(), 'before');
    const port = server.port;
    controller.abort();
    await assert.rejects(connect({ port, host: '127.0.0.1' }), code('ERR_TRANSPORT'));
    // As in Node: the connections that there are go on.
    await talk.write('after');
    assert.equal(await talk.read(), 'after');
    await Promise.all([talk.close(), server.close()]);
  });

  for (const whose of ['its own', "that of Node's server"]) {
    it(`closes what is more than maxConnections, ${whose}`, () => keepsTo(whose));
  }

  async function keepsTo(whose: string): Promise<void> {
    await using server = await listen(whose === 'its own' ? { ...HERE, maxConnections: 2 } : HERE, echo);
    if (whose !== 'its own') server.server.maxConnections = 2;
    const talks: FramedStream<string>[] = [];
    for (let i = 0; i < 2; i++) {
      const talk = framed(await connect({ port: server.port }), lines());
      await talk.write('x');
      assert.equal(await talk.read(), 'x');
      talks.push(talk);
    }
    const third = await connect({ port: server.port });
    assert.equal((await readToEnd(third).catch(() => Buffer.alloc(0))).length, 0);
    third.destroy();
    await talks.pop()?.close();
    await until(() => server.connections.size === 1);
    const next = framed(await connect({ port: server.port }), lines());
    await next.write('room again');
    assert.equal(await next.read(), 'room again');
    await Promise.all([...talks, next].map((talk) => talk.close()));
  }

  it('sends what a handler wrote and did not wait for, however much, before it closes', async () => {
    const record = pattern(300_000);
    await using server = await listen(HERE, async (stream) => {
      const talk = framed(stream, lengthPrefixed());
      for (let i = 0; i < 20; i++) void talk.write(record);
    });
    const talk = framed(await connect({ port: server.port }), lengthPrefixed());
    let count = 0;
    for await (const got of talk) {
      assert.ok(got.equals(record));
      count++;
    }
    assert.equal(count, 20);
    await talk.close();
  });

  it('sends it also where the protocol has changed meanwhile', async () => {
    await using server = await listen(HERE, async (stream) => {
      const talk = framed(stream, lines());
      talk.tryWrite('next');
      talk.switchTo(lengthPrefixed()).tryWrite(Buffer.from('bye'));
    });
    const talk = framed(await connect({ port: server.port }), lines());
    assert.equal(await talk.read(), 'next');
    assert.equal(String(await talk.switchTo(lengthPrefixed()).read()), 'bye');
    talk.stream.destroy();
  });

  it('destroys the connection of a handler that throws, and no other', async () => {
    const failures: [unknown, boolean][] = [];
    const onError = (error: unknown, stream?: Connection) => void failures.push([error, stream?.destroyed ?? false]);
    await using server = await listen({ ...HERE, onError }, async (stream) => {
      const talk = framed(stream, lines());
      const word = await talk.read();
      if (word === 'fail') throw new RangeError('a mistake');
      if (word === 'protocol') throw new ProtocolError('ERR_INVALID_RECORD');
      await talk.write(String(word));
    });
    const say = async (word: string) => {
      const talk = framed(await connect({ port: server.port }), lines());
      await talk.write(word);
      const answer = await talk.read().catch(() => 'failed');
      talk.destroy();
      return answer;
    };
    assert.deepEqual(await Promise.all(['one', 'fail', 'two', 'protocol', 'three'].map(say)), [
      'one',
      EOF,
      'two',
      EOF,
      'three',
    ]);
    assert.deepEqual(failures.map(([error]) => (error as Error).name).sort(), ['ProtocolError', 'RangeError']);
    assert.ok(failures.every(([, destroyed]) => destroyed));
  });

  it('does the same when the handler throws at once', async () => {
    const failures: unknown[] = [];
    await using server = await listen({ ...HERE, onError: (error) => failures.push(error) }, () => {
      throw new TypeError('at once');
    });
    const stream = await connect({ port: server.port });
    await readToEnd(stream).catch(() => {});
    assert.equal(String(failures), 'TypeError: at once');
    stream.destroy();
  });

  for (const [what, error, end] of [
    ['a mistake ends the process', "new RangeError('a mistake')", 1],
    ['what a peer did does not', "new ProtocolError('ERR_INVALID_RECORD')", 0],
    ['what the system did does not', "new TransportError('ERR_TRANSPORT')", 0],
  ] as const) {
    for (const way of ['async () =>', '() =>']) {
      it(`without onError ${what}, thrown by ${way === '() =>' ? 'a function' : 'an async function'}`, async () => {
        const program = startProgram(`
          import { connect, listen, ProtocolError, TransportError } from 'miniproto';
          const server = await listen({ port: 0 }, ${way} { throw ${error}; });
          const stream = await connect({ port: server.port });
          await stream.ready('read').catch(() => {});
          stream.destroy();
          await server.close();
          console.log('goes on');`);
        const line = await program.line();
        await program.end().catch(() => {});
        assert.equal(program.child.exitCode, end, program.complaint());
        assert.equal(line, end === 0 ? 'goes on' : undefined);
        assert.equal(program.complaint().includes('a mistake'), end === 1);
      });
    }
  }

  it('runs each handler in the context that it entered, over awaits and pushes', async () => {
    const storage = new AsyncLocalStorage<number>();
    let count = 0;
    await using server = await listen(HERE, (stream) => {
      const id = ++count;
      return storage.run(id, async () => {
        const talk = framed(stream, lines());
        await talk.write(`${id} ${storage.getStore()}`);
        const first = await talk.read();
        await talk.write(`${String(first)} ${storage.getStore()}`);
        await talk.onRecord((record, out) => void out.write(`${record.text()} ${storage.getStore()}`));
        assert.equal(storage.getStore(), id);
      });
    });
    const talks = await Promise.all([1, 2, 3].map(async () => framed(await connect({ port: server.port }), lines())));
    const ids = await Promise.all(talks.map(async (talk) => String(await talk.read()).split(' ')));
    for (const [id, store] of ids) assert.equal(store, id);
    for (const word of ['first', 'second', 'third']) {
      for (const talk of talks) talk.tryWrite(word);
      const answers = await Promise.all(talks.map((talk) => talk.read()));
      assert.deepEqual(
        answers,
        ids.map(([id]) => `${word} ${id}`),
      );
    }
    await Promise.all(talks.map((talk) => talk.close()));
  });
});

describe('the close of a server', () => {
  it('accepts no more, lets output leave, and waits for the peers to end', async () => {
    const record = pattern(1 << 20);
    const server = await listen(HERE, async (stream) => {
      const talk = framed(stream, lengthPrefixed({ maxLength: 1 << 24 }));
      await talk.read();
      for (let i = 0; i < 8; i++) void talk.write(record).catch(() => {});
      // It does not return: closing is the server's.
      await new Promise(() => {});
    });
    const { port } = server;
    const client = framed(await connect({ port }), lengthPrefixed({ maxLength: 1 << 24 }));
    await client.write(Buffer.from('go'));
    assert.ok((await client.read()) !== EOF);
    const closing = server.close();
    assert.equal(server.close(), closing);
    await assert.rejects(connect({ port, host: '127.0.0.1' }), code('ERR_TRANSPORT'));
    let count = 1;
    for await (const got of client) {
      assert.ok(got.equals(record));
      count++;
    }
    assert.equal(count, 8);
    await client.close();
    await closing;
    assert.equal(server.connections.size, 0);
    assert.equal(server.server.listening, false);
  });

  it('lets handlers come to their end', async () => {
    const ends: string[] = [];
    const server = await listen(HERE, async (stream) => {
      for await (const line of framed(stream, lines())) ends.push(line);
      ends.push('over');
    });
    const talk = framed(await connect({ port: server.port }), lines());
    await talk.write('one');
    await until(() => ends.length === 1);
    const closing = server.close();
    assert.equal(await talk.read(), EOF);
    await talk.close();
    await closing;
    await until(() => ends.length === 2);
    assert.deepEqual(ends, ['one', 'over']);
  });

  it('destroys what is left at the deadline', async () => {
    const server = await listen(HERE, echo);
    const deaf = await connect({ port: server.port });
    const waiting = deaf.ready('read').then(
      () => deaf.tryFill(),
      () => undefined,
    );
    await until(() => server.connections.size === 1);
    await server.close({ timeoutMs: 20 });
    assert.equal(server.connections.size, 0);
    // The end was said before.
    assert.equal(await waiting, EOF);
    deaf.destroy();
  });

  it('is no leak to Node, however many connections share its time', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error) => void warnings.push(warning);
    const server = await listen(HERE, echo);
    const clients = await Promise.all(Array.from({ length: 12 }, () => connect({ ...HERE, port: server.port })));
    await until(() => server.connections.size === clients.length);
    process.on('warning', note);
    try {
      const closing = server.close();
      // They are waited for by then.
      await Promise.all(clients.map((client) => readToEnd(client)));
      await Promise.all(clients.map((client) => client.end()));
      await closing;
      await turn();
    } finally {
      process.off('warning', note);
    }
    assert.deepEqual(warnings, []);
  });

  it('checks its arguments, and can be closed after a wrong one', async () => {
    const server = await listen(HERE, echo);
    await assert.rejects(server.close({ timeoutMs: -1 }), { code: 'ERR_OUT_OF_RANGE' });
    await assert.rejects(server.close(null as never), { code: 'ERR_INVALID_ARG_TYPE' });
    await server.close();
    await server.close();
  });

  it('is what await using does', async () => {
    let port = 0;
    {
      await using server = await listen(HERE, echo);
      port = server.port;
    }
    await assert.rejects(connect({ port, host: '127.0.0.1' }), code('ERR_TRANSPORT'));
  });
});

describe('drain', () => {
  it('refuses what is no server', async () => {
    for (const none of [undefined, null, {}])
      await assert.rejects(drain(none as never), { code: 'ERR_INVALID_ARG_TYPE' });
  });

  it('ends what was adopted from a server of http, and waits for the rest', async () => {
    const server = http.createServer((_request, response) => void setTimeout(() => response.end('late answer'), 50));
    server.on('upgrade', (_request, socket, head) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: lines\r\n\r\n');
      void echo(adopt(socket as net.Socket, { head }));
    });
    server.listen(HERE);
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const request = http.get({ ...HERE, port, headers: { connection: 'upgrade', upgrade: 'lines' } });
    const [, socket, head] = (await once(request, 'upgrade')) as [unknown, net.Socket, Buffer];
    const talk = framed(adopt(socket, { head }), lines());
    await talk.write('hello');
    assert.equal(await talk.read(), 'hello');
    const [response] = (await Promise.all([
      once(http.get({ ...HERE, port }), 'response'),
      (async () => {
        await once(server, 'request');
        const drained = drain(server);
        assert.equal(await talk.read(), EOF);
        await talk.close();
        await drained;
      })(),
    ])) as [[http.IncomingMessage], undefined];
    assert.equal(String(await readAll(response[0])), 'late answer');
  });

  it('ends what came to a server of listen, and of net', async () => {
    const ours = await listen(HERE, echo);
    const theirs = net.createServer(
      { allowHalfOpen: true, pauseOnConnect: true },
      (socket) => void echo(adopt(socket)),
    );
    theirs.listen(HERE);
    await once(theirs, 'listening');
    for (const server of [ours.server, theirs]) {
      const { port } = server.address() as net.AddressInfo;
      const talk = framed(await connect({ port }), lines());
      await talk.write('hello');
      assert.equal(await talk.read(), 'hello');
      const drained = drain(server);
      assert.equal(await talk.read(), EOF);
      await talk.close();
      await drained;
    }
    assert.equal(ours.connections.size, 0);
  });

  it('ends at its deadline, also where Node waits for a request', async () => {
    const server = http.createServer(() => {});
    server.listen(HERE);
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const request = http.get({ ...HERE, port }).on('error', () => {});
    await once(server, 'request');
    await drain(server, { timeoutMs: 20 });
    await until(() => request.closed);
    await assert.rejects(drain(server, { timeoutMs: -1 }), { code: 'ERR_OUT_OF_RANGE' });
    await drain(server);
  });

  it('is one call on SIGTERM, with connections that came from http', async () => {
    const program = startProgram(`
      import http from 'node:http';
      import { adopt, drain, framed, lines } from 'miniproto';
      const server = http.createServer();
      server.on('upgrade', async (request, socket, head) => {
        socket.write('HTTP/1.1 101 Switching Protocols\\r\\nConnection: upgrade\\r\\nUpgrade: lines\\r\\n\\r\\n');
        const talk = framed(adopt(socket, { head }), lines());
        for await (const line of talk) talk.tryWrite('echo ' + line);
        await talk.close();
      });
      server.listen(0, '127.0.0.1', () => console.log(server.address().port));
      process.once('SIGTERM', async () => {
        await drain(server);
        console.log('drained');
      });`);
    const port = Number(await program.line());
    const request = http.get({ ...HERE, port, headers: { connection: 'upgrade', upgrade: 'lines' } });
    const [, socket, head] = (await once(request, 'upgrade')) as [unknown, net.Socket, Buffer];
    const talk = framed(adopt(socket, { head }), lines());
    await talk.write('hello');
    assert.equal(await talk.read(), 'echo hello');
    program.child.kill('SIGTERM');
    assert.equal(await talk.read(), EOF);
    await talk.close();
    assert.equal(await program.line(), 'drained');
    assert.equal(await program.end(), 0);
  });
});
