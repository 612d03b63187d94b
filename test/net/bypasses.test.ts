/** Which connections may be sent to past their streams, as the table of ids has it. */
import assert from 'node:assert/strict';
import { closeBypass, isBypassOpen, openBypass } from '#lib/net/bypasses';
import { SocketStream } from '#lib/net/socket-stream';
import { SLOT_MASK } from '#lib/net-interface';
import { clearFaults, describeNative, FAIL, setFaults, socketPair } from '../support/socket-pairs.js';

/** Ids of slots that no test has connections for. */
const SLOT = 900_000;
const id = (generation: number, slot = SLOT) => slot + generation * (SLOT_MASK + 1);

describe('bypasses', () => {
  it('are closed at first, and for what is no id', () => {
    for (const one of [-1, 0, SLOT_MASK, id(3), 2 ** 31 - 1]) {
      assert.equal(isBypassOpen(one), false);
      closeBypass(one);
      assert.equal(isBypassOpen(one), false);
    }
  });

  it('are open for one id of a slot', () => {
    openBypass(id(2));
    assert.deepEqual(
      [1, 2, 3].map((generation) => isBypassOpen(id(generation))),
      [false, true, false],
    );
    closeBypass(id(1));
    assert.equal(isBypassOpen(id(2)), true, 'another one that had the slot');
    openBypass(id(3));
    assert.deepEqual(
      [1, 2, 3].map((generation) => isBypassOpen(id(generation))),
      [false, false, true],
    );
    closeBypass(id(3));
    assert.equal(isBypassOpen(id(3)), false);
  });

  it('stay as they are where the table grows', () => {
    openBypass(id(0, 0));
    openBypass(id(1, SLOT + 1));
    openBypass(id(2047, SLOT_MASK));
    for (const one of [id(0, 0), id(1, SLOT + 1), id(2047, SLOT_MASK)]) {
      assert.equal(isBypassOpen(one), true);
      closeBypass(one);
      assert.equal(isBypassOpen(one), false);
    }
  });
});

describeNative('SocketStream.openBypass', () => {
  afterEach(clearFaults);

  async function pair() {
    const { one, other } = await socketPair();
    assert.ok(one instanceof SocketStream);
    return { one, other };
  }

  it('answers the id, until it is closed', async () => {
    const { one, other } = await pair();
    assert.equal(isBypassOpen(one.id), false);
    assert.equal(one.openBypass(), one.id);
    assert.equal(isBypassOpen(one.id), true);
    one.closeBypass();
    assert.equal(isBypassOpen(one.id), false);
    one.destroy();
    other.destroy();
  });

  it('answers -1 while the system takes nothing, and is closed by that', async () => {
    const { one, other } = await pair();
    one.openBypass();
    setFaults({ send: [FAIL.again] }, { repeats: false });
    one.tryWrite(Buffer.from('not taken'));
    assert.equal(isBypassOpen(one.id), false);
    assert.equal(one.openBypass(), -1);
    assert.equal(isBypassOpen(one.id), false);
    assert.equal(one.tryWrite(Buffer.from('taken')), 5);
    assert.equal(one.openBypass(), one.id);
    one.destroy();
    other.destroy();
  });

  for (const [name, leave] of Object.entries({
    destroyed: (one: SocketStream) => one.destroy(),
    released: (one: SocketStream) => one.release().socket.destroy(),
  })) {
    it(`is closed, and answers -1, once the stream is ${name}`, async () => {
      const { one, other } = await pair();
      const known = one.openBypass();
      leave(one);
      assert.equal(isBypassOpen(known), false);
      assert.equal(one.openBypass(), -1);
      other.destroy();
    });
  }

  it('is closed for whoever gets the slot next', async () => {
    const { one, other } = await pair();
    const known = one.openBypass();
    one.destroy();
    other.destroy();
    const later: SocketStream[] = [];
    while (!later.some(({ id }) => (id & SLOT_MASK) === (known & SLOT_MASK))) {
      const next = await pair();
      later.push(next.one, next.other as SocketStream);
      // Slots are free again behind a turn.
      next.one.tryWrite(Buffer.from('x'));
      await next.other.ready('read');
    }
    assert.equal(
      later.some(({ id }) => isBypassOpen(id)),
      false,
    );
    for (const stream of later) stream.destroy();
  });

  it('is closed for whoever takes the connection over', async () => {
    const { one, other } = await pair();
    const known = one.openBypass();
    const heir = new SocketStream(one.reactor);
    heir.takeOver(one);
    assert.equal(heir.id, known);
    assert.equal(isBypassOpen(known), false);
    heir.destroy();
    other.destroy();
  });
});
