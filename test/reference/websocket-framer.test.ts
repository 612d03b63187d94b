/**
 * The WebSocket framer over every implementation: wire cases for each rule of RFC 6455 §5, run in every way that bytes
 * can arrive, every length and alignment, and frames in their compact form read by the other side.
 */
import assert from 'node:assert/strict';
import * as t from '#lib/frame-table';
import type { NativeInterface, WebSocketFraming } from '#lib/native-interface';
import { describeEach } from '../support/implementations.js';
import { seeded } from '../support/random.js';
import { ALIGNMENTS } from '../support/sizes.js';
import { deliverFrames, type FrameDelivery, type FrameOutcome } from '../support/websocket-stream.js';
import { type FrameParts, frameOf, randomFrames } from '../support/websocket-wire.js';

const KEY = Buffer.of(0x37, 0xfa, 0x21, 0x3d);
const ROLES = ['server', 'client'] as const;

function framing(changes: Partial<WebSocketFraming> = {}): WebSocketFraming {
  return { role: 'server', maxLength: 2 ** 30, compression: false, utf8: true, ...changes };
}

/** A frame: its first byte and payload, where characters are bytes. Masked with KEY where a server receives. */
type Parts = readonly [first: number, payload?: string, changes?: Partial<FrameParts>];

interface FrameCase {
  readonly name: string;
  readonly framing?: Partial<WebSocketFraming>;
  /** Good ones. */
  readonly frames?: readonly Parts[];
  /** Bytes behind them that are at fault. */
  readonly bad?: Parts | ((role: WebSocketFraming['role']) => string);
  /** The fault, its detail, and how many of the bad bytes are there when it is found. */
  readonly fault?: readonly [name: string, detail: number, after: number];
  /** H_OVERFLOW behind it all. */
  readonly state?: number;
  /** Only for one role. */
  readonly role?: WebSocketFraming['role'];
}

const latin1 = (text: string) => Buffer.from(text, 'latin1');
/** Characters as UTF-8, in a string of bytes. */
const utf8 = (text: string) => Buffer.from(text).toString('latin1');
const x = (count: number) => 'x'.repeat(count);
/** Bytes of the header in front of a payload of less than 126 bytes. */
const headOf = (role: WebSocketFraming['role']) => (role === 'server' ? 6 : 2);

function wireOf(role: WebSocketFraming['role'], [first, payload = '', changes = {}]: Parts): Buffer {
  return frameOf({ first, payload: latin1(payload), key: role === 'server' ? KEY : undefined, ...changes });
}

const TEXT = 1 << 0;
const BINARY = 2;
const COMPRESSED = 4;

const GOOD: readonly FrameCase[] = [
  { name: 'nothing' },
  { name: 'text', frames: [[0x81, 'Hello']] },
  { name: 'bytes', frames: [[0x82, '\0\xff\x80']] },
  { name: 'empty messages', frames: [[0x81], [0x82], [0x81]] },
  { name: 'characters of every size', frames: [[0x81, utf8('a\u00e9\u4e2d\u{1f600}')]] },
  { name: 'the least and the greatest characters', frames: [[0x81, utf8('\0\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff')]] },
  { name: 'planes', frames: [[0x81, utf8('\u{10000}\u{3ffff}\u{40000}\u{10ffff}')]] },
  { name: 'control frames', frames: [[0x89], [0x8a, 'pong'], [0x89, x(125)], [0x88]] },
  { name: 'a ping that is no text', frames: [[0x89, '\xff\xfe']] },
  {
    name: 'fragments',
    frames: [
      [0x01, 'Hel'],
      [0x80, 'lo'],
    ],
  },
  { name: 'many fragments, some empty', frames: [[0x02, ''], [0x00, '\xff'], [0x00], [0x80], [0x82, 'next']] },
  { name: 'control frames between fragments', frames: [[0x01, 'a'], [0x89, 'p'], [0x00, 'b'], [0x8a], [0x80, 'c']] },
  {
    name: 'a character over fragments',
    frames: [
      [0x01, 'a\xf0'],
      [0x00, '\x9f'],
      [0x89, '\x80'],
      [0x00, '\x98'],
      [0x80, '\x80b'],
    ],
  },
  { name: 'an open text', frames: [[0x01, 'a']], state: TEXT },
  { name: 'an open text inside a character', frames: [[0x01, 'a\xe4']], state: TEXT | (2 << t.WS_UTF8_SHIFT) },
  { name: 'an open binary message', frames: [[0x02, '\xe4'], [0x00]], state: BINARY },
  {
    name: 'what follows a close frame is another call',
    frames: [
      [0x88, '\x03\xe8bye'],
      [0x81, 'late'],
    ],
  },
  {
    name: 'every kind of close code',
    frames: [0x3e8, 0x3eb, 0x3ef, 0x3f6, 0xbb8, 0x1387].map(
      (code) => [0x88, String.fromCharCode(code >> 8, code & 255)] as const,
    ),
  },
  { name: 'a reason of 123 bytes', frames: [[0x88, `\x03\xe9${utf8('\u00e9'.repeat(61))}x`]] },
  {
    name: 'frames of exactly maxLength',
    framing: { maxLength: 3 },
    frames: [
      [0x81, 'abc'],
      [0x01, 'abc'],
      [0x80, 'def'],
    ],
  },
  {
    name: 'control frames over maxLength',
    framing: { maxLength: 0 },
    frames: [
      [0x89, 'ping'],
      [0x88, '\x03\xe8bye'],
    ],
  },
  {
    name: 'compressed messages',
    framing: { compression: true },
    frames: [[0xc1, '\xff\xfe'], [0x41, '\xff'], [0x80, '\xe4'], [0xc2], [0x81, 'plain']],
  },
  {
    name: 'an open compressed text',
    framing: { compression: true },
    frames: [
      [0x41, '\xff'],
      [0x00, '\xff'],
    ],
    state: TEXT | COMPRESSED,
  },
  {
    name: 'text unchecked',
    framing: { utf8: false },
    frames: [
      [0x81, '\xff'],
      [0x01, '\xff'],
      [0x80, '\xe4'],
      [0x88, '\x03\xe8\xff'],
    ],
  },
];

const BAD: readonly FrameCase[] = [
  { name: 'RSV1 without compression', bad: () => '\xc1', fault: ['WS_RESERVED_BITS', 0xc1, 1] },
  { name: 'RSV2', framing: { compression: true }, bad: () => '\xa1', fault: ['WS_RESERVED_BITS', 0xa1, 1] },
  { name: 'RSV3', framing: { compression: true }, bad: () => '\x92', fault: ['WS_RESERVED_BITS', 0x92, 1] },
  { name: 'RSV1 of a ping', framing: { compression: true }, bad: () => '\xc9', fault: ['WS_RESERVED_BITS', 0xc9, 1] },
  {
    name: 'RSV1 of a continuation',
    framing: { compression: true },
    frames: [[0x41, 'a']],
    bad: () => '\xc0',
    fault: ['WS_RESERVED_BITS', 0xc0, 1],
    state: TEXT | COMPRESSED,
  },
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(
    (opcode): FrameCase => ({
      name: `opcode ${opcode}`,
      bad: () => String.fromCharCode(0x80 | opcode),
      fault: ['WS_RESERVED_OPCODE', opcode, 1],
    }),
  ),
  { name: 'a ping without FIN', bad: () => '\x09', fault: ['WS_CONTROL_FRAGMENTED', 9, 1] },
  {
    name: 'a close frame without FIN',
    frames: [[0x01, 'a']],
    bad: () => '\x08',
    fault: ['WS_CONTROL_FRAGMENTED', 8, 1],
    state: TEXT,
  },
  {
    name: 'a continuation of nothing',
    frames: [[0x81, 'a']],
    bad: () => '\x80',
    fault: ['WS_CONTINUATION_UNEXPECTED', 0, 1],
  },
  {
    name: 'a continuation of what has ended',
    frames: [[0x01, 'a'], [0x80]],
    bad: () => '\x00',
    fault: ['WS_CONTINUATION_UNEXPECTED', 0, 1],
  },
  {
    name: 'text inside a message',
    frames: [[0x02, 'a']],
    bad: () => '\x81',
    fault: ['WS_CONTINUATION_EXPECTED', 1, 1],
    state: BINARY,
  },
  {
    name: 'bytes inside a message',
    frames: [[0x01, 'a'], [0x89]],
    bad: () => '\x02',
    fault: ['WS_CONTINUATION_EXPECTED', 2, 1],
    state: TEXT,
  },
  { name: 'no mask', role: 'server', bad: () => '\x81\x01', fault: ['WS_MASK_MISSING', 0, 2] },
  { name: 'a mask', role: 'client', bad: () => '\x81\x81', fault: ['WS_MASK_UNEXPECTED', 0, 2] },
  { name: 'a ping of 126 bytes', role: 'server', bad: () => '\x89\xfe', fault: ['WS_CONTROL_TOO_LONG', 126, 2] },
  { name: 'a pong of many bytes', role: 'client', bad: () => '\x8a\x7f', fault: ['WS_CONTROL_TOO_LONG', 127, 2] },
  { name: 'a close frame of one byte', role: 'server', bad: () => '\x88\x81', fault: ['WS_CLOSE_LENGTH', 1, 2] },
  {
    name: 'a length of 125 in two bytes',
    bad: [0x82, x(125), { lengthBytes: 2 }],
    fault: ['WS_LENGTH_NOT_MINIMAL', 125, 4],
  },
  {
    name: 'a length of 0 in eight bytes',
    bad: [0x82, '', { lengthBytes: 8 }],
    fault: ['WS_LENGTH_NOT_MINIMAL', 0, 10],
  },
  {
    name: 'a length of 65535 in eight bytes',
    role: 'client',
    bad: () => '\x82\x7f\0\0\0\0\0\0\xff\xff',
    fault: ['WS_LENGTH_NOT_MINIMAL', 65535, 10],
  },
  { name: 'a length of 2^63', role: 'server', bad: () => '\x82\xff\x80', fault: ['LENGTH_OVERFLOW', 0, 3] },
  { name: 'a length of 2^53', role: 'client', bad: () => '\x82\x7f\0\x20\0', fault: ['LENGTH_OVERFLOW', 0, 4] },
  {
    name: 'a length of 2^53 - 1',
    role: 'client',
    bad: () => '\x82\x7f\0\x1f\xff\xff\xff\xff\xff\xff',
    fault: ['RECORD_TOO_LARGE', 2 ** 53 - 1, 10],
  },
  {
    name: 'a payload over maxLength',
    framing: { maxLength: 3 },
    frames: [[0x81, 'abc']],
    bad: [0x81, 'abcd'],
    fault: ['RECORD_TOO_LARGE', 4, 2],
  },
  {
    name: 'a payload over a large maxLength',
    framing: { maxLength: 200 },
    bad: [0x82, x(201)],
    fault: ['RECORD_TOO_LARGE', 201, 4],
  },
  {
    name: 'a fragment over maxLength',
    framing: { maxLength: 3 },
    frames: [[0x01, 'abc']],
    bad: [0x80, 'abcd'],
    fault: ['RECORD_TOO_LARGE', 4, 2],
    state: TEXT,
  },
];

/** Text at fault, each with how many bytes of it are there when that is known. */
const BAD_TEXT: readonly [name: string, text: string, index: number, known: number][] = [
  ['a continuation on its own', 'ab\x80cd', 2, 3],
  ['an overlong slash', '\xc0\xaf', 0, 1],
  ['an overlong NUL of three', 'a\xe0\x80\x80', 2, 3],
  ['an overlong character of four', '\xf0\x8f\xbf\xbf', 1, 2],
  ['a surrogate', 'a\xed\xa0\x80', 2, 3],
  ['U+110000', '\xf4\x90\x80\x80', 1, 2],
  ['F5', 'abc\xf5', 3, 4],
  ['FF', '\xff', 0, 1],
  ['ASCII inside a character', '\xe4\xb8a', 2, 3],
  ['a character inside another', '\xe4\xc3\xa9', 1, 2],
  ['two bytes of three', 'a\xe4\xb8', 3, 3],
  ['one byte of two', `${x(70)}\xc3`, 71, 71],
  ['three bytes of four', '\xf0\x9f\x98', 3, 3],
  ['a fault behind much', `${x(300)}\xc3x${x(10)}`, 301, 302],
];

function runCase(native: NativeInterface, wire: FrameCase, role: WebSocketFraming['role']): void {
  const settings = framing({ ...wire.framing, role });
  const framer = native.createWebSocketFramer(settings);
  const good = (wire.frames ?? []).map((parts) => wireOf(role, parts));
  const bad = typeof wire.bad === 'function' ? latin1(wire.bad(role)) : wire.bad ? wireOf(role, wire.bad) : latin1('');
  const input = Buffer.concat([...good, bad]);
  const ends: number[] = [];
  for (const frame of good) ends.push((ends.at(-1) ?? 0) + frame.length);
  const begin = ends.at(-1) ?? 0;
  const frames = (wire.frames ?? []).map(
    ([first, payload = '']) => `${first.toString(16)} ${latin1(payload).toString('hex')}`,
  );
  const known = wire.fault === undefined ? Number.POSITIVE_INFINITY : begin + wire.fault[2];

  /** What is right for the first `length` bytes. */
  const expect = (length: number, final: FrameDelivery['final'], outcome: FrameOutcome) => {
    const whole = ends.filter((end) => end <= length).length;
    const at = whole === 0 ? 0 : ends[whole - 1];
    let fault: FrameOutcome['fault'];
    if (length >= known) fault = { name: wire.fault![0], detail: wire.fault![1], at };
    else if (final === 'with-last' && length > at) fault = { name: 'UNEXPECTED_EOF', detail: length - at, at };
    const shown = JSON.stringify({ length, final });
    assert.deepEqual(outcome.frames, frames.slice(0, whole), shown);
    assert.deepEqual(outcome.fault, fault, shown);
    assert.equal(outcome.consumed, at, shown);
    // With a fault it also depends on what was done of the faulty frame before.
    if (length === input.length && fault?.name !== 'WS_INVALID_UTF8')
      assert.equal(outcome.state, wire.state ?? 0, shown);
    return outcome;
  };
  const check = (length: number, delivery: FrameDelivery) =>
    expect(length, delivery.final, deliverFrames(framer, role, input.subarray(0, length), delivery));

  const everyByte = Array.from({ length: input.length + 1 }, (_, index) => index);
  for (const final of ['never', 'with-last'] as const) {
    for (const rowCount of [1, 2, 64]) {
      check(input.length, { cuts: [input.length], final, rowCount });
      check(input.length, { cuts: everyByte, final, rowCount, heedNeed: true });
      const { foundAfter } = check(input.length, { cuts: everyByte, final, rowCount });
      if (wire.fault !== undefined) assert.equal(foundAfter, known, 'the fault is found at the byte that decides');
    }
    for (let cut = 0; cut <= input.length; cut++) {
      check(input.length, { cuts: [cut, input.length], final });
      check(cut, { cuts: [cut], final });
    }
  }
}

describeEach('WebSocket framer', (native) => {
  for (const wire of [...GOOD, ...BAD]) {
    for (const role of wire.role === undefined ? ROLES : [wire.role]) {
      it(`${wire.name}, for a ${role}`, () => runCase(native, wire, role));
    }
  }

  for (const [name, text, index, known] of BAD_TEXT) {
    const fault = (role: WebSocketFraming['role'], extra = 0) =>
      ['WS_INVALID_UTF8', index + extra, (text.length + extra > 125 ? 2 : 0) + headOf(role) + known + extra] as const;
    for (const role of ROLES) {
      it(`refuses text with ${name}, for a ${role}`, () => {
        const frames: Parts[] = [
          [0x81, utf8('text \u00e9')],
          [0x82, '\xff'],
        ];
        runCase(native, { name, frames, bad: [0x81, text], fault: fault(role) }, role);
        const state = TEXT;
        runCase(
          native,
          { name, frames: [...frames, [0x01, 'a'], [0x89]], bad: [0x80, text], fault: fault(role), state },
          role,
        );
        const compression = { compression: true };
        runCase(
          native,
          { name, frames: [[0xc1, '\xff']], framing: compression, bad: [0x81, text], fault: fault(role) },
          role,
        );
        if (text.length < 120)
          runCase(native, { name, frames, bad: [0x88, `\x03\xe8${text}`], fault: fault(role, 2) }, role);
      });
    }
  }

  for (const role of ROLES) {
    it(`refuses a text message that ends inside a character of an earlier fragment, for a ${role}`, () => {
      const state = TEXT | (2 << t.WS_UTF8_SHIFT);
      const frames: Parts[] = [[0x01, 'a\xe4']];
      runCase(native, { name: '', frames, bad: [0x80], fault: ['WS_INVALID_UTF8', 0, headOf(role)], state }, role);
      runCase(
        native,
        { name: '', frames, bad: [0x80, '\xb8'], fault: ['WS_INVALID_UTF8', 1, headOf(role) + 1], state },
        role,
      );
      runCase(
        native,
        { name: '', frames, bad: [0x00, 'b'], fault: ['WS_INVALID_UTF8', 0, headOf(role) + 1], state },
        role,
      );
    });

    it(`takes just the close codes that may be sent, for a ${role}`, () => {
      for (let code = 0; code < 65536; code += code < 5100 ? 1 : 977) {
        const framer = native.createWebSocketFramer(framing({ role }));
        const input = wireOf(role, [0x88, String.fromCharCode(code >> 8, code & 255)]);
        const { fault } = deliverFrames(framer, role, input, { cuts: [input.length] });
        const right = (code >= 1000 && code < 1004) || (code > 1006 && code < 1015) || (code >= 3000 && code < 5000);
        assert.deepEqual(fault, right ? undefined : { name: 'WS_CLOSE_CODE', detail: code, at: 0 });
      }
    });
  }
});

const LENGTHS = [0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 125, 126, 127, 255, 256, 65535, 65536, 65537];

describeEach('WebSocket framer, sizes', (native) => {
  for (const role of ROLES) {
    it(`takes every length at every alignment, for a ${role}`, () => {
      const framer = native.createWebSocketFramer(framing({ role }));
      for (const length of LENGTHS) {
        for (const alignment of length > 300 ? [0, 1, 31, 63] : ALIGNMENTS) {
          const bytes = latin1(
            Array.from({ length }, (_, i) => String.fromCharCode((i * 7 + alignment) & 0xff)).join(''),
          );
          const text = Buffer.alloc(length, 'abcdefg');
          const wide = Buffer.alloc(length, 'x').fill(utf8('\u00e9'), Math.max(0, length - 2), length, 'latin1');
          if (length < 2) wide.fill('x');
          const key = role === 'server' ? KEY : undefined;
          const frames = [frameOf({ first: 0x82, payload: bytes, key }), frameOf({ first: 0x81, payload: text, key })];
          frames.push(frameOf({ first: 0x81, payload: wide, key }), frameOf({ first: 0x81, payload: text, key }));
          const input = Buffer.concat(frames);
          const {
            frames: got,
            ascii,
            consumed,
          } = deliverFrames(framer, role, input, { cuts: [input.length], alignment });
          assert.equal(consumed, input.length);
          assert.deepEqual(got, [
            `82 ${bytes.toString('hex')}`,
            ...[text, wide, text].map((each) => `81 ${each.toString('hex')}`),
          ]);
          assert.deepEqual(ascii, [false, true, length < 2, true]);
        }
      }
    });

    it(`takes 1 MiB however it is cut, for a ${role}`, () => {
      const framer = native.createWebSocketFramer(framing({ role }));
      const payload = Buffer.alloc(1 << 20, 'text \u4e2d');
      payload.fill('x', payload.length - 3);
      const key = role === 'server' ? KEY : undefined;
      for (const first of [0x81, 0x82]) {
        const input = Buffer.concat([
          frameOf({ first, payload, key }),
          frameOf({ first: 0x81, payload: latin1('end'), key }),
        ]);
        for (const cuts of [[input.length], [5, 14, 15, 70_001, 600_000, 1 << 20, input.length]]) {
          const { frames } = deliverFrames(framer, role, input, { cuts, alignment: 5 });
          assert.equal(frames.length, 2);
          assert.ok(frames[0] === `${first.toString(16)} ${payload.toString('hex')}`);
          assert.equal(frames[1], `81 ${latin1('end').toString('hex')}`);
        }
      }
    });
  }
});

describeEach('WebSocket framer, the header', (native) => {
  /** The table after one call with all of `input`. */
  const tableOf = (settings: Partial<WebSocketFraming>, input: Uint8Array, table = t.createFrameTable(4)) => {
    native.createWebSocketFramer(framing(settings)).frame(input, 0, input.length, table, 4);
    return table;
  };
  const need = (settings: Partial<WebSocketFraming>, input: Uint8Array) => tableOf(settings, input)[t.H_NEED];

  it('asks for the header as far as it is known, then for the whole frame', () => {
    const client = { role: 'client' } as const;
    assert.equal(need({}, latin1('')), 2);
    assert.equal(need({}, latin1('\x81')), 2);
    assert.equal(need({}, latin1('\x81\x83')), 9);
    assert.equal(need(client, latin1('\x81\x03')), 5);
    assert.equal(need({}, latin1('\x81\xfe')), 4);
    assert.equal(need(client, latin1('\x81\x7f\0\0')), 10);
    assert.equal(need({}, latin1('\x81\xfe\x01\0')), 264);
    assert.equal(need(client, latin1('\x82\x7f\0\0\0\0\x20\0\0\0')), 10 + 2 ** 29);
  });

  it('counts what is done of text and of more than 64 KiB, and nothing else', () => {
    const searched = (settings: Partial<WebSocketFraming>, parts: Parts, present: number) => {
      const input = wireOf(settings.role ?? 'server', parts);
      return tableOf(settings, input.subarray(0, input.length - (latin1(parts[1]!).length - present)))[t.H_SEARCHED];
    };
    for (const role of ROLES) {
      assert.equal(searched({ role }, [0x81, x(100)], 60), 60);
      assert.equal(searched({ role }, [0x81, x(100)], 0), 0);
      assert.equal(searched({ role }, [0x82, x(100)], 60), 0);
      assert.equal(searched({ role }, [0x82, x(65536)], 60000), 0);
      assert.equal(searched({ role }, [0x82, x(65537)], 60000), 60000);
      assert.equal(searched({ role, utf8: false }, [0x81, x(100)], 60), 0);
      assert.equal(searched({ role, utf8: false }, [0x81, x(65537)], 60), 60);
      assert.equal(searched({ role, compression: true }, [0xc1, x(100)], 60), 0);
      assert.equal(searched({ role }, [0x89, x(100)], 60), 0);
    }
  });

  it('unmasks what is done in its place, and leaves the header as it was', () => {
    const input = wireOf('server', [0x81, utf8('Hello \u00e9 world')]);
    const header = Buffer.from(input.subarray(0, 6));
    const table = tableOf({}, input.subarray(0, 13));
    assert.equal(table[t.H_SEARCHED], 7);
    assert.equal(table[t.H_OVERFLOW], (1 << t.WS_UTF8_SHIFT) | t.WS_NOT_ASCII);
    assert.ok(input.subarray(0, 6).equals(header));
    assert.equal(input.toString('latin1', 6, 13), utf8('Hello \u00e9').slice(0, 7));
    const rows = native.createWebSocketFramer(framing()).frame(input, 0, input.length, table, 4);
    assert.equal(rows, 1);
    assert.deepEqual([...table.subarray(16, 20)], [6, 14, 20, 0x8100]);
    assert.equal(input.toString('latin1', 4), `\x81\x0e${utf8('Hello \u00e9 world')}`);
  });

  it('is FULL at the row limit and behind a close frame, whatever follows', () => {
    const input = Buffer.concat([wireOf('server', [0x81, 'a']), wireOf('server', [0x81, 'b']), latin1('\xff')]);
    const table = t.createFrameTable(2).fill(0);
    assert.equal(native.createWebSocketFramer(framing()).frame(input, 0, input.length, table, 9), 2);
    assert.deepEqual([...table.subarray(0, 12)], [2, 14, 0, 0, t.FRAME_FULL, 0, 0, 0, 0, 0, 0, 0]);
    const closing = Buffer.concat([wireOf('server', [0x88]), latin1('\xff\xff')]);
    assert.deepEqual([...tableOf({}, closing).subarray(0, 5)], [1, 6, 0, 0, t.FRAME_FULL]);
    const none = new Int32Array(16);
    assert.equal(native.createWebSocketFramer(framing()).frame(closing, 0, 3, none, 9), 0);
    assert.equal(none[t.H_STATUS], t.FRAME_FULL);
  });

  const refused: [string, Record<string, unknown>][] = [
    ['an unknown role', { role: 'proxy' }],
    ['a negative limit', { maxLength: -1 }],
    ['a limit over 2^30', { maxLength: 2 ** 30 + 1 }],
    ['compression that is no boolean', { compression: 1 }],
    ['utf8 that is no boolean', { utf8: undefined }],
  ];
  for (const [name, changes] of refused) {
    it(`refuses ${name}`, () => {
      const settings = framing(changes as Partial<WebSocketFraming>);
      assert.throws(() => native.createWebSocketFramer(settings), { code: /^ERR_(INVALID_ARG|OUT_OF_RANGE)/ });
    });
  }
});

describeEach('WebSocket framer, at random', (native) => {
  seeded(
    'gives the same frames however they are cut, which a client reads the same in their compact form',
    (random) => {
      for (let round = 0; round < 500; round++) {
        const role = random.pick(ROLES);
        const compression = random.oneIn(2);
        const input = Buffer.concat(randomFrames(random, role === 'server', compression));
        const framer = native.createWebSocketFramer(framing({ role, compression }));
        const { frames, ascii, consumed } = deliverFrames(framer, role, input, { cuts: [input.length] });
        assert.equal(consumed, input.length);
        for (let cutting = 0; cutting < 3; cutting++) {
          const cuts = random.cuts(input.length, 6);
          const delivery = {
            cuts,
            rowCount: random.between(1, 8),
            heedNeed: random.oneIn(2),
            alignment: random.below(64),
          };
          const again = deliverFrames(framer, role, input, delivery);
          assert.deepEqual([again.frames, again.ascii], [frames, ascii], JSON.stringify({ round, role, delivery }));
        }
        const compact = Buffer.concat(
          frames.map((frame) =>
            frameOf({ first: Number.parseInt(frame, 16), payload: Buffer.from(frame.split(' ')[1], 'hex') }),
          ),
        );
        const client = native.createWebSocketFramer(framing({ role: 'client', compression }));
        const reread = deliverFrames(client, 'client', compact, { cuts: [compact.length] });
        assert.deepEqual([reread.frames, reread.ascii], [frames, ascii], `round ${round}`);
      }
    },
  );
});
