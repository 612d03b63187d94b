/** What is particular to TLS over a byte stream: ends, truncation, upgrades, codecs unchanged, sockets. */
import assert from 'node:assert/strict';
import { connect as connectNode } from 'node:net';
import { EOF, framed, lengthPrefixed, lines, listen, memoryPair, NEED_WRITE, NOT_READY } from 'miniproto';
import { connectTls, listenTls, startTls, TlsContext, tlsClient, tlsServer } from 'miniproto/tls';
import { nativeTls } from '#lib/native';
import { pattern, readExactly, readToEnd, writeAll } from '../support/byte-stream-contract.js';
import { certificate, identity } from '../support/certificates.js';
import { CLIENT, describeTls, duplexes, SERVER, secured, tlsOver, tlsPair } from '../support/tls-pairs.js';

async function turns(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
}

describeTls('two TlsStreams that write more at once than lies between them', () => {
  it('read each other, whatever of it waits in the engine', async () => {
    const { client, server } = await secured(tlsPair());
    const wanted = pattern(240_000);
    const parts = [0, 1, 2, 3].map((at) => wanted.subarray(60_000 * at, 60_000 * (at + 1)));
    for (const stream of [client, server]) assert.equal(stream.tryWriteStable(parts), wanted.length);
    await Promise.all(
      [client, server].map(async (stream) => {
        assert.ok((await readExactly(stream, wanted.length)).equals(wanted));
      }),
    );
    for (const stream of [client, server]) stream.destroy();
  });
});

describeTls('the end of a TlsStream', () => {
  it('is close_notify, and the other direction goes on', async () => {
    const { client, server } = await secured(tlsPair());
    await client.end();
    assert.equal((await readToEnd(server)).length, 0);
    await writeAll(server, pattern(50_000));
    await Promise.all([server.end(), readToEnd(client).then((bytes) => assert.equal(bytes.length, 50_000))]);
  });

  it('without close_notify is a truncation, behind everything that is whole', async () => {
    for (const truncation of ['error', 'end'] as const) {
      const [one, other] = memoryPair();
      const { client, server } = await secured(tlsOver([one, other], {}, { truncation, tickets: 0 }));
      client.tryWrite(pattern(10));
      await one.end();
      assert.ok((await readExactly(server, 10)).equals(pattern(10)));
      if (truncation === 'end') assert.equal(server.tryFill(), EOF);
      else assert.throws(() => server.tryFill(), { name: 'ProtocolError', code: 'ERR_TLS_TRUNCATED' });
      server.destroy();
    }
  });

  it('leaves no session behind, also where nobody destroys anything', async () => {
    const before = nativeTls()!.counters().sessions;
    const { client, server } = await secured(tlsPair());
    await Promise.all([client.end(), server.end(), readToEnd(client), readToEnd(server)]);
    assert.equal(nativeTls()!.counters().sessions, before);
    assert.equal(client.info?.protocol, 'TLSv1.3');
  });

  it('a record that was changed on its way is refused, and nothing of it is given out', async () => {
    const [one, middle] = memoryPair();
    const [middle2, other] = memoryPair();
    const { client, server } = tlsOver([one, other], {}, { tickets: 0 });
    const relay = async (from: typeof middle, to: typeof middle, change: () => boolean) => {
      for (;;) {
        const filled = from.tryFill();
        if (typeof filled === 'number') {
          const bytes = from.input.take(filled);
          if (change()) bytes[bytes.length - 1]! ^= 1;
          await writeAll(to, bytes);
        } else if (filled === EOF) return to.end();
        else await from.ready('read');
      }
    };
    let broken = false;
    relay(middle, middle2, () => broken).catch(() => undefined);
    relay(middle2, middle, () => false).catch(() => undefined);
    await secured({ client, server });
    await turns();
    broken = true;
    client.tryWrite(pattern(10));
    await assert.rejects(readExactly(server, 10), { code: 'ERR_TLS_RECORD' });
    assert.equal(server.input.length, 0);
    await assert.rejects(readExactly(client, 1), { code: 'ERR_TLS_ALERT' });
  });

  it('unwrap gives the stream below back, with what came behind', async () => {
    const [one, other] = memoryPair();
    const { client, server } = await secured(tlsOver([one, other]));
    const unwrapping = Promise.all([client.unwrap(), server.unwrap()]);
    const [clear, alsoClear] = await unwrapping;
    assert.equal(clear, one);
    assert.equal(alsoClear, other);
    clear.tryWrite(Buffer.from('clear\n'));
    assert.equal(await framed(alsoClear, lines()).read(), 'clear');
    assert.throws(() => client.tryWrite(pattern(1)), { code: 'ERR_STREAM_DESTROYED' });
  });

  it('unwrap refuses to lose plaintext', async () => {
    const { client, server } = await secured(tlsPair());
    server.tryWrite(pattern(3));
    const [refused] = await Promise.allSettled([client.unwrap(), server.end()]);
    assert.equal((refused as PromiseRejectedResult).reason.code, 'ERR_UNREAD_INPUT');
    assert.equal(client.input.take(3).length, 3);
    await client.unwrap();
  });
});

describeTls('codecs on TLS', () => {
  it('lines and lengths are as on any stream, pulled, in batches and pushed', async () => {
    for (const below of [() => memoryPair(), duplexes]) {
      const { client, server } = await secured(tlsOver(below()));
      const [here, there] = [framed(client, lines()), framed(server, lines())];
      void there.onRecord((record, out) => void out.write(record)).then(() => there.close());
      for (let i = 0; i < 50; i++) await here.write(`line ${i} ${'x'.repeat(i * 100)}`);
      for (let i = 0; i < 50; i++) assert.match(String(await here.read()), new RegExp(`^line ${i} x*$`));
      await here.close();
    }
  });

  it('records larger than any page come whole', async () => {
    const { client, server } = await secured(tlsOver(duplexes()));
    const codec = () => lengthPrefixed({ bytes: 4, maxLength: 8 * 1024 * 1024 });
    const [here, there] = [framed(client, codec()), framed(server, codec())];
    void there.onRecord((record, out) => void out.write(record)).then(() => there.close());
    const payload = pattern(3_000_000);
    const [, back] = await Promise.all([here.write(payload), here.read()]);
    assert.ok((back as Buffer).equals(payload));
    await here.close();
  });

  it('a framed read that begins a lazy handshake whose flight cannot leave answers NEED_WRITE, and goes on', async () => {
    const { client, server } = tlsPair({ handshake: 'lazy' }, { handshake: 'lazy' }, 16);
    const [here, there] = [framed(client, lines()), framed(server, lines())];
    assert.equal(here.tryRead(), NEED_WRITE);
    const writing = there.write('hello');
    assert.equal(await here.read(), 'hello');
    await writing;
    assert.equal(here.tryRead(), NOT_READY);
  });
});

describeTls('upgrade', () => {
  const talks = (capacity = 64 * 1024) => memoryPair({ capacity }).map((stream) => framed(stream, lines()));

  it('makes a conversation secure, with what was written before ahead and in the clear', async () => {
    for (const capacity of [5, 64 * 1024]) {
      const [client, server] = talks(capacity) as [
        ReturnType<typeof framed<string>>,
        ReturnType<typeof framed<string>>,
      ];
      const asked = client.write('STARTTLS');
      assert.equal(await server.read(), 'STARTTLS');
      await asked;
      server.tryWrite('220 Ready');
      const there = framed(startTls(server, { isServer: true, ...SERVER }), lines());
      assert.equal(await client.read(), '220 Ready');
      const here = framed(startTls(client, CLIENT), lines());
      await here.write('secret');
      assert.equal(await there.read(), 'secret');
      assert.throws(() => client.tryRead(), { code: 'ERR_STREAM_SWITCHED' });
      assert.throws(() => server.tryWrite('x'), { code: 'ERR_STREAM_SWITCHED' });
      await Promise.all([client.close(), there.close()]);
    }
  });

  it('refuses what was injected in the clear, and changes nothing', async () => {
    const [client, server] = talks() as [ReturnType<typeof framed<string>>, ReturnType<typeof framed<string>>];
    client.stream.tryWrite(Buffer.from('STARTTLS\nMAIL FROM:<injected>\n'));
    assert.equal(await server.read(), 'STARTTLS');
    assert.throws(() => startTls(server, { isServer: true, ...SERVER }), {
      name: 'UsageError',
      code: 'ERR_UNREAD_INPUT',
    });
    assert.equal(await server.read(), 'MAIL FROM:<injected>');
    server.tryWrite('503 no');
    assert.equal(await client.read(), '503 no');
  });

  it('works from within a push, which ends by it', async () => {
    for (const below of [() => memoryPair(), duplexes]) {
      const [one, other] = below();
      const [client, server] = [framed(one, lines()), framed(other, lines())];
      let secure: ReturnType<typeof startTls> | undefined;
      const pushed = server.onRecord((_, out) => {
        out.write('220');
        secure = startTls(server, { isServer: true, ...SERVER });
      });
      await client.write('STARTTLS');
      assert.equal(await client.read(), '220');
      const here = framed(startTls(client, CLIENT), lines());
      await pushed;
      const there = framed(secure!, lines());
      void there.onRecord((record, out) => void out.write(record)).then(() => there.close());
      await here.write('again');
      assert.equal(await here.read(), 'again');
      await here.close();
    }
  });

  it('gives make the stream and the rest, and destroys the stream when make throws', () => {
    const [one] = memoryPair({ capacity: 2 });
    const talk = framed(one, lines());
    talk.tryWrite('abc');
    assert.throws(
      () =>
        talk.upgrade((stream, unsent) => {
          assert.equal(stream, one);
          assert.equal(unsent.toString(), 'c\n');
          throw new Error('not today');
        }),
      /not today/,
    );
    assert.equal(one.destroyed, true);
  });

  it('refuses wrong options before anything changes', () => {
    const talk = framed(memoryPair()[0], lines());
    assert.throws(() => startTls(talk, {}), { code: 'ERR_INVALID_ARG_VALUE', message: /options\.host/ });
    assert.throws(() => talk.upgrade(5 as never), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => startTls({} as never, CLIENT), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.equal(talk.tryWrite('still here'), true);
  });
});

describeTls('options', () => {
  it('of contexts are checked as Node does, and OpenSSL has its word at once', () => {
    const { key, cert } = identity('server');
    assert.throws(() => new TlsContext({ key, cert: 'nonsense' }), { name: 'UsageError', code: 'ERR_TLS_CONTEXT' });
    assert.throws(() => new TlsContext({ key: identity('a.example').key, cert }), { code: 'ERR_TLS_CONTEXT' });
    assert.throws(() => new TlsContext({ ciphers: 'NO-SUCH-CIPHER' }), { code: 'ERR_TLS_CONTEXT' });
    assert.throws(() => new TlsContext({ cert: 5 as never, key }), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => new TlsContext({ minVersion: 'TLSv1' as never }), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => new TlsContext({ ticketKeys: Buffer.alloc(3) }), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => new TlsContext({ ALPNProtocols: [''] }), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => new TlsContext({ tickets: 11 }), { code: 'ERR_OUT_OF_RANGE' });
  });

  it('a context and its options at once are refused, and a client without a host', () => {
    const [one] = memoryPair();
    const context = new TlsContext();
    const both = { context, host: 'x', rejectUnauthorized: false };
    assert.throws(() => tlsClient(one, both), { code: 'ERR_INVALID_ARG_VALUE', message: /rejectUnauthorized/ });
    assert.throws(() => tlsClient(one, {}), { code: 'ERR_INVALID_ARG_VALUE', message: /host/ });
    assert.throws(() => tlsClient(one, { host: 'x', handshake: 'soon' as never }), { code: 'ERR_INVALID_ARG_VALUE' });
  });

  it('a stream with a framed stream on it is in use, and so is one with TLS on it', () => {
    const [one, other] = memoryPair();
    framed(one, lines());
    assert.throws(() => tlsClient(one, CLIENT), { code: 'ERR_STREAM_IN_USE' });
    const server = tlsServer(other, SERVER);
    assert.throws(() => framed(other, lines()), { code: 'ERR_STREAM_IN_USE' });
    server.destroy();
  });

  it('ciphers of one version only choose the version, as in Node', async () => {
    const { client } = await secured(tlsPair({ ciphers: 'TLS_AES_128_GCM_SHA256' }));
    assert.equal(client.info?.cipher, 'TLS_AES_128_GCM_SHA256');
    const older = await secured(tlsPair({ ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' }));
    assert.equal(older.client.info?.cipher, 'ECDHE-ECDSA-AES128-GCM-SHA256');
  });
});

describe('connectTls and listenTls', () => {
  it('connect two sides, lines and all', async () => {
    await using server = await listenTls({ port: 0, host: '127.0.0.1', ...SERVER }, async (stream) => {
      assert.equal(stream.secured, true);
      for await (const line of framed(stream, lines())) await framedEcho(stream, String(line));
    });
    const stream = await connectTls({ port: server.port, host: '127.0.0.1', ca: certificate('ca') });
    await writeAll(stream, Buffer.from('hello\n'));
    assert.equal((await readExactly(stream, 6)).toString(), 'HELLO\n');
    assert.equal(stream.addresses.remotePort, server.port);
    await stream.close();
  });

  it('tell onError of handshakes that failed, and go on', async () => {
    const errors: unknown[] = [];
    let told: () => void = () => undefined;
    const heard = new Promise<void>((resolve) => (told = resolve));
    const onError = (error: unknown) => {
      errors.push(error);
      told();
    };
    await using server = await listenTls({ port: 0, host: '127.0.0.1', ...SERVER, onError }, () => undefined);
    const plain = connectNode(server.port, '127.0.0.1', () => plain.end('GET / HTTP/1.1\r\n\r\n'));
    plain.resume();
    await heard;
    assert.match((errors[0] as { code: string }).code, /^ERR_TLS_/);
    await assert.rejects(connectTls({ port: server.port, host: '127.0.0.1' }), { code: 'ERR_TLS_CERTIFICATE' });
  });

  it('a server of plain connections may make them secure, and closes what is on them', async () => {
    await using server = await listen({ port: 0, host: '127.0.0.1' }, async (lower) => {
      const secure = tlsServer(lower, SERVER);
      await readExactly(secure, 1);
      secure.tryWrite(pattern(5));
    });
    const stream = await connectTls({ port: server.port, host: '127.0.0.1', ca: certificate('ca') });
    stream.tryWrite(pattern(1));
    assert.equal((await readToEnd(stream)).length, 5);
    await stream.close();
  });
});

async function framedEcho(stream: Parameters<typeof writeAll>[0], line: string): Promise<void> {
  await writeAll(stream, Buffer.from(`${line.toUpperCase()}\n`));
}
