/** Servers and clients with PROXY headers: the handler has the client's addresses, and whoever has no right ends. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { type ByteServer, type Connection, connect, EOF, framed, lines, listen } from 'miniproto';
import {
  connectWithProxyHeader,
  listenWithProxyHeader,
  type ProxyHeader,
  proxiedAddresses,
  sendProxyHeader,
  withProxyHeader,
} from 'miniproto/proxy-protocol';
import { TRANSPORT } from '../support/socket-pairs.js';

const ENDS = { source: { address: '2001:db8::1', port: 5 }, destination: { address: '2001:db8::2', port: 6 } };

describe(`listenWithProxyHeader and connectWithProxyHeader, over ${TRANSPORT}`, () => {
  let server: ByteServer | undefined;
  const errors: { code: string; stream: Connection | undefined }[] = [];
  const onError = (error: unknown, stream: Connection | undefined) =>
    void errors.push({ code: (error as { code: string }).code, stream });
  const where = () => ({ port: server!.port, host: '127.0.0.1' });

  beforeEach(() => {
    errors.length = 0;
  });
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  const echo = async (stream: Connection, header: ProxyHeader | undefined) => {
    const talk = framed(stream, lines());
    const { remoteAddress, remotePort } = proxiedAddresses(header, stream.addresses);
    await talk.write(`${remoteAddress === '127.0.0.1' ? 'itself' : `${remoteAddress} ${remotePort}`}`);
    for await (const line of talk) await talk.write(line);
  };

  for (const version of [1, 2] as const) {
    it(`give the handler the client's address before the first record, in version ${version}`, async () => {
      server = await listenWithProxyHeader({ port: 0, host: '127.0.0.1', onError }, echo);
      const talk = framed(await connectWithProxyHeader({ ...where(), proxyHeader: { ...ENDS, version } }), lines());
      await talk.write('hello');
      assert.equal(await talk.read(), '2001:db8::1 5');
      assert.equal(await talk.read(), 'hello');
      await talk.end();
      assert.equal(await talk.read(), EOF);
      assert.deepEqual(errors, []);
    });
  }

  it('take a header that comes byte by byte, and one that comes with what is behind it', async () => {
    server = await listenWithProxyHeader({ port: 0, host: '127.0.0.1', onError }, echo);
    const bytes = Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\nhello\n');
    for (const size of [1, bytes.length]) {
      const stream = await connect(where());
      for (let at = 0; at < bytes.length; at += size) {
        stream.tryWrite(bytes.subarray(at, at + size));
        await new Promise((resolve) => setImmediate(resolve));
      }
      const talk = framed(stream, lines());
      assert.deepEqual([await talk.read(), await talk.read()], ['192.0.2.1 5', 'hello']);
      await talk.close();
    }
    assert.deepEqual(errors, []);
  });

  it("let the connection's own address count for LOCAL", async () => {
    server = await listenWithProxyHeader({ port: 0, host: '127.0.0.1', onError }, echo);
    const talk = framed(await connectWithProxyHeader({ ...where(), proxyHeader: { command: 'local' } }), lines());
    assert.equal(await talk.read(), 'itself');
    await talk.close();
  });

  it('end what has no right header, without the handler, and tell onError', async () => {
    let called = 0;
    const handler = () => {
      called++;
    };
    for (const [proxyHeader, sent, code] of [
      [{}, 'GET / HTTP/1.1\r\n', 'ERR_PROXY_HEADER'],
      [{}, '\r\n\r\n\0\r\nQUIT\n!\0\0', 'ERR_UNEXPECTED_EOF'],
      [{}, '', 'ERR_UNEXPECTED_EOF'],
      [{ trusted: ['10.0.0.0/8'] }, 'PROXY UNKNOWN\r\n', 'ERR_PROXY_UNTRUSTED'],
      [{ maxLength: 232 }, '\r\n\r\n\0\r\nQUIT\n!\0\x01\0', 'ERR_RECORD_TOO_LARGE'],
      [{ versions: [2] as const }, 'PROXY UNKNOWN\r\n', 'ERR_PROXY_HEADER'],
    ] as const) {
      server = await listenWithProxyHeader({ port: 0, host: '127.0.0.1', onError, proxyHeader }, handler);
      const socket = net.connect(where());
      socket.on('error', () => {});
      socket.end(sent, 'latin1');
      socket.resume();
      await once(socket, 'close');
      await server.close();
      assert.deepEqual([errors.pop()?.code, errors.length, called], [code, 0, 0], sent);
    }
  });

  it('end what sends no header in time', async () => {
    server = await listenWithProxyHeader({ port: 0, host: '127.0.0.1', onError, proxyHeader: { timeoutMs: 5 } }, echo);
    const stream = await connect(where());
    stream.tryWrite(Buffer.from('PROXY'));
    // Its connection may be reset, or have ended.
    await framed(stream, lines())
      .read()
      .catch(() => EOF);
    stream.destroy();
    assert.deepEqual(
      errors.map(({ code }) => code),
      ['ERR_PROXY_TIMEOUT'],
    );
    for (const connection of server.connections) await new Promise<void>((done) => connection.whenClosed(done));
    assert.equal(server.connections.size, 0);
  });

  it('say of a connection that was reset that it is gone, not whom to believe, although it has no address any more', async () => {
    const proxyHeader = { trusted: ['127.0.0.1'] };
    server = await listenWithProxyHeader({ port: 0, host: '127.0.0.1', onError, proxyHeader }, echo);
    for (let round = 0; round < 20; round++) {
      const socket = net.connect(where());
      await once(socket, 'connect');
      socket.write('PROXY UNK');
      socket.resetAndDestroy();
    }
    while (errors.length < 20) await new Promise((resolve) => setImmediate(resolve));
    // Node may tell a reset as an end.
    for (const { code } of errors) assert.match(code, /^ERR_(TRANSPORT|UNEXPECTED_EOF)$/);
  });

  it('let clients come without a header where it is optional, but not with one that they must not send', async () => {
    const proxyHeader = { presence: 'optional', trusted: ['10.0.0.0/8'] } as const;
    server = await listenWithProxyHeader({ port: 0, host: '127.0.0.1', onError, proxyHeader }, echo);
    const direct = framed(await connect(where()), lines());
    await direct.write('hello');
    assert.deepEqual([await direct.read(), await direct.read()], ['itself', 'hello']);
    await direct.close();
    const liar = await connectWithProxyHeader({ ...where(), proxyHeader: ENDS });
    await assert.rejects(async () => {
      if ((await framed(liar, lines()).read()) === EOF) throw new Error('ended');
    });
    liar.destroy();
    assert.deepEqual(
      errors.map(({ code }) => code),
      ['ERR_PROXY_UNTRUSTED'],
    );
  });

  it('keep a connection whose handler returns no promise, however its header came', async () => {
    for (const whole of [true, false]) {
      const given: Connection[] = [];
      server = await listenWithProxyHeader({ port: 0, host: '127.0.0.1', onError }, (stream) => {
        given.push(stream);
        framed(stream, lines()).tryWrite('begin');
      });
      const stream = await connect(where());
      const bytes = Buffer.from('PROXY UNKNOWN\r\n');
      if (!whole) {
        stream.tryWrite(bytes.subarray(0, 3));
        while (server.connections.size === 0) await new Promise((resolve) => setImmediate(resolve));
        await new Promise((resolve) => setImmediate(resolve));
      }
      stream.tryWrite(bytes.subarray(whole ? 0 : 3));
      const talk = framed(stream, lines());
      assert.equal(await talk.read(), 'begin');
      for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
      assert.equal(server.connections.size, 1);
      assert.equal(given[0]!.destroyed, false);
      given[0]!.destroy();
      stream.destroy();
      await server.close();
    }
    assert.deepEqual(errors, []);
  });

  it('tell onError what a handler throws, however its header came', async () => {
    const handler = withProxyHeader({}, () => {
      throw Object.assign(new Error('mine'), { code: 'MINE' });
    });
    server = await listen({ port: 0, host: '127.0.0.1', onError }, handler);
    for (const pieces of [['PROXY UNKNOWN\r\n'], ['PROXY', ' UNKNOWN\r\n']]) {
      const stream = await connect(where());
      for (const piece of pieces) {
        stream.tryWrite(Buffer.from(piece));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await new Promise<void>((resolve) => {
        const look = () => (errors.length > 0 ? resolve() : setImmediate(look));
        look();
      });
      assert.deepEqual(
        errors.splice(0).map(({ code }) => code),
        ['MINE'],
      );
      stream.destroy();
    }
  });

  it('close while a header is awaited', async () => {
    server = await listenWithProxyHeader({ port: 0, host: '127.0.0.1', onError }, echo);
    const stream = await connect(where());
    while (server.connections.size === 0) await new Promise((resolve) => setImmediate(resolve));
    const closing = server.close({ timeoutMs: 50 });
    await closing;
    assert.equal(server.connections.size, 0);
    stream.destroy();
  });

  it('refuse wrong arguments before they connect or listen', async () => {
    const code = /^ERR_(INVALID_ARG|OUT_OF_RANGE|RECORD_NOT_ENCODABLE)/;
    await assert.rejects(listenWithProxyHeader({ port: 0, proxyHeader: { trusted: ['x'] } }, echo), { code });
    await assert.rejects(listenWithProxyHeader({ port: 0 }, undefined as never), { code });
    await assert.rejects(connectWithProxyHeader({ port: 1 } as never), { code });
    const proxyHeader = { command: 'local', version: 1 } as const;
    await assert.rejects(connectWithProxyHeader({ port: 1, proxyHeader }), { code });
  });

  it('are destroyed by a signal that ends the sending', async () => {
    server = await listen({ port: 0, host: '127.0.0.1' }, (stream) => void stream.whenClosed(() => {}));
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await assert.rejects(connectWithProxyHeader({ ...where(), proxyHeader: {}, signal }), reason);
    const stream = await connect(where());
    await sendProxyHeader(stream, {});
    stream.destroy();
  });
});
