/** Detection of bytes: what real programs send, the rules where they are fine, every split, and what may be asked for. */
import assert from 'node:assert/strict';
import { type DetectBytesOptions, detectProtocol } from 'miniproto/detect';
import { Detector } from '#lib/detect/detector';
import { checkDetectOptions } from '#lib/detect/options';
import { clientHello, records } from '../support/client-hellos.js';
import { firstBytes, PROGRAMS, plain } from '../support/first-bytes.js';
import { type Random, seeded } from '../support/random.js';

const PROXY_2 = '\r\n\r\n\0\r\nQUIT\n';
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/** What is decided, or what is needed, as plain data. */
function look(bytes: Buffer, options: DetectBytesOptions<string> = {}): Record<string, unknown> {
  return plain(detectProtocol(bytes, options));
}

/** How many bytes decide. */
function decidedAt(bytes: Buffer, options: DetectBytesOptions<string> = {}): number {
  let length = 0;
  while ('need' in look(bytes.subarray(0, length), options)) length++;
  return length;
}

/**
 * However the bytes are cut, the answer is the same; what is needed is more than is there, no more than decides, and no
 * fewer bytes get any further.
 */
function checkSplits(bytes: Buffer, options: DetectBytesOptions<string> = {}): void {
  const right = look(bytes, options);
  const decisive = 'need' in right ? bytes.length + 1 : decidedAt(bytes, options);
  let asked = 0;
  for (let length = 0; length <= bytes.length; length++) {
    const detector = new Detector(checkDetectOptions(options));
    const first = plain(detector.look(bytes.subarray(0, length)));
    assert.deepEqual(first, look(bytes.subarray(0, length), options), `the first ${length} bytes`);
    if (length >= decisive) {
      assert.deepEqual(first, right, `the first ${length} bytes decide`);
      continue;
    }
    const need = first.need as number;
    assert.ok(need > length, `${length} bytes need ${need}`);
    if (!('need' in right)) assert.ok(need <= decisive, `${length} bytes need ${need}, but ${decisive} decide`);
    if (length < asked) assert.equal(need, asked, `${length} bytes, when ${asked} are needed`);
    asked = need;
    assert.deepEqual(plain(detector.look(bytes)), right, `cut at ${length}`);
  }
  checkHeeding(bytes, options, right);
}

/** One detector that is given just what it asks for. */
function checkHeeding(bytes: Buffer, options: DetectBytesOptions<string>, right: object): void {
  const detector = new Detector(checkDetectOptions(options));
  let answer = plain(detector.look(bytes.subarray(0, 0)));
  while ('need' in answer && (answer.need as number) <= bytes.length) {
    answer = plain(detector.look(bytes.subarray(0, answer.need as number)));
  }
  assert.deepEqual(answer, right);
}

describe('detectProtocol of what programs send first', () => {
  for (const [program, expected, at] of PROGRAMS) {
    it(`tells ${program}`, () => {
      const bytes = firstBytes(program);
      assert.deepEqual(look(bytes), expected);
      assert.equal(decidedAt(bytes), at ?? bytes.length);
    });

    it(`tells ${program} wherever it is cut, and asks for no more than it needs`, function () {
      this.timeout(60_000);
      checkSplits(Buffer.concat([firstBytes(program), latin1('what follows')]));
    });
  }

  it('tells a client of ws, with its headers', () => {
    const bytes = firstBytes('ws');
    const { protocol, target, headers } = look(bytes) as {
      protocol: string;
      target: string;
      headers: Record<string, string>;
    };
    assert.deepEqual([protocol, target], ['websocket', '/chat?room=1']);
    assert.equal(headers['sec-websocket-protocol'], 'a,b');
    assert.equal(decidedAt(bytes), bytes.length);
    checkSplits(bytes);
  });
});

describe('detectProtocol decides at the byte that decides', () => {
  const cases: readonly (readonly [name: string, bytes: string, detected: string, at: number])[] = [
    ['version 2 of PROXY', `${PROXY_2}\x21`, 'proxy', 12],
    ['version 1 of PROXY', 'PROXY UNKNOWN\r\n', 'proxy', 6],
    ['PROXY without a space', 'PROXYTCP4', 'default', 9],
    ['the preface of HTTP/2', PREFACE, 'http2', 24],
    ['a preface that ends otherwise', `${PREFACE.slice(0, -1)}x`, 'default', 24],
    ['PRI as a method of HTTP/1.1', 'PRI * HTTP/1.1\r\n', 'http1', 13],
    ['SOCKS 5', '\x05\x01\x00', 'socks', 2],
    ['SOCKS 5 without a method', '\x05\x00', 'default', 2],
    ['CONNECT of SOCKS 4', '\x04\x01', 'socks', 2],
    ['BIND of SOCKS 4', '\x04\x02', 'socks', 2],
    ['another command of SOCKS 4', '\x04\x03', 'default', 2],
    ['another method of HTTP', 'M-SEARCH * HTTP/1.1\r\n', 'http1', 18],
    ['a request of HTTP/1.0', 'GET / HTTP/1.0\r\n', 'http1', 16],
    ['a request of HTTP/0.9', 'GET /\r\n', 'default', 6],
    ['a request of HTTP/3', 'GET / HTTP/3', 'default', 12],
    ['a method with a small letter', 'Get / HTTP/1.1\r\n', 'default', 2],
    ['a method that is too long', 'A'.repeat(30), 'default', 25],
    ['no method', ' / HTTP/1.1', 'default', 1],
    ['two spaces', 'GET  / HTTP/1.1', 'default', 5],
    ['a command of a text protocol', 'GET key\r\n', 'default', 8],
    ['an empty line first', '\r\nGET / HTTP/1.1\r\n', 'default', 3],
    ['a greeting', 'EHLO a.example\r\n', 'default', 15],
    ['a line in small letters', 'hello\n', 'default', 1],
    ['JSON', '{"a":1}\n', 'default', 1],
    ['a length of 32 bits', '\0\0\0\x05hello', 'default', 1],
    ['an alert of TLS', '\x15\x03\x01\0\x02\x02\x28', 'default', 1],
    ['a ServerHello', '\x16\x03\x03\0\x50\x02', 'default', 6],
    ['a record of TLS 2', '\x16\x04\x01', 'default', 2],
    ['a record of TLS 1.4', '\x16\x03\x05', 'default', 3],
    ['a record that is too long', '\x16\x03\x01\x41', 'default', 4],
    ['a record just too long', '\x16\x03\x01\x40\x01\x01', 'default', 5],
    ['an empty record', '\x16\x03\x01\0\0\x01', 'default', 5],
    ['a hello of SSL 2', '\x80\x2e\x01\x03\x01', 'default', 1],
  ];
  for (const [name, text, protocol, at] of cases) {
    it(`${name}: ${protocol} at byte ${at}`, () => {
      const bytes = latin1(text);
      assert.equal(look(bytes).protocol, protocol);
      assert.equal(decidedAt(bytes), at);
      checkSplits(Buffer.concat([bytes, latin1('\0\x16 more')]));
    });
  }

  it('every first byte alone', () => {
    const undecided = new Set([0x04, 0x05, 0x0d, 0x16, 0x2d]);
    for (let letter = 0x41; letter <= 0x5a; letter++) undecided.add(letter);
    for (let byte = 0; byte < 256; byte++) {
      const answer = look(Buffer.from([byte]));
      assert.deepEqual(
        answer,
        undecided.has(byte) ? { need: 2 } : { protocol: 'default', because: 'bytes' },
        `${byte}`,
      );
    }
  });
});

describe('detectProtocol and the head of a request', () => {
  const upgrade = (lines: string) => `GET /a HTTP/1.1\r\n${lines}\r\n`;
  const cases: readonly (readonly [name: string, head: string, detected: string, fault?: RegExp])[] = [
    ['an upgrade', upgrade('Upgrade: websocket\r\nConnection: Upgrade\r\n'), 'websocket'],
    [
      'one among others, in other cases',
      upgrade('upgrade: h2c, WebSocket\r\nconnection: keep-alive, UPGRADE\r\n'),
      'websocket',
    ],
    [
      'an upgrade in two fields',
      upgrade('Connection: close\r\nUpgrade: websocket\r\nConnection: upgrade\r\n'),
      'websocket',
    ],
    ['no Connection', upgrade('Upgrade: websocket\r\n'), 'http1'],
    ['no Upgrade', upgrade('Connection: Upgrade\r\n'), 'http1'],
    ['another Upgrade', upgrade('Connection: Upgrade\r\nUpgrade: websockets\r\n'), 'http1'],
    ['HTTP/1.0', 'GET /a HTTP/1.0\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n', 'http1'],
    ['a method with a body', 'POST /a HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n', 'http1'],
    ['a LF alone', upgrade('Upgrade: websocket\nConnection: Upgrade\r\n'), 'http1', /LF does not follow/],
    ['a control character', upgrade('A: \x01\r\n'), 'http1', /control character/],
    ['a CR inside of a line', upgrade('A: b\rc\r\n'), 'http1', /control character/],
    ['a folded line', upgrade('A: b\r\n c\r\n'), 'http1', /folded/],
    ['a space before the colon', upgrade('A : b\r\n'), 'http1', /no token/],
    ['no colon', upgrade('A\r\n'), 'http1', /no colon/],
    ['another version behind the point', 'GET /a HTTP/1.x\r\n\r\n', 'http1', /request line/],
    ['129 fields', upgrade('A: b\r\n'.repeat(129)), 'http1', /128 fields/],
  ];
  for (const [name, head, protocol, fault] of cases) {
    it(`${name}: ${protocol}`, () => {
      const bytes = latin1(head);
      const found = look(bytes);
      assert.equal(found.protocol, protocol);
      if (protocol === 'http1') {
        if (fault === undefined) assert.equal(found.fault, undefined);
        else assert.match(String(found.fault), fault);
      }
      if (bytes.length < 400) checkSplits(bytes);
    });
  }

  it('is not waited for where nobody wants WebSockets', () => {
    const bytes = firstBytes('ws');
    const options = { protocols: ['http1'] } as const;
    assert.equal(look(bytes, options).protocol, 'http1');
    assert.equal(decidedAt(bytes, options), 'GET /chat?room=1 HTTP/1.'.length);
  });

  it('tells WebSockets where nobody wants other requests', () => {
    const options = { protocols: ['websocket'] } as const;
    assert.equal(look(firstBytes('ws'), options).protocol, 'websocket');
    assert.equal(look(firstBytes('curl-http'), options).protocol, 'default');
    assert.equal(decidedAt(firstBytes('curl-post'), options), 14);
    assert.equal(look(latin1('GET / HTTP/1.1\r\nA\r\n'), options).protocol, 'default');
  });
});

describe('detectProtocol and what ends early', () => {
  it('says default for nothing', () => {
    assert.deepEqual(look(Buffer.alloc(0)), { need: 1 });
    assert.deepEqual(look(Buffer.alloc(0), { ended: true }), { protocol: 'default', because: 'end' });
  });

  it('says default for what is not decided at the end', () => {
    for (const text of ['G', 'PROX', 'GET / HTTP/1', '\x16\x03\x01\0\x05', '\x05', PREFACE.slice(0, -1)]) {
      assert.deepEqual(look(latin1(text), { ended: true }), { protocol: 'default', because: 'end' }, text);
    }
  });

  it('says what is decided, and that the rest did not come', () => {
    const { protocol, fault, serverName } = look(firstBytes('node-tls').subarray(0, 100), { ended: true });
    assert.deepEqual([protocol, serverName], ['tls', undefined]);
    assert.match(String(fault), /the stream ended inside of it/);
    const request = look(latin1('GET /a HTTP/1.1\r\nUpgrade: webso'), { ended: true });
    assert.deepEqual([request.protocol, request.target], ['http1', '/a']);
    assert.match(String(request.fault), /the stream ended/);
  });

  it('looks at maxBytes and no further', () => {
    const hello = firstBytes('chromium');
    const { protocol, fault } = look(hello, { maxBytes: 1000 });
    assert.deepEqual([protocol, fault], ['tls', 'it is longer than maxBytes, 1000 bytes']);
    assert.equal(decidedAt(hello, { maxBytes: 1000 }), 9, 'as soon as its length is there');
    assert.equal(look(hello, { maxBytes: hello.length }).serverName, 'front.example');
    assert.equal(look(latin1('GET / HTTP/1.1\r\nA: b'), { maxBytes: 20 }).protocol, 'http1');
    assert.equal(look(latin1(`GET /${'a'.repeat(100)}`), { maxBytes: 20 }).protocol, 'default');
    assert.equal(look(latin1(PROXY_2), { maxBytes: 11 }).protocol, 'default');
    assert.equal(decidedAt(latin1(PROXY_2), { maxBytes: 11 }), 11);
  });

  it('says default at once where nothing is looked for', () => {
    assert.deepEqual(look(Buffer.alloc(0), { protocols: [] }), { protocol: 'default', because: 'bytes' });
  });

  it('is content with six bytes where the ClientHello is not asked for', () => {
    for (const program of ['node-tls', 'chromium']) {
      assert.equal(decidedAt(firstBytes(program), { clientHello: 'none' }), 6);
    }
    assert.deepEqual(look(firstBytes('openssl'), { clientHello: 'none' }).fault, undefined);
  });
});

describe("detectors of one's own", () => {
  const mqtt = (bytes: Buffer) => bytes[0] === 0x10;

  it('are asked before the others, in their order', () => {
    const asked: string[] = [];
    const own = {
      first: () => asked.push('first') < 0,
      second: (bytes: Buffer) => asked.push('second') > 0 && bytes[0] === 0x47,
    };
    assert.deepEqual(look(latin1('GET / HTTP/1.1\r\n'), { own }), { protocol: 'second' });
    assert.deepEqual(asked, ['first', 'second']);
    assert.equal(look(latin1('POST / HTTP/1.1\r\n'), { own }).protocol, 'http1');
    assert.deepEqual(look(latin1('\x10\x0c'), { own: { mqtt } }), { protocol: 'mqtt' });
  });

  it('keep the others waiting as long as they need bytes, and are not asked before these are there', () => {
    const lengths: number[] = [];
    const own = {
      slow: (bytes: Buffer) => {
        lengths.push(bytes.length);
        return bytes.length < 10 ? 10 : bytes[9] === 0x31;
      },
    };
    const bytes = latin1('POST / HT1 HTTP/1.1\r\n');
    const detector = new Detector(checkDetectOptions({ own }));
    for (let length = 1; length <= 10; length++) detector.look(bytes.subarray(0, length));
    assert.deepEqual(lengths, [1, 10]);
    assert.deepEqual(look(latin1('POST / HT'), { own }), { need: 10 });
    checkSplits(latin1('POST / HTTP/1.1\r\n'), { own });
  });

  it('that ask for too much, or for what does not come, are passed over', () => {
    const own = { greedy: () => 1e9 };
    assert.equal(look(latin1('\x05\x01'), { own }).protocol, 'socks');
    assert.equal(look(latin1('\x05\x01'), { own: { greedy: () => 3 }, ended: true }).protocol, 'socks');
    assert.deepEqual(look(latin1('ab'), { own: { greedy: () => 0 } }), { need: 3 }, 'what is here is no need');
  });

  it('that throw, or answer something else, are heard', () => {
    const failure = new Error('no');
    assert.throws(
      () =>
        look(latin1('a'), {
          own: {
            bad: () => {
              throw failure;
            },
          },
        }),
      (error) => error === failure,
    );
    for (const answer of [1.5, Number.NaN, 'yes', undefined]) {
      assert.throws(() => look(latin1('a'), { own: { bad: () => answer as number } }), {
        code: 'ERR_INVALID_ARG_VALUE',
      });
    }
  });
});

describe('detectProtocol checks its arguments', () => {
  const cases: readonly (readonly [options: unknown, code: string])[] = [
    [null, 'ERR_INVALID_ARG_TYPE'],
    [{ protocols: 'tls' }, 'ERR_INVALID_ARG_TYPE'],
    [{ protocols: ['ssh'] }, 'ERR_INVALID_ARG_VALUE'],
    [{ own: [] }, 'ERR_INVALID_ARG_TYPE'],
    [{ own: { a: 1 } }, 'ERR_INVALID_ARG_TYPE'],
    [{ own: { tls: () => true } }, 'ERR_INVALID_ARG_VALUE'],
    [{ own: { default: () => true } }, 'ERR_INVALID_ARG_VALUE'],
    [{ clientHello: true }, 'ERR_INVALID_ARG_VALUE'],
    [{ maxBytes: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ maxBytes: '1' }, 'ERR_INVALID_ARG_TYPE'],
  ];
  for (const [options, code] of cases) {
    it(`${JSON.stringify(options)}: ${code}`, () => {
      assert.throws(() => detectProtocol(Buffer.alloc(1), options as object), { code });
    });
  }

  it('bytes that are none', () => {
    assert.throws(() => detectProtocol('GET' as unknown as Uint8Array), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.deepEqual(detectProtocol(new Uint8Array([0x50, 0x52])), { need: 3 });
  });
});

describe('noise', () => {
  const seeds = [...PROGRAMS.map(([program]) => firstBytes(program)), firstBytes('ws'), records(clientHello(), 7)];

  seeded('is decided in the same way however it is cut, and never throws', (random) => {
    for (let round = 0; round < 300; round++) {
      const bytes = mutated(random, seeds);
      const right = look(bytes);
      for (const ends of [random.cuts(bytes.length, 5), random.cuts(bytes.length, 20)]) {
        const detector = new Detector(checkDetectOptions({}));
        let answer: Record<string, unknown> = { need: 1 };
        for (const end of ends) {
          if (!('need' in answer)) break;
          answer = plain(detector.look(bytes.subarray(0, end)));
        }
        assert.deepEqual(answer, right, bytes.toString('hex'));
      }
      assert.ok('protocol' in look(bytes, { ended: true }));
    }
  });

  function mutated(random: Random, from: readonly Buffer[]): Buffer {
    const bytes = [...random.pick(from)];
    for (let count = random.below(6); count > 0; count--) {
      bytes.splice(random.below(bytes.length), random.below(3), ...random.bytes(random.below(3)));
    }
    return Buffer.from(bytes);
  }
});
