/** Taking headers off connections: over memory, native sockets and Node streams, in time, and from whom. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { BlockList } from 'node:net';
import { type Duplex, PassThrough } from 'node:stream';
import { asByteStream, type ByteStream, framed, lines, memoryPair } from 'miniproto';
import { encodeProxyHeader, receiveProxyHeader, sendProxyHeader } from 'miniproto/proxy-protocol';
import { channels } from '#lib/diagnostics';
import { writeAll } from '../support/byte-stream-contract.js';
import { FailingStream } from '../support/failing-stream.js';
import { nodePair } from '../support/node-sockets.js';
import { binary, IPV4_BLOCK, IPV4_LINE, ipv4, tlv, unspecified, withFields } from '../support/proxy-headers.js';
import { socketPair, TRANSPORT } from '../support/socket-pairs.js';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const HEADERS = [
  ['version 1', Buffer.from(IPV4_LINE), ipv4(1, IPV4_LINE.length)],
  ['version 2', binary(IPV4_BLOCK), ipv4(2, 28)],
  [
    'version 2 with fields',
    withFields(tlv(1, 'h2'), tlv(0xe0, 'x')),
    ipv4(2, 37, { alpn: 'h2', tlvs: [{ type: 0xe0, value: Buffer.from('x') }] }),
  ],
] as const;
const BEHIND = Buffer.from('hello\nworld\n');

async function readLines(stream: ByteStream | Duplex): Promise<string[]> {
  const got: string[] = [];
  for await (const line of framed(stream, lines())) got.push(line);
  return got;
}

describe('receiveProxyHeader', () => {
  for (const [name, bytes, header] of HEADERS) {
    it(`takes ${name} at every cut, with what follows in the same piece and not`, async () => {
      const whole = Buffer.concat([bytes, BEHIND]);
      for (let cut = 0; cut <= bytes.length; cut++) {
        for (const end of [bytes.length, whole.length]) {
          const [client, server] = memoryPair();
          const receiving = receiveProxyHeader(server);
          for (const piece of [whole.subarray(0, cut), whole.subarray(cut, end), whole.subarray(end)]) {
            await writeAll(client, piece);
            await turn();
          }
          await client.end();
          assert.deepEqual(await receiving, header);
          assert.equal(server.input.offset, bytes.length, 'nothing behind it is consumed');
          assert.deepEqual(await readLines(server), ['hello', 'world']);
        }
      }
    });

    it(`takes ${name} a byte at a time, at capacity 1`, async () => {
      const [client, server] = memoryPair({ capacity: 1 });
      const writing = writeAll(client, Buffer.concat([bytes, BEHIND])).then(() => client.end());
      assert.deepEqual(await receiveProxyHeader(server), header);
      assert.deepEqual(await readLines(server), ['hello', 'world']);
      await writing;
    });

    it(`takes ${name} over ${TRANSPORT}, whole and byte by byte`, async () => {
      for (const size of [bytes.length + BEHIND.length, 1]) {
        const { one, other } = await socketPair('tcp');
        const receiving = receiveProxyHeader(other, { trusted: ['127.0.0.0/8'] });
        const whole = Buffer.concat([bytes, BEHIND]);
        for (let at = 0; at < whole.length; at += size) {
          await writeAll(one, whole.subarray(at, at + size));
          await turn();
        }
        await one.end();
        assert.deepEqual(await receiving, header);
        assert.deepEqual(await readLines(other), ['hello', 'world']);
        one.destroy();
        other.destroy();
      }
    });

    it(`takes ${name} off a Duplex, which gets the rest back`, async () => {
      const whole = Buffer.concat([bytes, BEHIND]);
      for (let cut = 0; cut <= whole.length; cut++) {
        const duplex = new PassThrough();
        const receiving = receiveProxyHeader(duplex);
        duplex.write(whole.subarray(0, cut));
        await turn();
        duplex.end(whole.subarray(cut));
        assert.deepEqual(await receiving, header);
        const rest: Buffer[] = [];
        for await (const chunk of duplex) rest.push(chunk as Buffer);
        assert.equal(String(Buffer.concat(rest)), String(BEHIND), `cut at ${cut}`);
      }
    });
  }

  it("takes it off a socket of Node's, which can be read on as it was", async () => {
    const { accepted, connected } = await nodePair();
    connected.end(Buffer.concat([binary(IPV4_BLOCK), BEHIND]));
    assert.deepEqual(await receiveProxyHeader(accepted, { trusted: ['127.0.0.1'] }), ipv4(2, 28));
    assert.deepEqual(await readLines(accepted), ['hello', 'world']);
    accepted.destroy();
    connected.destroy();
  });

  it('consumes nothing of what is no header, and leaves the stream to the caller', async () => {
    const [client, server] = memoryPair();
    await writeAll(client, Buffer.from('GET / HTTP/1.1\r\n'));
    await assert.rejects(receiveProxyHeader(server), { name: 'ProtocolError', code: 'ERR_PROXY_HEADER', offset: 0 });
    assert.equal(server.destroyed, false);
    assert.equal(await framed(server, lines()).read(), 'GET / HTTP/1.1');
    const duplex = new PassThrough();
    duplex.write('GET / HTTP/1.1\r\n');
    await assert.rejects(receiveProxyHeader(duplex), { code: 'ERR_PROXY_HEADER' });
    assert.equal(String(duplex.read()), 'GET / HTTP/1.1\r\n');
    assert.deepEqual(duplex.eventNames(), new PassThrough().eventNames(), 'no listener is left');
  });

  it('rejects what ends before its header does', async () => {
    for (let length = 0; length < 28; length++) {
      const [client, server] = memoryPair();
      await writeAll(client, binary(IPV4_BLOCK).subarray(0, length));
      await client.end();
      await assert.rejects(receiveProxyHeader(server), { name: 'ProtocolError', code: 'ERR_UNEXPECTED_EOF' });
    }
  });

  it('counts from where the header begins', async () => {
    const [client, server] = memoryPair();
    await writeAll(client, Buffer.from('first\nPROXY nonsense'));
    const talk = framed(server, lines());
    assert.equal(await talk.read(), 'first');
    await assert.rejects(receiveProxyHeader(server), { code: 'ERR_PROXY_HEADER', offset: 6 });
  });

  it('gives up when the time is over, and says so to whoever listens', async () => {
    const told: unknown[] = [];
    const listener = (message: unknown) => void told.push((message as { error: Error }).error);
    channels.limit.subscribe(listener);
    try {
      for (const sent of [Buffer.alloc(0), binary(IPV4_BLOCK).subarray(0, 27), Buffer.from('PROXY UNKNOWN')]) {
        const [client, server] = memoryPair();
        await writeAll(client, sent);
        const late = await receiveProxyHeader(server, { timeoutMs: 5 }).catch((error: unknown) => error);
        assert.equal((late as { code: string }).code, 'ERR_PROXY_TIMEOUT');
        assert.equal((late as Error).name, 'LimitError');
        assert.equal(told.pop(), late);
        // Nothing is lost by it.
        assert.equal(server.input.length, sent.length);
      }
    } finally {
      channels.limit.unsubscribe(listener);
    }
  });

  it('does not wait longer for a peer that sends a byte now and then', async () => {
    const [client, server] = memoryPair();
    const late = receiveProxyHeader(server, { timeoutMs: 20 }).catch((error: unknown) => error);
    let over = false;
    void late.then(() => {
      over = true;
    });
    await writeAll(client, Buffer.from('PROXY UNKNOWN '));
    // It ends by the deadline, or by the bytes that a line may have, which come much later.
    for (let sent = 0; !over && sent < 60; sent++) {
      client.tryWrite(Buffer.from('x'));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert.equal(((await late) as { code: string }).code, 'ERR_PROXY_TIMEOUT');
  });

  it('ends the wait with the reason of a signal, and can go on after that', async () => {
    const [client, server] = memoryPair();
    const reason = new Error('enough');
    await assert.rejects(receiveProxyHeader(server, { signal: AbortSignal.abort(reason) }), reason);
    const controller = new AbortController();
    const receiving = receiveProxyHeader(server, { signal: controller.signal });
    await writeAll(client, binary(IPV4_BLOCK).subarray(0, 20));
    await turn();
    controller.abort(reason);
    await assert.rejects(receiving, reason);
    await writeAll(client, binary(IPV4_BLOCK).subarray(20));
    assert.deepEqual(await receiveProxyHeader(server), ipv4(2, 28));
  });

  it('rejects with the failure of the stream, whichever operation it is', async () => {
    for (let failAt = 0; ; failAt++) {
      const [client, ours] = memoryPair();
      const server = new FailingStream(ours, failAt);
      const receiving = receiveProxyHeader(server).catch((error: unknown) => error);
      for (const piece of [binary(IPV4_BLOCK).subarray(0, 5), binary(IPV4_BLOCK).subarray(5)]) {
        if (!client.destroyed) client.tryWrite(piece);
        await turn();
      }
      const result = await receiving;
      if (!server.failed) {
        assert.ok(failAt > 2);
        assert.deepEqual(result, ipv4(2, 28));
        break;
      }
      assert.equal((result as { code: string }).code, 'ERR_TRANSPORT');
      assert.equal((result as Error).cause, server.error);
    }
  });

  it('refuses wrong arguments', async () => {
    const [, server] = memoryPair();
    for (const options of [
      { presence: 'maybe' },
      { timeoutMs: 0 },
      { trusted: '10.0.0.0/8' },
      { trusted: ['localhost'] },
      { trusted: ['10.0.0.0/33'] },
      { trusted: ['::/129'] },
      { trusted: ['10.0.0.0/'] },
      { trusted: ['10.0.0.0/8/8'] },
      { trusted: [1] },
      { signal: 1 },
    ]) {
      const code = /^ERR_(INVALID_ARG|OUT_OF_RANGE)/;
      await assert.rejects(receiveProxyHeader(server, options as never), { code }, JSON.stringify(options));
    }
    await assert.rejects(receiveProxyHeader({} as never), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});

describe("receiveProxyHeader with presence 'optional'", () => {
  const optional = { presence: 'optional' } as const;

  it('takes a header that is there', async () => {
    for (const [, bytes, header] of HEADERS) {
      const [client, server] = memoryPair({ capacity: 1 });
      const writing = writeAll(client, bytes);
      assert.deepEqual(await receiveProxyHeader(server, optional), header);
      await writing;
    }
  });

  it('answers undefined at the first byte that is in no header, and leaves all of them', async () => {
    for (const text of ['GET / HTTP/1.1', 'POST /', 'PROXIMITY', '\x16\x03\x01', '\r\n\r\n\0\r\nQUIP', 'PROXY\r\n']) {
      const bytes = Buffer.from(text, 'latin1');
      for (let cut = 1; cut <= bytes.length; cut++) {
        const [client, server] = memoryPair();
        const receiving = receiveProxyHeader(server, optional);
        await writeAll(client, bytes.subarray(0, cut));
        await turn();
        await writeAll(client, bytes.subarray(cut));
        assert.equal(await receiving, undefined);
        server.tryFill(bytes.length);
        assert.deepEqual(server.input.take(bytes.length), bytes);
      }
    }
  });

  it('answers undefined to a peer that ends before it is sure', async () => {
    for (const text of ['', 'P', 'PROXY', '\r\n\r\n']) {
      const [client, server] = memoryPair();
      await writeAll(client, Buffer.from(text));
      await client.end();
      assert.equal(await receiveProxyHeader(server, optional), undefined);
      assert.equal(server.input.length, text.length);
    }
  });

  it('refuses a header that begins like one and is wrong: it does not fall back', async () => {
    for (const bytes of ['PROXY nonsense', binary(IPV4_BLOCK, { command: 0x2f })]) {
      const [client, server] = memoryPair();
      await writeAll(client, Buffer.from(bytes as string));
      await assert.rejects(receiveProxyHeader(server, optional), { code: 'ERR_PROXY_HEADER' });
    }
    const [client, server] = memoryPair();
    await writeAll(client, Buffer.from(IPV4_LINE));
    await assert.rejects(receiveProxyHeader(server, { ...optional, versions: [2] }), { code: 'ERR_PROXY_HEADER' });
    const [other, ended] = memoryPair();
    await writeAll(other, Buffer.from('PROXY UNK'));
    await other.end();
    await assert.rejects(receiveProxyHeader(ended, optional), { code: 'ERR_UNEXPECTED_EOF' });
  });

  it('is late for a peer that says nothing', async () => {
    const [, server] = memoryPair();
    await assert.rejects(receiveProxyHeader(server, { ...optional, timeoutMs: 5 }), { code: 'ERR_PROXY_TIMEOUT' });
  });

  it('gives a Duplex back what is no header', async () => {
    const duplex = new PassThrough();
    duplex.end('GET / HTTP/1.1\r\n');
    assert.equal(await receiveProxyHeader(duplex, optional), undefined);
    assert.deepEqual(await readLines(duplex), ['GET / HTTP/1.1']);
  });
});

describe('trusted sources', () => {
  const list = new BlockList();
  list.addSubnet('10.0.0.0', 8, 'ipv4');
  list.addAddress('2001:db8::1', 'ipv6');
  const forms = [
    ['networks', ['10.0.0.0/8', '2001:db8::1']],
    ['a BlockList', list],
    ['a function', (address?: string) => /^(::ffff:)?10\.|^2001:db8::1(%|$)/.test(address ?? '')],
  ] as const;
  const receive = async (
    trusted: unknown,
    remoteAddress: string | undefined,
    presence: string,
    sent: Buffer | string,
  ) => {
    const [client, server] = memoryPair();
    await writeAll(client, Buffer.from(sent as string));
    const options = { trusted, remoteAddress, presence } as never;
    const answer = await receiveProxyHeader(server, options).catch((error: unknown) => error);
    server.tryFill(sent.length);
    return { answer: answer as { code: string; name: string } | undefined, left: server.input.length };
  };

  for (const [name, trusted] of forms) {
    for (const address of ['10.0.0.1', '10.255.255.255', '::ffff:10.1.2.3', '2001:db8::1', '2001:db8::1%eth0']) {
      it(`in ${name}: a header from ${address} is taken`, async () => {
        assert.deepEqual((await receive(trusted, address, 'required', IPV4_LINE)).answer, ipv4(1, 45));
        assert.deepEqual((await receive(trusted, address, 'optional', IPV4_LINE)).answer, ipv4(1, 45));
      });
    }
    for (const address of ['11.0.0.1', '::ffff:11.0.0.1', '2001:db8::2', undefined, 'nonsense']) {
      it(`in ${name}: a header from ${address} is refused, and stays where it is`, async () => {
        for (const presence of ['required', 'optional']) {
          const { answer, left } = await receive(trusted, address, presence, IPV4_LINE);
          assert.deepEqual([answer?.name, answer?.code], ['ProtocolError', 'ERR_PROXY_UNTRUSTED']);
          assert.equal(left, 45);
        }
        const { answer, left } = await receive(trusted, address, 'optional', 'GET / HTTP/1.1');
        assert.deepEqual([answer, left], [undefined, 14]);
      });
    }
  }

  it('by a function that promises are none', async () => {
    const { answer } = await receive(async () => true, '10.0.0.1', 'required', IPV4_LINE);
    assert.equal(answer?.code, 'ERR_PROXY_UNTRUSTED');
  });

  it('by a function that throws: with what it threw, and a Duplex is free again', async () => {
    const error = new Error('no');
    const duplex = new PassThrough();
    const trusted = () => {
      throw error;
    };
    await assert.rejects(receiveProxyHeader(duplex, { trusted }), error);
    asByteStream(duplex).destroy();
  });

  it('are refused without waiting for a byte of theirs', async () => {
    const [, server] = memoryPair();
    await assert.rejects(receiveProxyHeader(server, { trusted: [] }), { code: 'ERR_PROXY_UNTRUSTED' });
  });

  it('are known by the connection, native or of Node', async () => {
    const { one, other } = await socketPair('tcp');
    await sendProxyHeader(one, {});
    await assert.rejects(receiveProxyHeader(other, { trusted: ['10.0.0.0/8'] }), { code: 'ERR_PROXY_UNTRUSTED' });
    assert.deepEqual(await receiveProxyHeader(other, { trusted: ['127.0.0.1'] }), unspecified(2, 16));
    const { accepted, connected } = await nodePair();
    await sendProxyHeader(connected, {});
    const source = asByteStream(accepted);
    await assert.rejects(receiveProxyHeader(source, { trusted: ['10.0.0.0/8'] }), { code: 'ERR_PROXY_UNTRUSTED' });
    assert.deepEqual(await receiveProxyHeader(source, { trusted: ['127.0.0.1'] }), unspecified(2, 16));
    for (const stream of [one, other, accepted, connected]) stream.destroy();
  });
});

describe('sendProxyHeader', () => {
  it('has the stream take all of it, at capacity 1', async () => {
    const [client, server] = memoryPair({ capacity: 1 });
    const sending = sendProxyHeader(client, { source: { path: '/a' }, destination: { path: '/b' } });
    const header = await receiveProxyHeader(server);
    await sending;
    assert.equal(header.length, 232);
  });

  it('leaves a Node stream free, and what is written to it follows', async () => {
    const server = net.createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const socket = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
    const [accepted] = (await once(server, 'connection')) as [net.Socket];
    await sendProxyHeader(socket, {}, { version: 1 });
    socket.end('hello\n');
    assert.deepEqual(await receiveProxyHeader(accepted), unspecified(1, 15));
    assert.deepEqual(await readLines(accepted), ['hello']);
    accepted.destroy();
    server.close();
    await once(server, 'close');
  });

  it('sends nothing of what cannot be said', async () => {
    const [client, server] = memoryPair();
    await assert.rejects(sendProxyHeader(client, { command: 'local' }, { version: 1 }), {
      code: 'ERR_RECORD_NOT_ENCODABLE',
    });
    assert.notEqual(server.tryFill(1), 1);
    assert.equal(client.destroyed, false);
  });

  it('destroys the stream when it is told to stop in the middle, and not before', async () => {
    const reason = new Error('enough');
    const [untouched] = memoryPair();
    await assert.rejects(sendProxyHeader(untouched, {}, { signal: AbortSignal.abort(reason) }), reason);
    assert.equal(untouched.destroyed, false);
    const [client] = memoryPair({ capacity: encodeProxyHeader({}).length - 1 });
    const controller = new AbortController();
    const sending = sendProxyHeader(client, {}, { signal: controller.signal });
    await turn();
    controller.abort(reason);
    await assert.rejects(sending, reason);
    assert.equal(client.destroyed, true);
  });
});
