/** The server's side of SOCKS: the bytes of the RFCs in every cut, what is refused and how, hooks, deadlines. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { type ErrorCode, type MiniprotoError, memoryPair, UsageError } from 'miniproto';
import {
  type SocksReason,
  SocksRefusedError,
  type SocksRequest,
  type SocksServerOptions,
  socksServer,
} from 'miniproto/socks';
import { turn } from '../support/handshakes.js';
import { bytes, cuts, unreadOf, withFar } from '../support/proxies.js';
import { socketPair } from '../support/socket-pairs.js';

/** Who is let in wherever a test asks. */
const authenticate = (user: string, password: string | undefined) => user === 'us' && password === 'pw';

interface Good {
  readonly sent: string;
  readonly options?: SocksServerOptions;
  /** What is answered before the request is accepted. */
  readonly first?: string;
  readonly wish: Partial<SocksRequest>;
  /** The answer of `accept` with 10.0.0.1 port 4660. */
  readonly granted: string;
}

const GRANTED_5 = '050000010a0000011234';
const GRANTED_4 = '005a12340a000001';
const GOOD: Record<string, Good> = {
  'SOCKS 4, CONNECT': {
    sent: "04 01 0050 c0000201 'me' 00",
    wish: { version: 4, command: 'connect', host: '192.0.2.1', port: 80, type: 'ipv4', user: 'me' },
    granted: GRANTED_4,
  },
  'SOCKS 4 without a user id': {
    sent: '04 01 0050 c0000201 00',
    wish: { version: 4, host: '192.0.2.1', user: undefined },
    granted: GRANTED_4,
  },
  'SOCKS 4a': {
    sent: "04 01 01bb 00000001 'me' 00 'example.org' 00",
    wish: { version: 4, host: 'example.org', port: 443, type: 'name', user: 'me' },
    granted: GRANTED_4,
  },
  'SOCKS 4, BIND': {
    sent: '04 02 0050 c0000201 00',
    options: { commands: ['connect', 'bind'] },
    wish: { version: 4, command: 'bind', host: '192.0.2.1' },
    granted: GRANTED_4,
  },
  'SOCKS 5, IPv4': {
    sent: '05 01 00  05 01 00 01 c0000201 0050',
    first: '0500',
    wish: { version: 5, command: 'connect', host: '192.0.2.1', port: 80, type: 'ipv4', user: undefined },
    granted: GRANTED_5,
  },
  'SOCKS 5, IPv6': {
    sent: '05 02 00 02  05 01 00 04 20010db8000000000000000000000001 0050',
    first: '0500',
    wish: { version: 5, host: '2001:db8::1', port: 80, type: 'ipv6' },
    granted: GRANTED_5,
  },
  'SOCKS 5, a name': {
    sent: "05 01 00  05 01 00 03 0b 'example.org' 01bb",
    first: '0500',
    wish: { version: 5, host: 'example.org', port: 443, type: 'name' },
    granted: GRANTED_5,
  },
  'SOCKS 5, a name that is an address': {
    sent: "05 01 00  05 01 00 03 07 '10.1.2.3' 01bb".replace('07', '08'),
    first: '0500',
    wish: { host: '10.1.2.3', type: 'ipv4' },
    granted: GRANTED_5,
  },
  'SOCKS 5, user and password': {
    sent: "05 02 00 02  01 02 'us' 02 'pw'  05 01 00 01 c0000201 0050",
    options: { authenticate },
    first: '05020100',
    wish: { version: 5, host: '192.0.2.1', user: 'us' },
    granted: GRANTED_5,
  },
  'SOCKS 5, BIND': {
    sent: '05 01 00  05 02 00 01 c0000201 0050',
    options: { commands: ['bind'] },
    first: '0500',
    wish: { command: 'bind' },
    granted: GRANTED_5,
  },
  'SOCKS 5, UDP ASSOCIATE': {
    sent: '05 01 00  05 03 00 01 00000000 0000',
    options: { commands: ['udp-associate'] },
    first: '0500',
    wish: { command: 'udp-associate', host: '0.0.0.0', port: 0 },
    granted: GRANTED_5,
  },
};

describe('socksServer', () => {
  for (const [name, { sent, options, first = '', wish, granted }] of Object.entries(GOOD)) {
    it(`reads a request in every cut, and leaves what follows: ${name}`, async () => {
      for (const pieces of cuts(Buffer.concat([bytes(sent), Buffer.from('behind')]))) {
        const { ours, far } = withFar();
        const serving = socksServer(ours, options);
        await far.send(...pieces);
        const request = await serving;
        assert.deepEqual({ ...request, ...wish }, { ...request });
        assert.equal(far.heard, first);
        await request.accept({ host: '10.0.0.1', port: 0x1234 });
        assert.equal(await unreadOf(request.stream, 6), 'behind');
        assert.equal(request.stream, ours);
        ours.tryWrite(Buffer.from('back'));
        await turn();
        assert.equal(far.heard, first + granted + Buffer.from('back').toString('hex'));
        ours.destroy();
      }
    });

    it(`does so where one byte is in flight: ${name}`, async () => {
      const { ours, far } = withFar({ capacity: 1 });
      const sending = far.send(Buffer.concat([bytes(sent), Buffer.from('behind')]));
      const request = await socksServer(ours, options);
      const accepting = request.accept({ host: '10.0.0.1', port: 0x1234 });
      assert.equal(await unreadOf(request.stream, 6), 'behind');
      await Promise.all([sending, accepting]);
      assert.equal(await far.hears((first.length + granted.length) / 2), first + granted);
      ours.destroy();
    });
  }

  it('answers in the turn in which what it needs is there', async () => {
    const [ours, theirs] = memoryPair();
    theirs.tryWrite(bytes("05 01 02  01 02 'us' 02 'pw'  05 01 00 01 c0000201 0050"));
    const serving = socksServer(ours, { authenticate });
    for (let ticks = 0; ticks < 20; ticks++) await Promise.resolve();
    assert.equal(theirs.tryFill(4), 4);
    const request = await serving;
    const accepting = request.accept();
    assert.equal(theirs.tryFill(14), 14);
    await accepting;
  });

  it('serves Duplexes and sockets, native where they can be', async () => {
    const { one, other } = await socketPair('tcp');
    other.tryWrite(bytes("05 01 00  05 01 00 03 0b 'example.org' 01bb 'behind'"));
    const request = await socksServer(one);
    await request.accept();
    assert.equal(await unreadOf(request.stream, 6), 'behind');
    assert.equal(await unreadOf(other, 12), '\x05\0\x05\0\0\x01\0\0\0\0\0\0');
    one.destroy();
    other.destroy();

    const duplex = new PassThrough();
    duplex.write(bytes("04 01 0050 c0000201 00 'behind'"));
    const other4 = await socksServer(duplex);
    assert.equal(other4.host, '192.0.2.1');
    assert.equal(await unreadOf(other4.stream, 6), 'behind');
    duplex.destroy();
  });

  it('takes the longest strings that there may be', async () => {
    const { ours, far } = withFar();
    const user = 'u'.repeat(255);
    const password = 'p'.repeat(255);
    const name = `${'n'.repeat(63)}.`.repeat(4).slice(0, 255);
    const seen: unknown[] = [];
    const serving = socksServer(ours, { authenticate: (...who) => seen.push(who) > 0 });
    await far.send(bytes(`05 01 02  01 ff '${user}' ff '${password}'  05 01 00 03 ff '${name}' 0001`));
    assert.equal((await serving).host, name);
    assert.deepEqual(seen, [[user, password]]);
    ours.destroy();
  });
});

interface Bad {
  readonly sent: string;
  readonly options?: SocksServerOptions;
  readonly code: ErrorCode;
  readonly message: RegExp;
  readonly said: string;
}

const FAILED_4 = '005b000000000000';
const failed5 = (code: string) => `0500 05${code}0001000000000000`.replace(' ', '');
const MALFORMED = 'ERR_SOCKS_REQUEST';
const BAD: Record<string, Bad> = {
  'another protocol': { sent: "'GET / HTTP/1.1'", code: MALFORMED, message: /version 0x47 is not spoken/, said: '' },
  'version 5 where only 4 is': {
    sent: '05 01 00',
    options: { versions: [4, '4a'] },
    code: MALFORMED,
    message: /version 0x05/,
    said: '',
  },
  'version 4 where passwords are asked for': {
    sent: '04 01 0050 c0000201 00',
    options: { authenticate },
    code: MALFORMED,
    message: /version 0x04/,
    said: '',
  },
  'no methods': { sent: '05 00', code: MALFORMED, message: /offers no method/, said: '05ff' },
  'no method that will do': {
    sent: '05 02 01 02',
    code: 'ERR_SOCKS_AUTHENTICATION',
    message: /does not offer to go without/,
    said: '05ff',
  },
  'no password method': {
    sent: '05 01 00',
    options: { authenticate },
    code: 'ERR_SOCKS_AUTHENTICATION',
    message: /does not offer user and password/,
    said: '05ff',
  },
  'a wrong password': {
    sent: "05 01 02  01 02 'us' 02 'no'",
    options: { authenticate },
    code: 'ERR_SOCKS_AUTHENTICATION',
    message: /the user "us" is not let in/,
    said: '05020101',
  },
  'another version of the authentication': {
    sent: "05 01 02  05 02 'us' 02 'pw'",
    options: { authenticate },
    code: MALFORMED,
    message: /version of the authentication is 0x05/,
    said: '05020101',
  },
  'an empty user': {
    sent: "05 01 02  01 00 02 'pw'",
    options: { authenticate },
    code: MALFORMED,
    message: /the user is empty/,
    said: '05020101',
  },
  'an empty password': {
    sent: "05 01 02  01 02 'us' 00",
    options: { authenticate },
    code: MALFORMED,
    message: /the password is empty/,
    said: '05020101',
  },
  'a null byte in a user': {
    sent: "05 01 02  01 02 'u' 00 02 'pw'",
    options: { authenticate },
    code: MALFORMED,
    message: /the user has a null byte/,
    said: '05020101',
  },
  'a user that is not UTF-8': {
    sent: "05 01 02  01 02 c3 28 02 'pw'",
    options: { authenticate },
    code: MALFORMED,
    message: /the user is not UTF-8/,
    said: '05020101',
  },
  'another version of the request': {
    sent: '05 01 00  04',
    code: MALFORMED,
    message: /request's version is 0x04/,
    said: failed5('01'),
  },
  'an unknown command': {
    sent: '05 01 00  05 09 00',
    code: MALFORMED,
    message: /command is 0x09/,
    said: failed5('07'),
  },
  'a reserved byte': {
    sent: '05 01 00  05 01 07',
    code: MALFORMED,
    message: /reserved byte is 0x07/,
    said: failed5('01'),
  },
  'an unknown address type': {
    sent: '05 01 00  05 01 00 02',
    code: MALFORMED,
    message: /address type is 0x02/,
    said: failed5('08'),
  },
  'an empty name': { sent: '05 01 00  05 01 00 03 00', code: MALFORMED, message: /name is empty/, said: failed5('01') },
  'a null byte in a name': {
    sent: "05 01 00  05 01 00 03 03 'a' 00 'b' 0050",
    code: MALFORMED,
    message: /name has a null byte/,
    said: failed5('01'),
  },
  'a line break in a name': {
    sent: "05 01 00  05 01 00 03 03 'a' 0a 'b' 0050",
    code: MALFORMED,
    message: /name has the byte 0x0a/,
    said: failed5('01'),
  },
  'BIND, which nobody handles': {
    sent: '05 01 00  05 02 00 01 c0000201 0050',
    code: 'ERR_SOCKS_REFUSED',
    message: /0x07, command not supported: bind to 192.0.2.1 port 80/,
    said: failed5('07'),
  },
  'UDP ASSOCIATE, which nobody handles': {
    sent: '05 01 00  05 03 00 01 00000000 0000',
    code: 'ERR_SOCKS_REFUSED',
    message: /0x07, command not supported: udp-associate/,
    said: failed5('07'),
  },
  'what the rules forbid': {
    sent: '05 01 00  05 01 00 01 c0000201 0019',
    options: { allow: async ({ port }) => port !== 25 },
    code: 'ERR_SOCKS_REFUSED',
    message: /0x02, connection not allowed by ruleset/,
    said: failed5('02'),
  },
  'SOCKS 4: an unknown command': {
    sent: '04 03 0050 c0000201',
    code: MALFORMED,
    message: /command is 0x03, which SOCKS 4 does not have/,
    said: FAILED_4,
  },
  'SOCKS 4: BIND, which nobody handles': {
    sent: '04 02 0050 c0000201 00',
    code: 'ERR_SOCKS_REFUSED',
    message: /91, request rejected or failed: bind/,
    said: FAILED_4,
  },
  'SOCKS 4: a name where only addresses are': {
    sent: '04 01 0050 00000001',
    options: { versions: [4] },
    code: MALFORMED,
    message: /SOCKS 4a is not spoken/,
    said: FAILED_4,
  },
  'SOCKS 4: a user id without an end': {
    sent: `04 01 0050 c0000201 '${'u'.repeat(256)}'`,
    code: MALFORMED,
    message: /user id is longer than 255 bytes/,
    said: FAILED_4,
  },
  'SOCKS 4: a user id that is not UTF-8': {
    sent: '04 01 0050 c0000201 ff 00',
    code: MALFORMED,
    message: /user id is not UTF-8/,
    said: FAILED_4,
  },
  'SOCKS 4a: a name without an end': {
    sent: `04 01 0050 00000001 00 '${'n'.repeat(256)}'`,
    code: MALFORMED,
    message: /host name is longer than 255 bytes/,
    said: FAILED_4,
  },
  'SOCKS 4a: an empty name': {
    sent: '04 01 0050 00000001 00 00',
    code: MALFORMED,
    message: /name is empty/,
    said: FAILED_4,
  },
  'SOCKS 4: a user that is not let in': {
    sent: "04 01 0050 c0000201 'us' 00",
    options: { versions: [4], authenticate: (_, password) => password !== undefined },
    code: 'ERR_SOCKS_AUTHENTICATION',
    message: /the user "us"/,
    said: '005d000000000000',
  },
};

/** An error of the system's. */
const failing = (code: string) => Object.assign(new Error(code), { code });

describe('socksServer refuses', () => {
  for (const [name, { sent, options, code, message, said }] of Object.entries(BAD)) {
    it(`${name}, in every cut, as soon as the byte is there that decides`, async () => {
      for (const pieces of cuts(bytes(sent))) {
        const { ours, far } = withFar();
        const serving = assert.rejects(socksServer(ours, options), (error: MiniprotoError) => {
          assert.deepEqual([error.code, error.protocol], [code, 'socks']);
          assert.match(error.message, message);
          return true;
        });
        await far.sendInVain(...pieces);
        // It is closed with care: what was said arrives, and then an end.
        await serving;
        await far.over;
        assert.equal(far.heard, said);
        await far.stream.close();
      }
    });
  }

  it('an end in the middle, wherever it comes', async () => {
    const all = bytes("05 02 00 02  01 02 'us' 02 'pw'  05 01 00 03 02 'ab' 0050");
    for (let length = 0; length < all.length; length++) {
      const { ours, far } = withFar();
      const serving = socksServer(ours, { authenticate });
      await far.send(all.subarray(0, length));
      await far.stream.end();
      await assert.rejects(serving, { code: 'ERR_UNEXPECTED_EOF', protocol: 'socks' });
    }
  });

  it('with the code of each reason, and the system error that it stands for', async () => {
    const codes: [SocksReason | Error, string, string][] = [
      ['general-failure', '01', '5b'],
      ['not-allowed', '02', '5b'],
      ['network-unreachable', '03', '5b'],
      ['host-unreachable', '04', '5b'],
      ['connection-refused', '05', '5b'],
      ['ttl-expired', '06', '5b'],
      ['command-not-supported', '07', '5b'],
      ['address-type-not-supported', '08', '5b'],
      ['identd-unreachable', '02', '5c'],
      ['identd-mismatch', '02', '5d'],
      [failing('ECONNREFUSED'), '05', '5b'],
      [new Error('wrapped', { cause: failing('ENOTFOUND') }), '04', '5b'],
      [new SocksRefusedError('the next proxy answered', 3, 5), '03', '5b'],
      [new Error('who knows'), '01', '5b'],
    ];
    for (const [reason, code5, code4] of codes) {
      for (const [sent, said] of [
        ['05 01 00  05 01 00 01 c0000201 0050', failed5(code5)],
        ['04 01 0050 c0000201 00', `00${code4}000000000000`],
      ] as const) {
        const { ours, far } = withFar();
        await far.send(bytes(sent));
        const request = await socksServer(ours);
        void far.over.then(() => far.stream.close());
        await request.refuse(reason);
        assert.equal(far.heard, said);
      }
    }
  });
});

describe('a SOCKS request', () => {
  async function requested(sent: string, options?: SocksServerOptions) {
    const { ours, far } = withFar();
    await far.send(bytes(sent));
    return { ours, far, request: await socksServer(ours, options) };
  }

  it('is answered once, and BIND twice', async () => {
    const { far, request } = await requested('05 01 00 05 02 00 01 c0000201 0050', { commands: ['bind'] });
    await request.accept({ host: '10.0.0.1', port: 1 });
    await request.accept({ host: '::1', port: 2 });
    await assert.rejects(
      request.accept(),
      (error) => error instanceof UsageError && error.code === 'ERR_ALREADY_ANSWERED',
    );
    await assert.rejects(request.refuse(), { code: 'ERR_ALREADY_ANSWERED' });
    await turn();
    assert.equal(far.heard, `0500 050000010a0000010001 05000004${'0'.repeat(31)}10002`.replaceAll(' ', ''));
    request.stream.destroy();
  });

  it('is accepted with a name, and in SOCKS 4 with nothing but IPv4', async () => {
    const { far, request } = await requested('05 01 00 05 01 00 01 c0000201 0050');
    await assert.rejects(request.accept({ host: 'a b', port: 1 }), { code: 'ERR_INVALID_ARG_VALUE' });
    await request.accept({ host: 'gate', port: 1 });
    await turn();
    assert.equal(far.heard, `0500050000030467617465${'0001'}`);
    const four = await requested('04 01 0050 c0000201 00');
    await four.request.accept({ host: '::1', port: 5 });
    await turn();
    assert.equal(four.far.heard, '005a000000000000');
    const bind = await requested('04 02 0050 c0000201 00', { commands: ['bind'] });
    await assert.rejects(bind.request.accept({ host: '::1', port: 5 }), { code: 'ERR_INVALID_ARG_VALUE' });
    for (const { request: open } of [{ request }, four, bind]) open.stream.destroy();
  });

  it('is not let through by what is merely true-ish', async () => {
    const { ours, far } = withFar();
    await far.send(bytes('05 01 00 05 01 00 01 c0000201 0050'));
    await assert.rejects(socksServer(ours, { allow: () => 'yes' as unknown as boolean }), {
      code: 'ERR_SOCKS_REFUSED',
    });
    await far.over;
    await far.stream.close();
  });
});

describe('time and hooks of socksServer', () => {
  it('ends at the deadline, however slowly bytes come', async () => {
    const { ours, far } = withFar();
    const serving = socksServer(ours, { timeoutMs: 20 });
    await far.send(bytes('05 02'));
    await assert.rejects(serving, { code: 'ERR_HANDSHAKE_TIMEOUT', message: /socks: .* within 20 ms/ });
    await far.over;
  });

  it('ends at the deadline where a hook does not answer', async () => {
    const { ours, far } = withFar();
    await far.send(bytes("05 01 02  01 02 'us' 02 'pw'"));
    const never = () => new Promise<boolean>(() => undefined);
    await assert.rejects(socksServer(ours, { timeoutMs: 20, authenticate: never }), { code: 'ERR_HANDSHAKE_TIMEOUT' });
    await far.over;
  });

  it('ends with the reason of the signal', async () => {
    const controller = new AbortController();
    const { ours, far } = withFar();
    const serving = socksServer(ours, { signal: controller.signal });
    await far.send(bytes('05'));
    const reason = new Error('enough');
    controller.abort(reason);
    await assert.rejects(serving, reason);
    await far.over;
    const untouched = withFar();
    await assert.rejects(socksServer(untouched.ours, { signal: controller.signal }), reason);
    await untouched.far.send(bytes('05'));
    assert.equal(await unreadOf(untouched.ours, 1), '\x05');
  });

  for (const hook of ['authenticate', 'allow'] as const) {
    it(`tells the client of a failure when ${hook} throws, and rejects with that`, async () => {
      const failure = new Error('the database is gone');
      for (const fails of [
        () => Promise.reject(failure),
        () => {
          throw failure;
        },
      ]) {
        const { ours, far } = withFar();
        const method = hook === 'authenticate' ? "05 01 02  01 02 'us' 02 'pw'" : '05 01 00';
        await far.send(bytes(`${method} 05 01 00 01 c0000201 0050`));
        await assert.rejects(socksServer(ours, { [hook]: fails }), failure);
        await far.over;
        assert.equal(far.heard, hook === 'authenticate' ? '05020101' : failed5('01'));
        await far.stream.close();
      }
    });
  }

  it('checks its options before it touches anything', async () => {
    const { ours } = withFar();
    for (const options of [
      { versions: [6] },
      { versions: 5 },
      { commands: ['ping'] },
      { authenticate: true },
      { allow: 1 },
      { timeoutMs: 0 },
      { signal: 1 },
    ]) {
      const wrong = options as unknown as SocksServerOptions;
      await assert.rejects(socksServer(ours, wrong), /^(TypeError|RangeError).*\[?ERR_|must be|out of range/);
    }
    ours.destroy();
  });
});
