/** When what a TlsStream over a Node stream answers leaves: at the end of the turn, in order, and whatever ends it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import tls from 'node:tls';
import { framed, lines } from 'miniproto';
import { certificate, identity } from '../support/certificates.js';
import { startProgram } from '../support/node-sockets.js';
import { describeTls, duplexes, secured, tlsOver } from '../support/tls-pairs.js';

async function ticks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => process.nextTick(resolve));
}

async function turns(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
}

async function over() {
  const [one, other] = duplexes();
  const pair = await secured(tlsOver([one, other]));
  await turns();
  return { ...pair, other };
}

describeTls('what a TlsStream over a Node stream answers', () => {
  it('leaves when all that has arrived in the turn was told of', async () => {
    const { client, server, other } = await over();
    const log: string[] = [];
    const write = other.write.bind(other) as (...words: unknown[]) => boolean;
    other.write = ((...words: unknown[]) => {
      log.push('left');
      return write(...words);
    }) as typeof other.write;
    const talk = framed(server, lines());
    talk
      .onRecord((record, out) => {
        log.push(record.text());
        return out.write(record);
      })
      .catch(() => {});
    await turns();
    for (const line of ['a\n', 'b\n']) {
      client.tryWrite(Buffer.from(line));
      await ticks(3);
    }
    assert.deepEqual(log, ['a', 'b']);
    const answers = framed(client, lines());
    assert.deepEqual([await answers.read(), await answers.read()], ['a', 'b']);
    assert.deepEqual(log.slice(0, 3), ['a', 'b', 'left']);
    for (const stream of [client, server]) stream.destroy();
  });

  it('stays in order where some of it is too much to wait', async () => {
    const { client, server } = await over();
    const large = 'y'.repeat(50_000);
    const talk = framed(server, lines());
    talk.onRecord((record, out) => out.write(record.text() === 'large' ? large : record.text())).catch(() => {});
    for (const line of ['a\n', 'large\n', 'b\n']) {
      client.tryWrite(Buffer.from(line));
      await ticks(3);
    }
    const answers = framed(client, lines());
    assert.deepEqual([await answers.read(), await answers.read(), await answers.read()], ['a', large, 'b']);
    for (const stream of [client, server]) stream.destroy();
  });

  it('leaves at once behind much, to which it belongs, and is gathered anew with what arrives next', async () => {
    const { client, server } = await over();
    const waited: number[] = [];
    const talk = framed(server, lines());
    talk
      .onRecord((record) => {
        for (const size of record.text() === 'large' ? [16 * 1024, 5] : [5]) {
          assert.equal(server.tryWrite(Buffer.alloc(size)), size);
          waited.push(server.pendingOutput);
        }
        return true;
      })
      .catch(() => {});
    await turns();
    for (const line of ['large\n', 'small\n']) {
      client.tryWrite(Buffer.from(line));
      await ticks(3);
    }
    assert.deepEqual(waited.slice(0, 2), [0, 0]);
    assert.ok(waited[2]! > 0);
    while (client.input.length < 16 * 1024 + 10) {
      if (typeof client.tryFill(16 * 1024 + 10) !== 'number') await client.ready('read');
    }
    for (const stream of [client, server]) stream.destroy();
  });

  it('leaves with a flush, the end or the destruction of the stream in that turn', async () => {
    for (const way of ['tryFlush', 'end', 'destroy'] as const) {
      const { client, server } = await over();
      const talk = framed(server, lines());
      let waited = 0;
      let left = 0;
      talk
        .onRecord(() => {
          server.tryWrite(Buffer.from('bye\n'));
          waited = server.pendingOutput;
          void server[way]();
          left = server.pendingOutput;
          return true;
        })
        .catch(() => {});
      await turns();
      client.tryWrite(Buffer.from('a\n'));
      assert.equal(await framed(client, lines()).read(), 'bye', way);
      assert.ok(waited > 0, way);
      assert.equal(left, 0, way);
      for (const stream of [client, server]) stream.destroy();
    }
  });

  it('leaves when the process exits in that turn', async () => {
    const program = startProgram(`
      import { createServer } from 'node:net';
      import { framed, lines } from 'miniproto';
      import { tlsServer } from 'miniproto/tls';
      const server = createServer((socket) => {
        const stream = tlsServer(socket, ${JSON.stringify(identity('server'))});
        framed(stream, lines()).onRecord((record) => {
          stream.tryWrite(Buffer.from(record.text()));
          if (record.text() === 'b') process.exit(stream.pendingOutput > 0 ? 0 : 3);
        });
      }).listen(0, '127.0.0.1', () => console.log(server.address().port));
    `);
    const port = Number(await program.line());
    const socket = tls.connect({ port, host: '127.0.0.1', servername: 'localhost', ca: certificate('ca') });
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    socket.write('a\n');
    await once(socket, 'data');
    socket.write('b\n');
    const answers: Buffer[] = [];
    socket.on('data', (bytes) => answers.push(bytes));
    await once(socket, 'close');
    assert.equal(Buffer.concat(answers).toString(), 'b');
    socket.destroy();
    assert.equal(await program.end(), 0);
  });
});
