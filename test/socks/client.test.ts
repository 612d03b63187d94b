/** The client's side of SOCKS: what is said and when, the answers of the RFCs in every cut, each refusal in words. */
import assert from 'node:assert/strict';
import type { ErrorCode, MiniprotoError } from 'miniproto';
import { connect, framed, lines, listen, memoryPair, relay } from 'miniproto';
import {
  connectThroughSocks,
  type SocksClientOptions,
  SocksRefusedError,
  socksBound,
  socksClient,
  socksServer,
} from 'miniproto/socks';
import { FailingStream } from '../support/failing-stream.js';
import { turn } from '../support/handshakes.js';
import { bytes, cuts, unreadOf, withFar } from '../support/proxies.js';
import { socketPair } from '../support/socket-pairs.js';

interface Good {
  readonly options: SocksClientOptions;
  /** What is said and what it is answered with, by turns. */
  readonly talk: readonly (readonly [said: string, answered: string])[];
  readonly bound: { host: string; port: number };
  readonly authentication?: 'none' | 'password';
}

const BOUND = { host: '10.0.0.1', port: 0x1234 };
const GRANTED_5 = '05 00 00 01 0a000001 1234';
const GRANTED_4 = '00 5a 1234 0a000001';
const credentials = { user: 'us', password: 'pw' };
const GOOD: Record<string, Good> = {
  'SOCKS 4': {
    options: { version: 4, host: '192.0.2.1', port: 80, user: 'me' },
    talk: [["04 01 0050 c0000201 'me' 00", GRANTED_4]],
    bound: BOUND,
  },
  'SOCKS 4, a name that is looked up here': {
    options: { version: 4, host: 'localhost', port: 80, remoteDns: false },
    talk: [['04 01 0050 7f000001 00', GRANTED_4]],
    bound: BOUND,
  },
  'SOCKS 4a': {
    options: { version: '4a', host: 'example.org', port: 443 },
    talk: [["04 01 01bb 00000001 00 'example.org' 00", GRANTED_4]],
    bound: BOUND,
  },
  'SOCKS 4a, an address': {
    options: { version: '4a', host: '192.0.2.1', port: 443 },
    talk: [['04 01 01bb c0000201 00', GRANTED_4]],
    bound: BOUND,
  },
  'SOCKS 5, IPv4': {
    options: { host: '192.0.2.1', port: 80 },
    talk: [
      ['05 01 00', '05 00'],
      ['05 01 00 01 c0000201 0050', GRANTED_5],
    ],
    bound: BOUND,
  },
  'SOCKS 5, IPv6, answered with IPv6': {
    options: { host: '2001:DB8::1', port: 80 },
    talk: [
      ['05 01 00', '05 00'],
      ['05 01 00 04 20010db8000000000000000000000001 0050', '05 00 00 04 20010db8000000000000000000000002 1234'],
    ],
    bound: { host: '2001:db8::2', port: 0x1234 },
  },
  'SOCKS 5, a name, answered with a name': {
    options: { host: 'example.org', port: 80 },
    talk: [
      ['05 01 00', '05 00'],
      ["05 01 00 03 0b 'example.org' 0050", "05 00 00 03 04 'gate' 1234"],
    ],
    bound: { host: 'gate', port: 0x1234 },
  },
  'SOCKS 5, user and password': {
    options: { host: '192.0.2.1', port: 80, ...credentials },
    talk: [
      ['05 02 00 02', '05 02'],
      ["01 02 'us' 02 'pw'", '01 00'],
      ['05 01 00 01 c0000201 0050', GRANTED_5],
    ],
    bound: BOUND,
    authentication: 'password',
  },
  'SOCKS 5, user and password that nobody asks for': {
    options: { host: '192.0.2.1', port: 80, ...credentials },
    talk: [
      ['05 02 00 02', '05 00'],
      ['05 01 00 01 c0000201 0050', GRANTED_5],
    ],
    bound: BOUND,
  },
  'SOCKS 5, pipelined': {
    options: { host: '192.0.2.1', port: 80, pipelined: true },
    talk: [['05 01 00 05 01 00 01 c0000201 0050', `05 00 ${GRANTED_5}`]],
    bound: BOUND,
  },
  'SOCKS 5, pipelined with user and password': {
    options: { host: '192.0.2.1', port: 80, pipelined: true, ...credentials },
    talk: [["05 01 02 01 02 'us' 02 'pw' 05 01 00 01 c0000201 0050", `05 02 01 00 ${GRANTED_5}`]],
    bound: BOUND,
    authentication: 'password',
  },
  'SOCKS 5, UDP ASSOCIATE': {
    options: { host: '0.0.0.0', port: 0, command: 'udp-associate' },
    talk: [
      ['05 01 00', '05 00'],
      ['05 03 00 01 00000000 0000', GRANTED_5],
    ],
    bound: BOUND,
  },
};

describe('socksClient', () => {
  for (const [name, { options, talk, bound, authentication = 'none' }] of Object.entries(GOOD)) {
    const said = talk.map(([words]) => bytes(words).toString('hex'));

    it(`says as much as it can, and takes no byte behind the reply, in every cut: ${name}`, async () => {
      const last = Buffer.concat([bytes(talk.at(-1)![1]), Buffer.from('behind')]);
      for (const pieces of cuts(last)) {
        const { ours, far } = withFar();
        const asking = socksClient(ours, options);
        for (const [index, [, answered]] of talk.entries()) {
          await far.hears(bytes(said.slice(0, index + 1).join('')).length);
          assert.equal(far.heard, said.slice(0, index + 1).join(''));
          await far.send(...(index === talk.length - 1 ? pieces : [bytes(answered)]));
        }
        const reply = await asking;
        assert.deepEqual([reply.bound, reply.authentication, reply.stream], [bound, authentication, ours]);
        assert.equal(await unreadOf(reply.stream, 6), 'behind');
        ours.destroy();
      }
    });

    it(`does so where one byte is in flight, and all answers come at once: ${name}`, async () => {
      const { ours, far } = withFar({ capacity: 1 });
      const answers = Buffer.concat([...talk.map(([, words]) => bytes(words)), Buffer.from('behind')]);
      const [reply] = await Promise.all([
        socksClient(ours, options).then(async (given) => {
          assert.equal(await unreadOf(given.stream, 6), 'behind');
          return given;
        }),
        far.send(answers),
      ]);
      assert.deepEqual(reply.bound, bound);
      assert.equal(await far.hears(said.join('').length / 2), said.join(''));
      ours.destroy();
    });
  }

  it('has said its first message when it returns', () => {
    const [ours, theirs] = memoryPair();
    const asking = socksClient(ours, { host: 'a', port: 1 });
    assert.equal(theirs.tryFill(3), 3);
    ours.destroy();
    return assert.rejects(asking, { code: 'ERR_STREAM_DESTROYED' });
  });

  it('waits for the second reply to BIND', async () => {
    const { ours, far } = withFar();
    const asking = socksClient(ours, { host: '192.0.2.1', port: 0, command: 'bind' });
    await far.send(bytes(`05 00 ${GRANTED_5} 05 00 00 01 0a000002 0001 'hi'`));
    const first = await asking;
    assert.deepEqual(first.bound, BOUND);
    const second = await socksBound(first);
    assert.deepEqual(second.bound, { host: '10.0.0.2', port: 1 });
    assert.equal(await unreadOf(second.stream, 2), 'hi');
    ours.destroy();
    const four = withFar();
    const asking4 = socksClient(four.ours, { version: 4, host: '192.0.2.1', port: 1, command: 'bind' });
    await four.far.send(bytes(`${GRANTED_4} 00 5b 0000 00000000`));
    await assert.rejects(socksBound(await asking4), { code: 'ERR_SOCKS_REFUSED' });
  });
});

interface Bad {
  readonly options?: Partial<SocksClientOptions>;
  readonly answered: string;
  readonly code: ErrorCode;
  readonly message: RegExp;
}

const REPLY = 'ERR_SOCKS_REPLY';
const REFUSED = 'ERR_SOCKS_REFUSED';
const four = { version: 4 } as const;
const BAD: Record<string, Bad> = {
  'another protocol': { answered: "'HTTP/1.1 400'", code: REPLY, message: /malformed: its version is 0x48, not 0x05/ },
  'a method that was not offered': { answered: '05 01', code: REPLY, message: /method 0x01, which was not offered/ },
  'the password method, without a password': { answered: '05 02', code: REPLY, message: /method 0x02/ },
  'no method': { answered: '05 ff', code: 'ERR_SOCKS_AUTHENTICATION', message: /does not accept being asked without/ },
  'no method, with a password': {
    options: credentials,
    answered: '05 ff',
    code: 'ERR_SOCKS_AUTHENTICATION',
    message: /does not accept user and password/,
  },
  'a wrong password': {
    options: credentials,
    answered: '05 02 01 07',
    code: 'ERR_SOCKS_AUTHENTICATION',
    message: /refused user and password with 0x07/,
  },
  'another version of the authentication': {
    options: credentials,
    answered: '05 02 05 00',
    code: REPLY,
    message: /version of its authentication is 0x05/,
  },
  'another version of the reply': { answered: '05 00 04 00', code: REPLY, message: /version is 0x04/ },
  'a reserved byte': { answered: '05 00 05 00 01 01', code: REPLY, message: /reserved byte is 0x01/ },
  'an unknown address type': { answered: '05 00 05 00 00 09', code: REPLY, message: /address type is 0x09/ },
  'an empty name': { answered: '05 00 05 00 00 03 00', code: REPLY, message: /host name is empty/ },
  'a null byte in a name': {
    answered: "05 00 05 00 00 03 02 'a' 00 0000",
    code: REPLY,
    message: /host name has a null byte/,
  },
  'reply 1': { answered: '05 00 05 01', code: REFUSED, message: /0x01, general SOCKS server failure/ },
  'reply 2': { answered: '05 00 05 02', code: REFUSED, message: /0x02, connection not allowed by ruleset/ },
  'reply 3': { answered: '05 00 05 03', code: REFUSED, message: /0x03, network unreachable/ },
  'reply 4': { answered: '05 00 05 04', code: REFUSED, message: /0x04, host unreachable/ },
  'reply 5': { answered: '05 00 05 05', code: REFUSED, message: /0x05, connection refused/ },
  'reply 6': { answered: '05 00 05 06', code: REFUSED, message: /0x06, TTL expired/ },
  'reply 7': { answered: '05 00 05 07', code: REFUSED, message: /0x07, command not supported/ },
  'reply 8': { answered: '05 00 05 08', code: REFUSED, message: /0x08, address type not supported/ },
  'a reply that is assigned to nothing': { answered: '05 00 05 99', code: REFUSED, message: /0x99, which is assigned/ },
  'SOCKS 4: 91': { options: four, answered: '00 5b', code: REFUSED, message: /91, request rejected or failed/ },
  'SOCKS 4: 92': { options: four, answered: '00 5c', code: REFUSED, message: /92, .* cannot connect to identd/ },
  'SOCKS 4: 93': { options: four, answered: '00 5d', code: REFUSED, message: /93, .* different user ids/ },
  'SOCKS 4: 0': { options: four, answered: '00 00', code: REFUSED, message: /with 0, which is assigned to nothing/ },
  'SOCKS 4: another version': {
    options: four,
    answered: '04 5a',
    code: REPLY,
    message: /first byte is 0x04, not 0x00/,
  },
};

describe('socksClient ends with an error and destroys its stream on', () => {
  for (const [name, { options, answered, code, message }] of Object.entries(BAD)) {
    it(`${name}, in every cut, as soon as the byte is there that decides`, async () => {
      for (const pieces of cuts(bytes(answered))) {
        const { ours, far } = withFar();
        const asking = assert.rejects(
          socksClient(ours, { host: '192.0.2.1', port: 80, ...options }),
          (error: MiniprotoError) => {
            assert.deepEqual([error.code, error.protocol], [code, 'socks']);
            assert.match(error.message, message);
            assert.equal(error instanceof SocksRefusedError, code === REFUSED);
            return true;
          },
        );
        await far.sendInVain(...pieces);
        await asking;
        await far.over;
        assert.throws(() => ours.tryWrite(Buffer.of(1)));
      }
    });
  }

  it('an end in the middle, wherever it comes', async () => {
    const all = bytes(`05 02 01 00 ${GRANTED_5}`);
    for (let length = 0; length < all.length; length++) {
      const { ours, far } = withFar();
      const asking = socksClient(ours, { host: '192.0.2.1', port: 80, ...credentials });
      await far.send(all.subarray(0, length));
      await far.stream.end();
      await assert.rejects(asking, { code: 'ERR_UNEXPECTED_EOF', protocol: 'socks' });
    }
  });

  it('the deadline, and the signal', async () => {
    const slow = withFar();
    await assert.rejects(socksClient(slow.ours, { host: 'a', port: 1, timeoutMs: 20 }), {
      code: 'ERR_HANDSHAKE_TIMEOUT',
      protocol: 'socks',
    });
    await slow.far.over;
    const controller = new AbortController();
    const { ours, far } = withFar();
    const asking = socksClient(ours, { host: 'a', port: 1, signal: controller.signal });
    await far.send(bytes('05 00'));
    const reason = new Error('enough');
    controller.abort(reason);
    await assert.rejects(asking, reason);
    await far.over;
    await assert.rejects(socksClient(ours, { host: 'a', port: 1, signal: controller.signal }), reason);
  });

  it('a failure of the stream at operation 0, 1, 2, …', async () => {
    for (let failAt = 0; ; failAt++) {
      const { ours, far } = withFar();
      const stream = new FailingStream(ours, failAt);
      const asking = socksClient(stream, { host: 'a', port: 1, ...credentials }).catch((error: unknown) => error);
      await far.sendInVain(bytes('05 02'), bytes('01 00'), bytes(GRANTED_5));
      const result = await asking;
      if (!stream.failed) {
        assert.ok(!(result instanceof Error) && failAt > 4, `operation ${failAt}: ${String(result)}`);
        ours.destroy();
        break;
      }
      assert.ok((result as Error).message.includes(stream.error.message), `operation ${failAt}: ${String(result)}`);
    }
  });

  it('a name that cannot be looked up here', async () => {
    const { ours, far } = withFar();
    const asking = socksClient(ours, { version: 4, host: 'no-such-host.invalid', port: 1, remoteDns: false });
    await assert.rejects(asking, { code: 'ERR_TRANSPORT' });
    await far.over;
    assert.equal(far.heard, '');
  });
});

describe('options of socksClient', () => {
  const wrong: Record<string, [unknown, string]> = {
    'no options': [undefined, 'ERR_INVALID_ARG_TYPE'],
    'no host': [{ port: 1 }, 'ERR_INVALID_ARG_TYPE'],
    'an empty host': [{ host: '', port: 1 }, 'ERR_INVALID_ARG_VALUE'],
    'a null byte': [{ host: 'a\0b', port: 1 }, 'ERR_INVALID_ARG_VALUE'],
    'a name of 256 bytes': [{ host: 'a'.repeat(256), port: 1 }, 'ERR_INVALID_ARG_VALUE'],
    'a name that is not ASCII': [{ host: 'bücher.example', port: 1 }, 'ERR_INVALID_ARG_VALUE'],
    'a zone': [{ host: 'fe80::1%eth0', port: 1 }, 'ERR_INVALID_ARG_VALUE'],
    brackets: [{ host: '[::1]', port: 1 }, 'ERR_INVALID_ARG_VALUE'],
    'port 0': [{ host: 'a', port: 0 }, 'ERR_OUT_OF_RANGE'],
    'port 65536': [{ host: 'a', port: 65_536 }, 'ERR_OUT_OF_RANGE'],
    'version 6': [{ host: 'a', port: 1, version: 6 }, 'ERR_INVALID_ARG_VALUE'],
    'a name in version 4': [{ host: 'a', port: 1, version: 4 }, 'ERR_INVALID_ARG_VALUE'],
    'IPv6 in version 4a': [{ host: '::1', port: 1, version: '4a' }, 'ERR_INVALID_ARG_VALUE'],
    'what 4a means by 0.0.0.7': [{ host: '0.0.0.7', port: 1, version: '4a' }, 'ERR_INVALID_ARG_VALUE'],
    'a password in version 4': [{ host: '1.2.3.4', port: 1, version: 4, ...credentials }, 'ERR_INVALID_ARG_VALUE'],
    'a user without a password': [{ host: 'a', port: 1, user: 'me' }, 'ERR_INVALID_ARG_VALUE'],
    'a password without a user': [{ host: 'a', port: 1, password: 'pw' }, 'ERR_INVALID_ARG_VALUE'],
    'an empty user': [{ host: 'a', port: 1, user: '', password: 'pw' }, 'ERR_INVALID_ARG_VALUE'],
    'an empty password': [{ host: 'a', port: 1, user: 'me', password: '' }, 'ERR_INVALID_ARG_VALUE'],
    'a null byte in a user': [{ host: 'a', port: 1, user: 'm\0', password: 'pw' }, 'ERR_INVALID_ARG_VALUE'],
    'a long user': [{ host: 'a', port: 1, user: 'é'.repeat(128), password: 'pw' }, 'ERR_INVALID_ARG_VALUE'],
    'version 4, pipelined': [{ host: '1.2.3.4', port: 1, version: 4, pipelined: true }, 'ERR_INVALID_ARG_VALUE'],
    'UDP in version 4': [{ host: '1.2.3.4', port: 1, version: 4, command: 'udp-associate' }, 'ERR_INVALID_ARG_VALUE'],
    'no time': [{ host: 'a', port: 1, timeoutMs: 0 }, 'ERR_OUT_OF_RANGE'],
  };
  for (const [name, [options, code]] of Object.entries(wrong)) {
    it(`are refused before the stream is touched: ${name}`, async () => {
      const { ours, far } = withFar();
      await assert.rejects(socksClient(ours, options as SocksClientOptions), { code });
      assert.equal(ours.tryWrite(Buffer.of(1)), 1);
      await turn();
      assert.equal(far.heard, '01');
      ours.destroy();
    });
  }

  it('keep a password out of messages', async () => {
    const { ours } = withFar();
    const password = 'a secret that is much too long'.repeat(10);
    const error = await socksClient(ours, { host: 'a', port: 1, user: 'me', password }).catch((reason) => reason);
    assert.ok(!String(error).includes('secret'));
    ours.destroy();
  });
});

describe('connectThroughSocks', () => {
  /** A proxy in the tests' process. */
  const startProxy = (options = {}) =>
    listen({ port: 0, host: '127.0.0.1', onError: () => undefined }, async (client) => {
      const request = await socksServer(client, options);
      const { host, port } = request;
      const there = await connect({ host, port }).catch((error: Error) => error);
      if (there instanceof Error) return request.refuse(there);
      await request.accept();
      return relay(client, there);
    });
  const startUpper = () =>
    listen({ port: 0, host: '127.0.0.1' }, async (stream) => {
      const talk = framed(stream, lines());
      await talk.write('hello');
      for await (const line of talk) await talk.write(line.toUpperCase());
    });

  for (const version of [4, '4a', 5] as const) {
    it(`gives a connection to who is behind the proxy: ${version}`, async () => {
      await using proxy = await startProxy();
      await using upper = await startUpper();
      const host = version === 4 ? '127.0.0.1' : 'localhost';
      const connection = await connectThroughSocks({
        proxy: { host: '127.0.0.1', port: proxy.port, version },
        host,
        port: upper.port,
      });
      const talk = framed(connection, lines());
      assert.equal(await talk.read(), 'hello');
      await talk.write('there');
      assert.equal(await talk.read(), 'THERE');
      await talk.close();
    });
  }

  it('says why the proxy could not, and goes no other way', async () => {
    await using proxy = await startProxy({ authenticate: () => true });
    await using upper = await startUpper();
    const gone = await listen({ port: 0, host: '127.0.0.1' }, () => undefined);
    const port = gone.port;
    await gone.close();
    const where = { host: '127.0.0.1', port: proxy.port, ...credentials };
    await assert.rejects(connectThroughSocks({ proxy: where, host: '127.0.0.1', port }), {
      code: 'ERR_SOCKS_REFUSED',
      reason: 'connection-refused',
      replyCode: 5,
    });
    const { user: _u, password: _p, ...anonymous } = where;
    const asking = connectThroughSocks({ proxy: anonymous, host: '127.0.0.1', port: upper.port });
    await assert.rejects(asking, { code: 'ERR_SOCKS_AUTHENTICATION' });
    const unreachable = connectThroughSocks({
      proxy: { host: '127.0.0.1', port },
      host: '127.0.0.1',
      port: upper.port,
    });
    await assert.rejects(unreachable, { code: 'ERR_TRANSPORT' });
  });

  it('has one deadline, and one signal', async () => {
    await using silent = await listen({ port: 0, host: '127.0.0.1' }, () => undefined);
    const proxy = { host: '127.0.0.1', port: silent.port };
    await assert.rejects(connectThroughSocks({ proxy, host: 'a', port: 1, timeoutMs: 30 }), {
      code: 'ERR_HANDSHAKE_TIMEOUT',
    });
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await assert.rejects(connectThroughSocks({ proxy, host: 'a', port: 1, signal }), reason);
  });
});

describe('both sides of SOCKS', () => {
  it('agree over native sockets and over Duplexes, with what is sent behind the handshake', async () => {
    const { one, other } = await socketPair('tcp');
    const serving = socksServer(other, { authenticate: (user, password) => user === 'us' && password === 'pw' });
    const asking = socksClient(one, { host: 'example.org', port: 1, ...credentials });
    const request = await serving;
    const accepting = request.accept();
    request.stream.tryWrite(Buffer.from('from there'));
    const [reply] = await Promise.all([asking, accepting]);
    assert.equal(await unreadOf(reply.stream, 10), 'from there');
    reply.stream.tryWrite(Buffer.from('from here'));
    assert.equal(await unreadOf(request.stream, 9), 'from here');
    one.destroy();
    other.destroy();
  });
});
