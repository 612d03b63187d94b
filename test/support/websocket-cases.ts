/**
 * Wire cases for WebSocket connections: what a peer sends, and what a connection has to make of it, in every way that
 * bytes can arrive and messages be read.
 *
 * A case is data. It is run for both roles, unless it names one, whole, a byte at a time and cut at places, by
 * `onMessage`, `read`, iteration, `batches` and `tryRead`. Where nothing is wrong, the peer closes with 1000 at the end.
 */
import assert from 'node:assert/strict';
import { type ByteStream, EOF, type MiniprotoError, memoryPair, NOT_READY } from 'miniproto';
import { type CloseInfo, WebSocketConnection } from '#lib/websocket/connection';
import type { WebSocketOptions } from '#lib/websocket/connection-options';
import type { AgreedDeflate, WebSocketRole } from '#lib/websocket/established';
import { CLOSE, closing, FIN, frameFor, RawPeer, tell } from './websocket-peer.js';

/** A frame as the peer sends it, or bytes as they are. */
export type CaseFrame =
  | readonly [first: number, payload?: string | Uint8Array, lengthBytes?: number]
  | { readonly raw: (role: WebSocketRole) => Uint8Array };

export interface WebSocketCase {
  /** `5.4-3: a ping between fragments`: the section of the RFC, then what it is. */
  readonly name: string;
  /** Absent: both. */
  readonly role?: WebSocketRole;
  readonly frames: readonly CaseFrame[];
  readonly options?: WebSocketOptions;
  /** What both sides have agreed on. */
  readonly deflate?: (role: WebSocketRole) => AgreedDeflate;
  /** Messages in order. */
  readonly messages?: readonly (string | Buffer)[];
  /** What our side sends before any close frame, as `tell` says it. */
  readonly answers?: readonly string[];
  /** Absent: the peer closes at the end. Else the error's code, and the close code that the peer gets. */
  readonly fails?: readonly [error: string, closeCode: number];
  /** The bytes, counted from the start of the last frame, that decide the failure: it comes with them and not later. */
  readonly decidedBy?: number;
  /** A reader in pieces has no limit on the whole, and is told of a message that does not end. */
  readonly notInPieces?: boolean;
  /** The close frame is among `frames`: what comes back, and what the user is told. */
  readonly closes?: { readonly answer: string; readonly code: number; readonly reason?: string };
}

export interface CaseOutcome {
  messages: (string | Buffer)[];
  sent: string[];
  closed: { code: number; reason: string; clean: boolean; error?: string };
  /** How the reader ended. */
  end: string;
}

export const READERS = ['onMessage', 'read', 'iteration', 'batches', 'tryRead', 'pieces'] as const;
export type ReaderName = (typeof READERS)[number];

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const codeOf = (error: unknown) => (error as MiniprotoError).code ?? String(error);

type Give = (message: string | Buffer) => void;

const FORMS: Record<ReaderName, (socket: WebSocketConnection, give: Give) => Promise<void>> = {
  onMessage: async (socket, give) => {
    const { error } = await socket.onMessage((message) => give(message.value()));
    if (error !== undefined) throw error;
  },
  read: async (socket, give) => {
    for (let message = await socket.read(); message !== EOF; message = await socket.read()) {
      give(message as string | Buffer);
    }
  },
  iteration: async (socket, give) => {
    for await (const message of socket) give(message);
  },
  batches: async (socket, give) => {
    for await (const batch of socket.batches()) for (const message of batch) give(message.value());
  },
  pieces: async (socket, give) => {
    for await (const message of socket.pieces()) {
      const pieces: Buffer[] = [];
      for await (const piece of message) pieces.push(piece);
      const whole = Buffer.concat(pieces);
      give(message.type === 'text' ? whole.toString() : whole);
    }
  },
  tryRead: async (socket, give) => {
    for (let message = socket.tryRead(); message !== EOF; message = socket.tryRead()) {
      if (message === NOT_READY) await turn();
      else give(message as string | Buffer);
    }
  },
};

/** Reads every message. @returns how it ended: 'EOF', or the code of what was thrown. */
export async function readAll(socket: WebSocketConnection, by: ReaderName, give: Give): Promise<string> {
  try {
    await FORMS[by](socket, give);
    return 'EOF';
  } catch (error) {
    return codeOf(error);
  }
}

/** The bytes of a case's frames, one by one. */
export function framesOf({ frames, fails, closes }: WebSocketCase, role: WebSocketRole): Buffer[] {
  const list = frames.map((frame) =>
    'raw' in frame ? Buffer.from(frame.raw(role)) : frameFor(role, frame[0], frame[1] ?? '', frame[2]),
  );
  if (fails === undefined && closes === undefined) list.push(frameFor(role, FIN | CLOSE, closing(1000)));
  return list;
}

export function expected({ messages = [], answers = [], fails, closes }: WebSocketCase): CaseOutcome {
  if (fails !== undefined) {
    return {
      messages: [...messages],
      sent: [...answers, `close ${fails[1]}`],
      closed: { code: 1006, reason: '', clean: false, error: fails[0] },
      end: fails[0],
    };
  }
  const { answer = 'close 1000', code = 1000, reason = '' } = closes ?? {};
  return { messages: [...messages], sent: [...answers, answer], closed: { code, reason, clean: true }, end: 'EOF' };
}

export function connectionOn(
  stream: ByteStream,
  role: WebSocketRole,
  options?: WebSocketOptions,
  deflate?: AgreedDeflate,
): WebSocketConnection {
  return new WebSocketConnection({ stream, role, protocol: '', extensions: '', deflate }, options);
}

export function summary({ code, reason, clean, error }: CloseInfo): CaseOutcome['closed'] {
  return error === undefined ? { code, reason, clean } : { code, reason, clean, error: codeOf(error) };
}

/** Runs a case over a connection that a transport has made. */
export async function converse(
  socket: WebSocketConnection,
  peer: RawPeer,
  chunks: readonly Uint8Array[],
  by: ReaderName,
): Promise<CaseOutcome> {
  const messages: (string | Buffer)[] = [];
  const reading = readAll(socket, by, (message) => messages.push(message));
  for (const chunk of chunks) {
    await peer.write(chunk);
    await turn();
  }
  const closed = await socket.closed;
  const end = await reading;
  const failure = await peer.ended;
  assert.equal(failure, undefined, 'our side ended the stream in order');
  return { messages, sent: peer.frames.map(tell), closed: summary(closed), end };
}

/** Every way to cut an input that is short; of a long one the places where something begins or ends. */
function* cutsOf(frames: readonly Buffer[]): Generator<number> {
  const whole = frames.reduce((sum, { length }) => sum + length, 0);
  if (whole <= 30) {
    for (let cut = 1; cut < whole; cut++) yield cut;
    return;
  }
  let at = 0;
  for (const { length } of frames) {
    if (frames.length > 20 && at > 400) return;
    for (const cut of [at + 1, at + 2, at + 7, at + (length >> 1), at + length - 1, at + length]) {
      if (cut > 0 && cut < whole) yield cut;
    }
    at += length;
  }
}

/** Longer inputs are not sent byte by byte. */
const LONGEST_CRUMBS = 160;

async function runOverMemory(wire: WebSocketCase, role: WebSocketRole): Promise<void> {
  const frames = framesOf(wire, role);
  const input = Buffer.concat(frames);
  const right = expected(wire);
  const run = async (chunks: readonly Buffer[], by: ReaderName, capacity: number) => {
    const [ours, theirs] = memoryPair({ capacity });
    const socket = connectionOn(ours, role, wire.options, wire.deflate?.(role));
    const peer = new RawPeer(theirs, { role });
    assert.deepEqual(await converse(socket, peer, chunks, by), right, `${role}, ${by}, ${chunks.map((c) => c.length)}`);
  };
  const isShort = input.length < LONGEST_CRUMBS;
  for (const by of READERS) {
    if (by === 'pieces' && wire.notInPieces) continue;
    await run([input], by, 1 << 20);
    if (isShort)
      await run(
        Array.from(input, (byte) => Buffer.of(byte)),
        by,
        1 << 20,
      );
  }
  // Writers and readers wait for each other all the time.
  await run([input], 'onMessage', isShort ? 1 : 1000);
  await run([input], 'read', isShort ? 7 : 4096);
  for (const cut of cutsOf(frames)) await run([input.subarray(0, cut), input.subarray(cut)], 'onMessage', 1 << 20);
  if (wire.decidedBy !== undefined) await checkDecision(wire, role, frames);
}

/** The failure comes with the byte that decides it, before the rest has come, and not earlier. */
async function checkDecision(wire: WebSocketCase, role: WebSocketRole, frames: readonly Buffer[]): Promise<void> {
  const before = frames.slice(0, -1).reduce((sum, { length }) => sum + length, 0);
  const masked = role === 'server' && (frames.at(-1)![1]! & 0x80) !== 0;
  const header = 2 + lengthBytesOf(frames.at(-1)!);
  const decided = wire.decidedBy! + (masked && wire.decidedBy! > header ? 4 : 0);
  const [ours, theirs] = memoryPair({ capacity: 1 << 20 });
  const socket = connectionOn(ours, role, wire.options, wire.deflate?.(role));
  const peer = new RawPeer(theirs, { role });
  const input = Buffer.concat(frames);
  await peer.write(input.subarray(0, before + decided - 1));
  await turn();
  await turn();
  assert.equal(socket.state, 'open', 'nothing is decided one byte before');
  await peer.write(input.subarray(before + decided - 1, before + decided));
  await turn();
  assert.notEqual(socket.state, 'open', 'decided');
  assert.equal((await socket.closed).error === undefined ? '' : codeOf((await socket.closed).error), wire.fails![0]);
}

function lengthBytesOf(frame: Buffer): number {
  const short = frame[1]! & 0x7f;
  return short < 126 ? 0 : short === 126 ? 2 : 8;
}

/** A suite of cases over memory. */
export function webSocketCases(title: string, cases: readonly WebSocketCase[]): void {
  describe(title, () => {
    for (const wire of cases) {
      for (const role of ['server', 'client'] as const) {
        if (wire.role !== undefined && wire.role !== role) continue;
        it(`${wire.name} [${role}]`, async function () {
          this.timeout(30_000);
          await runOverMemory(wire, role);
        });
      }
    }
  });
}
