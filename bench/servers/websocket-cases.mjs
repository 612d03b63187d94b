/**
 * Who takes part in the WebSocket bench, and how each is started: as an echo server, as one that publishes, as a client.
 *
 * Ours are examples/echo-server.mjs, the program of `ws` with another import for its face, and servers/ and clients/ for
 * what these do not do. "C++, by hand" is no rival that
 * anybody could use: it keeps none of the rules, and shows where the kernel begins. Neither is "zlib alone", which sends
 * and receives nothing: it shows what nobody saves who uses Node's zlib.
 */
import { existsSync } from 'node:fs';
import { env, execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import * as miniproto from 'miniproto';
import { CLIENT, PEER } from '../load/load.mjs';
import { findBun } from './bun.mjs';

export const OWN = 'own interface';
export const FACE = 'ws face';
export const OWN_DUPLEX = "own, Node's sockets";
export const FACE_DUPLEX = "face, Node's sockets";
export const FACE_REFERENCE = 'face, no addon';
export const WS = 'ws';
export const BUN = 'Bun';
export const BY_HAND = 'C++, by hand';
export const ZLIB = 'zlib alone';

/** `only`: the questions that are put to it, where not all are; `quick`: whether it is there for a look, too. */
const CASES = [
  { name: OWN, ours: 'own', transport: 'native', quick: true },
  { name: FACE, ours: 'ws', transport: 'native', quick: true },
  { name: OWN_DUPLEX, ours: 'own', transport: 'duplex', only: ['echo', 'idle'] },
  { name: FACE_DUPLEX, ours: 'ws', transport: 'duplex', only: ['echo', 'idle'] },
  {
    name: FACE_REFERENCE,
    ours: 'ws',
    transport: 'native',
    reference: true,
    only: ['echo', 'client', 'deflate', 'deflate echo'],
  },
  { name: WS, rival: 'ws', quick: true },
  { name: BUN, rival: 'bun', quick: true },
  { name: BY_HAND, rival: 'peer', quick: true, only: ['echo', 'client', 'publish', 'idle'] },
  { name: ZLIB, rival: 'zlib', quick: true, only: ['deflate echo'] },
];

/** Leaves out, loudly, what cannot run here. */
export function websocketCases({ quick }) {
  const bun = findBun();
  const missing = [];
  const cases = CASES.filter((one) => one.quick || !quick).filter(({ name, ...one }) => {
    const without = withoutOurs(one) ?? (one.rival === 'bun' ? bun.missing : undefined);
    if (without !== undefined) missing.push(`!!! NOT MEASURED: ${name}: ${without}`);
    return without === undefined;
  });
  return { cases: cases.map((one) => ({ ...one, bun: bun.path })), missing, bun: bun.version };
}

/** @returns {string | undefined} why this one of ours cannot run */
function withoutOurs({ ours, transport, reference }) {
  if (ours === undefined) return undefined;
  const module = ours === 'own' ? 'miniproto/websocket' : 'miniproto/ws';
  if (!isThere(module)) return `there is no ${module} yet`;
  const { sockets } = miniproto.nativeInfo();
  if (transport !== 'native' || reference || sockets?.native) return undefined;
  return sockets?.reason ?? 'this version has no native sockets';
}

function isThere(module) {
  try {
    return existsSync(fileURLToPath(import.meta.resolve(module)));
  } catch {
    // Not among the package's exports.
    return false;
  }
}

/**
 * What to start for a question.
 * @param {{ deflate?: 'alone' | 'takeover' }} options
 * @returns {{ program: string, words: string[], env: Record<string, string> }}
 */
export function echoServer(one, { deflate }) {
  const agreed = deflateWords(deflate);
  if (one.ours === undefined) return rival(one, 'echo', agreed);
  const words =
    one.ours === 'own'
      ? [path('../../examples/echo-server.mjs'), '--protocol', 'ws', '--transport', one.transport]
      : [path('ws-echo.mjs'), '--module', 'miniproto/ws'];
  const sockets = one.transport === 'duplex' ? { MINIPROTO_SOCKETS: 'node' } : {};
  return { program: execPath, words: [...words, ...agreed], env: { ...wishOf(one), ...sockets } };
}

export function publishServer(one, { deflate }) {
  const agreed = deflateWords(deflate);
  if (one.ours === undefined) return rival(one, 'publish', agreed);
  const words =
    one.ours === 'own' ? [path('miniproto-publish.mjs')] : [path('ws-publish.mjs'), '--module', 'miniproto/ws'];
  return { program: execPath, words: [...words, ...agreed], env: wishOf(one) };
}

function deflateWords(deflate) {
  return deflate === undefined ? [] : ['--deflate', deflate];
}

function rival(one, what, agreed) {
  if (one.rival === 'peer') return { program: PEER, words: [], env: {} };
  if (one.rival === 'bun') return { program: one.bun, words: [path(`bun-ws-${what}.mjs`), ...agreed], env: {} };
  return { program: execPath, words: [path(`ws-${what}.mjs`), ...agreed], env: {} };
}

/** What zlib takes, in a process that does nothing else and measures itself. */
export function zlibAlone() {
  return { program: execPath, words: [path('zlib-alone.mjs')], env: {} };
}

export function client(one) {
  const script = (name) => path(`../clients/${name}.mjs`);
  if (one.rival === 'peer') return { program: CLIENT, words: [], env: {} };
  if (one.rival === 'bun') return { program: one.bun, words: [script('web-socket')], env: {} };
  if (one.ours === 'own') return { program: execPath, words: [script('miniproto')], env: wishOf(one) };
  const words = one.ours === 'ws' ? ['--module', 'miniproto/ws'] : [];
  return { program: execPath, words: [script('ws'), ...words], env: one.ours ? wishOf(one) : {} };
}

/** A process must not fall back to the reference in silence. */
function wishOf({ reference = false }) {
  const addon = miniproto.nativeInfo().implementation === 'addon' && !reference;
  return { MINIPROTO_NATIVE: addon ? (env.MINIPROTO_NATIVE ?? 'required') : 'off' };
}

function path(name) {
  return fileURLToPath(new URL(name, import.meta.url));
}
