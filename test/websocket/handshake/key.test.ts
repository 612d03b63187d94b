/** The key of a handshake, and its answer. */
import assert from 'node:assert/strict';
import { acceptFor, isKey, newKey } from '#lib/websocket/handshake/key';

describe('key', () => {
  it('is answered as in RFC 6455 §1.3', () => {
    assert.equal(acceptFor('dGhlIHNhbXBsZSBub25jZQ=='), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  });

  it('is sixteen bytes in base64, and each another', () => {
    assert.ok(isKey(newKey()));
    assert.notEqual(newKey(), newKey());
    for (const wrong of [
      '',
      'abc',
      `${'A'.repeat(24)}`,
      `${'A'.repeat(21)}===`,
      `${'A'.repeat(22)}==\n`,
      '*'.repeat(22),
    ]) {
      assert.ok(!isKey(wrong), wrong);
    }
  });
});
