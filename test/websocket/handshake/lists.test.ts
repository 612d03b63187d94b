/** Header values that are lists, and the key with its answer. */
import assert from 'node:assert/strict';
import { acceptFor, isKey, newKey } from '#lib/websocket/handshake/key';
import { hasToken, parseExtensions, parseTokenList } from '#lib/websocket/handshake/lists';

describe('lists of tokens', () => {
  const CASES: [string[], string[] | undefined][] = [
    [[], []],
    [[''], []],
    [['a'], ['a']],
    [['a,b'], ['a', 'b']],
    [['\ta \t,  B'], ['a', 'B']],
    [
      ['a', 'b, c'],
      ['a', 'b', 'c'],
    ],
    [[',a,,b,'], ['a', 'b']],
    [['a b'], undefined],
    [['a;b'], undefined],
    [['"a"'], undefined],
    [['a,(b)'], undefined],
    [['\xe9'], undefined],
  ];
  for (const [values, expected] of CASES) {
    it(`${JSON.stringify(values)} ${expected === undefined ? 'is none' : 'is read'}`, () => {
      assert.deepEqual(parseTokenList(values), expected);
    });
  }

  it('have a token in any case, and a list that is none has nothing', () => {
    assert.ok(hasToken(['keep-alive, UPGRADE'], 'upgrade'));
    assert.ok(!hasToken(['upgrades'], 'upgrade'));
    assert.ok(!hasToken(['(, upgrade'], 'upgrade'));
  });
});

describe('extensions', () => {
  const CASES: [string[], unknown][] = [
    [[], []],
    [['a'], [['a']]],
    [['a;b'], [['a', ['b', true]]]],
    [['a; b=c ;d = "e"'], [['a', ['b', 'c'], ['d', 'e']]]],
    [['a;b="\\c\\d"'], [['a', ['b', 'cd']]]],
    [['a;b=1;b=2, c'], [['a', ['b', '1'], ['b', '2']], ['c']]],
    [
      ['a', 'b;c'],
      [['a'], ['b', ['c', true]]],
    ],
    [[',a,'], [['a']]],
    [
      ['permessage-deflate; client_max_window_bits; server_max_window_bits=10'],
      [['permessage-deflate', ['client_max_window_bits', true], ['server_max_window_bits', '10']]],
    ],
    [['a;'], undefined],
    [['a;,b'], undefined],
    [[';a'], undefined],
    [['a;b='], undefined],
    [['a;b=""'], undefined],
    [['a;b="c d"'], undefined],
    [['a;b="c'], undefined],
    [['a;b="c\\"'], undefined],
    [['a;b=c d'], undefined],
    [['a b'], undefined],
    [['a=b'], undefined],
    [['a;=b'], undefined],
  ];
  for (const [values, expected] of CASES) {
    it(`${JSON.stringify(values)} ${expected === undefined ? 'are none' : 'are read'}`, () => {
      const read = parseExtensions(values)?.map(({ name, params }) => [name, ...params]);
      assert.deepEqual(read, expected);
    });
  }

  it('are read in time that grows with their length', () => {
    const started = process.cpuUsage().user;
    for (const piece of ['a;b="\\a', 'a ', '\\', ' \t', 'a;b=c,', ';', '"']) {
      parseExtensions([piece.repeat(20_000)]);
      parseTokenList([piece.repeat(20_000)]);
    }
    // A quadratic one would need minutes.
    assert.ok(process.cpuUsage().user - started < 5_000_000);
  });
});

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
