/** Headers as bytes: the exact ones, what is read back from them, and what is refused because it cannot be said. */
import assert from 'node:assert/strict';
import {
  encodeProxyHeader,
  type ProxyHeaderInit,
  parseProxyHeader,
  proxiedAddresses,
  proxyHeaderOf,
} from 'miniproto/proxy-protocol';
import { crc32c } from '#lib/proxy-protocol/crc32c';
import { formatIpv6, parseIpv4, parseIpv6 } from '#lib/proxy-protocol/ip-address';
import { binary, IPV4_BLOCK, IPV4_LINE, IPV6_BLOCK, ipv4, tlv, withFields } from '../support/proxy-headers.js';
import { Random } from '../support/random.js';

const SOURCE = { address: '192.0.2.1', port: 56324 };
const DESTINATION = { address: '198.51.100.2', port: 443 };
const ENDS = { source: SOURCE, destination: DESTINATION };
const ENDS6 = {
  source: { address: '2001:DB8:0::1', port: 56324 },
  destination: { address: '::ffff:198.51.100.2', port: 443 },
};

describe('encodeProxyHeader', () => {
  it('writes version 1', () => {
    const text = (header: ProxyHeaderInit) => encodeProxyHeader(header, { version: 1 }).toString();
    assert.equal(text(ENDS), IPV4_LINE);
    assert.equal(text(ENDS6), 'PROXY TCP6 2001:db8::1 ::ffff:198.51.100.2 56324 443\r\n');
    assert.equal(text({}), 'PROXY UNKNOWN\r\n');
    assert.equal(text({ ...ENDS, transport: 'datagram' }), 'PROXY UNKNOWN\r\n');
    assert.equal(text({ source: { path: '/a' }, destination: { path: '/b' } }), 'PROXY UNKNOWN\r\n');
  });

  it('writes version 2', () => {
    assert.deepEqual(encodeProxyHeader(ENDS), binary(IPV4_BLOCK));
    assert.deepEqual(encodeProxyHeader({ ...ENDS6, transport: 'datagram' }), binary(IPV6_BLOCK, { family: 0x22 }));
    assert.deepEqual(encodeProxyHeader({}), binary('', { family: 0 }));
    assert.deepEqual(encodeProxyHeader({ command: 'local' }), binary('', { command: 0x20, family: 0 }));
    const paths = Buffer.alloc(216);
    paths.write('/a', 0);
    paths.write('\0b', 108);
    const unix = { source: { path: '/a' }, destination: { path: Buffer.from('\0b') } };
    assert.deepEqual(encodeProxyHeader(unix), binary(paths, { family: 0x31 }));
    const fields = withFields(tlv(1, 'h2'), tlv(2, 'a.example'), tlv(0x30, 'blue'), tlv(4, '\0'), tlv(0xe0, 'own'));
    const own = { type: 0xe0, value: Buffer.from('own') };
    const tlvs = [{ type: 4, value: Buffer.alloc(1) }, own];
    assert.deepEqual(encodeProxyHeader({ ...ENDS, alpn: 'h2', authority: 'a.example', netns: 'blue', tlvs }), fields);
  });

  it('keeps the version of a header that is sent on, unless another is asked for', () => {
    for (const bytes of [Buffer.from(IPV4_LINE), binary(IPV4_BLOCK)]) {
      const header = parseProxyHeader(bytes) as ProxyHeaderInit;
      assert.deepEqual(encodeProxyHeader(header), bytes);
      assert.deepEqual(encodeProxyHeader(header, { version: 1 }), Buffer.from(IPV4_LINE));
      assert.deepEqual(encodeProxyHeader(header, { version: 2 }), binary(IPV4_BLOCK));
    }
  });

  it('writes a CRC32C that it takes, and that one wrong bit anywhere breaks', () => {
    const bytes = encodeProxyHeader({ ...ENDS, crc32c: true, authority: 'a.example' });
    assert.deepEqual(parseProxyHeader(bytes), ipv4(2, bytes.length, { crc32c: true, authority: 'a.example' }));
    // From the addresses on, but for heads of fields, with which it becomes another kind of wrong.
    for (const at of [16, 20, 24, 27, 31, 34, 38, 46]) {
      for (let bit = 0; bit < 7; bit++) {
        const wrong = Buffer.from(bytes);
        wrong[at]! ^= 1 << bit;
        assert.throws(
          () => parseProxyHeader(wrong),
          { code: 'ERR_PROXY_HEADER', message: /CRC32C is wrong/ },
          `byte ${at}`,
        );
      }
    }
  });

  it('is read as what was written', () => {
    const random = new Random();
    for (let round = 0; round < 500; round++) {
      const header = anyHeader(random);
      const bytes = encodeProxyHeader(header);
      const read = parseProxyHeader(bytes, { maxLength: 65_551 });
      assert.ok(typeof read !== 'number');
      const { length, ...said } = read;
      assert.equal(length, bytes.length);
      assert.deepEqual(encodeProxyHeader(read), bytes);
      for (const [name, value] of Object.entries(header))
        assert.deepEqual(said[name as keyof typeof said], value, name);
    }
  });

  const own = (type: number) => ({ tlvs: [{ type, value: Buffer.alloc(1) }] });
  for (const [name, header, code, options] of [
    ['a source without a destination', { source: SOURCE }, 'ERR_INVALID_ARG_TYPE'],
    ['ends of two families', { source: SOURCE, destination: { address: '::1', port: 1 } }, 'ERR_INVALID_ARG_VALUE'],
    ['no address', { ...ENDS, source: { address: 'localhost', port: 1 } }, 'ERR_INVALID_ARG_VALUE'],
    ['an address with a zone', { ...ENDS6, source: { address: 'fe80::1%eth0', port: 1 } }, 'ERR_INVALID_ARG_VALUE'],
    ['an address with a line break', { ...ENDS, source: { address: '1.2.3.4\r\n', port: 1 } }, 'ERR_INVALID_ARG_VALUE'],
    ['a port of 65536', { ...ENDS, source: { address: '1.2.3.4', port: 65536 } }, 'ERR_OUT_OF_RANGE'],
    ['a path of 109 bytes', { source: { path: 'x'.repeat(109) }, destination: { path: '' } }, 'ERR_INVALID_ARG_VALUE'],
    ['a path with a NUL', { source: { path: '/a\0b' }, destination: { path: '' } }, 'ERR_INVALID_ARG_VALUE'],
    ['addresses of an unspecified transport', { ...ENDS, transport: 'unspecified' }, 'ERR_INVALID_ARG_VALUE'],
    ['a LOCAL with addresses', { ...ENDS, command: 'local' }, 'ERR_RECORD_NOT_ENCODABLE'],
    ['a LOCAL with a field', { command: 'local', alpn: 'h2' }, 'ERR_RECORD_NOT_ENCODABLE'],
    ['a LOCAL in version 1', { command: 'local' }, 'ERR_RECORD_NOT_ENCODABLE', { version: 1 }],
    ['a field in version 1', { ...ENDS, authority: 'a.example' }, 'ERR_RECORD_NOT_ENCODABLE', { version: 1 }],
    ['a checksum in version 1', { ...ENDS, crc32c: true }, 'ERR_RECORD_NOT_ENCODABLE', { version: 1 }],
    ['a field that has a property', { ...ENDS, ...own(2) }, 'ERR_INVALID_ARG_VALUE'],
    ['a type of 256', { ...ENDS, ...own(256) }, 'ERR_OUT_OF_RANGE'],
    ['a unique id of 129 bytes', { ...ENDS, uniqueId: Buffer.alloc(129) }, 'ERR_OUT_OF_RANGE'],
    ['half a character', { ...ENDS, authority: '\ud800' }, 'ERR_INVALID_ARG_VALUE'],
    ['a namespace that is no ASCII', { ...ENDS, netns: 'é' }, 'ERR_INVALID_ARG_VALUE'],
    [
      'more than 65,535 bytes',
      { ...ENDS, tlvs: [{ type: 0xe0, value: Buffer.alloc(65_521) }] },
      'ERR_RECORD_NOT_ENCODABLE',
    ],
    [
      'a field of 65,536 bytes',
      { ...ENDS, tlvs: [{ type: 0xe0, value: Buffer.alloc(65_536) }] },
      'ERR_RECORD_NOT_ENCODABLE',
    ],
    ['version 3', ENDS, 'ERR_INVALID_ARG_VALUE', { version: 3 }],
    ['another command', { command: 'other' }, 'ERR_INVALID_ARG_VALUE'],
    ['nothing', undefined, 'ERR_INVALID_ARG_TYPE'],
  ] as const) {
    it(`refuses ${name}`, () => {
      assert.throws(() => encodeProxyHeader(header as never, options as never), { code });
    });
  }
});

/** A header that has some of everything. */
function anyHeader(random: Random): ProxyHeaderInit {
  const bytes = (most: number) => Buffer.from(Array.from({ length: random.below(most + 1) }, () => random.below(256)));
  const octets = (count: number) => Uint8Array.from({ length: count }, () => (random.oneIn(2) ? 0 : random.below(256)));
  const port = () => random.below(65536);
  const text = () => ['', 'a', 'b.example', 'TLSv1.3'][random.below(4)]!;
  const one = {
    IPv4: () => ({ address: octets(4).join('.'), port: port() }),
    IPv6: () => ({ address: formatIpv6(octets(16), 0), port: port() }),
    unix: () => ({ path: ['', '/a', '\0b', '/é'][random.below(4)]! }),
  }[(['IPv4', 'IPv6', 'unix'] as const)[random.below(3)]!];
  const tls = {
    encrypted: random.oneIn(2),
    certificateOnConnection: random.oneIn(2),
    certificateInSession: random.oneIn(2),
  };
  const rest = { signatureAlgorithm: undefined, keyAlgorithm: undefined, group: undefined, signatureScheme: text() };
  return {
    ...(random.oneIn(8)
      ? {}
      : { source: one(), destination: one(), transport: random.oneIn(2) ? 'stream' : 'datagram' }),
    alpn: random.oneIn(2) ? 'h2\xff' : undefined,
    authority: random.oneIn(2) ? 'bücher.example' : undefined,
    uniqueId: random.oneIn(2) ? bytes(128) : undefined,
    crc32c: random.oneIn(2),
    netns: random.oneIn(2) ? text() : undefined,
    tls: random.oneIn(2)
      ? {
          ...tls,
          verify: random.next(),
          version: text(),
          commonName: 'é',
          cipher: undefined,
          ...rest,
          clientCertificate: bytes(300),
          tlvs: [{ type: 0x40, value: bytes(10) }],
        }
      : undefined,
    tlvs: Array.from({ length: random.below(4) }, () => ({ type: random.between(0xe0, 0xff), value: bytes(300) })),
  };
}

describe('CRC-32C', () => {
  it('has the values of RFC 3720, Appendix B.4', () => {
    assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
    assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
    assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
    assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
    assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c);
  });
});

describe('IP addresses', () => {
  it('are written as RFC 5952 says', () => {
    for (const [text, written] of [
      ['2001:0DB8:0:0:0:0:2:1', '2001:db8::2:1'],
      ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
      ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
      ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
      ['0:0:0:0:0:0:0:0', '::'],
      ['0:0:0:0:0:0:0:1', '::1'],
      ['1::', '1::'],
      ['::ffff:c000:201', '::ffff:192.0.2.1'],
      ['::ffff:0:c000:201', '::ffff:0:c000:201'],
      ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
    ] as const) {
      assert.equal(formatIpv6(Uint8Array.from(parseIpv6(text)!), 0), written);
      assert.deepEqual(parseIpv6(written), parseIpv6(text));
    }
  });

  it('are none in other forms', () => {
    for (const text of [
      '',
      ':',
      ':::',
      '1',
      '1:2',
      '::1::',
      '1.2.3.4',
      '::1.2.3',
      '::1.2.3.4:1',
      '::g',
      '::12345',
      '::%1',
      ' ::1',
      '1:2:3:4:5:6:7:1.2.3.4',
    ]) {
      assert.equal(parseIpv6(text), undefined, text);
    }
    for (const text of [
      '',
      '1',
      '1.2.3',
      '1.2.3.4.',
      '1.2.3.04',
      '1.2.3.256',
      '1.2.3.-1',
      '1.2.3.0x1',
      '1.2.3. 4',
      '0001.2.3.4',
    ]) {
      assert.equal(parseIpv4(text), undefined, text);
    }
  });
});

describe('addresses of connections', () => {
  const socket = {
    remoteAddress: '::ffff:192.0.2.1',
    remoteFamily: 'IPv6',
    remotePort: 56324,
    localAddress: '::ffff:198.51.100.2',
    localFamily: 'IPv6',
    localPort: 443,
  };

  it('become a header, IPv4 seen by IPv6 being IPv4', () => {
    assert.deepEqual(proxyHeaderOf(socket), ENDS);
    assert.deepEqual(proxyHeaderOf({}), {});
    assert.deepEqual(encodeProxyHeader(proxyHeaderOf(socket), { version: 1 }).toString(), IPV4_LINE);
  });

  it('are the header where it says them, and the socket where it does not', () => {
    const said = parseProxyHeader(binary(IPV4_BLOCK));
    assert.ok(typeof said !== 'number');
    assert.deepEqual(proxiedAddresses(said, {}), {
      ...socket,
      remoteAddress: '192.0.2.1',
      remoteFamily: 'IPv4',
      localAddress: '198.51.100.2',
      localFamily: 'IPv4',
    });
    for (const bytes of [encodeProxyHeader({ command: 'local' }), encodeProxyHeader({}, { version: 1 })]) {
      const header = parseProxyHeader(bytes);
      assert.ok(typeof header !== 'number');
      assert.deepEqual(proxiedAddresses(header, socket), socket);
    }
    assert.deepEqual(proxiedAddresses(undefined, socket), socket);
    const unix = parseProxyHeader(encodeProxyHeader({ source: { path: '/a' }, destination: { path: '/b' } }));
    assert.ok(typeof unix !== 'number');
    assert.deepEqual(proxiedAddresses(unix, socket), {});
  });
});
