/** Header fields: looked up in any case, and only such as may be sent. */
import assert from 'node:assert/strict';
import { HeaderList } from 'miniproto/websocket';

describe('HeaderList', () => {
  it('looks names up in any case, and joins what came several times', () => {
    const list = HeaderList.from({ A: ['1', '2'], b: ' x ', cookie: ['c=1', 'd=2'] }, 'headers');
    assert.deepEqual(
      [...list],
      [
        ['A', '1'],
        ['A', '2'],
        ['b', 'x'],
        ['cookie', 'c=1'],
        ['cookie', 'd=2'],
      ],
    );
    assert.equal(list.get('a'), '1, 2');
    assert.equal(list.get('COOKIE'), 'c=1; d=2');
    assert.equal(list.get('none'), undefined);
    assert.ok(list.has('B'));
    assert.deepEqual({ ...list.toObject() }, { a: '1, 2', b: 'x', cookie: 'c=1; d=2' });
    assert.deepEqual([...HeaderList.from([['a', 'b']], 'headers')], [['a', 'b']]);
  });

  it('refuses what cannot be sent', () => {
    for (const [source, code] of [
      [{ 'a b': 'c' }, 'ERR_INVALID_ARG_VALUE'],
      [{ a: 'b\nc' }, 'ERR_INVALID_ARG_VALUE'],
      [{ a: '\u20ac' }, 'ERR_INVALID_ARG_VALUE'],
      [{ a: [1] }, 'ERR_INVALID_ARG_TYPE'],
      ['a: b', 'ERR_INVALID_ARG_TYPE'],
      [null, 'ERR_INVALID_ARG_TYPE'],
    ] as const) {
      assert.throws(() => HeaderList.from(source as never, 'headers'), { code }, JSON.stringify(source));
    }
  });
});
