/** The extensions that a header lists, with their parameters. */
import assert from 'node:assert/strict';
import { parseExtensions } from '#lib/websocket/handshake/extensions';

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
    }
    // A quadratic one would need minutes.
    assert.ok(process.cpuUsage().user - started < 5_000_000);
  });
});
