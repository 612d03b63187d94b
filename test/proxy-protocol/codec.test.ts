/** Headers of the PROXY protocol as wire cases, in every way that bytes can arrive, and malformed in each way. */
import assert from 'node:assert/strict';
import { type Codec, EOF, framed, lines, memoryPair, NOT_READY } from 'miniproto';
import { type ProxyHeaderOptions, parseProxyHeader, proxyHeaders } from 'miniproto/proxy-protocol';
import {
  binary,
  IPV4_BLOCK,
  IPV4_LINE,
  IPV6_BLOCK,
  ipv4,
  SIGNATURE,
  tlv,
  unspecified,
  withFields,
} from '../support/proxy-headers.js';
import { Random } from '../support/random.js';
import { type CodecCase, codecCases } from '../support/wire-cases.js';

/** Headers one behind the other, which no connection has, so that cases run in every form of reading. */
const headers = (options?: ProxyHeaderOptions) => (): Codec<unknown, never> => {
  let codec = proxyHeaders(options);
  return {
    name: codec.name,
    decode: (input) => {
      const header = codec.decode(input);
      if (header !== NOT_READY) codec = proxyHeaders(options);
      return header;
    },
    encode: () => true,
  };
};

const good = (name: string, input: string | Buffer, record: unknown): CodecCase => {
  return { name, codec: headers(), input, records: [[record, input.length]] };
};

const bad = (
  name: string,
  input: string | Buffer,
  code = 'ERR_PROXY_HEADER',
  options?: ProxyHeaderOptions,
): CodecCase => ({
  name: `refuses ${name}`,
  codec: headers(options),
  input,
  records: [],
  error: [code === 'ERR_PROXY_HEADER' ? 'ProtocolError' : 'LimitError', code, 0],
});

const IPV6 = {
  family: 'IPv6',
  source: { address: '2001:db8::1', port: 56324 },
  destination: { address: '::ffff:198.51.100.2', port: 443 },
};
const LONGEST_TCP6 = `PROXY TCP6 ${Array(2).fill('ffff:'.repeat(7).concat('ffff')).join(' ')} 65535 65535\r\n`;
const FULL = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';

codecCases('PROXY headers of version 1: reads', [
  good("the specification's example", 'PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n', {
    ...ipv4(1, 47),
    source: { address: '192.168.0.1', port: 56324 },
    destination: { address: '192.168.0.11', port: 443 },
  }),
  good('TCP4', IPV4_LINE, ipv4(1, 45)),
  good('the longest TCP4', 'PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n', {
    ...ipv4(1, 56),
    source: { address: '255.255.255.255', port: 65535 },
    destination: { address: '255.255.255.255', port: 65535 },
  }),
  good('TCP6 in any case, with IPv4 in it', 'PROXY TCP6 2001:DB8::1 ::ffff:198.51.100.2 56324 443\r\n', {
    ...ipv4(1, 54),
    ...IPV6,
  }),
  good('the longest TCP6', LONGEST_TCP6, {
    ...ipv4(1, 104),
    family: 'IPv6',
    source: { address: FULL, port: 65535 },
    destination: { address: FULL, port: 65535 },
  }),
  good('ports of 0', 'PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n', {
    ...ipv4(1, 32),
    source: { address: '0.0.0.0', port: 0 },
    destination: { address: '0.0.0.0', port: 0 },
  }),
  good('UNKNOWN', 'PROXY UNKNOWN\r\n', unspecified(1, 15)),
  good('UNKNOWN with anything behind it', `PROXY UNKNOWN ${FULL} ${FULL} 65535 65535\r\n`, unspecified(1, 107)),
  good('UNKNOWN with nonsense behind it', 'PROXY UNKNOWN  \0\xff hello\r\n', unspecified(1, 25)),
]);

const line = (text: string) => `PROXY TCP4 ${text}\r\n`;
codecCases('PROXY headers of version 1', [
  bad('another protocol', 'GET / HTTP/1.1\r\n\r\n'),
  bad('another method with a P', 'POST / HTTP/1.1\r\n\r\n'),
  bad('the same word in lower case', 'proxy TCP4 192.0.2.1 198.51.100.2 56324 443\r\n'),
  bad('two spaces behind the first word', 'PROXY  TCP4 192.0.2.1 198.51.100.2 56324 443\r\n'),
  bad('UDP4', 'PROXY UDP4 192.0.2.1 198.51.100.2 56324 443\r\n'),
  bad('TCP5', 'PROXY TCP5 192.0.2.1 198.51.100.2 56324 443\r\n'),
  bad('UNKNOWNS', 'PROXY UNKNOWNS\r\n'),
  bad('TCP4 without addresses', 'PROXY TCP4\r\n'),
  bad('TCP4 with one address', line('192.0.2.1 56324 443')),
  bad('TCP4 with a word too many', line('192.0.2.1 198.51.100.2 56324 443 1')),
  bad('a space at the end', line('192.0.2.1 198.51.100.2 56324 443 ')),
  bad('two spaces between addresses', line('192.0.2.1  198.51.100.2 56324 443')),
  bad('a tab between addresses', line('192.0.2.1\t198.51.100.2 56324 443')),
  bad('leading zeros in an address', line('192.0.2.01 198.51.100.2 56324 443')),
  bad('an address of three numbers', line('192.0.2 198.51.100.2 56324 443')),
  bad('an address of five numbers', line('192.0.2.1.1 198.51.100.2 56324 443')),
  bad('a number of 256 in an address', line('192.0.2.256 198.51.100.2 56324 443')),
  bad('IPv6 in TCP4', line('::1 198.51.100.2 56324 443')),
  bad('IPv4 in TCP6', 'PROXY TCP6 192.0.2.1 2001:db8::1 56324 443\r\n'),
  bad('two double colons', 'PROXY TCP6 2001::db8::1 2001:db8::1 56324 443\r\n'),
  bad('seven groups', 'PROXY TCP6 1:2:3:4:5:6:7 2001:db8::1 56324 443\r\n'),
  bad('nine groups', 'PROXY TCP6 1:2:3:4:5:6:7:8:9 2001:db8::1 56324 443\r\n'),
  bad('a double colon for nothing', 'PROXY TCP6 1:2:3:4::5:6:7:8 2001:db8::1 56324 443\r\n'),
  bad('a group of five digits', 'PROXY TCP6 2001:db8::00001 2001:db8::1 56324 443\r\n'),
  bad('a colon at the end of an address', 'PROXY TCP6 1:2:3:4:5:6:7: 2001:db8::1 56324 443\r\n'),
  bad('a zone', 'PROXY TCP6 fe80::1%eth0 2001:db8::1 56324 443\r\n'),
  bad('leading zeros in a port', line('192.0.2.1 198.51.100.2 056324 443')),
  bad('a port of 65536', line('192.0.2.1 198.51.100.2 56324 65536')),
  bad('a port with a sign', line('192.0.2.1 198.51.100.2 +56324 443')),
  bad('a port with a letter', line('192.0.2.1 198.51.100.2 56324 44a')),
  bad('a LF alone', 'PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\n'),
  bad('a LF alone behind UNKNOWN', 'PROXY UNKNOWN\n'),
  bad('a LF alone in what is ignored', 'PROXY UNKNOWN a\n\r\n'),
  bad('a CR alone', 'PROXY TCP4 192.0.2.1\r198.51.100.2 56324 443\r\n'),
  bad('two CRs', 'PROXY UNKNOWN\r\r\n'),
  bad('a line of 108 bytes', `PROXY UNKNOWN ${'x'.repeat(92)}\r\n`),
  bad('a line that does not end', `PROXY UNKNOWN ${'x'.repeat(200)}`),
  bad('version 1 where only 2 is taken', IPV4_LINE, 'ERR_PROXY_HEADER', { versions: [2] }),
]);

const unixBlock = (source: string | Buffer, destination: string | Buffer) => {
  const block = Buffer.alloc(216);
  Buffer.from(source as string, 'latin1').copy(block);
  Buffer.from(destination as string, 'latin1').copy(block, 108);
  return block;
};
const unix = (length: number, source: unknown, destination: unknown, transport = 'stream') => ({
  ...ipv4(2, length),
  family: 'unix',
  transport,
  source: { path: source },
  destination: { path: destination },
});
const local = (length: number) => unspecified(2, length, { command: 'local' });
const SSL = Buffer.concat([
  Buffer.from('0700000012', 'hex'),
  tlv(0x21, 'TLSv1.3'),
  tlv(0x22, 'caf\xc3\xa9'),
  tlv(0x23, 'TLS_AES_256_GCM_SHA384'),
  tlv(0x24, 'SHA256'),
  tlv(0x25, 'RSA2048'),
  tlv(0x26, 'X25519'),
  tlv(0x27, 'ed25519'),
  tlv(0x28, '\x30\x00'),
  tlv(0x2f, 'new'),
]);
const TLS = {
  encrypted: true,
  certificateOnConnection: true,
  certificateInSession: true,
  verify: 18,
  version: 'TLSv1.3',
  commonName: 'café',
  cipher: 'TLS_AES_256_GCM_SHA384',
  signatureAlgorithm: 'SHA256',
  keyAlgorithm: 'RSA2048',
  group: 'X25519',
  signatureScheme: 'ed25519',
  clientCertificate: Buffer.from([0x30, 0]),
  tlvs: [{ type: 0x2f, value: Buffer.from('new') }],
};

codecCases('PROXY headers of version 2: reads', [
  good('TCP over IPv4', binary(IPV4_BLOCK), ipv4(2, 28)),
  good('UDP over IPv4', binary(IPV4_BLOCK, { family: 0x12 }), ipv4(2, 28, { transport: 'datagram' })),
  good('TCP over IPv6', binary(IPV6_BLOCK, { family: 0x21 }), { ...ipv4(2, 52), ...IPV6 }),
  good('UDP over IPv6', binary(IPV6_BLOCK, { family: 0x22 }), { ...ipv4(2, 52), ...IPV6, transport: 'datagram' }),
  good(
    'Unix sockets, one of them abstract',
    binary(unixBlock('/run/a.sock', '\0abstract'), { family: 0x31 }),
    unix(232, '/run/a.sock', '\0abstract'),
  ),
  good(
    'Unix datagrams, one without a name, one that is no UTF-8',
    binary(unixBlock('', '/\xff'), { family: 0x32 }),
    unix(232, '', Buffer.from('/\xff', 'latin1'), 'datagram'),
  ),
  good(
    'a path of all 108 bytes, and one with rubbish behind its end',
    binary(unixBlock(`/${'x'.repeat(107)}`, '/a\0rubbish'), { family: 0x31 }),
    unix(232, `/${'x'.repeat(107)}`, '/a'),
  ),
  good('LOCAL', binary('', { command: 0x20, family: 0 }), local(16)),
  good('LOCAL with a block, which is discarded', binary('ffffff', { command: 0x20, family: 0xee }), local(19)),
  good('LOCAL with an address', binary(IPV4_BLOCK, { command: 0x20 }), local(28)),
  good('UNSPEC', binary('', { family: 0 }), unspecified(2, 16)),
  good(
    'UNSPEC with a field',
    binary(tlv(0x05, 'id'), { family: 0 }),
    unspecified(2, 21, { uniqueId: Buffer.from('id') }),
  ),
  good(
    'ALPN, AUTHORITY, UNIQUE_ID, NETNS',
    withFields(tlv(1, 'h2'), tlv(2, 'b\xc3\xbccher.example'), tlv(5, '\xff\x00'), tlv(0x30, 'blue')),
    ipv4(2, 63, { alpn: 'h2', authority: 'bücher.example', uniqueId: Buffer.from([255, 0]), netns: 'blue' }),
  ),
  good(
    'NOOP, which is passed over',
    withFields(tlv(4, ''), tlv(4, '\0\0\0'), tlv(1, 'h2')),
    ipv4(2, 42, { alpn: 'h2' }),
  ),
  good('SSL and the fields in it', withFields(tlv(0x20, SSL)), ipv4(2, 31 + SSL.length, { tls: TLS })),
  good(
    'SSL of a client without TLS',
    withFields(tlv(0x20, '\0\0\0\0\x01')),
    ipv4(2, 36, {
      tls: {
        ...Object.fromEntries(Object.keys(TLS).map((name) => [name, undefined])),
        encrypted: false,
        certificateOnConnection: false,
        certificateInSession: false,
        verify: 1,
        tlvs: [],
      },
    }),
  ),
  good(
    "types of the program's own, twice and empty",
    withFields(tlv(0xe0, 'a'), tlv(0xea, ''), tlv(0xe0, 'b')),
    ipv4(2, 39, {
      tlvs: [
        { type: 0xe0, value: Buffer.from('a') },
        { type: 0xea, value: Buffer.alloc(0) },
        { type: 0xe0, value: Buffer.from('b') },
      ],
    }),
  ),
  {
    name: 'two headers, one of each version',
    codec: headers(),
    input: Buffer.concat([binary(IPV4_BLOCK), Buffer.from(IPV4_LINE)]),
    records: [
      [ipv4(2, 28), 28],
      [ipv4(1, 45), 73],
    ],
  },
]);

codecCases('PROXY headers of version 2', [
  ...Array.from(SIGNATURE, (byte, at) => {
    const wrong = binary(IPV4_BLOCK);
    wrong[at] = byte ^ 0x20;
    return bad(`a wrong byte ${at} in the signature`, wrong);
  }),
  bad('version 1 in binary', binary(IPV4_BLOCK, { command: 0x11 })),
  bad('version 3', binary(IPV4_BLOCK, { command: 0x31 })),
  ...[2, 3, 15].map((command) => bad(`command ${command}`, binary(IPV4_BLOCK, { command: 0x20 | command }))),
  ...[0x01, 0x02, 0x10, 0x13, 0x20, 0x23, 0x30, 0x33, 0x41, 0xff].map((family) =>
    bad(`family and transport ${family.toString(16)}`, binary('', { family, length: 216 })),
  ),
  ...[
    [0x11, 11],
    [0x22, 35],
    [0x31, 215],
    [0x12, 0],
  ].map(([family, length]) =>
    bad(`a length of ${length} for family ${family!.toString(16)}`, binary('', { family: family!, length: length! })),
  ),
  bad('a field cut off in its head', binary(`${IPV4_BLOCK}0100`)),
  bad('a field that is longer than the header', withFields(tlv(1, 'h2', 3))),
  bad('a field that ends behind the header, with more to come', Buffer.concat([withFields(tlv(1, '', 9)), SIGNATURE])),
  bad('a byte behind the fields', withFields(tlv(1, 'h2'), Buffer.of(0))),
  bad('a field that comes twice', withFields(tlv(2, 'a.example'), tlv(1, 'h2'), tlv(2, 'b.example'))),
  bad('an AUTHORITY that is no UTF-8', withFields(tlv(2, '\xff'))),
  bad('a NETNS that is no ASCII', withFields(tlv(0x30, 'caf\xe9'))),
  bad('a UNIQUE_ID of 129 bytes', withFields(tlv(5, 'x'.repeat(129)))),
  bad('an SSL of 4 bytes', withFields(tlv(0x20, '\x01\0\0\0'))),
  bad(
    'a field that is longer than the SSL it is in',
    withFields(tlv(0x20, Buffer.concat([Buffer.alloc(5), tlv(0x21, 'x', 2)])), tlv(4, 'xx')),
  ),
  bad('a TLS version that is no ASCII', withFields(tlv(0x20, Buffer.concat([Buffer.alloc(5), tlv(0x21, '\xff')])))),
  bad('a wrong CRC32C', withFields(tlv(3, '\x01\x02\x03\x04'))),
  bad('a CRC32C of 3 bytes', withFields(tlv(3, '\x01\x02\x03'))),
  bad('a header longer than maxLength', binary('', { family: 0x31, length: 217 }), 'ERR_RECORD_TOO_LARGE', {
    maxLength: 232,
  }),
  bad('a LOCAL longer than maxLength', binary('', { command: 0x20, length: 4081 }), 'ERR_RECORD_TOO_LARGE'),
  bad('version 2 where only 1 is taken', binary(IPV4_BLOCK), 'ERR_PROXY_HEADER', { versions: [1] }),
]);

describe('parseProxyHeader', () => {
  it('decides at the first byte that cannot be, and says which', () => {
    for (const [bytes, at] of [
      ['G', 0],
      ['\x16', 0],
      ['PO', 1],
      ['PROXY X', 6],
      ['PROXY UX', 7],
      ['PROXY TCP5', 9],
      ['PROXY TCP4x', 10],
      ['PROXY TCP4 1.2.3.4z', 18],
      ['\r\n\r\n\x01', 4],
    ] as const) {
      const input = Buffer.from(bytes, 'latin1');
      for (let length = 0; length < at + 1; length++) {
        if (length <= at) assert.equal(typeof parseProxyHeader(input.subarray(0, length)), 'number', bytes);
      }
      assert.throws(() => parseProxyHeader(input), { code: 'ERR_PROXY_HEADER', message: new RegExp(`byte ${at}, 0x`) });
    }
  });

  it('answers how many more bytes make the next try worthwhile', () => {
    const header = binary(Buffer.concat([Buffer.from(IPV4_BLOCK, 'hex'), tlv(1, 'h2')]));
    assert.equal(parseProxyHeader(Buffer.alloc(0)), 1);
    assert.equal(parseProxyHeader(header.subarray(0, 11)), 1);
    assert.equal(parseProxyHeader(header.subarray(0, 12)), 4);
    assert.equal(parseProxyHeader(header.subarray(0, 16)), 17);
    assert.equal(parseProxyHeader(header.subarray(0, 32)), 1);
    assert.equal(parseProxyHeader(Buffer.from('PROXY UNKNOWN\r')), 1);
  });

  it('makes the same of bytes that were changed, whole and one by one, and only documented errors', () => {
    const random = new Random();
    const originals = [
      Buffer.from(IPV4_LINE),
      Buffer.from(LONGEST_TCP6),
      withFields(tlv(1, 'h2'), tlv(0x20, SSL), tlv(4, 'x')),
    ];
    const outcome = (bytes: Buffer) => {
      try {
        return parseProxyHeader(bytes, { maxLength: 1000 });
      } catch (error) {
        const { code, message } = error as { code: string; message: string };
        assert.match(code, /^ERR_(PROXY_HEADER|RECORD_TOO_LARGE)$/);
        return message;
      }
    };
    for (let round = 0; round < 1000; round++) {
      const bytes = Buffer.from(originals[random.below(originals.length)]!);
      for (let changes = random.between(1, 3); changes > 0; changes--)
        bytes[random.below(bytes.length)] = random.below(256);
      const whole = outcome(bytes);
      let piecemeal = outcome(Buffer.alloc(0));
      for (let length = 1; length <= bytes.length && typeof piecemeal === 'number'; length++) {
        piecemeal = outcome(bytes.subarray(0, length));
      }
      assert.deepEqual(piecemeal, whole);
      if (typeof whole === 'object') assert.ok(whole.length <= bytes.length);
    }
  });

  it('says how long the header is, and looks at nothing behind it', () => {
    const header = parseProxyHeader(Buffer.concat([Buffer.from(IPV4_LINE), Buffer.alloc(100)]));
    assert.deepEqual(header, ipv4(1, IPV4_LINE.length));
  });

  it('keeps nothing of the bytes that it was given', () => {
    const bytes = withFields(tlv(5, 'unique'), tlv(0xe0, 'own'));
    const header = parseProxyHeader(bytes);
    assert.ok(typeof header !== 'number');
    bytes.fill(0);
    assert.equal(String(header.uniqueId), 'unique');
    assert.equal(String(header.tlvs?.[0]?.value), 'own');
  });

  it('takes a header of 65,551 bytes where that is allowed', () => {
    const bytes = withFields(tlv(0xe0, Buffer.alloc(65_520, 1)));
    assert.equal(bytes.length, 65_551);
    const header = parseProxyHeader(bytes, { maxLength: 65_551 });
    assert.ok(typeof header !== 'number' && header.length === bytes.length);
    assert.throws(() => parseProxyHeader(bytes.subarray(0, 16)), { code: 'ERR_RECORD_TOO_LARGE', name: 'LimitError' });
  });

  it('refuses wrong arguments', () => {
    for (const options of [
      { versions: [] },
      { versions: [3] },
      { maxLength: 231 },
      { maxLength: 65_552 },
      { versions: 1 },
    ]) {
      assert.throws(() => parseProxyHeader(Buffer.alloc(0), options as never), {
        code: /^ERR_(INVALID_ARG|OUT_OF_RANGE)/,
      });
    }
    assert.throws(() => parseProxyHeader('PROXY' as never), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});

describe('proxyHeaders', () => {
  for (const capacity of [1, 65536]) {
    it(`hands over to the next codec with nothing lost, at capacity ${capacity}`, async () => {
      const [client, server] = memoryPair({ capacity });
      const sent = framed(client, proxyHeaders());
      const served = framed(server, proxyHeaders());
      const written = sent.write({ source: ipv4(2, 0).source!, destination: ipv4(2, 0).destination! });
      const header = await served.read();
      await written;
      assert.deepEqual(header, ipv4(2, 28));
      const talk = sent.switchTo(lines());
      const records = served.switchTo(lines());
      const writing = talk.write('first').then(() => talk.write('second'));
      assert.equal(await records.read(), 'first');
      assert.equal(await records.read(), 'second');
      await writing;
    });
  }

  it('has one record in each direction', async () => {
    const [client, server] = memoryPair();
    const sent = framed(client, proxyHeaders());
    await sent.write({});
    await assert.rejects(sent.write({}), { code: 'ERR_CODEC_DONE', name: 'UsageError' });
    await sent.switchTo(lines()).write('hello');
    const served = framed(server, proxyHeaders());
    assert.deepEqual(await served.read(), unspecified(2, 16));
    await assert.rejects(served.read(), { code: 'ERR_CODEC_DONE' });
    assert.equal(await served.switchTo(lines()).read(), 'hello');
  });

  it('is EOF for a peer that said nothing', async () => {
    const [client, server] = memoryPair();
    await client.end();
    assert.equal(await framed(server, proxyHeaders()).read(), EOF);
  });
});
