/** Messages in pieces: what their pieces become. */
import assert from 'node:assert/strict';
import { type MemoryStream, memoryPair } from 'miniproto';
import { WebSocketConnection } from '#lib/websocket/connection';
import type { WebSocketRole } from '#lib/websocket/established';

function connectionOn(stream: MemoryStream, role: WebSocketRole): WebSocketConnection {
  return new WebSocketConnection({ stream, role, protocol: '', extensions: '', deflate: undefined });
}

/** What a peer reads of a text that is written in these pieces. */
async function readBack(...pieces: (string | Uint8Array)[]): Promise<unknown> {
  const [client, server] = memoryPair();
  const writing = connectionOn(client, 'client');
  const reading = connectionOn(server, 'server');
  const message = writing.beginMessage({ type: 'text' });
  assert.ok(typeof message !== 'symbol');
  for (const piece of pieces.slice(0, -1)) await message.write(piece);
  message.end(pieces.at(-1));
  const value = await reading.read();
  await writing.close(1000);
  return value;
}

describe('MessageWriter', () => {
  it('keeps a character whole that is cut between two strings', async () => {
    const text = 'a😀b😀';
    for (let cut = 0; cut <= text.length; cut++) {
      assert.equal(await readBack(text.slice(0, cut), text.slice(cut)), text);
    }
    assert.equal(await readBack(...text), text);
    assert.equal(await readBack(...text.split('')), text);
  });

  it('replaces half a character that stays alone, as strings are encoded everywhere', async () => {
    assert.equal(await readBack('a\ud83d', ''), 'a\ufffd');
    assert.equal(await readBack('a\ud83d', 'b'), 'a\ufffdb');
    assert.equal(await readBack('a\ud83d', Buffer.from('b')), 'a\ufffdb');
  });
});
