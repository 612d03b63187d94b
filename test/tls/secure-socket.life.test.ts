/**
 * The life of TLS on native sockets: Node's `tls` at the other end, servers that count and drain, timeouts, workers that
 * exit, contexts of whoever listens, and system calls that fail at any time.
 */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { type ChannelListener, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';
import { Worker } from 'node:worker_threads';
import {
  connect,
  framed,
  lengthPrefixed,
  lines,
  listen,
  type MiniprotoError,
  ProtocolError,
  socketCounters,
  TransportError,
} from 'miniproto';
import { connectTls, listenTls, type SecureStream, tlsServer } from 'miniproto/tls';
import { nativeTls } from '#lib/native';
import { SecureSocketStream } from '#lib/tls/secure-socket-stream';
import { fillUp, pattern, readToEnd } from '../support/byte-stream-contract.js';
import { certificate, identity } from '../support/certificates.js';
import { CONVERSATIONS } from '../support/conversations.js';
import { readAll, startProgram, turn, until } from '../support/node-sockets.js';
import { describeSecure, securePair, securePairOver } from '../support/secure-sockets.js';
import { clearFaults, FAIL, setFaults, socketPair } from '../support/socket-pairs.js';
import { SERVER } from '../support/tls-pairs.js';

const HERE = { port: 0, host: '127.0.0.1' };
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
/** Milliseconds of timeouts. */
const SHORT_MS = 60;
const TRUST = { ca: certificate('ca') };
const LIBRARY = JSON.stringify(new URL('../../dist/index.js', import.meta.url).href);
const TLS_LIBRARY = JSON.stringify(new URL('../../dist/tls/index.js', import.meta.url).href);

const code = (expected: string) => (error: MiniprotoError) => error.code === expected;

describeSecure('A server of TLS on native sockets', () => {
  it('opens each connection once, as a secure one, and closes those that are too many', async () => {
    const seen: [string, unknown][] = [];
    const told = ['open', 'close'].map((name) => {
      const listener: ChannelListener = (message) => void seen.push([name, (message as { stream: unknown }).stream]);
      subscribe(`miniproto:${name}`, listener);
      return [name, listener] as const;
    });
    try {
      const accepted: SecureStream[] = [];
      const server = await listenTls({ ...HERE, ...SERVER, maxConnections: 1 }, (stream) => void accepted.push(stream));
      const client = tls.connect({ port: server.port, ...TRUST });
      await once(client, 'secureConnect');
      await until(() => accepted.length === 1);
      const more = tls.connect({ port: server.port, ...TRUST });
      await assert.rejects(once(more, 'secureConnect'));
      assert.equal(server.connections.size, 1);
      accepted[0]!.destroy();
      assert.equal(server.connections.size, 0);
      await server.close();
      client.destroy();
      assert.deepEqual(seen, [
        ['open', accepted[0]],
        ['close', accepted[0]],
      ]);
    } finally {
      for (const [name, listener] of told) unsubscribe(`miniproto:${name}`, listener);
    }
  });
});

describeSecure("SecureSocketStream, with Node's tls at the other end,", () => {
  for (const version of VERSIONS) {
    const versions = { minVersion: version, maxVersion: version } as const;

    it(`serves its clients: small records, large ones, both ends (${version})`, async () => {
      const server = await listenTls({ ...HERE, ...SERVER, ...versions }, async (stream) => {
        assert.ok(stream instanceof SecureSocketStream);
        assert.equal(stream.info!.protocol, version);
        await framed(stream, lengthPrefixed({ maxLength: 1 << 24 })).onRecord((record, out) => void out.write(record));
        await stream.end();
      });
      const client = tls.connect({ ...versions, port: server.port, ...TRUST, ...({ allowHalfOpen: true } as object) });
      await once(client, 'secureConnect');
      const sent: Buffer[] = [];
      for (const size of [0, 1, 100, 16_384, 70_000, 1_000_000]) {
        const head = Buffer.alloc(4);
        head.writeUInt32BE(size);
        sent.push(head, pattern(size));
      }
      const all = Buffer.concat(sent);
      client.end(all);
      assert.ok(all.equals(await readAll(client)));
      client.destroy();
      await server.close();
    });

    it(`is a client of its server: records in batches, in halves, in the other order (${version})`, async () => {
      const server = tls.createServer({ ...identity('server'), ...versions, allowHalfOpen: true }, (socket) => {
        socket.pipe(socket);
      });
      server.listen(HERE);
      await once(server, 'listening');
      const stream = await connectTls({ ...HERE, port: (server.address() as AddressInfo).port, ...TRUST, ...versions });
      assert.ok(stream instanceof SecureSocketStream);
      const talk = framed(stream, lines());
      const written = Array.from({ length: 3000 }, (_, i) => `${i} ${'x'.repeat(i % 300)}`);
      const writing = (async () => {
        for (const line of written) await talk.write(line);
        await talk.end();
      })();
      const seen: string[] = [];
      for await (const batch of talk.batches()) for (const line of batch) seen.push(line.text());
      await writing;
      assert.deepEqual(seen, written);
      await talk.close();
      server.close();
    });
  }

  it('asks for its certificate, and for a new key', async () => {
    const server = await listenTls(
      { ...HERE, ...SERVER, ...TRUST, requestCert: true, maxVersion: 'TLSv1.3' },
      async (stream) => {
        assert.equal(stream.info!.authorized, true);
        const talk = framed(stream, lines());
        for await (const line of talk) {
          assert.equal(stream.updateKeys({ requestPeer: true }), true);
          await talk.write(`${stream.peerCertificate!.subject} ${line}`);
        }
      },
    );
    const client = tls.connect({ port: server.port, ...TRUST, ...identity('client') });
    let text = '';
    client.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    for (let i = 0; i < 3; i++) {
      client.write(`line ${i}\n`);
      await until(() => text.includes(`line ${i}\n`));
    }
    assert.match(text, /^CN=/);
    client.end();
    await once(client, 'close');
    await server.close();
  });
});

describeSecure('SecureSocketStream, from its server,', () => {
  it('takes the place of the plain connection, and is drained with care', async () => {
    const streams: SecureSocketStream[] = [];
    const server = await listen(HERE, (plain) => {
      assert.equal(server.connections.size, 1);
      const secure = tlsServer(plain, SERVER) as SecureSocketStream;
      assert.deepEqual([...server.connections], [secure]);
      streams.push(secure);
    });
    const client = tls.connect({ port: server.port, ...TRUST });
    await once(client, 'secureConnect');
    await streams[0]!.handshake();
    streams[0]!.tryWrite(Buffer.from('goodbye'));
    const received = readAll(client);
    const closing = server.close();
    // The end that it says is close_notify: Node ends its side too.
    assert.equal(String(await received), 'goodbye');
    await closing;
    assert.equal(server.connections.size, 0);
    client.destroy();
  });

  it('is closed when the handler of the plain connection is done, and destroyed when it fails', async () => {
    const outcomes = ['done', new ProtocolError('ERR_RECORD_TOO_LARGE')];
    const streams: SecureSocketStream[] = [];
    const server = await listen(HERE, async (plain) => {
      const outcome = outcomes.shift();
      const secure = tlsServer(plain, SERVER) as SecureSocketStream;
      streams.push(secure);
      await secure.handshake();
      secure.tryWrite(Buffer.from('only this'));
      if (typeof outcome !== 'string') throw outcome;
    });
    for (let i = 0; i < 2; i++) {
      const client = tls.connect({ port: server.port, ...TRUST }).on('error', () => {});
      if (i === 0) assert.equal(String(await readAll(client)), 'only this');
      await until(() => streams[i]?.abandoned === true);
      client.destroy();
    }
    await server.close();
  });

  it('has its timeouts, or those of the plain connection', async () => {
    for (const where of ['plain', 'secure'] as const) {
      const times = { idleTimeoutMs: SHORT_MS };
      const server = await listen({ ...HERE, ...(where === 'plain' ? times : {}) }, async (plain) => {
        const secure = tlsServer(plain, { ...SERVER, ...(where === 'secure' ? times : {}) });
        await assert.rejects(framed(secure, lines()).read(), code('ERR_IDLE_TIMEOUT'));
      });
      const client = tls.connect({ port: server.port, ...TRUST }).on('error', () => {});
      client.resume();
      await once(client, 'close');
      await server.close();
    }
  });

  it('is given up when its peer takes nothing of what waits', async () => {
    const { one, other } = await securePair('unix', { writeStallTimeoutMs: SHORT_MS });
    fillUp(one);
    await assert.rejects(readToEnd(one), code('ERR_WRITE_STALL_TIMEOUT'));
    other.destroy();
  });

  it('hears in the context of whoever listens', async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const pairs = [await securePair(), await securePair()];
    for (const [index, { one }] of pairs.entries()) {
      storage.run(`context ${index}`, () => {
        framed(one, lines())
          .onRecord((record) => void seen.push([record.text(), storage.getStore()]))
          .catch(() => {});
      });
    }
    for (const [index, { other }] of pairs.entries()) other.tryWrite(Buffer.from(`${index}\n`));
    await until(() => seen.length === 2);
    assert.deepEqual(seen.sort(), [
      ['0', 'context 0'],
      ['1', 'context 1'],
    ]);
    for (const { one, other } of pairs) for (const end of [one, other]) end.destroy();
  });

  it('keeps the process as long as somebody waits, unless it is unreferenced', async () => {
    const source = (unref: boolean) => `
      import { connect } from ${LIBRARY};
      import { tlsClient } from ${TLS_LIBRARY};
      const plain = await connect({ host: '127.0.0.1', port: Number(process.argv.at(-1)) });
      ${unref ? 'plain.unref();' : ''}
      const stream = tlsClient(plain, { host: false, rejectUnauthorized: false });
      const read = async () => {
        while (typeof stream.tryFill() !== 'number') await stream.ready('read');
        console.log(String(stream.input.length));
      };
      read();
      ${unref ? '' : 'await stream.handshake(); console.log("secure");'}
    `;
    const server = await listenTls({ ...HERE, ...SERVER }, async (stream) => {
      await turn();
      stream.tryWrite(Buffer.from('x'));
      await stream.ready('read').catch(() => {});
    });
    const waits = startProgram(source(false), { args: [`${server.port}`] });
    assert.deepEqual([await waits.line(), await waits.line()].sort(), ['1', 'secure']);
    assert.equal(await waits.end(), 0);
    const silent = await listen(HERE, () => {});
    const leaves = startProgram(source(true), { args: [`${silent.port}`] });
    assert.equal(await leaves.end(), 0);
    await server.close({ timeoutMs: 0 });
    await silent.close({ timeoutMs: 0 });
  });

  it('sends its last flight when the process exits in the turn in which the handshake is done', async () => {
    const server = tls.createServer({ ...identity('server') }).listen(0, '127.0.0.1');
    server.on('secureConnection', (socket) => socket.on('error', () => {}).destroy());
    await once(server, 'listening');
    const source = `
      import { connectTls } from 'miniproto/tls';
      const port = Number(process.argv.at(-1));
      const stream = await connectTls({ port, host: '127.0.0.1', ca: ${JSON.stringify(TRUST.ca)} });
      process.on('exit', () => console.log(stream.counters().sends));
      process.exit(0);
    `;
    const program = startProgram(source, { args: [`${(server.address() as AddressInfo).port}`] });
    // A hello, and the flight.
    assert.equal(await program.line(), '2');
    assert.equal(await program.end(), 0);
    server.close();
  });

  it('leaves nothing when a worker exits with connections open, in every state', async () => {
    const body = `
      const { parentPort } = require('node:worker_threads');
      (async () => {
        const { listen, framed, lines } = await import(${LIBRARY});
        const { tlsServer } = await import(${TLS_LIBRARY});
        const server = await listen({ port: 0, host: '127.0.0.1' }, (plain) => {
          const stream = tlsServer(plain, ${JSON.stringify(identity('server'))});
          framed(stream, lines()).onRecord((record, out) => {
            if (record.text() === 'fill') while (typeof stream.tryWrite(Buffer.alloc(65536)) === 'number');
            else out.write(record);
          }).catch(() => {});
        });
        parentPort.once('message', () => process.exit(0));
        parentPort.postMessage(server.port);
      })();
    `;
    for (let round = 0; round < 3; round++) {
      const worker = new Worker(body, { eval: true });
      const [port] = (await once(worker, 'message')) as [number];
      const streams = await Promise.all([1, 2, 3].map(() => connectTls({ ...HERE, port, ...TRUST })));
      const talks = streams.map((stream) => framed(stream, lines()));
      const begun = await connect({ ...HERE, port });
      for (const talk of talks) {
        await talk.write('echo');
        assert.equal(await talk.read(), 'echo');
      }
      // One has output that waits.
      await talks[0]!.write('fill');
      await streams[0]!.ready('read');
      worker.postMessage('exit');
      await once(worker, 'exit');
      for (const stream of streams.slice(1)) {
        await assert.rejects(async () => {
          for (;;) if (typeof stream.tryFill(1 << 20) !== 'number') await stream.ready('read');
        }, MiniprotoErrorLike);
      }
      for (const stream of [...streams, begun]) stream.destroy();
    }
  });
});

/** A truncation or a reset: a thread that is gone has said nothing. */
function MiniprotoErrorLike(error: MiniprotoError): boolean {
  return ['ERR_TLS_TRUNCATED', 'ERR_TRANSPORT'].includes(error.code);
}

describeSecure('System calls that fail at any operation of TLS', () => {
  const FAULTS = {
    'receives fail with ECONNRESET': ['receive', 'receives', FAIL.reset],
    'sends fail with EPIPE': ['send', 'sends', FAIL.pipe],
  } as const;
  /** Bytes that each call moves before the one that fails. */
  const CRUMB = 150;
  const TYPED = ['ERR_TRANSPORT', 'ERR_STREAM_DESTROYED', 'ERR_UNEXPECTED_EOF'];
  const TLS_TYPED = ['ERR_TLS_TRUNCATED', 'ERR_TLS_HANDSHAKE', 'ERR_TLS_ALERT'];
  afterEach(clearFaults);

  for (const [name, { run, peer }] of Object.entries(CONVERSATIONS)) {
    for (const [title, [call, counter, errno]] of Object.entries(FAULTS)) {
      it(`fail the conversation, and nothing else: ${name}, ${title}`, async function () {
        this.timeout(60_000);
        const [open, sessions] = [socketCounters()!.connections, nativeTls()!.counters().sessions];
        let failures = 0;
        for (let failAt = 0; ; failAt++) {
          const plain = await socketPair();
          const before = socketCounters()![counter];
          setFaults({ [call]: [...new Array<number>(failAt).fill(CRUMB), errno] }, { repeats: false });
          const { one, other } = securePairOver(plain, {}, { tickets: 0 });
          const results = await Promise.allSettled([run(framed(one, lines())), peer(framed(other, lines()))]);
          const happened = socketCounters()![counter] - before > failAt;
          clearFaults();
          const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
          assert.ok(happened || reasons.length === 0, reasons[0]?.stack);
          for (const reason of reasons) {
            assert.ok(reason instanceof TransportError || reason instanceof ProtocolError, reason.stack);
            assert.ok([...TYPED, ...TLS_TYPED].includes(reason.code), reason.stack);
          }
          failures += reasons.length;
          one.destroy();
          other.destroy();
          assert.equal(socketCounters()!.connections, open);
          assert.equal(nativeTls()!.counters().sessions, sessions);
          if (!happened) break;
        }
        assert.ok(failures > 0);
      });
    }
  }

  it('fail a drain of large amounts without losing what came before', async () => {
    const { one, other } = await securePair('unix', {}, { truncation: 'end' });
    setFaults({ receive: [0, 0, 7, FAIL.again, 0] }, { repeats: true });
    const size = fillUp(one);
    const reading = readToEnd(other);
    await one.end();
    assert.equal((await reading).length, size);
    clearFaults();
    for (const end of [one, other]) end.destroy();
  });
});
