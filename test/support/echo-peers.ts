/**
 * What every other implementation has to agree with us on, in whichever role: one suite, for peers that echo.
 *
 * A peer gives every message back as it came, in the same type, but for text that begins with `!`, which tells it to do
 * something: `!close 4000 reason`, `!close`, `!ping data` (and to send `pong data` when it is answered), `!fragments 10`
 * (to send the next echo in fragments of so many bytes), `!send 2000` (so many bytes of binary). At the end it tells how
 * it has seen the connection end.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { EOF } from 'miniproto';
import {
  type ConnectWebSocketOptions,
  connectWebSocket,
  listenWebSocket,
  type WebSocketConnection,
  type WebSocketOptions,
} from 'miniproto/websocket';
import { Random } from './random.js';

/** What we are. */
export type Role = 'server' | 'client';
/** The options that both roles have. */
export type CommonOptions = WebSocketOptions & Pick<ConnectWebSocketOptions, 'deflate'>;

/** How the peer has seen the connection end. */
export interface SeenEnd {
  readonly code: number;
  readonly reason: string;
  /** Where it can tell. */
  readonly clean?: boolean;
}

export interface Meeting extends AsyncDisposable {
  /** Our side. */
  readonly socket: WebSocketConnection;
  readonly seen: Promise<SeenEnd>;
}

export interface EchoPeer {
  /** What it can be told beyond closing with a code and sending. */
  readonly can: readonly ('ping' | 'fragments' | 'close without a code')[];
  meet(options: CommonOptions): Promise<Meeting>;
}

const MODES: Record<string, CommonOptions> = {
  plain: {},
  deflated: { deflate: { threshold: 0 } },
  'deflated with context': { deflate: { threshold: 0, memory: 64 << 10 } },
  'deflated with small windows': {
    deflate: { threshold: 0, memory: 4 << 10, serverMaxWindowBits: 9, clientMaxWindowBits: 10 },
  },
};

/** Lengths around those where headers and fragments of implementations change. */
const SIZES = [0, 1, 125, 126, 127, 1000, 4096, 65535, 65536, 131073, 1 << 20];
const LARGE = 8 << 20;
/** Bytes that hardly get shorter. */
const random = new Random(4711);
const NOISE = Buffer.from(Uint32Array.from({ length: 1 << 18 }, () => random.next()).buffer);

/** Meets a peer that connects to us. @param connect tells it to. */
export async function beAsked(
  options: CommonOptions,
  connect: (url: string) => Promise<SeenEnd>,
  throughPort: (port: number) => string = (port) => `ws://127.0.0.1:${port}/`,
): Promise<Meeting> {
  let arrived: (socket: WebSocketConnection) => void = () => {};
  const arriving = new Promise<WebSocketConnection>((resolve) => {
    arrived = resolve;
  });
  const server = await listenWebSocket({ port: 0, host: '127.0.0.1', ...options }, (socket) => arrived(socket));
  const seen = connect(throughPort(server.port));
  const socket = await Promise.race([arriving, seen.then((end) => assert.fail(JSON.stringify(end)))]);
  const dispose = async () => {
    await server.close({ code: 1000 });
    await seen;
  };
  return { socket, seen, [Symbol.asyncDispose]: dispose };
}

/** Meets a peer that listens. */
export async function ask(url: string, options: CommonOptions, seen: Promise<SeenEnd>): Promise<Meeting> {
  const socket = await connectWebSocket(url, options);
  const dispose = async () => {
    await socket.close(1000);
    await seen;
  };
  return { socket, seen, [Symbol.asyncDispose]: dispose };
}

/** The suite. */
export function describePeer(name: string, peer: EchoPeer): void {
  for (const [mode, options] of Object.entries(MODES)) {
    describe(`${name}, ${mode}`, () => {
      const meet = (more: CommonOptions = {}) => peer.meet({ ...options, ...more });
      agreeOnMessages(meet, mode);
      agreeOnFrames(meet, peer);
      if (!mode.includes('with')) agreeOnTheEnd(meet, peer);
    });
  }
}

/** `it`, for what not every peer can. */
function itCan(peer: EchoPeer, ability: EchoPeer['can'][number]): (title: string, test: () => Promise<void>) => void {
  return peer.can.includes(ability) ? it : () => {};
}

type Meet = (more?: CommonOptions) => Promise<Meeting>;

function agreeOnMessages(meet: Meet, mode: string): void {
  it('negotiates what was asked for', async () => {
    await using meeting = await meet();
    assert.match(meeting.socket.extensions, mode === 'plain' ? /^$/ : /^permessage-deflate\b/);
  });

  it('agrees on text and binary of all lengths', async () => {
    await using meeting = await meet();
    for (const size of SIZES) {
      await assertEchoed(meeting.socket, NOISE.subarray(0, size));
      await assertEchoed(meeting.socket, 'abcdefg'.repeat(size / 7 + 1).slice(0, size));
      await assertEchoed(meeting.socket, '\u00e4\u20ac\u{1f600}\u0000'.repeat(size / 10));
    }
  });

  it('keeps a thousand messages in their order', async () => {
    await using meeting = await meet();
    const { socket } = meeting;
    const messages = Array.from({ length: 1000 }, (_, i) => (i % 3 === 0 ? Buffer.from(`${i}`) : `message ${i}`));
    const sending = (async () => {
      for (const message of messages) await socket.write(message);
    })();
    for (const message of messages) assert.deepEqual(await socket.read(), message);
    await sending;
  });

  it('agrees on a large message in pieces, there and back', async () => {
    await using meeting = await meet();
    const { socket } = meeting;
    const block = Buffer.from(Array.from({ length: 64 << 10 }, (_, i) => (i * i) >> 7));
    const [sent, received] = [createHash('sha256'), createHash('sha256')];
    const sending = (async () => {
      const message = socket.beginMessage({ type: 'binary' });
      assert.ok(typeof message !== 'symbol');
      for (let at = 0; at < LARGE; at += block.length) {
        block.writeUInt32BE(at);
        sent.update(block);
        await message.write(Buffer.from(block));
      }
      message.end();
    })();
    for await (const message of socket.pieces()) {
      assert.equal(message.type, 'binary');
      for await (const piece of message) received.update(piece);
      break;
    }
    await sending;
    assert.equal(received.digest('hex'), sent.digest('hex'));
  });
}

async function assertEchoed(socket: WebSocketConnection, message: string | Buffer): Promise<void> {
  await socket.write(message);
  const answer = await socket.read();
  // A comparison of megabytes that differ would not end.
  const same =
    typeof answer === 'string' ? answer === message : Buffer.isBuffer(answer) && answer.equals(message as Buffer);
  assert.ok(same, `${typeof message} of ${message.length}: ${String(answer).slice(0, 50)}`);
}

function agreeOnFrames(meet: Meet, peer: EchoPeer): void {
  it('takes our fragments, pings between them, and empty ones', async () => {
    await using meeting = await meet();
    const { socket } = meeting;
    const message = socket.beginMessage({ type: 'text' });
    assert.ok(typeof message !== 'symbol');
    await message.write('in ');
    const trip = socket.roundTrip();
    await message.write('');
    // A character that lies across two fragments.
    const euro = Buffer.from('\u20ac');
    await message.write(euro.subarray(0, 1));
    assert.ok((await trip) >= 0);
    await message.write(euro.subarray(1));
    message.end();
    assert.equal(await socket.read(), 'in \u20ac');
  });

  itCan(peer, 'fragments')('sends us fragments', async () => {
    await using meeting = await meet();
    const { socket } = meeting;
    for (const [size, message] of [
      [1, 'h\u00e9llo \u{1f600}'],
      [7, 'x'.repeat(1000)],
      [4096, Buffer.alloc(100_000, 'abc')],
    ] as const) {
      await socket.write(`!fragments ${size}`);
      await assertEchoed(socket, message);
      await assertEchoed(socket, 'whole again');
    }
  });

  itCan(peer, 'ping')('pings us, and has our pongs', async () => {
    await using meeting = await meet();
    for (const data of ['a', 'x'.repeat(125)]) {
      await meeting.socket.write(`!ping ${data}`);
      assert.equal(await meeting.socket.read(), `pong ${data}`);
    }
  });
}

function agreeOnTheEnd(meet: Meet, peer: EchoPeer): void {
  for (const [code, reason] of [
    [1000, ''],
    [1001, 'gone'],
    [1011, 'h\u00e9llo \u{1f600}'],
    [4999, 'x'.repeat(123)],
    [undefined, ''],
  ] as const) {
    it(`sees us close with ${code} '${reason.slice(0, 10)}'`, async () => {
      await using meeting = await meet();
      await meeting.socket.write('last words');
      const { error, ...info } = await meeting.socket.close(code, reason);
      const end = await meeting.seen;
      assert.deepEqual({ code: end.code, reason: end.reason }, { code: code ?? 1005, reason });
      assert.ok(end.clean ?? true);
      assert.deepEqual([error, info.clean], [undefined, true]);
    });
  }

  for (const [code, reason] of [
    [1000, ''],
    [3000, 'h\u00e9llo'],
    [4999, 'x'.repeat(123)],
  ] as const) {
    it(`closes with ${code} '${reason.slice(0, 10)}', and we see it`, async () => {
      await using meeting = await meet();
      await meeting.socket.write(`!close ${code} ${reason}`);
      assert.equal(await meeting.socket.read(), EOF);
      assert.deepEqual(await meeting.socket.closed, { code, reason, clean: true });
      assert.equal((await meeting.seen).code, code);
    });
  }

  itCan(peer, 'close without a code')('closes without a code, and we see it', async () => {
    await using meeting = await meet();
    await meeting.socket.write('!close');
    assert.deepEqual(await meeting.socket.closed, { code: 1005, reason: '', clean: true });
  });

  it('is told 1009 when its message is larger than we take', async () => {
    await using meeting = await meet({ maxMessageLength: 1000 });
    await meeting.socket.write('!send 1001');
    await assert.rejects(Promise.resolve(meeting.socket.read()), { code: 'ERR_MESSAGE_TOO_LARGE' });
    assert.equal((await meeting.seen).code, 1009);
  });
}
