/**
 * Who agrees to what: each MUST of RFC 7692 §7.1 as a row of offers, answers and options.
 */
import assert from 'node:assert/strict';
import { acceptDeflate, checkDeflateResponse, offerDeflate } from '#lib/websocket/deflate/negotiation';
import { type DeflateOptions, deflateSettings } from '#lib/websocket/deflate/options';
import { type ExtensionOffer, parseExtensions } from '#lib/websocket/handshake/extensions';

const PMD = 'permessage-deflate';
const TAKEOVER: DeflateOptions = { memory: 65_536 };

function offers(text: string): ExtensionOffer[] {
  const parsed = parseExtensions([text]);
  assert.ok(parsed, text);
  return parsed;
}

/** The server's answer, with the extension's name left out; undefined where it declines. */
function answer(offer: string, options: DeflateOptions): string | undefined {
  const accepted = acceptDeflate(offers(offer), deflateSettings(options, 'server'));
  return accepted?.response.replace(PMD, '').replace(/^; /, '');
}

function agreedByServer(offer: string, options: DeflateOptions): string {
  const accepted = acceptDeflate(offers(offer), deflateSettings(options, 'server'));
  assert.ok(accepted);
  const { own, peer } = accepted.params;
  return `${own.windowBits}${own.contextTakeover ? '+' : '-'} ${peer.windowBits}${peer.contextTakeover ? '+' : '-'}`;
}

function agreedByClient(response: string, options: DeflateOptions): string {
  const [first] = offers(response);
  const { own, peer } = checkDeflateResponse(first, deflateSettings(options, 'client'));
  return `${own.windowBits}${own.contextTakeover ? '+' : '-'} ${peer.windowBits}${peer.contextTakeover ? '+' : '-'}`;
}

describe('negotiation of permessage-deflate, server', () => {
  const rows: [title: string, offer: string, options: DeflateOptions, expected: string | undefined][] = [
    ['nothing offered', 'x-other', TAKEOVER, undefined],
    ['a plain offer', PMD, TAKEOVER, ''],
    ['other extensions beside it', `x-other; a=1, ${PMD}, x-more`, TAKEOVER, ''],
    ['an offer in other letters is another extension', 'Permessage-Deflate', TAKEOVER, undefined],
    // §7.1.1.1
    [
      'server_no_context_takeover is confirmed',
      `${PMD}; server_no_context_takeover`,
      TAKEOVER,
      'server_no_context_takeover',
    ],
    ['server_no_context_takeover with a value', `${PMD}; server_no_context_takeover=1`, TAKEOVER, undefined],
    [
      'server_no_context_takeover although takeover is wanted',
      `${PMD}; server_no_context_takeover`,
      { ...TAKEOVER, serverNoContextTakeover: false },
      undefined,
    ],
    [
      'server_no_context_takeover on our own account',
      PMD,
      { ...TAKEOVER, serverNoContextTakeover: true },
      'server_no_context_takeover',
    ],
    // §7.1.1.2
    [
      'client_no_context_takeover is confirmed',
      `${PMD}; client_no_context_takeover`,
      TAKEOVER,
      'client_no_context_takeover',
    ],
    ['client_no_context_takeover with a value', `${PMD}; client_no_context_takeover=8`, TAKEOVER, undefined],
    [
      'client_no_context_takeover on our own account',
      PMD,
      { ...TAKEOVER, clientNoContextTakeover: true },
      'client_no_context_takeover',
    ],
    // §7.1.2.1
    ['server_max_window_bits is confirmed', `${PMD}; server_max_window_bits=10`, TAKEOVER, 'server_max_window_bits=10'],
    ['server_max_window_bits of 15 too', `${PMD}; server_max_window_bits=15`, TAKEOVER, 'server_max_window_bits=15'],
    ['server_max_window_bits of 8 too', `${PMD}; server_max_window_bits=8`, TAKEOVER, 'server_max_window_bits=8'],
    [
      'server_max_window_bits is made smaller',
      `${PMD}; server_max_window_bits=12`,
      { ...TAKEOVER, serverMaxWindowBits: 9 },
      'server_max_window_bits=9',
    ],
    [
      'server_max_window_bits on our own account',
      PMD,
      { ...TAKEOVER, serverMaxWindowBits: 11 },
      'server_max_window_bits=11',
    ],
    ['server_max_window_bits in quotes', `${PMD}; server_max_window_bits="10"`, TAKEOVER, 'server_max_window_bits=10'],
    ...['', '=7', '=16', '=010', '=0', '=1e1', '=x', '="08"', '=+9', '=-9'].map(
      (value): [string, string, DeflateOptions, undefined] => [
        `server_max_window_bits${value}`,
        `${PMD}; server_max_window_bits${value}`,
        TAKEOVER,
        undefined,
      ],
    ),
    // §7.1.2.2
    ['client_max_window_bits without need', `${PMD}; client_max_window_bits`, TAKEOVER, ''],
    ['client_max_window_bits with a value', `${PMD}; client_max_window_bits=10`, TAKEOVER, 'client_max_window_bits=10'],
    [
      'client_max_window_bits, limited',
      `${PMD}; client_max_window_bits`,
      { ...TAKEOVER, clientMaxWindowBits: 9 },
      'client_max_window_bits=9',
    ],
    [
      'client_max_window_bits, limited further',
      `${PMD}; client_max_window_bits=12`,
      { ...TAKEOVER, clientMaxWindowBits: 9 },
      'client_max_window_bits=9',
    ],
    [
      'client_max_window_bits smaller than our limit',
      `${PMD}; client_max_window_bits=8`,
      { ...TAKEOVER, clientMaxWindowBits: 9 },
      'client_max_window_bits=8',
    ],
    ['no client_max_window_bits where we limit it', PMD, { ...TAKEOVER, clientMaxWindowBits: 9 }, undefined],
    ['no client_max_window_bits where 15 will do', PMD, { ...TAKEOVER, clientMaxWindowBits: 15 }, ''],
    ...['=7', '=16', '=09', '=nine'].map((value): [string, string, DeflateOptions, undefined] => [
      `client_max_window_bits${value}`,
      `${PMD}; client_max_window_bits${value}`,
      TAKEOVER,
      undefined,
    ]),
    // §7.1: unknown, repeated
    ['a parameter that is unknown', `${PMD}; window=10`, TAKEOVER, undefined],
    ['a parameter in other letters', `${PMD}; Server_No_Context_Takeover`, TAKEOVER, undefined],
    ['a parameter twice', `${PMD}; client_max_window_bits; client_max_window_bits`, TAKEOVER, undefined],
    [
      'a parameter twice, with other values',
      `${PMD}; server_max_window_bits=9; server_max_window_bits=10`,
      TAKEOVER,
      undefined,
    ],
    // §5.1: in the client's order
    [
      'the next offer where the first is void',
      `${PMD}; foo, ${PMD}; server_max_window_bits=9`,
      TAKEOVER,
      'server_max_window_bits=9',
    ],
    ['the first of two offers', `${PMD}; server_max_window_bits=9, ${PMD}`, TAKEOVER, 'server_max_window_bits=9'],
    [
      'the next offer where the first is declined',
      `${PMD}, ${PMD}; client_max_window_bits`,
      { ...TAKEOVER, clientMaxWindowBits: 10 },
      'client_max_window_bits=10',
    ],
    // Memory
    [
      'shared memory: nobody takes over',
      `${PMD}; client_max_window_bits`,
      {},
      'server_no_context_takeover; client_no_context_takeover',
    ],
    [
      'shared memory, and takeover by word',
      `${PMD}`,
      { clientNoContextTakeover: false, serverNoContextTakeover: false },
      '',
    ],
    ['16 KiB: 8 KiB for the client', `${PMD}; client_max_window_bits`, { memory: 16_384 }, 'client_max_window_bits=13'],
    ['16 KiB, and a client that cannot be told', PMD, { memory: 16_384 }, 'client_no_context_takeover'],
    ['1 KiB', `${PMD}; client_max_window_bits`, { memory: 1024 }, 'client_max_window_bits=9'],
    [
      'nothing is compressed, but read',
      `${PMD}; client_max_window_bits`,
      { memory: 'none' },
      'server_no_context_takeover; client_no_context_takeover',
    ],
  ];

  for (const [title, offer, options, expected] of rows) {
    it(`${expected === undefined ? 'declines' : 'answers'} ${title}`, () => {
      assert.equal(answer(offer, options), expected);
    });
  }

  it('knows what both sides will do', () => {
    assert.equal(agreedByServer(PMD, TAKEOVER), '15+ 15+');
    assert.equal(agreedByServer(PMD, {}), '15- 15-');
    assert.equal(agreedByServer(`${PMD}; server_max_window_bits=9; client_max_window_bits=10`, TAKEOVER), '9+ 10+');
    assert.equal(agreedByServer(`${PMD}; server_no_context_takeover`, TAKEOVER), '15- 15+');
    assert.equal(agreedByServer(`${PMD}; client_no_context_takeover`, TAKEOVER), '15+ 15-');
    assert.equal(agreedByServer(`${PMD}; client_max_window_bits`, { memory: 2000 }), '15+ 10+');
  });
});

describe('negotiation of permessage-deflate, client', () => {
  it('offers what its options say', () => {
    const rows: [DeflateOptions, string][] = [
      [{}, 'server_no_context_takeover; client_no_context_takeover; client_max_window_bits'],
      [TAKEOVER, 'client_max_window_bits'],
      [{ ...TAKEOVER, clientMaxWindowBits: 10 }, 'client_max_window_bits=10'],
      [{ ...TAKEOVER, serverMaxWindowBits: 9 }, 'server_max_window_bits=9; client_max_window_bits'],
      [{ ...TAKEOVER, serverMaxWindowBits: 15 }, 'server_max_window_bits=15; client_max_window_bits'],
      [{ ...TAKEOVER, serverNoContextTakeover: true }, 'server_no_context_takeover; client_max_window_bits'],
      [{ ...TAKEOVER, clientNoContextTakeover: true }, 'client_no_context_takeover; client_max_window_bits'],
      [
        { memory: 16_384 },
        `server_max_window_bits=13; client_max_window_bits, ${PMD}; server_no_context_takeover; client_max_window_bits`,
      ],
      [{ memory: 'none' }, 'server_no_context_takeover; client_no_context_takeover; client_max_window_bits'],
    ];
    for (const [options, expected] of rows) {
      assert.equal(offerDeflate(deflateSettings(options, 'client')), `${PMD}; ${expected}`);
    }
  });

  const good: [title: string, response: string, options: DeflateOptions, expected: string][] = [
    ['a plain answer', PMD, TAKEOVER, '15+ 15+'],
    [
      'server_no_context_takeover without having asked (§7.1.1.1)',
      `${PMD}; server_no_context_takeover`,
      TAKEOVER,
      '15+ 15-',
    ],
    ['client_no_context_takeover (§7.1.1.2)', `${PMD}; client_no_context_takeover`, TAKEOVER, '15- 15+'],
    ['server_max_window_bits without having asked (§7.1.2.1)', `${PMD}; server_max_window_bits=9`, TAKEOVER, '15+ 9+'],
    [
      'server_max_window_bits as asked',
      `${PMD}; server_max_window_bits=9`,
      { ...TAKEOVER, serverMaxWindowBits: 9 },
      '15+ 9+',
    ],
    [
      'server_max_window_bits below what was asked',
      `${PMD}; server_max_window_bits=8`,
      { ...TAKEOVER, serverMaxWindowBits: 9 },
      '15+ 8+',
    ],
    ['client_max_window_bits (§7.1.2.2)', `${PMD}; client_max_window_bits=8`, TAKEOVER, '8+ 15+'],
    [
      'client_max_window_bits as offered',
      `${PMD}; client_max_window_bits=10`,
      { ...TAKEOVER, clientMaxWindowBits: 10 },
      '10+ 15+',
    ],
    ['no client_max_window_bits: our own stays', PMD, { ...TAKEOVER, clientMaxWindowBits: 10 }, '10+ 15+'],
    ['the second offer', `${PMD}; server_no_context_takeover`, { memory: 16_384 }, '15+ 15-'],
    [
      'everything',
      `${PMD}; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=9`,
      TAKEOVER,
      '9- 9-',
    ],
  ];
  for (const [title, response, options, expected] of good) {
    it(`takes ${title}`, () => assert.equal(agreedByClient(response, options), expected));
  }

  const bad: [title: string, response: string, options: DeflateOptions][] = [
    ['a parameter that is unknown', `${PMD}; foo`, TAKEOVER],
    ['a parameter twice', `${PMD}; client_no_context_takeover; client_no_context_takeover`, TAKEOVER],
    ['server_no_context_takeover with a value', `${PMD}; server_no_context_takeover=1`, TAKEOVER],
    ['client_no_context_takeover with a value', `${PMD}; client_no_context_takeover=1`, TAKEOVER],
    ['client_max_window_bits without a value (§7.1.2.2)', `${PMD}; client_max_window_bits`, TAKEOVER],
    [
      'client_max_window_bits above what was offered',
      `${PMD}; client_max_window_bits=11`,
      { ...TAKEOVER, clientMaxWindowBits: 10 },
    ],
    ['server_max_window_bits without a value', `${PMD}; server_max_window_bits`, TAKEOVER],
    ['server_max_window_bits=7', `${PMD}; server_max_window_bits=7`, TAKEOVER],
    ['server_max_window_bits=16', `${PMD}; server_max_window_bits=16`, TAKEOVER],
    ['server_max_window_bits=09', `${PMD}; server_max_window_bits=09`, TAKEOVER],
    [
      'server_max_window_bits above what was offered',
      `${PMD}; server_max_window_bits=10`,
      { ...TAKEOVER, serverMaxWindowBits: 9 },
    ],
    ['no server_max_window_bits although it was offered (§7.1.2.1)', PMD, { ...TAKEOVER, serverMaxWindowBits: 9 }],
    [
      'no server_no_context_takeover although it was offered (§7.1.1.1)',
      PMD,
      { ...TAKEOVER, serverNoContextTakeover: true },
    ],
    ['neither of two offers', PMD, { memory: 16_384 }],
    [
      'client_no_context_takeover that is refused',
      `${PMD}; client_no_context_takeover`,
      { ...TAKEOVER, clientNoContextTakeover: false },
    ],
  ];
  for (const [title, response, options] of bad) {
    it(`fails on ${title}`, () => {
      assert.throws(() => agreedByClient(response, options), { name: 'ProtocolError', code: 'ERR_HANDSHAKE' });
    });
  }

  it('agrees with every server of ours to the same, and to windows that fit', () => {
    const settings: DeflateOptions[] = [{}, TAKEOVER, { memory: 'none' }, { memory: 2000 }, { memory: 16_384 }];
    settings.push({ serverMaxWindowBits: 9, clientMaxWindowBits: 8 }, { ...TAKEOVER, serverMaxWindowBits: 10 });
    settings.push({ ...TAKEOVER, clientNoContextTakeover: true }, { ...TAKEOVER, serverNoContextTakeover: true });
    for (const client of settings) {
      for (const server of settings) {
        const clientSettings = deflateSettings(client, 'client');
        const accepted = acceptDeflate(offers(offerDeflate(clientSettings)), deflateSettings(server, 'server'));
        assert.ok(accepted);
        const agreed = checkDeflateResponse(offers(accepted.response)[0], clientSettings);
        // A side may do with less than it says, never with more.
        assert.ok(agreed.own.windowBits <= accepted.params.peer.windowBits);
        assert.ok(accepted.params.own.windowBits <= agreed.peer.windowBits);
        assert.ok(!agreed.own.contextTakeover || accepted.params.peer.contextTakeover);
        assert.ok(!accepted.params.own.contextTakeover || agreed.peer.contextTakeover);
      }
    }
  });
});

describe('deflate options', () => {
  it('divide the memory of a connection', () => {
    const shared = (memory: number) => {
      const { ownHistory, peerBits } = deflateSettings({ memory }, 'server');
      return [ownHistory, peerBits];
    };
    assert.deepEqual(shared(1024), [256, 9]);
    assert.deepEqual(shared(16_384), [4096, 13]);
    assert.deepEqual(shared(36_863), [4096, 14]);
    assert.deepEqual(shared(36_864), [4096, 15]);
    assert.deepEqual(shared(1_000_000), [4096, 15]);
    assert.equal(deflateSettings({ memory: 65_536, history: 16_384 }, 'server').ownHistory, 16_384);
    assert.equal(deflateSettings({ memory: 65_536, history: 5000 }, 'server').ownHistory, 4096);
    assert.equal(deflateSettings({ memory: 65_536, serverMaxWindowBits: 8 }, 'server').ownHistory, 256);
    assert.equal(deflateSettings({ memory: 'none' }, 'server').threshold, Number.POSITIVE_INFINITY);
  });

  it('are refused when they are wrong', () => {
    const wrong: [unknown, string][] = [
      [5, 'ERR_INVALID_ARG_TYPE'],
      [{ level: 10 }, 'ERR_OUT_OF_RANGE'],
      [{ level: -1 }, 'ERR_OUT_OF_RANGE'],
      [{ level: '6' }, 'ERR_INVALID_ARG_TYPE'],
      [{ memLevel: 0 }, 'ERR_OUT_OF_RANGE'],
      [{ threshold: -1 }, 'ERR_OUT_OF_RANGE'],
      [{ threshold: 1.5 }, 'ERR_OUT_OF_RANGE'],
      [{ history: 32_769 }, 'ERR_OUT_OF_RANGE'],
      [{ memory: 1023 }, 'ERR_OUT_OF_RANGE'],
      [{ memory: 'much' }, 'ERR_INVALID_ARG_TYPE'],
      [{ serverMaxWindowBits: 7 }, 'ERR_OUT_OF_RANGE'],
      [{ clientMaxWindowBits: 16 }, 'ERR_OUT_OF_RANGE'],
      [{ serverNoContextTakeover: 1 }, 'ERR_INVALID_ARG_TYPE'],
      [{ clientNoContextTakeover: 'no' }, 'ERR_INVALID_ARG_TYPE'],
    ];
    for (const [options, code] of wrong) {
      assert.throws(() => deflateSettings(options as DeflateOptions, 'server'), { code }, JSON.stringify(options));
    }
  });
});
