/** When others may give bytes to the system past a channel's queue: while nothing waits in it, and nothing holds it up. */
import assert from 'node:assert/strict';
import { memoryPair } from 'miniproto';
import { Channel } from '#lib/framed/channel';
import type { ByteStream } from '#lib/streams/byte-stream';

const ID = 7;
/** Bytes. More than the memory between two streams takes. */
const LARGE = 1_000_000;

/** A stream that can be bypassed, and says whether it may be. */
function bypassable(): { stream: ByteStream; isOpen: () => boolean } {
  let open = false;
  const [stream] = memoryPair();
  const openBypass = () => {
    open = true;
    return ID;
  };
  const closeBypass = () => {
    open = false;
  };
  return { stream: Object.assign(stream, { openBypass, closeBypass }), isOpen: () => open };
}

/** What has to go before whatever comes next, or ends it all. */
const WAYS: { readonly [name: string]: (channel: Channel) => void } = {
  'a turn': (channel) => channel.hold(),
  'a cork': (channel) => channel.cork(),
  'what is to leave at the end of the turn': (channel) => {
    channel.output.write(Buffer.from('later'));
    channel.schedule();
  },
  'what the stream does not take': (channel) => {
    channel.output.write(Buffer.alloc(LARGE));
    channel.pushOn();
  },
  'the end of our side': (channel) => void channel.end(),
  'a failure': (channel) => channel.fail(new Error('gone')),
  'the failure of the stream': (channel) => channel.lost(new Error('gone')),
  'another owner of the stream': (channel) => void channel.handOver(),
  'the abrupt end': (channel) => channel.destroy(undefined),
};

describe('Channel, bypass', () => {
  for (const [name, happens] of Object.entries(WAYS)) {
    it(`is closed by ${name}, and not opened then`, () => {
      const { stream, isOpen } = bypassable();
      const channel = new Channel(stream, 1000);
      assert.equal(channel.openBypass(), ID);
      assert.equal(isOpen(), true);
      happens(channel);
      assert.equal(isOpen(), false);
      assert.equal(channel.openBypass(), -1);
      assert.equal(isOpen(), false);
      stream.destroy();
    });
  }

  it('is opened again when what held it up is over', () => {
    const { stream, isOpen } = bypassable();
    const channel = new Channel(stream, 1000);
    channel.openBypass();
    channel.hold();
    channel.output.write(Buffer.from('an answer'));
    channel.release();
    assert.equal(isOpen(), false);
    assert.equal(channel.openBypass(), ID);
    assert.equal(isOpen(), true);
    stream.destroy();
  });

  it('is not there where the stream has none', () => {
    const [stream] = memoryPair();
    const channel = new Channel(stream, 1000);
    assert.equal(channel.openBypass(), -1);
    channel.hold();
    channel.release();
    stream.destroy();
  });
});
