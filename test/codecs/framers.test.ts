/** Framers are made once for equal settings, and what they were made of can be asked. */
import assert from 'node:assert/strict';
import { settingsOf, webSocketFramer } from '#lib/codecs/framers';
import type { WebSocketFraming } from '#lib/native-interface';

const FRAMING: WebSocketFraming = { role: 'server', maxLength: 100, compression: false, utf8: true };

describe('webSocketFramer', () => {
  it('gives one framer for equal settings, and another for each that differs', () => {
    const framer = webSocketFramer(FRAMING);
    assert.equal(webSocketFramer({ ...FRAMING }), framer);
    const others = [{ role: 'client' as const }, { maxLength: 101 }, { compression: true }, { utf8: false }];
    const made = others.map((changes) => webSocketFramer({ ...FRAMING, ...changes }));
    assert.equal(new Set([framer, ...made]).size, 5);
  });

  it('says what it was made of', () => {
    assert.deepEqual(settingsOf(webSocketFramer(FRAMING)), { kind: 'websocket', framing: FRAMING });
  });
});
