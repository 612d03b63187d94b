/** What a client makes of an answer, as bytes, on a stream of memory: RFC 6455 §4.1. */
import assert from 'node:assert/strict';
import { type MemoryStream, type MiniprotoError, memoryPair } from 'miniproto';
import { HandshakeRefusedError, HeaderList } from 'miniproto/websocket';
import type { Established } from '#lib/websocket/established';
import { type Offer, openOn } from '#lib/websocket/handshake/offer';
import { HandshakeDeadline } from '#lib/websocket/handshake/read-head';
import { ACCEPT, deliveries, KEY, response, send } from '../../support/handshakes.js';

const OFFER: Offer = {
  key: KEY,
  target: '/chat?a=b',
  host: 'example.org',
  protocols: ['a', 'b'],
  extensions: '',
  checkDeflate: undefined,
  headers: new HeaderList(),
};

/** Asks over memory, and gives the answer in pieces. */
async function ask(
  pieces: readonly Buffer[],
  { offer = OFFER, ends = false, timeoutMs = 60_000 }: { offer?: Offer; ends?: boolean; timeoutMs?: number } = {},
): Promise<{ client: MemoryStream; asked: string; result: Established | HandshakeRefusedError | MiniprotoError }> {
  const [client, server] = memoryPair();
  const deadline = new HandshakeDeadline(timeoutMs);
  const opening = openOn(client, offer, deadline, { maxHeaderBytes: 1000 }).catch((error: MiniprotoError) => error);
  await send(server, pieces);
  if (ends) await server.end();
  const result = await opening;
  deadline.clear();
  server.tryFill(1);
  return { client, result, asked: server.input.take(server.input.length).toString('latin1') };
}

const whole = (text: string) => [Buffer.from(text, 'latin1')];

describe('a request of a client', () => {
  const REQUEST = `GET /chat?a=b HTTP/1.1\r
Host: example.org\r
Upgrade: websocket\r
Connection: Upgrade\r
Sec-WebSocket-Key: ${KEY}\r
Sec-WebSocket-Version: 13\r
`;

  it('says what is asked for, and no more', async () => {
    const { asked } = await ask(whole(response()), { offer: { ...OFFER, protocols: [] } });
    assert.equal(asked, `${REQUEST}\r\n`);
  });

  it('has subprotocols, extensions and added fields', async () => {
    const headers = new HeaderList().add('Cookie', 'c=d').add('Host', 'other');
    const { asked } = await ask(whole(response()), { offer: { ...OFFER, extensions: 'x; y', headers } });
    const expected = `${REQUEST.replace('Host: example.org\r\n', '')}Sec-WebSocket-Protocol: a, b\r
Sec-WebSocket-Extensions: x; y\r
Cookie: c=d\r
Host: other\r
\r
`;
    assert.equal(asked, expected);
  });
});

describe('an answer to a client', () => {
  it('is accepted in every way that it can arrive, and not a byte behind it is lost', async () => {
    for (const pieces of deliveries(`${response({ 'Sec-WebSocket-Protocol': 'b' })}\x81\x05hello`)) {
      const { client, result } = await ask(pieces);
      assert.ok(!(result instanceof Error), String(result));
      const { stream, role, protocol, extensions, deflate } = result;
      assert.deepEqual([stream, role, protocol, extensions, deflate], [client, 'client', 'b', '', undefined]);
      client.tryFill(7);
      assert.equal(client.input.peek(7).toString('latin1'), '\x81\x05hello');
    }
  });

  const GOOD: [string, string][] = [
    ['tokens in any case', response({ Upgrade: 'WebSocket', Connection: 'UPGRADE, x' })],
    ['interim answers in front', `HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 102\r\n\r\n${response()}`],
    ['another reason', response({}, 'HTTP/1.1 101 Go ahead')],
    ['an empty list of extensions', response({ 'Sec-WebSocket-Extensions': '' })],
  ];
  for (const [name, input] of GOOD) {
    it(`is accepted with ${name}`, async () => {
      const { result } = await ask(whole(input));
      assert.ok(!(result instanceof Error), String(result));
    });
  }

  const BAD: [name: string, input: string, code?: string][] = [
    ['no Upgrade', response({ Upgrade: undefined })],
    ['another Upgrade', response({ Upgrade: 'h2c' })],
    ['two Upgrades', response({ Upgrade: ['websocket', 'websocket'] })],
    ['no Connection', response({ Connection: undefined })],
    ['a Connection without Upgrade', response({ Connection: 'close' })],
    ['no accept', response({ 'Sec-WebSocket-Accept': undefined })],
    ["another key's accept", response({ 'Sec-WebSocket-Accept': `A${ACCEPT.slice(1)}` })],
    ['two accepts', response({ 'Sec-WebSocket-Accept': [ACCEPT, ACCEPT] })],
    ['a subprotocol that was not asked for', response({ 'Sec-WebSocket-Protocol': 'c' })],
    ['a subprotocol in another case', response({ 'Sec-WebSocket-Protocol': 'A' })],
    ['two subprotocols', response({ 'Sec-WebSocket-Protocol': 'a, b' })],
    ['two fields of subprotocols', response({ 'Sec-WebSocket-Protocol': ['a', 'b'] })],
    ['an empty subprotocol', response({ 'Sec-WebSocket-Protocol': '' })],
    ['an extension that was not asked for', response({ 'Sec-WebSocket-Extensions': 'permessage-deflate' })],
    ['malformed extensions', response({ 'Sec-WebSocket-Extensions': 'a;' })],
    ['HTTP/1.0', response({}, 'HTTP/1.0 101 a')],
    ['no HTTP', 'SSH-2.0-OpenSSH\r\n\r\n', 'ERR_INVALID_HEAD'],
    ['a folded line', response({ 'X-A': 'b\r\n c' }), 'ERR_INVALID_HEAD'],
    ['a LF alone', response().replace('\r\n', '\n'), 'ERR_BARE_LF'],
    ['a head that is too long', response({ 'X-A': 'b'.repeat(2000) }), 'ERR_HEAD_TOO_LARGE'],
    ['interim answers without end', 'HTTP/1.1 103 a\r\n\r\n'.repeat(11)],
  ];
  for (const [name, input, code = 'ERR_HANDSHAKE'] of BAD) {
    it(`is refused with ${name}`, async () => {
      const { result } = await ask(whole(input));
      assert.equal((result as MiniprotoError).code, code);
    });
  }

  it('may be an end, wherever it comes', async () => {
    const input = response();
    for (let length = 0; length < input.length; length++) {
      const { result } = await ask(whole(input.slice(0, length)), { ends: true });
      assert.equal((result as MiniprotoError).code, 'ERR_UNEXPECTED_EOF');
    }
  });

  it('may not come in time', async () => {
    const { result } = await ask(whole('HTTP/1.1 101'), { timeoutMs: 5 });
    assert.equal((result as MiniprotoError).code, 'ERR_HANDSHAKE_TIMEOUT');
  });
});

describe('an answer that refuses', () => {
  const CASES: [name: string, input: string, body: string, ends: boolean][] = [
    ['nothing', 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n', '', false],
    ['a length', 'HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello and more', 'hello', false],
    ['an end', 'HTTP/1.1 500 Oh\r\n\r\nhello', 'hello', true],
    [
      'chunks',
      'HTTP/1.1 403\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n',
      'hello',
      false,
    ],
    ['chunks that are none', 'HTTP/1.1 403\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\nxyz\r\n', 'hel', false],
    ['a length that is none', 'HTTP/1.1 403\r\nContent-Length: x\r\n\r\nhello', '', false],
    ['less than its length', 'HTTP/1.1 403\r\nContent-Length: 9\r\n\r\nhello', 'hello', true],
    [
      'more than is kept',
      `HTTP/1.1 403\r\nContent-Length: 99999\r\n\r\n${'a'.repeat(20_000)}`,
      'a'.repeat(16_384),
      false,
    ],
    [
      'more than is kept, in chunks',
      `HTTP/1.1 403\r\nTransfer-Encoding: chunked\r\n\r\n${'2\r\nab\r\n'.repeat(9000)}`,
      'ab'.repeat(8192),
      false,
    ],
  ];
  for (const [name, input, body, ends] of CASES) {
    it(`gives status, headers and the body of ${name}`, async () => {
      const all = input.length > 500 ? [whole(input)] : deliveries(input);
      for (const pieces of all) {
        const { result } = await ask(pieces, { ends });
        assert.ok(result instanceof HandshakeRefusedError);
        assert.equal(result.code, 'ERR_HANDSHAKE_REFUSED');
        assert.equal(result.status, Number(input.slice(9, 12)));
        assert.equal(result.body.toString(), body, `${pieces.length} pieces`);
        assert.equal(result.headers.size, input.slice(0, input.indexOf('\r\n\r\n')).split('\r\n').length - 1);
      }
    });
  }

  it('keeps what came of a body that does not end in time', async () => {
    const { result } = await ask(whole('HTTP/1.1 403\r\nContent-Length: 9\r\n\r\nhello'), { timeoutMs: 5 });
    assert.ok(result instanceof HandshakeRefusedError);
    assert.equal(result.body.toString(), 'hello');
  });
});
