/** `connect`: how a connection begins, or does not. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, EOF, framed, lines, listen, type MiniprotoError, TransportError } from 'miniproto';
import { NATIVE, openDescriptors, until } from '../support/node-sockets.js';

const causeIs = (expected: string) => (error: MiniprotoError) =>
  error instanceof TransportError &&
  error.code === 'ERR_TRANSPORT' &&
  (error.cause as { code: string }).code === expected &&
  error.message.length > 'the stream below failed: '.length;

describe('connect', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'miniproto-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const kind of ['port', 'path'] as const) {
    it(`reaches a server at a ${kind}`, async () => {
      const where = kind === 'port' ? { port: 0, host: '127.0.0.1' } : { path: join(folder, 'socket') };
      await using server = await listen(where, async (stream) => {
        const talk = framed(stream, lines());
        await talk.onRecord((record, out) => void out.write(record));
      });
      const stream = await connect(
        kind === 'port' ? { port: server.port, host: '127.0.0.1' } : (where as { path: string }),
      );
      assert.equal(stream.native, NATIVE);
      const talk = framed(stream, lines());
      await talk.write('hello');
      assert.equal(await talk.read(), 'hello');
      await talk.end();
      assert.equal(await talk.read(), EOF);
      await talk.close();
      if (kind === 'port') assert.equal(stream.addresses.remotePort, server.port);
      else assert.equal(stream.addresses.remoteAddress, undefined);
    });
  }

  it('reads what the server says first', async () => {
    await using server = await listen({ port: 0 }, (stream) => framed(stream, lines()).write('welcome'));
    const talk = framed(await connect({ port: server.port }), lines());
    assert.equal(await talk.read(), 'welcome');
    await talk.close();
  });

  it('rejects with the reason of the system when it is refused', async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    server.close();
    await once(server, 'close');
    await assert.rejects(connect({ port, host: '127.0.0.1' }), causeIs('ECONNREFUSED'));
    // Several addresses may be tried, and none of their errors is the one.
    await assert.rejects(connect({ port, host: 'localhost' }), causeIs('ECONNREFUSED'));
    await assert.rejects(connect({ path: join(folder, 'nothing') }), causeIs('ENOENT'));
  });

  it('rejects with the reason of the signal, before and meanwhile, and leaves nothing open', async () => {
    const before = openDescriptors();
    await assert.rejects(connect({ port: 1, signal: AbortSignal.abort('no need') }), (reason) => reason === 'no need');
    const controller = new AbortController();
    // An address that is looked up: there is time to abort.
    const waiting = connect({ port: 1, host: 'localhost', signal: controller.signal });
    controller.abort('changed my mind');
    await assert.rejects(waiting, (reason) => reason === 'changed my mind');
    await until(() => openDescriptors() <= before);
  });

  it('rejects when the time of a signal is over', async () => {
    // Nobody accepts, and the queue of the server is full: the connection stays in the making.
    const lookup = () => {};
    const waiting = connect({ port: 1, host: 'somewhere', lookup: lookup as never, signal: AbortSignal.timeout(20) });
    await assert.rejects(waiting, (reason: Error) => reason.name === 'TimeoutError');
  });

  it('is not touched by the signal once it is connected', async () => {
    const controller = new AbortController();
    await using server = await listen({ port: 0 }, (stream) =>
      framed(stream, lines()).onRecord((record, out) => void out.write(record)),
    );
    const talk = framed(await connect({ port: server.port, signal: controller.signal }), lines());
    controller.abort();
    await talk.write('still here');
    assert.equal(await talk.read(), 'still here');
    await talk.close();
  });

  it('checks its arguments as net.connect does', async () => {
    await assert.rejects(connect(null as never), { code: 'ERR_INVALID_ARG_TYPE' });
    await assert.rejects(connect({ port: 70_000 }), { code: 'ERR_SOCKET_BAD_PORT' });
    await assert.rejects(connect({ port: 1, signal: 'now' as never }), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});
