/** `WebSocket` of `miniproto/ws`: its interface is that of `ws`, so what is expected here is what `ws` does. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import * as face from 'miniproto/ws';
import { WebSocket } from 'miniproto/ws';
import * as ws from 'ws';
import { frameOf } from '../support/websocket-wire.js';
import { closeOf, listening, pair, raw, stopAll, theirListening } from '../support/ws-pairs.js';

const KEY = Buffer.from([1, 2, 3, 4]);
const masked = (first: number, payload: string | Uint8Array) =>
  frameOf({ first, payload: Buffer.from(payload), key: KEY });

describe('miniproto/ws', () => {
  afterEach(stopAll);

  describe('the module', () => {
    it('is imported and required as ws is', () => {
      const required = createRequire(import.meta.url)('miniproto/ws');
      assert.equal(required.WebSocket, WebSocket);
      assert.equal(required, WebSocket);
      assert.equal(face.default, WebSocket);
      assert.equal(required.Server, face.WebSocketServer);
      assert.equal(required.createWebSocketStream, face.createWebSocketStream);
    });

    it('has the ready states on the class and on its objects', async () => {
      const { there } = await pair();
      for (const [value, name] of (['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'] as const).entries()) {
        assert.equal(WebSocket[name], value);
        assert.equal(there[name], value);
        assert.throws(() => Object.assign(WebSocket, { [name]: 9 }), TypeError);
      }
    });

    it('shows its attributes to `for in`, as those of browsers are', () => {
      const names = new Set<string>();
      for (const name in new WebSocket(null)) names.add(name);
      for (const name of ['readyState', 'bufferedAmount', 'binaryType', 'url', 'protocol', 'extensions', 'onmessage']) {
        assert.ok(names.has(name), name);
      }
    });

    it('parses and formats header values', () => {
      const parsed = face.extension.parse('a; x=1; y, b, a; x="2"');
      assert.deepEqual(JSON.parse(JSON.stringify(parsed)), { a: [{ x: ['1'], y: [true] }, { x: ['2'] }], b: [{}] });
      assert.equal(face.extension.format({ a: [{ x: 1, y: true }], b: {} }), 'a; x=1; y, b');
      assert.equal(face.extension.parse('a; x="\\1\\2"').a![0]!.x![0], '12');
      assert.deepEqual([...face.subprotocol.parse('a, b')], ['a', 'b']);
    });

    it('tells where a header value is wrong', () => {
      const END = 'Unexpected end of input';
      const extensions = {
        'a;;': 2,
        ' a': 0,
        'a b': 2,
        'a; x =1': 5,
        'a; x= 1': 5,
        'a;x=""': 5,
        'a;x="1,': 6,
        'a;x="\\,"': 6,
      };
      for (const [header, index] of Object.entries(extensions)) {
        assert.throws(() => face.extension.parse(header), new SyntaxError(`Unexpected character at index ${index}`));
      }
      for (const header of ['', 'a ', 'a,', 'a;', 'a; x=', 'a; x="1']) {
        assert.throws(() => face.extension.parse(header), new SyntaxError(END));
      }
      const subprotocols = {
        '': END,
        'a, ': END,
        'a b': 'Unexpected character at index 2',
        'a,a': 'The "a" subprotocol is duplicated',
      };
      for (const [header, message] of Object.entries(subprotocols)) {
        assert.throws(() => face.subprotocol.parse(header), new SyntaxError(message));
      }
    });
  });

  describe('messages', () => {
    it('come as ws gives them: bytes, and whether they are binary', async () => {
      const { here, there } = await pair();
      const received: [unknown, boolean][] = [];
      here.on('message', (data, isBinary) => received.push([data, isBinary]));
      const view = new DataView(new ArrayBuffer(2));
      const sent = ['text', Buffer.from('bytes'), 7, new Uint8Array([1]).buffer, view, [3, 4], '', Buffer.alloc(0)];
      for (const data of sent) there.send(data);
      there.send('as binary', { binary: true });
      there.send(Buffer.from('as text'), { binary: false });
      there.close();
      await once(here, 'close');
      assert.deepEqual(
        received.map(([data, isBinary]) => [String(data), isBinary, Buffer.isBuffer(data)]),
        [
          ['text', false, true],
          ['bytes', true, true],
          ['7', false, true],
          ['\x01', true, true],
          ['\0\0', true, true],
          ['\x03\x04', true, true],
          ['', false, true],
          ['', true, true],
          ['as binary', true, true],
          ['as text', false, true],
        ],
      );
    });

    it('come in the form of binaryType', async () => {
      const { here, there } = await pair();
      const forms = { nodebuffer: 'Buffer', arraybuffer: 'ArrayBuffer', fragments: 'Array', blob: 'Blob' } as const;
      for (const [type, name] of Object.entries(forms)) {
        here.binaryType = type as 'nodebuffer';
        assert.equal(here.binaryType, type);
        there.send(Buffer.from('abc'));
        const [data] = await once(here, 'message');
        assert.equal(data.constructor.name, name);
        const bytes = type === 'blob' ? await data.arrayBuffer() : type === 'fragments' ? Buffer.concat(data) : data;
        assert.equal(Buffer.from(bytes).toString(), 'abc');
        there.send('text');
        assert.ok(Buffer.isBuffer((await once(here, 'message'))[0]));
      }
      here.binaryType = 'nothing' as 'nodebuffer';
      assert.equal(here.binaryType, 'blob');
    });

    it('are sent in fragments by `fin`, and joined again', async () => {
      const { here, there } = await pair();
      there.send('a', { fin: false });
      there.send('b', { fin: false, binary: true });
      there.ping('between');
      there.send('c');
      const ping = once(here, 'ping');
      const [data, isBinary] = await once(here, 'message');
      assert.deepEqual([String(data), isBinary], ['abc', false]);
      assert.equal(String((await ping)[0]), 'between');
    });

    it('wait behind a Blob, which takes its time', async () => {
      const { here, there } = await pair();
      const order: string[] = [];
      here.on('message', (data, isBinary) => order.push(`${isBinary} ${data}`));
      here.on('ping', (data) => order.push(`ping ${data}`));
      there.send('first');
      there.send(new Blob(['se', 'cond']), (error) => assert.ifError(error));
      there.send('third');
      there.ping('fourth');
      assert.ok(there.bufferedAmount >= 11);
      there.close(4001, 'fifth');
      assert.deepEqual(await closeOf(here), [4001, 'fifth']);
      assert.deepEqual(order, ['false first', 'true second', 'false third', 'ping fourth']);
    });

    it('behind a Blob are told of before the end that came first', async () => {
      const { here, there } = await pair();
      const told: unknown[] = [];
      const tell = (name: string) => (error?: Error) =>
        told.push([name, error?.message, (error as NodeJS.ErrnoException)?.code, there.readyState]);
      there.send(new Blob(['first']), tell('first'));
      there.send('second');
      there.ping('third', undefined, tell('third'));
      there.on('error', () => told.push('error')).on('close', () => told.push('close'));
      there.terminate();
      await Promise.all([once(here, 'close'), once(there, 'close')]);
      const why = ['The socket was closed while the blob was being read', 'ERR_STREAM_DESTROYED', WebSocket.CLOSING];
      assert.deepEqual(told, [['first', ...why], ['third', ...why], 'close']);
    });

    it('may be changed as soon as send has returned', async () => {
      const { here, there } = await pair();
      for (const size of [10, 20_000, 200_000]) {
        const data = Buffer.alloc(size, 'a');
        there.send(data.subarray());
        if (size < 65_536) data.fill('b');
        const [received] = await once(here, 'message');
        assert.deepEqual(received, Buffer.alloc(size, 'a'));
      }
    });

    it('are given out one a turn with allowSynchronousEvents: false', async () => {
      const { here, there } = await pair({ allowSynchronousEvents: false });
      const turns: number[] = [];
      let turn = 0;
      const tick = () => {
        turn++;
        if (turns.length < 3) setImmediate(tick);
      };
      tick();
      const all = new Promise<void>((resolve) => {
        here.on('message', () => {
          if (turns.push(turn) === 3) resolve();
        });
      });
      for (const text of ['a', 'b', 'c']) there.send(text);
      await all;
      assert.equal(new Set(turns).size, 3);
    });

    it('whose listener throws are the program to blame for, and the next ones come', async () => {
      const { here, there } = await pair();
      const listeners = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      const thrown = once(process, 'uncaughtException');
      here.on('message', (data) => {
        if (String(data) === 'bad') throw new Error('in a listener');
      });
      there.send('bad');
      there.send('good');
      const [error] = await thrown;
      for (const listener of listeners) process.on('uncaughtException', listener);
      assert.equal(error.message, 'in a listener');
      there.send('better');
      assert.equal(String((await once(here, 'message'))[0]), 'better');
      assert.equal(here.readyState, WebSocket.OPEN);
    });
  });

  describe('send', () => {
    it('never refuses, tells what waits, and calls back in order when it has left', async () => {
      const { here, there } = await pair();
      there.pause();
      const order: number[] = [];
      const chunk = Buffer.alloc(1 << 20, 1);
      for (let i = 0; i < 32; i++) here.send(chunk, () => order.push(i));
      assert.equal(order.length, 0);
      assert.ok(here.bufferedAmount > 4 << 20);
      let received = 0;
      const all = new Promise<void>((resolve) => {
        there.on('message', () => {
          if (++received === 32) resolve();
        });
      });
      there.resume();
      await all;
      await new Promise((resolve) => here.send('last', resolve));
      assert.deepEqual(
        order,
        Array.from({ length: 32 }, (_, index) => index),
      );
      assert.equal(here.bufferedAmount, 0);
    });

    it('calls back in order when callbacks send', async () => {
      const { here, there } = await pair();
      const order: string[] = [];
      const done = new Promise<void>((resolve) => {
        here.send('a', () => {
          order.push('a');
          here.send(Buffer.alloc(50_000), () => {
            order.push('c');
            resolve();
          });
        });
        here.send('b', () => order.push('b'));
      });
      there.on('message', () => {});
      await done;
      assert.deepEqual(order, ['a', 'b', 'c']);
    });

    it('throws before the connection is open, and calls back with an error once it is closing', async () => {
      const { url } = await listening();
      const socket = new WebSocket(url);
      for (const call of [() => socket.send('a'), () => socket.ping(), () => socket.pong()]) {
        assert.throws(call, /^Error: WebSocket is not open: readyState 0 \(CONNECTING\)$/);
      }
      await once(socket, 'open');
      socket.close();
      const error = await new Promise<Error | undefined>((resolve) => socket.send('abc', resolve));
      assert.equal(error?.message, 'WebSocket is not open: readyState 2 (CLOSING)');
      const pinged = await new Promise<Error>((resolve) => socket.ping('de', true, resolve));
      assert.match(pinged.message, /CLOSING/);
      await once(socket, 'close');
      assert.equal(socket.bufferedAmount, 5);
    });

    it('tells those who wait when the connection is gone', async () => {
      const { here, there } = await pair();
      there.pause();
      const chunk = Buffer.alloc(1 << 20);
      for (let i = 0; i < 20; i++) here.send(chunk);
      const failed = new Promise<Error | undefined>((resolve) => here.send('last', resolve));
      setImmediate(() => here.terminate());
      assert.ok((await failed) instanceof Error);
    });
  });

  describe('control frames', () => {
    it('pings and pongs carry data, call back, and have at most 125 bytes', async () => {
      const { here, there } = await pair();
      const ping = once(here, 'ping');
      await new Promise<void>((resolve) => there.ping('data', true, () => resolve()));
      assert.equal(String((await ping)[0]), 'data');
      const [pong] = await once(there, 'pong');
      assert.ok(Buffer.isBuffer(pong));
      assert.equal(String(pong), 'data');
      there.pong(12);
      assert.equal(String((await once(here, 'pong'))[0]), '12');
      assert.throws(
        () => there.ping(Buffer.alloc(126)),
        /^RangeError: The data size must not be greater than 125 bytes/,
      );
    });

    it('are not answered with autoPong: false', async () => {
      const { here, there } = await pair({ autoPong: false });
      const pongs: string[] = [];
      there.on('pong', (data) => pongs.push(String(data)));
      here.on('ping', () => here.pong('by hand'));
      there.ping('a');
      await once(there, 'pong');
      assert.deepEqual(pongs, ['by hand']);
    });
  });

  describe('pause', () => {
    it('stops messages, and everything behind them, until resume', async () => {
      const { here, there } = await pair();
      const events: string[] = [];
      here.on('message', (data) => {
        events.push(String(data));
        if (String(data) === 'b') here.pause();
      });
      here.on('ping', (data) => events.push(`ping ${data}`));
      here.on('close', (code) => events.push(`close ${code}`));
      there.send('a');
      there.send('b');
      there.ping('c');
      there.send('d');
      there.close(3000);
      await new Promise<void>((resolve) => {
        const look = () => (events.includes('b') ? resolve() : setImmediate(look));
        look();
      });
      assert.equal(here.isPaused, true);
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(events, ['a', 'b']);
      assert.equal(here.readyState, WebSocket.OPEN);
      here.resume();
      await once(there, 'close');
      assert.deepEqual(events.slice(0, 4), ['a', 'b', 'ping c', 'd']);
      if (events.length < 5) await once(here, 'close');
      assert.equal(events[4], 'close 3000');
    });

    it('does nothing before the opening and after the end', async () => {
      const { url } = await listening();
      const socket = new WebSocket(url);
      socket.pause();
      assert.equal(socket.isPaused, false);
      await once(socket, 'open');
      socket.terminate();
      await once(socket, 'close');
      socket.pause();
      assert.equal(socket.isPaused, false);
      socket.resume();
    });
  });

  describe('closing', () => {
    it('tells both sides code and reason, as a number and a Buffer', async () => {
      const { here, there } = await pair();
      const states: number[] = [];
      here.on('close', (code, reason) => {
        assert.ok(Buffer.isBuffer(reason));
        states.push(code, here.readyState);
      });
      there.close(4321, 'because ä');
      assert.equal(there.readyState, WebSocket.CLOSING);
      there.close(1000);
      assert.deepEqual(await closeOf(there), [4321, 'because ä']);
      assert.equal(there.readyState, WebSocket.CLOSED);
      if (states.length === 0) await once(here, 'close');
      assert.deepEqual(states, [4321, WebSocket.CLOSED]);
      there.close();
      there.terminate();
    });

    it('without a code is 1005 for both', async () => {
      const { here, there } = await pair();
      const closes = Promise.all([closeOf(here), closeOf(there)]);
      here.close();
      assert.deepEqual(await closes, [
        [1005, ''],
        [1005, ''],
      ]);
    });

    it('refuses codes that may not be sent and reasons that do not fit', async () => {
      const { there } = await pair();
      for (const code of [0, 999, 1004, 1005, 1006, 1015, 2000, 5000, '1000' as never]) {
        assert.throws(() => there.close(code), /^TypeError: First argument must be a valid error code number/);
      }
      const message = /^RangeError: The message must not be greater than 123 bytes/;
      assert.throws(() => there.close(1000, 'a'.repeat(124)), message);
      assert.throws(() => there.close(1000, Buffer.alloc(124)), message);
      assert.equal(there.readyState, WebSocket.OPEN);
      there.close(1000, Buffer.from('fine'));
      assert.deepEqual(await closeOf(there), [1000, 'fine']);
    });

    it('takes any Uint8Array for a reason, and what has no length for none', async () => {
      const reasons: [unknown, string][] = [
        [new Uint8Array([0x6f, 0x6b]), 'ok'],
        [7, ''],
      ];
      for (const [reason, text] of reasons) {
        const { here, there } = await pair();
        there.close(1000, reason as string);
        assert.deepEqual(await closeOf(here), [1000, text]);
      }
    });

    it('by terminate is 1006 for both, later and without an error', async () => {
      const { here, there } = await pair();
      const closes = Promise.all([closeOf(here), closeOf(there)]);
      for (const socket of [here, there]) socket.on('error', assert.ifError);
      there.terminate();
      assert.equal(there.readyState, WebSocket.CLOSING);
      assert.deepEqual(await closes, [
        [1006, ''],
        [1006, ''],
      ]);
    });

    it('gives up on a peer that does not answer, after closeTimeout', async () => {
      const { here, socket } = await raw({ closeTimeout: 20 });
      socket.on('error', () => {});
      here.close(1000);
      assert.deepEqual(await closeOf(here), [1006, '']);
    });

    it('of a peer that only ends is 1006, and no error', async () => {
      const { here, socket } = await raw();
      here.on('error', assert.ifError);
      socket.end();
      assert.deepEqual(await closeOf(here), [1006, '']);
    });
  });

  describe('errors', () => {
    const WRONG: [string, Buffer | string, string, number][] = [
      ['RSV1', masked(0xc1, 'a'), 'WS_ERR_UNEXPECTED_RSV_1', 1002],
      ['RSV2', masked(0xa1, 'a'), 'WS_ERR_UNEXPECTED_RSV_2_3', 1002],
      ['a reserved opcode', masked(0x83, 'a'), 'WS_ERR_INVALID_OPCODE', 1002],
      ['a continuation of nothing', masked(0x80, 'a'), 'WS_ERR_INVALID_OPCODE', 1002],
      [
        'a message inside another',
        Buffer.concat([masked(0x01, 'a'), masked(0x82, 'b')]),
        'WS_ERR_INVALID_OPCODE',
        1002,
      ],
      ['no mask', frameOf({ first: 0x81, payload: Buffer.from('a') }), 'WS_ERR_EXPECTED_MASK', 1002],
      ['a fragmented ping', masked(0x09, 'a'), 'WS_ERR_EXPECTED_FIN', 1002],
      ['a long ping', masked(0x89, 'a'.repeat(126)), 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH', 1002],
      ['a close of one byte', masked(0x88, 'a'), 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH', 1002],
      ['a close code', masked(0x88, Buffer.from([0, 1])), 'WS_ERR_INVALID_CLOSE_CODE', 1002],
      ['text that is no UTF-8', masked(0x81, Buffer.from([0xff])), 'WS_ERR_INVALID_UTF8', 1007],
      ['a reason that is no UTF-8', masked(0x88, Buffer.from([3, 232, 0xff])), 'WS_ERR_INVALID_UTF8', 1007],
      ['a message over maxPayload', masked(0x82, 'a'.repeat(101)), 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 1009],
      [
        'fragments over maxPayload',
        Buffer.concat([masked(0x02, 'a'.repeat(60)), masked(0x80, 'a'.repeat(60))]),
        'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
        1009,
      ],
    ];
    for (const [what, bytes, code, closeCode] of WRONG) {
      it(`${what}: ${code}, and a close frame with ${closeCode}`, async () => {
        const { here, socket } = await raw({ maxPayload: 100 });
        const [failed, closed, answer] = [once(here, 'error'), closeOf(here), once(socket, 'data')];
        socket.write(bytes);
        const [error] = await failed;
        assert.equal(error.code, code);
        assert.equal(error instanceof RangeError, !/UTF8/.test(code));
        assert.ok(error.cause instanceof Error);
        const [frame] = await answer;
        assert.deepEqual([frame[0], frame.readUInt16BE(2)], [0x88, closeCode]);
        socket.end();
        assert.deepEqual(await closed, [1006, '']);
      });
    }

    it('a masked frame from a server: WS_ERR_UNEXPECTED_MASK', async () => {
      const { server, url } = await theirListening();
      server.on('connection', (socket) => {
        (socket as unknown as { _socket: { write(bytes: Buffer): void } })._socket.write(masked(0x81, 'a'));
      });
      const socket = new WebSocket(url);
      const [error] = await once(socket, 'error');
      assert.equal(error.code, 'WS_ERR_UNEXPECTED_MASK');
    });

    it('text is not checked with skipUTF8Validation', async () => {
      const { here, socket } = await raw({ skipUTF8Validation: true });
      socket.write(masked(0x81, Buffer.from([0xff])));
      const [data, isBinary] = await once(here, 'message');
      assert.deepEqual([[...data], isBinary], [[0xff], false]);
    });
  });

  describe('events of the browser', () => {
    it('have what theirs have', async () => {
      const { here, there } = await pair();
      const events: unknown[] = [];
      there.onmessage = ({ type, data, target }) => events.push([type, data, target === there]);
      there.addEventListener('close', {
        handleEvent(event) {
          events.push([event.type, event.code, event.reason, event.wasClean, this !== undefined]);
        },
      });
      here.send('text');
      here.send(Buffer.from('bytes'));
      here.close(3333, 'done');
      await once(there, 'close');
      assert.deepEqual(events, [
        ['message', 'text', true],
        ['message', Buffer.from('bytes'), true],
        ['close', 3333, 'done', true, true],
      ]);
    });

    it('error and open', async () => {
      const { url } = await listening();
      const socket = new WebSocket(url);
      await new Promise<void>((resolve) => {
        socket.onopen = ({ type, target }) => {
          assert.deepEqual([type, target], ['open', socket]);
          resolve();
        };
      });
      const failing = new WebSocket('ws://127.0.0.1:1');
      const event = await new Promise<face.ErrorEvent>((resolve) => failing.addEventListener('error', resolve));
      assert.equal(event.type, 'error');
      assert.equal(event.message, event.error.message);
      assert.equal(event.error.code, 'ECONNREFUSED');
    });

    it('are listened to once, not twice by the same, and no longer after removal', async () => {
      const { here, there } = await pair();
      const heard: string[] = [];
      const listener = ({ data }: { data: unknown }) => heard.push(`a ${data}`);
      there.addEventListener('message', listener);
      there.addEventListener('message', listener);
      there.addEventListener('message', ({ data }) => heard.push(`once ${data}`), { once: true });
      there.addEventListener('nothing' as 'message', listener);
      assert.equal(there.listenerCount('message'), 2);
      assert.equal(there.onmessage, null);
      const attribute = ({ data }: { data: unknown }) => heard.push(`on ${data}`);
      there.onmessage = attribute;
      assert.equal(there.onmessage, attribute);
      here.send('1');
      await once(there, 'message');
      there.removeEventListener('message', listener);
      there.onmessage = null;
      here.send('2');
      await once(there, 'message');
      assert.deepEqual(heard, ['a 1', 'once 1', 'on 1']);
    });
  });

  describe('_socket', () => {
    it('has addresses, counts and the end of the connection', async () => {
      const { here, there } = await pair();
      assert.equal(here._socket.remoteAddress, '127.0.0.1');
      assert.equal(here._socket.remotePort, there._socket.localPort);
      assert.equal(here._socket.remoteFamily, 'IPv4');
      assert.equal(here._socket.localAddress, '127.0.0.1');
      assert.equal(here._socket.setTimeout(0), here._socket);
      assert.equal(here._socket.setNoDelay(true), here._socket);
      assert.equal(here._socket.destroyed, false);
      const [closed, peer] = [once(here._socket, 'close'), closeOf(there)];
      here._socket.destroy();
      await closed;
      assert.deepEqual(await peer, [1006, '']);
      assert.equal(here._socket.destroyed, true);
      assert.equal(here._socket.remoteAddress, '127.0.0.1');
    });

    it('ends our side behind what was sent', async () => {
      const { here, there } = await pair();
      const message = once(there, 'message');
      here.send('last');
      here._socket.end();
      assert.equal(String((await message)[0]), 'last');
      assert.deepEqual(await closeOf(there), [1006, '']);
    });

    it('sends frames of the program’s own between ours', async () => {
      const { here, there } = await pair();
      const heard: string[] = [];
      there.on('message', (data) => heard.push(String(data)));
      here.send('1');
      const written = new Promise<unknown>((resolve) => here._socket.write(Buffer.from([0x81, 1, 0x32]), resolve));
      here.send('3');
      here._socket.write('810134', 'hex');
      assert.ok(!(await written));
      here._socket.end(Buffer.from([0x81, 1, 0x35]));
      assert.deepEqual(await closeOf(there), [1006, '']);
      assert.deepEqual(heard, ['1', '2', '3', '4', '5']);
      const late = await new Promise<unknown>((resolve) => here._socket.write('6', resolve));
      assert.ok(late instanceof Error);
    });

    it('tells of a reset whom it may concern, and the WebSocket of its end alone', async () => {
      const { here, socket } = await raw();
      here.on('error', assert.fail);
      const failed = once(here._socket, 'error');
      const closed = closeOf(here);
      socket.resetAndDestroy();
      assert.equal((await failed)[0].code, 'ECONNRESET');
      assert.deepEqual(await closed, [1006, '']);
    });

    it('is null before the opening', async () => {
      const { url } = await listening();
      const socket = new WebSocket(url);
      assert.equal(socket._socket, null);
      await once(socket, 'open');
    });
  });

  describe('deflate', () => {
    const TEXT = 'compress me '.repeat(200);
    for (const [what, clientOptions, serverOptions] of [
      ['as it comes', true, true],
      ['without context', { serverNoContextTakeover: true, clientNoContextTakeover: true }, true],
      ['with small windows', true, { serverMaxWindowBits: 9, clientMaxWindowBits: 10 }],
      ['with levels', { zlibDeflateOptions: { level: 1 } }, { zlibDeflateOptions: { level: -1, memLevel: 2 } }],
    ] as const) {
      it(`goes both ways with ws, ${what}`, async () => {
        const [ours, theirs] = [
          await listening({ perMessageDeflate: serverOptions }),
          await theirListening({ perMessageDeflate: serverOptions }),
        ];
        for (const [{ server, url }, Client] of [
          [ours, ws.WebSocket],
          [theirs, WebSocket],
        ] as const) {
          const connected = once(server, 'connection');
          const client = new (Client as typeof WebSocket)(url, { perMessageDeflate: clientOptions });
          await once(client, 'open');
          const [peer] = await connected;
          peer.on('message', (data: Buffer, isBinary: boolean) => peer.send(data, { binary: isBinary }));
          assert.equal(client.extensions, 'permessage-deflate');
          assert.equal(peer.extensions, 'permessage-deflate');
          for (const data of [TEXT, 'short', TEXT, Buffer.from(TEXT), '']) {
            client.send(data);
            const [received, isBinary] = await once(client, 'message');
            assert.deepEqual([String(received), isBinary], [String(data), typeof data !== 'string']);
          }
          client.send('a'.repeat(2000), { fin: false });
          client.send('b'.repeat(2000), { fin: true });
          assert.equal(String((await once(client, 'message'))[0]), 'a'.repeat(2000) + 'b'.repeat(2000));
          client.send(TEXT, { compress: false });
          assert.equal(String((await once(client, 'message'))[0]), TEXT);
        }
      });
    }

    it('keeps to maxPayload while it inflates', async () => {
      const { here, there } = await pair({ perMessageDeflate: true, maxPayload: 1000 });
      const failed = once(here, 'error');
      there.send('a'.repeat(100_000));
      assert.equal((await failed)[0].code, 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH');
      assert.deepEqual(await closeOf(there), [1009, '']);
    });

    it('is not agreed on unless both sides want it', async () => {
      const { there } = await pair();
      assert.equal(there.extensions, '');
      for (const perMessageDeflate of [false, null, undefined]) {
        const { here } = await pair({ perMessageDeflate: true }, { perMessageDeflate });
        assert.equal(here.extensions, '');
      }
    });

    it('leaves messages alone that are below any threshold, and any length of maxPayload is whole', async () => {
      const threshold = { perMessageDeflate: { threshold: Number.POSITIVE_INFINITY, clientNoContextTakeover: true } };
      const { here, there } = await pair({ ...threshold, maxPayload: 1000.5 }, threshold);
      const failed = once(here, 'error');
      there.send('a'.repeat(1001));
      assert.ok(there.bufferedAmount > 1001);
      assert.equal((await failed)[0].code, 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH');
    });

    it('has no limit where maxPayload is below one', async () => {
      const { here, there } = await pair({ maxPayload: 0.5 });
      const got = once(here, 'message');
      there.send('hello');
      assert.equal(String((await got)[0]), 'hello');
    });
  });

  describe('mask', () => {
    const sendings: Record<string, (socket: WebSocket, mask: boolean) => void> = {
      'a message': (socket, mask) => socket.send('text', { mask }),
      bytes: (socket, mask) => socket.send(Buffer.alloc(20_000), { mask, compress: false }),
      'a fragment': (socket, mask) => socket.send('text', { mask, fin: false }),
      'a ping': (socket, mask) => socket.ping('data', mask),
      'a pong': (socket, mask) => socket.pong('data', mask),
    };

    for (const [what, send] of Object.entries(sendings)) {
      it(`of ${what} is there or not as it is told to be, which peers refuse`, async () => {
        const { server, url } = await theirListening();
        const arrived = once(server, 'connection');
        const client = new WebSocket(url);
        const [theirs] = await arrived;
        if (client.readyState !== WebSocket.OPEN) await once(client, 'open');
        send(client, true);
        send(client, false);
        assert.equal((await once(theirs, 'error'))[0].code, 'WS_ERR_EXPECTED_MASK');

        const ours = await listening();
        const there = new ws.WebSocket(ours.url);
        const [here] = await once(ours.server, 'connection');
        if (there.readyState !== WebSocket.OPEN) await once(there, 'open');
        send(here, false);
        send(here, true);
        const error = (await once(there, 'error'))[0] as { code: string };
        assert.equal(error.code, 'WS_ERR_UNEXPECTED_MASK');
      });
    }

    it('is made as the bytes say, for one frame alone', async () => {
      const { here, socket } = await raw();
      here.send('one', { mask: true });
      here.send('two');
      const chunks: Buffer[] = [];
      for await (const chunk of socket) {
        chunks.push(chunk);
        if (Buffer.concat(chunks).length >= 14) break;
      }
      const bytes = Buffer.concat(chunks);
      assert.equal(bytes.length, 9 + 5);
      assert.deepEqual([...bytes.subarray(0, 2)], [0x81, 0x83]);
      const payload = bytes.subarray(6, 9).map((byte, index) => byte ^ bytes[2 + index]!);
      assert.equal(String(payload), 'one');
      assert.equal(bytes.subarray(9).toString('latin1'), '\x81\x03two');
    });
  });

  it('generateMask gives the keys', async () => {
    const { here, there } = await pair({}, { generateMask: (mask: Buffer) => void mask.fill(0) });
    there.send('not masked at all');
    assert.equal(String((await once(here, 'message'))[0]), 'not masked at all');
  });
});
