/** ClientHellos: over records of all sizes, with GREASE, broken in every way; none is read out of its bounds. */
import assert from 'node:assert/strict';
import { type DetectedTls, detectProtocol } from 'miniproto/detect';
import { parseClientHello } from '#lib/detect/client-hello';
import {
  alpn,
  bytes,
  clientHello,
  extension,
  type HelloParts,
  record,
  records,
  serverName,
  supportedVersions,
  uint16s,
  vector,
} from '../support/client-hellos.js';
import { firstBytes, plain } from '../support/first-bytes.js';
import { seeded } from '../support/random.js';

function tlsOf(wire: Buffer): DetectedTls {
  const found = detectProtocol(wire);
  assert.equal(found.protocol, 'tls', wire.toString('hex'));
  return found as DetectedTls;
}

function helloOf(parts: HelloParts): DetectedTls {
  return tlsOf(record(clientHello(parts)));
}

describe('a ClientHello in many records', () => {
  const hello = firstBytes('chromium').subarray(5);
  const right = plain(tlsOf(firstBytes('chromium')));

  for (const sizes of [
    [1],
    [2],
    [3],
    [4],
    [1, 1000],
    [5, 1],
    [100],
    [1, 2, 3, 4, 5],
    [hello.length - 1],
    [hello.length],
  ]) {
    it(`of ${sizes.join(', ')} bytes`, () => {
      const wire = records(hello, ...sizes);
      assert.deepEqual(plain(tlsOf(wire)), right);
      for (let length = 6; length < wire.length; length++) {
        const { need } = detectProtocol(wire.subarray(0, length));
        assert.ok(need !== undefined && need > length && need <= wire.length, `${length} bytes need ${need}`);
      }
    });
  }

  it('is decided by its own last byte, not by that of its record', () => {
    const wire = record(Buffer.concat([clientHello(), bytes(11, 0, 0, 0)]));
    assert.equal(tlsOf(wire.subarray(0, wire.length - 4)).serverName, 'a.example');
    assert.equal(tlsOf(wire).serverName, 'a.example');
  });

  it('is not waited for when its length says that it is too long', () => {
    const wire = record(bytes(1, 0xff, 0xff, 0xff, 3, 3));
    assert.match(String(tlsOf(wire).fault), /longer than maxBytes/);
    assert.equal(detectProtocol(wire.subarray(0, 8)).need, 9);
    const tiny = records(clientHello({ extensions: [extension(21, Buffer.alloc(15_000))] }), 1);
    assert.match(String(tlsOf(tiny).fault), /longer than maxBytes/, 'with its headers');
  });

  for (const [name, second, fault] of [
    ['an alert', record(bytes(2, 40), { type: 21 }), /a record of type 21 interrupts it/],
    ['another version', record(bytes(0), { version: 0x0400 }), /version 4.0/],
    ['an empty record', record(bytes()), /has 0 bytes/],
    ['a record that is too long', Buffer.concat([bytes(22, 3, 1, 0x40, 1)]), /has 16385 bytes/],
  ] as const) {
    it(`is over when ${name} comes in between`, () => {
      const wire = Buffer.concat([record(clientHello().subarray(0, 20)), second]);
      const { fault: found, serverName: name, alpn: protocols } = tlsOf(wire);
      assert.match(String(found), fault);
      assert.deepEqual([name, protocols], [undefined, []]);
      assert.equal(detectProtocol(wire.subarray(0, 29)).need, 30);
    });
  }
});

describe('what a ClientHello names', () => {
  it('is nothing where it has no extensions', () => {
    for (const extensions of [undefined, []]) {
      assert.deepEqual(plain(helloOf({ extensions })), {
        protocol: 'tls',
        serverName: undefined,
        alpn: [],
        versions: ['TLSv1.2'],
        ech: false,
        fault: undefined,
      });
    }
  });

  it('has versions by its own field where there is no list', () => {
    for (const [version, name] of [
      [0x0300, 'SSLv3'],
      [0x0301, 'TLSv1'],
      [0x0302, 'TLSv1.1'],
      [0x0303, 'TLSv1.2'],
      [0x0304, 'TLSv1.2'],
      [0x03ff, 'TLSv1.2'],
    ] as const) {
      assert.deepEqual(helloOf({ version, extensions: [] }).versions, [name]);
    }
  });

  it('leaves GREASE out, wherever it may be', () => {
    const found = helloOf({
      ciphers: uint16s(0x3a3a, 0x1301),
      extensions: [
        extension(0xeaea),
        serverName('A.Example'),
        alpn(bytes(0xca, 0xca), 'h2', bytes(0x0a, 0x1a), 'x'),
        supportedVersions(0x1a1a, 0x0304, 0x7f1c, 0x0303),
        extension(0x2a2a, bytes(0)),
      ],
    });
    assert.equal(found.fault, undefined);
    assert.equal(found.serverName, 'a.example');
    assert.deepEqual(found.alpn, ['h2', '\x0a\x1a', 'x']);
    assert.deepEqual(found.versions, ['TLSv1.3', 'TLSv1.2']);
  });

  it('is the outer name where there is ECH', () => {
    const found = helloOf({ extensions: [serverName('front.example'), extension(0xfe0d, Buffer.alloc(200))] });
    assert.deepEqual([found.serverName, found.ech], ['front.example', true]);
  });

  it('may be an address, and has 255 bytes at most', () => {
    assert.equal(helloOf({ extensions: [serverName('192.0.2.1')] }).serverName, '192.0.2.1');
    assert.equal(helloOf({ extensions: [serverName('a'.repeat(255))] }).serverName?.length, 255);
  });
});

describe('a ClientHello that is malformed names nothing, and is TLS', () => {
  const list = (...parts: Buffer[]) => [extension(0, ...parts)];
  const name = (text: string) => Buffer.concat([bytes(0), vector(2, Buffer.from(text, 'latin1'))]);
  const cases: readonly (readonly [what: string, parts: HelloParts, fault: RegExp])[] = [
    ['version 2.x', { version: 0x0203 }, /version is not 3/],
    ['a session id of 33 bytes', { sessionId: Buffer.alloc(33) }, /session id/],
    ['no ciphers', { ciphers: bytes() }, /ciphers/],
    ['half a cipher', { ciphers: bytes(1, 2, 3) }, /ciphers/],
    ['no compression method', { compressions: bytes() }, /compression/],
    ['bytes behind its extensions', { trailer: bytes(0) }, /do not end where it ends/],
    ['half a length of extensions', { extensions: undefined, trailer: bytes(0) }, /do not end where it ends/],
    ['extensions longer than it', { extensions: undefined, trailer: bytes(0, 1) }, /do not end where it ends/],
    ['half an extension', { extensions: [bytes(0, 0, 0)] }, /longer than what is left/],
    ['an extension longer than the rest', { extensions: [bytes(0, 1, 0, 9, 0)] }, /longer than what is left/],
    ['two server names', { extensions: [serverName('a'), serverName('b')] }, /extension 0 twice/],
    ['an unknown extension twice', { extensions: [extension(999), extension(999)] }, /extension 999 twice/],
    ['an empty server_name', { extensions: list() }, /server_name/],
    ['an empty list of names', { extensions: list(vector(2)) }, /server_name/],
    ['two names in a list', { extensions: list(vector(2, name('a'), name('b'))) }, /server_name/],
    ['another type of name', { extensions: [serverName('a', 1)] }, /server_name/],
    ['an empty name', { extensions: [serverName('')] }, /server_name/],
    ['a name with NUL', { extensions: [serverName('a\0b')] }, /server_name/],
    ['a name with a space', { extensions: [serverName('a b')] }, /server_name/],
    ['a name that is no ASCII', { extensions: [serverName('ä.example')] }, /server_name/],
    ['a name of 256 bytes', { extensions: [serverName('a'.repeat(256))] }, /server_name/],
    ['bytes behind the names', { extensions: list(vector(2, name('a')), bytes(0)) }, /server_name/],
    ['no application protocol', { extensions: [alpn()] }, /application protocols/],
    ['an empty application protocol', { extensions: [alpn('h2', '')] }, /application protocols/],
    [
      'an application protocol longer than its list',
      { extensions: [extension(16, vector(2, bytes(9, 1)))] },
      /application/,
    ],
    [
      'bytes behind application protocols',
      { extensions: [extension(16, vector(2, bytes(1, 1)), bytes(0))] },
      /application/,
    ],
    ['no version', { extensions: [supportedVersions()] }, /versions/],
    ['half a version', { extensions: [extension(43, vector(1, bytes(3, 4, 3)))] }, /versions/],
    ['versions longer than their extension', { extensions: [extension(43, bytes(8, 3, 4))] }, /versions/],
    ['bytes behind versions', { extensions: [extension(43, bytes(2, 3, 4, 0))] }, /versions/],
  ];
  for (const [what, parts, fault] of cases) {
    it(what, () => {
      const found = helloOf(parts);
      assert.match(String(found.fault), fault);
      assert.deepEqual([found.serverName, found.alpn, found.versions, found.ech], [undefined, [], [], false]);
    });
  }

  it('every truncation', () => {
    for (const program of ['chromium', 'openssl', 'node-tls12']) {
      const hello = firstBytes(program).subarray(5);
      for (let length = 1; length < hello.length - 4; length++) {
        const cut = Buffer.concat([bytes(1), vector(3, hello.subarray(4, 4 + length))]);
        const { fault, versions } = tlsOf(record(cut));
        // A hello may end before its extensions: RFC 5246 §7.4.1.2.
        if (fault === undefined) assert.deepEqual(versions, ['TLSv1.2'], `${program} cut at ${length}`);
      }
    }
  });

  it('every byte changed, to every neighbour and to the extremes', function () {
    this.timeout(60_000);
    for (const program of ['chromium', 'openssl', 'node-tls']) {
      const wire = Buffer.from(firstBytes(program));
      for (let at = 0; at < wire.length; at++) {
        const original = wire[at]!;
        for (const value of [0, 1, 0x7f, 0x80, 0xff, original ^ 1, original ^ 0x80, (original + 1) & 0xff]) {
          wire[at] = value;
          checkVerdict(wire, at);
        }
        wire[at] = original;
      }
    }
  });

  seeded('random messages', (random) => {
    for (let round = 0; round < 3000; round++) {
      const noise = Buffer.from(random.bytes(random.below(120), bytes(0, 1, 2, 3, 4, 16, 43, 255)));
      const body = random.oneIn(2) ? noise : Buffer.concat([uint16s(0x0303), Buffer.alloc(32), noise]);
      const hello = parseClientHello(body);
      assert.ok(typeof hello === 'string' || hello.versions.every((version) => typeof version === 'string'));
      assert.equal(
        tlsOf(record(Buffer.concat([bytes(1), vector(3, body)]))).fault,
        typeof hello === 'string' ? hello : undefined,
      );
    }
  });

  /** The rules as they are written down: six bytes decide, and a fault leaves no names. */
  function checkVerdict(wire: Buffer, changed: number): void {
    const isTls =
      wire[0] === 22 &&
      wire[1] === 3 &&
      wire[2]! <= 4 &&
      wire.readUInt16BE(3) > 0 &&
      wire.readUInt16BE(3) <= 2 ** 14 &&
      wire[5] === 1;
    // What lies behind must not be read: it is poison.
    const surrounded = Buffer.concat([wire, Buffer.alloc(64, 0xee)]).subarray(0, wire.length);
    const found = detectProtocol(surrounded, { ended: true });
    assert.equal(found.protocol === 'tls', isTls, `byte ${changed}`);
    if (found.protocol !== 'tls') return;
    if (found.fault !== undefined) {
      assert.deepEqual([found.serverName, found.alpn, found.versions, found.ech], [undefined, [], [], false]);
    }
    assert.ok(!found.serverName?.includes('\xee'), `byte ${changed}`);
  }
});
