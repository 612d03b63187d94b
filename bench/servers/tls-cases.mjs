/**
 * Who takes part in the TLS bench, and how each is started: an echo server for records behind 4 bytes of length, or for
 * WebSockets. All have the same certificate, and choose their ciphers by default. "C++, by hand" is no rival: a bare loop
 * over OpenSSL, which shows what nobody saves who uses it. Over a Duplex the bound is the same Duplex without TLS.
 */
import { env, execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import * as miniproto from 'miniproto';
import { PEER } from '../load/load.mjs';
import { CERT_PATH, KEY_PATH } from './identity.mjs';

export const NATIVE = 'native sockets';
export const OVER_NODE = "Node's sockets";
export const DUPLEX = 'over a Duplex';
export const WSS = 'wss';
export const NODE_TLS = 'node:tls, by hand';
export const NODE_TLS_DUPLEX = 'node:tls over a Duplex';
export const WS_HTTPS = 'ws on https';
export const BOUND = 'C++, by hand';
export const BOUND_DUPLEX = 'plain over a Duplex, by hand';

const CASES = [
  { name: NATIVE, ours: 'native', only: ['len32', 'handshakes', 'idle'] },
  { name: OVER_NODE, ours: 'duplex', only: ['len32'] },
  { name: NODE_TLS, rival: 'tls-len32', only: ['len32', 'handshakes', 'idle'] },
  { name: BOUND, peer: true, only: ['len32', 'handshakes', 'idle'] },
  { name: DUPLEX, ours: 'miniproto-tls-duplex', only: ['duplex'] },
  { name: NODE_TLS_DUPLEX, rival: 'tls-duplex-len32', only: ['duplex'] },
  { name: BOUND_DUPLEX, rival: 'duplex-len32', plain: true, only: ['duplex'] },
  { name: WSS, ours: 'native', protocol: 'ws', only: ['ws', 'wss idle'] },
  { name: WS_HTTPS, rival: 'wss-echo', only: ['ws', 'wss idle'] },
  { name: BOUND, peer: true, protocol: 'ws', only: ['ws', 'wss idle'] },
];

/** Leaves out, loudly, what cannot run here. */
export function tlsCases() {
  const { tls, sockets } = miniproto.nativeInfo();
  const reason = tls?.native !== true ? tls?.reason : sockets.native ? undefined : sockets.reason;
  if (reason === undefined) return { cases: CASES, missing: [] };
  return { cases: CASES.filter(({ ours }) => !ours), missing: [`!!! NOT MEASURED: all of ours: ${reason}`] };
}

/** @returns {{ program: string, words: string[], env: Record<string, string> }} what to start */
export function tlsServer({ ours, rival, peer, protocol = 'len32' }) {
  const path = (name) => fileURLToPath(new URL(`${name}.mjs`, import.meta.url));
  const identity = ['--tls', '--cert', CERT_PATH, '--key', KEY_PATH];
  if (peer) return { program: PEER, words: ['--protocol', protocol, ...identity], env: {} };
  if (rival !== undefined) return { program: execPath, words: [path(rival)], env: {} };
  // A process must not fall back to Node's TLS in silence.
  const wish = { MINIPROTO_NATIVE: env.MINIPROTO_NATIVE ?? 'required' };
  if (ours.startsWith('miniproto')) return { program: execPath, words: [path(ours)], env: wish };
  const words = ['--protocol', protocol, '--transport', ours, ...identity];
  return { program: execPath, words: [path('../../examples/echo-server'), ...words], env: wish };
}
