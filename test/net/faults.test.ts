/**
 * The system fails at its call 0, 1, 2, … until a conversation over native sockets passes: errors are typed and name
 * what the system said, nobody is left waiting, nothing stays open, and the neighbour goes on.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import net from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { EOF, framed, lines, TransportError } from 'miniproto';
import { adopt } from '#lib/net/adopt';
import { socketCounters } from '#lib/net/reactor';
import { assertDocumented, CONVERSATIONS } from '../support/conversations.js';
import { clearFaults, describeNative, FAIL, setFaults, socketPair } from '../support/socket-pairs.js';

/** Bytes that each call moves before the one that fails, so that a conversation takes many. */
const CRUMB = 9;

const FAULTS = {
  'receives fail with ECONNRESET': ['receive', 'receives', FAIL.reset],
  'sends fail with EPIPE': ['send', 'sends', FAIL.pipe],
  'sends fail with ECONNRESET': ['send', 'sends', FAIL.reset],
} as const;

/** Whoever is at the other end of a connection that has failed is told so by the system itself. */
function assertTyped(error: TransportError & { cause?: { code: string } }): void {
  assertDocumented(error);
  if (error.code === 'ERR_TRANSPORT') assert.ok(['ECONNRESET', 'EPIPE'].includes(error.cause!.code), error.cause!.code);
}

describeNative('System calls that fail at any operation', () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  before(() => void process.on('unhandledRejection', note));
  after(() => void process.off('unhandledRejection', note));
  afterEach(clearFaults);

  for (const [name, { run, peer }] of Object.entries(CONVERSATIONS)) {
    for (const [title, [call, counter, errno]] of Object.entries(FAULTS)) {
      it(`fail the conversation, and nothing else: ${name}, ${title}`, async function () {
        this.timeout(30_000);
        const calm = await socketPair();
        const [speaker, hearer] = [framed(calm.one, lines()), framed(calm.other, lines())];
        const open = socketCounters()!.connections;
        let failures = 0;
        for (let failAt = 0; ; failAt++) {
          const { one, other } = await socketPair();
          const before = socketCounters()![counter];
          setFaults({ [call]: [...new Array<number>(failAt).fill(CRUMB), errno] }, { repeats: false });
          const results = await Promise.allSettled([run(framed(one, lines())), peer(framed(other, lines()))]);
          const happened = socketCounters()![counter] - before > failAt;
          clearFaults();
          const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
          assert.ok(happened || reasons.length === 0, reasons[0]?.stack);
          for (const reason of reasons) assertTyped(reason);
          failures += reasons.length;
          one.destroy();
          other.destroy();
          await speaker.write(`${failAt}`);
          assert.equal(await hearer.read(), `${failAt}`);
          assert.equal(socketCounters()!.connections, open);
          if (!happened) break;
        }
        assert.ok(failures > 3, `${failures} failures`);
        await turn();
        assert.deepEqual(unhandled, []);
        calm.one.destroy();
        calm.other.destroy();
      });
    }
  }

  it('leave the bytes readable that came before a reset, then fail every read with it', async () => {
    const { one, other } = await socketPair();
    const talk = framed(one, lines());
    other.tryWrite(Buffer.from('one\ntwo\nthr'));
    setFaults({ receive: [5, 0, FAIL.reset] }, { repeats: false });
    assert.equal(await talk.read(), 'one');
    assert.equal(await talk.read(), 'two');
    for (let i = 0; i < 2; i++) {
      await assert.rejects(talk.read(), (error: TransportError) => {
        assert.ok(error instanceof TransportError);
        assert.equal(error.code, 'ERR_TRANSPORT');
        const { code, syscall, errno } = error.cause as NodeJS.ErrnoException;
        assert.deepEqual({ code, syscall, errno }, { code: 'ECONNRESET', syscall: 'recv', errno: FAIL.reset });
        return true;
      });
    }
    assert.throws(() => talk.tryWrite('x'), { code: 'ERR_TRANSPORT' });
    await assert.rejects(talk.flush(), { code: 'ERR_TRANSPORT' });
    other.destroy();
  });

  it('reject a push with a reset, behind the records before it', async () => {
    const { one, other } = await socketPair();
    const talk = framed(one, lines());
    const seen: string[] = [];
    const done = talk.onRecord((record) => seen.push(record.text()));
    await turn();
    await turn();
    setFaults({ receive: [0, FAIL.reset] }, { repeats: false });
    other.tryWrite(Buffer.from('one\ntwo\nthr'));
    while (seen.length < 2) await turn();
    other.tryWrite(Buffer.from('ee\n'));
    await assert.rejects(done, (error: TransportError) => (error.cause as NodeJS.ErrnoException).code === 'ECONNRESET');
    assert.deepEqual(seen, ['one', 'two']);
    other.destroy();
  });

  it('leave a socket that cannot be duplicated to Node, with every byte', async () => {
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    for (const failing of [true, false]) {
      const accepted = new Promise<net.Socket>((resolve) => server.once('connection', resolve));
      const client = net.connect({ port, host: '127.0.0.1' });
      client.end('a\nb\n');
      const socket = await accepted;
      if (failing) setFaults({ duplicate: [FAIL.noDescriptor] }, { repeats: false });
      const stream = adopt(socket);
      assert.equal(stream.native, !failing);
      if (failing) assert.match(stream.reason, /EMFILE/);
      const talk = framed(stream, lines());
      assert.deepEqual([await talk.read(), await talk.read(), await talk.read()], ['a', 'b', EOF]);
      await talk.close();
      client.destroy();
    }
    server.close();
  });

  it('leave no descriptor open', async () => {
    const count = () => readdirSync('/proc/self/fd').length;
    const { one, other } = await socketPair();
    one.destroy();
    other.destroy();
    await turn();
    const before = count();
    for (const [call, , errno] of Object.values(FAULTS)) {
      for (let failAt = 0; failAt < 5; failAt++) {
        const pair = await socketPair();
        setFaults({ [call]: [...new Array<number>(failAt).fill(1), errno] }, { repeats: false });
        const talks = [framed(pair.one, lines()), framed(pair.other, lines())];
        await Promise.allSettled(talks.flatMap((talk) => [talk.write('hello'), talk.read()]));
        clearFaults();
        await Promise.all(talks.map((talk) => talk.close({ timeoutMs: 1000 })));
      }
    }
    await turn();
    assert.equal(count(), before);
  });
});
