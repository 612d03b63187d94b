/** What a server answers to a request, as bytes, on a stream of memory: RFC 6455 §4.2, and hooks of the user. */
import assert from 'node:assert/strict';
import { EOF, type MemoryStream, memoryPair, NOT_READY } from 'miniproto';
import { type AcceptOptions, requestHeads } from 'miniproto/websocket';
import { acceptRules } from '#lib/websocket/handshake/decision';
import { type Outcome, serveRaw } from '#lib/websocket/handshake/serve';
import { ACCEPT, deliveries, KEY, request, send, turn } from '../../support/handshakes.js';

const LIMITS = { maxHeaderBytes: 1000, maxHeaderCount: 12 };

/** Serves one stream, to which the pieces are sent. */
async function serve(
  pieces: readonly Buffer[],
  options: AcceptOptions & { path?: string } = {},
  { ends = false, timeoutMs = 60_000 } = {},
): Promise<{ outcome: Outcome; answer: string; server: MemoryStream; client: MemoryStream }> {
  const [client, server] = memoryPair();
  const serving = serveRaw(
    server,
    requestHeads(LIMITS),
    { ...acceptRules(options), path: options.path },
    { timeoutMs, origin: { addresses: {} } },
  );
  await send(client, pieces);
  if (ends) await client.end();
  const answer = readSome(client, serving);
  return { outcome: await serving, answer: await answer, server, client };
}

/** Everything until the other end has decided, and what it said last. */
async function readSome(stream: MemoryStream, until: Promise<unknown>): Promise<string> {
  let over = false;
  void until.finally(() => {
    over = true;
  });
  for (;;) {
    const there = stream.tryFill(stream.input.length + 1);
    if (there === NOT_READY && over) break;
    if (there === EOF) break;
    await turn();
  }
  const text = stream.input.take(stream.input.length).toString('latin1');
  if (!stream.ended) return text;
  await stream.end();
  return text;
}

const whole = (text: string) => [Buffer.from(text, 'latin1')];
const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+) /.exec(answer)?.[1]);

const ACCEPTED = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n`;

describe('a request for a WebSocket', () => {
  it('is answered with 101, in every way that it can arrive, and not a byte behind it is lost', async () => {
    const input = `${request()}\x81\x85frames`;
    for (const pieces of deliveries(input)) {
      const { outcome, answer, server } = await serve(pieces);
      assert.equal(answer, `${ACCEPTED}\r\n`);
      assert.ok('established' in outcome);
      assert.equal(outcome.established.stream, server);
      const { role, protocol, extensions, deflate } = outcome.established;
      assert.deepEqual([role, protocol, extensions, deflate], ['server', '', '', undefined]);
      server.tryFill(8);
      assert.equal(server.input.peek(8).toString('latin1'), '\x81\x85frames');
      server.destroy();
    }
  });

  it('is answered through a pipe that takes a byte at a time', async () => {
    const [client, server] = memoryPair({ capacity: 1 });
    const serving = serveRaw(server, requestHeads(), acceptRules({}), { timeoutMs: 60_000, origin: { addresses: {} } });
    let answer = '';
    const input = Buffer.from(request());
    for (let sent = 0; answer.length < ACCEPTED.length + 2; await turn()) {
      const taken = client.tryWrite(input.subarray(sent));
      if (typeof taken === 'number') sent += taken;
      client.tryFill(1);
      answer += client.input.take(client.input.length).toString('latin1');
    }
    assert.equal(answer, `${ACCEPTED}\r\n`);
    assert.ok('established' in (await serving));
  });

  const GOOD: [string, string][] = [
    ['tokens in any case', request({ Upgrade: 'WebSocket', Connection: 'keep-alive, UPGRADE' })],
    ['Connection in two fields', request({ Connection: ['keep-alive', 'Upgrade'] })],
    ['other protocols to upgrade to', request({ Upgrade: 'h2c, websocket' })],
    ['a whole URL as target', request({}, 'GET http://example.org/chat?x HTTP/1.1')],
    ['a Content-Length of 0', request({ 'Content-Length': '0' })],
    ['names in any case', request({}).replace('Sec-WebSocket-Key', 'sec-websocket-KEY')],
    ['extensions that nobody knows', request({ 'Sec-WebSocket-Extensions': 'x-foo; a="b", bar' })],
    ['an empty list of extensions', request({ 'Sec-WebSocket-Extensions': '' })],
  ];
  for (const [name, input] of GOOD) {
    it(`is accepted with ${name}`, async () => {
      const { answer } = await serve(whole(input), { path: '/chat' });
      assert.equal(answer, `${ACCEPTED}\r\n`);
    });
  }
});

/** Name, bytes, status, and lines that the answer has to have. */
const REFUSED: [name: string, input: string, status: number, lines?: string[]][] = [
  ['no Upgrade', request({ Upgrade: undefined }), 426, ['Upgrade: websocket', 'Connection: close, Upgrade']],
  ['another Upgrade', request({ Upgrade: 'h2c' }), 426],
  ['an Upgrade that only begins so', request({ Upgrade: 'websockets' }), 426],
  ['HTTP/1.0', request({}, 'GET /chat HTTP/1.0'), 426],
  ['an ordinary request', 'GET /chat HTTP/1.1\r\nHost: a\r\n\r\n', 426],
  ['another method', request({}, 'POST /chat HTTP/1.1'), 405, ['Allow: GET']],
  ['a method in lower case', request({}, 'get /chat HTTP/1.1'), 405],
  ['no Connection', request({ Connection: undefined }), 400],
  ['a Connection without Upgrade', request({ Connection: 'keep-alive' }), 400],
  ['no Host', request({ Host: undefined }), 400],
  ['two Hosts', request({ Host: ['a', 'b'] }), 400],
  ['no key', request({ 'Sec-WebSocket-Key': undefined }), 400],
  ['two keys', request({ 'Sec-WebSocket-Key': [KEY, KEY] }), 400],
  ['a key of 15 bytes', request({ 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAA' }), 400],
  ['a key that is no base64', request({ 'Sec-WebSocket-Key': '!GhlIHNhbXBsZSBub25jZQ==' }), 400],
  ['no version', request({ 'Sec-WebSocket-Version': undefined }), 426, ['Sec-WebSocket-Version: 13']],
  ['version 8', request({ 'Sec-WebSocket-Version': '8' }), 426, ['Sec-WebSocket-Version: 13']],
  ['two versions', request({ 'Sec-WebSocket-Version': ['13', '13'] }), 426],
  ['a subprotocol twice', request({ 'Sec-WebSocket-Protocol': 'a, b, a' }), 400],
  ['a subprotocol that is no token', request({ 'Sec-WebSocket-Protocol': 'a b' }), 400],
  ['an empty list of subprotocols', request({ 'Sec-WebSocket-Protocol': '' }), 400],
  ['malformed extensions', request({ 'Sec-WebSocket-Extensions': 'a;' }), 400],
  ['a body', request({ 'Content-Length': '5' }), 400],
  ['a chunked body', request({ 'Transfer-Encoding': 'chunked' }), 400],
  ['another path', request({}, 'GET /other HTTP/1.1'), 404],
  ['no path', request({}, 'GET * HTTP/1.1'), 404],
  ['a folded line', request({ 'X-A': 'b\r\n c' }), 400],
  ['a LF alone', request().replace('\r\n', '\n'), 400],
  ['a CR alone', request({ 'X-A': 'b\rc' }), 400],
  ['a space before a colon', request({ 'X-A ': 'b' }), 400],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
  ['a hello of TLS', '\x16\x03\x01\x02\x00\x01\x00', 400],
  ['a header line without end', `GET /chat HTTP/1.1\r\nX: ${'a'.repeat(2000)}`, 431],
  ['a target without end', `GET /${'a'.repeat(2000)}`, 431],
  ['too many fields', request({ 'X-A': Array.from({ length: 9 }, () => 'b') }), 431],
];

describe('what is no request for a WebSocket', () => {
  for (const [name, input, status, lines = []] of REFUSED) {
    it(`is answered with ${status}: ${name}`, async () => {
      // Cutting at every place is the codec's test.
      for (const pieces of [whole(input), Array.from(whole(input)[0]!, (byte) => Buffer.of(byte))]) {
        const { answer, outcome } = await serve(pieces, { path: '/chat' });
        const text = `${pieces.length} pieces: ${answer}`;
        assert.equal(statusOf(answer), status, text);
        assert.ok('refused' in outcome, text);
        for (const line of ['Content-Type: text/plain; charset=utf-8', ...lines]) {
          assert.ok(answer.includes(`\r\n${line}\r\n`), text);
        }
        assert.match(answer, /\r\nConnection: close/);
        const [, length, body] = /Content-Length: (\d+)\r\n[\s\S]*?\r\n\r\n([\s\S]*)$/.exec(answer) ?? [];
        assert.equal(Number(length), body?.length, text);
        assert.ok(outcome.refused.error.code.startsWith('ERR_'));
      }
    });
  }

  it('is answered with 408 when it does not come in time, and nothing where nothing can be told', async () => {
    for (const input of ['', 'GET', 'GET /chat HTTP/1.1\r\nHost: a\r\n']) {
      const { answer, outcome } = await serve(whole(input), {}, { timeoutMs: 5 });
      assert.equal(statusOf(answer), 408, answer);
      assert.ok('refused' in outcome);
      assert.equal(outcome.refused.error.code, 'ERR_HANDSHAKE_TIMEOUT');
    }
  });

  it('is an end, wherever it comes', async () => {
    const input = request();
    for (let length = 0; length < input.length; length++) {
      const { answer, outcome } = await serve(whole(input.slice(0, length)), {}, { ends: true });
      if ('gone' in outcome) assert.equal(answer, '', 'a peer that has said nothing of HTTP is told nothing');
      else assert.equal(statusOf(answer), 400, answer);
    }
  });

  it('is a failure of the stream', async () => {
    const [client, server] = memoryPair();
    const serving = serveRaw(server, requestHeads(), acceptRules({}), { timeoutMs: 60_000, origin: { addresses: {} } });
    client.tryWrite(Buffer.from('GET /'));
    await turn();
    client.destroy();
    const outcome = await serving;
    assert.ok('gone' in outcome);
    assert.equal(outcome.gone?.code, 'ERR_STREAM_PREMATURE_CLOSE');
    assert.ok(server.destroyed);
  });
});

describe('options of accepting', () => {
  const offered = request({ 'Sec-WebSocket-Protocol': 'b, a', Origin: 'https://good.example' });
  const line = (answer: string, name: string) => new RegExp(`\r\n${name}: (.*)\r\n`).exec(answer)?.[1];

  const CHOICES: [string, AcceptOptions['protocols'], string | undefined][] = [
    ['nothing is spoken', undefined, undefined],
    ['others are spoken', ['c'], undefined],
    ["the client's first is chosen of several", ['a', 'b'], 'b'],
    ['one is spoken', ['a'], 'a'],
    ['a function chooses', (names) => names.at(-1)!, 'a'],
    ['a function chooses none', () => false, undefined],
  ];
  for (const [name, protocols, chosen] of CHOICES) {
    it(`protocols: ${name}`, async () => {
      const { answer, outcome } = await serve(whole(offered), protocols === undefined ? {} : { protocols });
      assert.equal(line(answer, 'Sec-WebSocket-Protocol'), chosen);
      assert.ok('established' in outcome && outcome.established.protocol === (chosen ?? ''));
    });
  }

  it('protocols: a function is not asked where none were offered', async () => {
    const { answer } = await serve(whole(request()), { protocols: () => assert.fail() });
    assert.equal(statusOf(answer), 101);
  });

  const ORIGINS: [AcceptOptions['origin'], number, number][] = [
    ['https://good.example', 101, 101],
    [['https://other.example', 'https://good.example'], 101, 101],
    ['https://other.example', 403, 101],
    [[], 403, 101],
    [(origin) => origin !== undefined, 101, 403],
    [() => false, 403, 403],
  ];
  for (const [index, [origin, withOrigin, without]] of ORIGINS.entries()) {
    it(`origin: case ${index}`, async () => {
      const options = { origin: origin! };
      assert.equal(statusOf((await serve(whole(offered), options)).answer), withOrigin);
      assert.equal(statusOf((await serve(whole(request()), options)).answer), without);
    });
  }

  it('headers: are added, from an object or a function of the request', async () => {
    const fixed = await serve(whole(request()), { headers: { 'X-A': ['1', '2'] } });
    assert.equal(fixed.answer, `${ACCEPTED}X-A: 1\r\nX-A: 2\r\n\r\n`);
    const made = await serve(whole(request()), { headers: ({ path }) => [['X-Path', path]] });
    assert.equal(made.answer, `${ACCEPTED}X-Path: /chat\r\n\r\n`);
  });

  it('verify: accepts, refuses, at once or later', async () => {
    const answers: [ReturnType<NonNullable<AcceptOptions['verify']>>, number][] = [
      [true, 101],
      [false, 403],
      [Promise.resolve(true), 101],
      [Promise.resolve(false), 403],
      [{ status: 401, headers: { 'WWW-Authenticate': 'Basic' }, body: 'who are you?' }, 401],
      [Promise.resolve({ status: 503, body: Buffer.from([1, 2]) }), 503],
    ];
    for (const [verdict, status] of answers) {
      const { answer, outcome } = await serve(whole(request()), { verify: () => verdict });
      assert.equal(statusOf(answer), status);
      if (status === 401) assert.match(answer, /\r\nWWW-Authenticate: Basic\r\n[\s\S]*\r\n\r\nwho are you\?$/);
      if (status !== 101) assert.ok('refused' in outcome && outcome.refused.error.code === 'ERR_HANDSHAKE');
    }
  });

  it('verify: is given the request', async () => {
    await serve(whole(request({ Origin: 'o' }, 'GET /chat?room=1 HTTP/1.1')), {
      verify: (asked) => {
        const { method, target, path, query, version, origin, message } = asked;
        assert.deepEqual(
          { method, target, path, query, version, origin, message },
          {
            method: 'GET',
            target: '/chat?room=1',
            path: '/chat',
            query: 'room=1',
            version: '1.1',
            origin: 'o',
            message: undefined,
          },
        );
        return asked.headers.get('host') === 'example.org';
      },
    }).then(({ answer }) => assert.equal(statusOf(answer), 101));
  });

  const MISTAKES: [string, AcceptOptions][] = [
    ['verify throws', { verify: () => assert.fail('mistake') }],
    ['verify rejects', { verify: () => Promise.reject(new Error('mistake')) }],
    ['verify answers something else', { verify: () => 7 as never }],
    ['verify refuses with a status that is none', { verify: () => ({ status: 200 }) }],
    ['verify refuses with headers that cannot be sent', { verify: () => ({ status: 403, headers: { a: 'b\nc' } }) }],
    ['origin throws', { origin: () => assert.fail('mistake') }],
    ['protocols throws', { protocols: () => assert.fail('mistake') }],
    ['protocols chooses what was not offered', { protocols: () => 'other' }],
    ['headers throws', { headers: () => assert.fail('mistake') }],
    ['headers would end early', { headers: () => ({ a: 'b\r\nc: d' }) }],
    ['headers has a field of ours', { headers: () => ({ upgrade: 'x' }) }],
  ];
  for (const [name, options] of MISTAKES) {
    it(`is answered with 500 when ${name}`, async () => {
      const { answer, outcome } = await serve(whole(offered), options);
      assert.equal(statusOf(answer), 500);
      assert.ok('failure' in outcome && outcome.failure instanceof Error);
      assert.doesNotMatch(answer, /mistake/);
    });
  }
});
