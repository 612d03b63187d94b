/** The miniprotocol of HTTP/1.1 heads, strictly: wire cases in every way that bytes can arrive, and it is its own inverse. */
import assert from 'node:assert/strict';
import { type Codec, framed, memoryPair } from 'miniproto';
import { HeaderList, type HeadLimits, type RequestHead, requestHeads, responseHeads } from 'miniproto/websocket';
import { parseRequestLine, serializeRequestHead, serializeResponseHead } from '#lib/http/head';
import { Random, seeded } from '../support/random.js';
import { type CodecCase, codecCases } from '../support/wire-cases.js';

/** The codec with heads as plain objects, which can be compared. */
function plain(codec: ReturnType<typeof requestHeads> | ReturnType<typeof responseHeads>): Codec<unknown, never> {
  return {
    name: codec.name,
    decode: (input) => {
      const head = codec.decode(input);
      return typeof head === 'symbol' ? head : { ...head, headers: [...head.headers] };
    },
    encode: () => true,
  };
}

const request = (limits?: HeadLimits) => () => plain(requestHeads(limits));
const response = (limits?: HeadLimits) => () => plain(responseHeads(limits));

const GET = 'GET /chat HTTP/1.1\r\n';
const get = (headers: [string, string][]) => ({ method: 'GET', target: '/chat', version: '1.1', headers });

/** A head that is wrong, and what of. */
const bad = (name: string, input: string, code = 'ERR_INVALID_HEAD', limits?: HeadLimits): CodecCase => ({
  name: `refuses ${name}`,
  codec: request(limits),
  input,
  records: [],
  error: [/LARGE|MANY/.test(code) ? 'LimitError' : 'ProtocolError', code, 0],
});

codecCases('request heads: reads', [
  { name: 'nothing', codec: request(), input: '', records: [] },
  { name: 'a head without fields', codec: request(), input: `${GET}\r\n`, records: [[get([]), 22]] },
  {
    name: 'two heads, and fields in order, as they are written, a field twice',
    codec: request(),
    input: `${GET}Host: a\r\nx:1\r\nX:\t 2\t \r\n\r\n${GET}\r\n`,
    records: [
      [
        get([
          ['Host', 'a'],
          ['x', '1'],
          ['X', '2'],
        ]),
        45,
      ],
      [get([]), 67],
    ],
  },
  {
    name: 'values that are empty, have spaces inside, or bytes above 127',
    codec: request(),
    input: `${GET}a:\r\nb:  \r\nc: d e\t: f\r\ng: \xe9\xff\r\n\r\n`,
    records: [
      [
        get([
          ['a', ''],
          ['b', ''],
          ['c', 'd e\t: f'],
          ['g', '\xe9\xff'],
        ]),
        51,
      ],
    ],
  },
  {
    name: 'every character of a token in a name and a method',
    codec: request(),
    input: "A!#$%&'*+-.^_`|~9z * HTTP/1.0\r\n!#$%&'*+-.^_`|~0aZ: 1\r\n\r\n",
    records: [
      [{ method: "A!#$%&'*+-.^_`|~9z", target: '*', version: '1.0', headers: [["!#$%&'*+-.^_`|~0aZ", '1']] }, 56],
    ],
  },
  {
    name: 'a head as long, and with as many fields, as allowed',
    codec: request({ maxHeaderBytes: 32, maxHeaderCount: 2 }),
    input: `${GET}a:1\r\nb:2\r\n\r\n`,
    records: [
      [
        get([
          ['a', '1'],
          ['b', '2'],
        ]),
        32,
      ],
    ],
  },
]);

codecCases('request heads', [
  bad('an empty line in front', `\r\n${GET}\r\n`),
  bad('a line without a target', 'GET HTTP/1.1\r\n\r\n'),
  bad('two spaces in the request line', 'GET  /chat HTTP/1.1\r\n\r\n'),
  bad('a space behind the version', 'GET /chat HTTP/1.1 \r\n\r\n'),
  bad('a target with a space', 'GET /a b HTTP/1.1\r\n\r\n'),
  bad('a target with a byte above 127', 'GET /\xe9 HTTP/1.1\r\n\r\n'),
  bad('a method that is no token', 'G(T /chat HTTP/1.1\r\n\r\n'),
  bad('another protocol', 'GET /chat HTP/1.1\r\n\r\n'),
  bad('a version of one digit', 'GET /chat HTTP/1\r\n\r\n'),
  bad('the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  bad('HTTP/0.9', 'GET /chat HTTP/0.9\r\n\r\n'),
  bad('a hello of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'),
  bad('a space before the colon', `${GET}Host : a\r\n\r\n`),
  bad('a line without a colon', `${GET}Host\r\n\r\n`),
  bad('a name that is empty', `${GET}: a\r\n\r\n`),
  bad('a name that is no token', `${GET}H(st: a\r\n\r\n`),
  bad('a folded line', `${GET}a: b\r\n c\r\n\r\n`),
  bad('a folded line with a tab', `${GET}a: b\r\n\tc: d\r\n\r\n`),
  bad('a fold right behind the request line', `${GET} a: b\r\n\r\n`),
  bad('a NUL', `${GET}a: b\0c\r\n\r\n`),
  bad('a DEL', `${GET}a: b\x7fc\r\n\r\n`),
  bad('a control character in the request line', 'GET /\x01 HTTP/1.1\r\n\r\n'),
  bad('a LF alone behind the request line', 'GET /chat HTTP/1.1\nHost: a\r\n\r\n', 'ERR_BARE_LF'),
  bad('a LF alone behind a field', `${GET}Host: a\n\r\n`, 'ERR_BARE_LF'),
  bad('a LF alone for an empty line', `${GET}Host: a\r\n\n`, 'ERR_BARE_LF'),
  bad('a LF at the beginning', '\n', 'ERR_BARE_LF'),
  bad('a CR alone in a value', `${GET}Host: a\rb\r\n\r\n`, 'ERR_BARE_CR'),
  bad('two CRs before a LF', `${GET}Host: a\r\r\n\r\n`, 'ERR_BARE_CR'),
  bad('a CR and a tab', `${GET}Host: a\r\tb\r\n\r\n`, 'ERR_BARE_CR'),
  bad('one byte too many', `${GET}a:1\r\nb:2\r\n\r\n`, 'ERR_HEAD_TOO_LARGE', { maxHeaderBytes: 31 }),
  bad('a request line without end', 'GET /'.padEnd(200, 'a'), 'ERR_HEAD_TOO_LARGE', { maxHeaderBytes: 100 }),
  bad('one field too many', `${GET}a:1\r\nb:2\r\nc:3\r\n\r\n`, 'ERR_TOO_MANY_HEADERS', { maxHeaderCount: 2 }),
]);

codecCases('response heads', [
  {
    name: 'reads a status with a reason, with an empty one, and with none',
    codec: response(),
    input: 'HTTP/1.1 101 Switching Protocols\r\na: b\r\n\r\nHTTP/1.0 200 \r\n\r\nHTTP/1.1 404\r\n\r\n',
    records: [
      [{ status: 101, reason: 'Switching Protocols', version: '1.1', headers: [['a', 'b']] }, 42],
      [{ status: 200, reason: '', version: '1.0', headers: [] }, 59],
      [{ status: 404, reason: '', version: '1.1', headers: [] }, 75],
    ],
  },
  ...[
    'HTTP/2.0 101 a\r\n\r\n',
    'HTTP/1.1 99 a\r\n\r\n',
    'HTTP/1.1 1010 a\r\n\r\n',
    'HTTP/1.1 001 a\r\n\r\n',
    'HTTP/1.1  101 a\r\n\r\n',
    'SSH-2.0-OpenSSH_9.6\r\n\r\n',
  ].map(
    (input): CodecCase => ({
      name: `refuses ${JSON.stringify(input.slice(0, -4))}`,
      codec: response(),
      input,
      records: [],
      error: ['ProtocolError', 'ERR_INVALID_HEAD', 0],
    }),
  ),
]);

describe('heads', () => {
  seeded('are what they were written from, for random ones', () => {
    const random = new Random();
    const text = (from: string, least: number) =>
      Array.from({ length: least + random.below(12) }, () => from[random.below(from.length)]).join('');
    const TOKEN = "!#$%&'*+-.^_`|~09azAZ";
    for (let round = 0; round < 300; round++) {
      const headers = new HeaderList();
      for (let i = random.below(6); i > 0; i--) headers.add(text(TOKEN, 1), text('ab:, \t\xe9"', 0).trim());
      const head: RequestHead = { method: text(TOKEN, 1), target: `/${text('/?ab%20=', 0)}`, version: '1.1', headers };
      const [peer, ours] = memoryPair();
      const written = serializeRequestHead(head);
      peer.tryWrite(Buffer.from(written, 'latin1'));
      const read = framed(ours, requestHeads()).tryRead() as RequestHead;
      assert.deepEqual([read.method, read.target, [...read.headers]], [head.method, head.target, [...headers]]);
      assert.equal(serializeRequestHead(read), written);
    }
  });

  it('are written by a framed stream, and answered', async () => {
    const [client, server] = memoryPair();
    const asking = framed(client, requestHeads());
    const head = { ...parseRequestLine('GET /a HTTP/1.1'), headers: new HeaderList().add('Host', 'h') };
    await asking.write(head);
    await asking.flush();
    const asked = (await framed(server, requestHeads()).read()) as RequestHead;
    assert.equal(asked.headers.get('HOST'), 'h');
  });

  it('are not written where somebody else would read another head', () => {
    const headers = (name: string, value: string) => new HeaderList().add(name, value);
    const base = { method: 'GET', target: '/', version: '1.1', headers: new HeaderList() };
    const notEncodable = { code: 'ERR_RECORD_NOT_ENCODABLE' };
    for (const wrong of [
      { ...base, method: 'GET /' },
      { ...base, method: '' },
      { ...base, target: '/ HTTP/1.1\r\nX: y' },
      { ...base, target: '/a b' },
      { ...base, target: '' },
      { ...base, headers: headers('a', 'b\r\nc: d') },
      { ...base, headers: headers('a', 'b\0') },
      { ...base, headers: headers('a:', 'b') },
      { ...base, headers: headers('', 'b') },
      { ...base, headers: headers('a', '\u0100') },
    ]) {
      assert.throws(() => serializeRequestHead(wrong), notEncodable, JSON.stringify(wrong));
    }
    const answer = { status: 101, reason: 'a', version: '1.1', headers: new HeaderList() };
    assert.throws(() => serializeResponseHead({ ...answer, reason: 'a\r\nb' }), notEncodable);
    assert.throws(() => serializeResponseHead({ ...answer, status: 42 }), notEncodable);
  });

  it('have limits that are checked', () => {
    assert.throws(() => requestHeads({ maxHeaderBytes: 0 }), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => requestHeads({ maxHeaderCount: -1 }), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => responseHeads({ maxHeaderBytes: '1' as unknown as number }), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});
