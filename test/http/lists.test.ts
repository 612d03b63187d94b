/** Header values that are lists of tokens. */
import assert from 'node:assert/strict';
import { hasToken, parseTokenList } from '#lib/http/lists';

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

  it('are read in time that grows with their length', () => {
    const started = process.cpuUsage().user;
    for (const piece of ['a;b="\\a', 'a ', '\\', ' \t', 'a;b=c,', ';', '"']) {
      parseTokenList([piece.repeat(20_000)]);
    }
    // A quadratic one would need minutes.
    assert.ok(process.cpuUsage().user - started < 5_000_000);
  });
});
