/** What is said of a message: what means nothing is refused, and nothing is sent. */
import assert from 'node:assert/strict';
import { memoryPair, NOT_READY } from 'miniproto';
import { prepareMessage } from 'miniproto/websocket';
import { WebSocketConnection } from '#lib/websocket/connection';

function connections(): [WebSocketConnection, WebSocketConnection] {
  const [client, server] = memoryPair();
  const on = { protocol: '', extensions: '', deflate: undefined };
  return [
    new WebSocketConnection({ stream: client, role: 'client', ...on }),
    new WebSocketConnection({ stream: server, role: 'server', ...on }),
  ];
}

const WRONG: [options: unknown, code: string][] = [
  [{ type: 'bin' }, 'ERR_INVALID_ARG_VALUE'],
  [{ type: null }, 'ERR_INVALID_ARG_VALUE'],
  [{ compress: 1 }, 'ERR_INVALID_ARG_TYPE'],
  ['binary', 'ERR_INVALID_ARG_TYPE'],
  [null, 'ERR_INVALID_ARG_TYPE'],
];

describe('options of a message', () => {
  for (const [options, code] of WRONG) {
    it(`refuses ${JSON.stringify(options)}`, async () => {
      const [sending, reading] = connections();
      assert.throws(() => sending.send('x', options as never), { code });
      await assert.rejects(sending.write('x', options as never), { code });
      assert.throws(() => sending.beginMessage(options as never), { code });
      assert.throws(() => prepareMessage('x', options as never), { code });
      await sending.flush();
      assert.equal(reading.tryRead(), NOT_READY);
      assert.equal(sending.send('y', { type: 'text', compress: false }), true);
      assert.equal(await reading.read(), 'y');
      sending.destroy();
    });
  }

  it('a signal that is none is refused, and one that is aborted has nothing taken', async () => {
    const [sending, reading] = connections();
    const code = 'ERR_INVALID_ARG_TYPE';
    await assert.rejects(sending.write('x', { signal: 5 as never }), { code });
    await assert.rejects(sending.flush({ signal: 5 as never }), { code });
    const signal = AbortSignal.abort(new Error('no more'));
    await assert.rejects(sending.write('x', { signal }), { message: 'no more' });
    const message = sending.beginMessage({ type: 'text' });
    assert.ok(typeof message !== 'symbol');
    await assert.rejects(message.write('x', { signal }), { message: 'no more' });
    message.end('y');
    assert.equal(await reading.read(), 'y');
    sending.destroy();
  });
});
