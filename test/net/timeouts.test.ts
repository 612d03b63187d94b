/** Timeouts of connections: each ends what it is about, in its time or a little later, and nothing else. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { adopt, type Connection, framed, LimitError, lines, listen, type MiniprotoError } from 'miniproto';
import { writeAll } from '../support/byte-stream-contract.js';
import { nodePair, until } from '../support/node-sockets.js';

/** Milliseconds of the timeouts here: long enough that a turn of the event loop is little against it. */
const SHORT_MS = 60;

const limit = (code: string) => (error: MiniprotoError) => error instanceof LimitError && error.code === code;

/** Waits until the connection has ended. @returns why. */
async function endOf(stream: Connection): Promise<unknown> {
  await new Promise<void>((resolve) => stream.whenClosed(resolve));
  try {
    stream.tryFill(Number.MAX_SAFE_INTEGER);
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('timeouts', () => {
  it('end a connection on which nothing moves', async () => {
    const { accepted, connected } = await nodePair();
    // Before the connection is there: its time may have begun long before we get on.
    const start = performance.now();
    const error = await endOf(adopt(accepted, { idleTimeoutMs: SHORT_MS }));
    assert.ok(performance.now() - start >= SHORT_MS);
    assert.ok(limit('ERR_IDLE_TIMEOUT')(error as MiniprotoError));
    assert.match((error as Error).message, /nothing was received or sent for 60 ms/);
    connected.destroy();
  });

  for (const direction of ['received', 'sent'] as const) {
    it(`leave one alone on which something is ${direction} now and then`, async () => {
      const { accepted, connected } = await nodePair();
      connected.resume();
      const stream = adopt(accepted, { idleTimeoutMs: SHORT_MS });
      const talk = framed(stream, lines());
      const start = performance.now();
      // Somebody reads, or a byte that has arrived would not be known of.
      const push = talk.onRecord(() => {});
      let failed = false;
      push.catch(() => {
        failed = true;
      });
      while (performance.now() - start < 3 * SHORT_MS) {
        if (direction === 'received') connected.write('x\n');
        else talk.tryWrite('x');
        const wait = performance.now();
        await new Promise((resolve) => setTimeout(resolve, 5));
        // On a machine that stood still the timeout is right to fire.
        if (performance.now() - wait > SHORT_MS / 2) break;
      }
      assert.equal(failed, false);
      await assert.rejects(push, limit('ERR_IDLE_TIMEOUT'));
      connected.destroy();
    });
  }

  it('end a connection whose first record does not come, whatever trickles in', async () => {
    const { accepted, connected } = await nodePair();
    const talk = framed(adopt(accepted, { firstRecordTimeoutMs: SHORT_MS }), lines());
    const trickle = setInterval(() => connected.write('x'), 5);
    connected.on('error', () => {});
    await assert.rejects(talk.read(), limit('ERR_FIRST_RECORD_TIMEOUT'));
    clearInterval(trickle);
    connected.destroy();
  });

  it('are not about the first record once it came', async () => {
    const { accepted, connected } = await nodePair();
    const talk = framed(adopt(accepted, { firstRecordTimeoutMs: SHORT_MS }), lines());
    connected.write('first\n');
    assert.equal(await talk.read(), 'first');
    const read = talk.read();
    await new Promise((resolve) => setTimeout(resolve, 2 * SHORT_MS));
    connected.write('second\n');
    assert.equal(await read, 'second');
    talk.destroy();
    connected.destroy();
  });

  it('end a connection whose peer takes nothing of what waits', async () => {
    const { accepted, connected } = await nodePair();
    connected.pause();
    const stream = adopt(accepted, { writeStallTimeoutMs: SHORT_MS });
    const write = writeAll(stream, Buffer.alloc(1 << 25)).catch(() => {});
    const error = await endOf(stream);
    assert.ok(limit('ERR_WRITE_STALL_TIMEOUT')(error as MiniprotoError));
    await write;
    connected.destroy();
  });

  it('leave one alone whose peer takes little, but takes', async () => {
    const { accepted, connected } = await nodePair();
    connected.pause();
    const stream = adopt(accepted, { writeStallTimeoutMs: 4 * SHORT_MS });
    let failed: unknown;
    const write = writeAll(stream, Buffer.alloc(1 << 24)).catch((error) => {
      failed = error;
    });
    const start = performance.now();
    while (performance.now() - start < 8 * SHORT_MS && failed === undefined) {
      const wait = performance.now();
      connected.read();
      await new Promise((resolve) => setTimeout(resolve, 2));
      if (performance.now() - wait > SHORT_MS) break;
    }
    assert.equal(failed, undefined);
    stream.destroy();
    await write;
    connected.destroy();
  });

  it('do not speak of a stall while nothing waits to be sent', async () => {
    const { accepted, connected } = await nodePair();
    const talk = framed(adopt(accepted, { writeStallTimeoutMs: SHORT_MS }), lines());
    const read = talk.read();
    await new Promise((resolve) => setTimeout(resolve, 3 * SHORT_MS));
    connected.write('still here\n');
    assert.equal(await read, 'still here');
    talk.destroy();
    connected.destroy();
  });

  it('are set anew, and taken away', async () => {
    const { accepted, connected } = await nodePair();
    const stream = adopt(accepted, { idleTimeoutMs: SHORT_MS });
    stream.setTimeouts({});
    const talk = framed(stream, lines());
    const read = talk.read();
    await new Promise((resolve) => setTimeout(resolve, 3 * SHORT_MS));
    connected.write('still here\n');
    assert.equal(await read, 'still here');
    assert.throws(() => stream.setTimeouts({ idleTimeoutMs: 0.5 }), { code: 'ERR_OUT_OF_RANGE' });
    stream.setTimeouts({ idleTimeoutMs: SHORT_MS });
    await assert.rejects(talk.read(), limit('ERR_IDLE_TIMEOUT'));
    connected.destroy();
  });

  it('are options of listen, for each of its connections', async () => {
    const failures: unknown[] = [];
    await using server = await listen(
      { port: 0, host: '127.0.0.1', firstRecordTimeoutMs: SHORT_MS, onError: (error) => failures.push(error) },
      async (stream) => {
        for await (const line of framed(stream, lines())) assert.equal(line, 'never');
      },
    );
    const sockets = [1, 2, 3].map(() => net.connect(server.port, '127.0.0.1').on('error', () => {}));
    await until(() => failures.length === 3);
    for (const error of failures) assert.ok(limit('ERR_FIRST_RECORD_TIMEOUT')(error as MiniprotoError));
    for (const socket of sockets) socket.destroy();
  });
});
