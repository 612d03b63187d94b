/**
 * The layer below fails at its operation 0, 1, 2, … until a conversation passes: only documented errors, nobody left
 * waiting, no rejection unhandled, and the neighbour goes on.
 */
import assert from 'node:assert/strict';
import { framed, lines, memoryPair } from 'miniproto';
import { assertDocumented, CONVERSATIONS } from '../support/conversations.js';
import { FailingStream } from '../support/failing-stream.js';

for (const [name, { capacity, run, peer }] of Object.entries(CONVERSATIONS)) {
  it(`a transport that fails at any operation fails the conversation, and nothing else: ${name}`, async function () {
    this.timeout(30_000);
    const unhandled: unknown[] = [];
    const onUnhandled = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', onUnhandled);
    const [calm, partner] = memoryPair().map((stream) => framed(stream, lines()));
    try {
      for (let failAt = 0; ; failAt++) {
        assert.ok(failAt < 5000, 'a run passes at some point');
        const [near, far] = memoryPair({ capacity });
        const failing = new FailingStream(near, failAt);
        const other = framed(far, lines());
        const results = await Promise.allSettled([run(framed(failing, lines())), peer(other)]);
        for (const result of results) if (result.status === 'rejected') assertDocumented(result.reason);
        if (results[0].status === 'fulfilled' && results[1].status === 'fulfilled' && !failing.failed) break;
        near.destroy();
        far.destroy();
        await calm!.write(`${failAt}`);
        assert.equal(await partner!.read(), `${failAt}`);
      }
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(unhandled, []);
    } finally {
      process.off('unhandledRejection', onUnhandled);
    }
  });
}
