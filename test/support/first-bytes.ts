/**
 * The first bytes that programs send, as they were captured (test/fixtures/first-bytes/captured.json: Node 20, OpenSSL
 * 3.0, curl 7.88, ws 8, Chromium with a post-quantum key, GREASE and ECH), and what they are.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Detected } from 'miniproto/detect';

const file = fileURLToPath(new URL('../../test/fixtures/first-bytes/captured.json', import.meta.url));
const captured = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;

/** What was captured of a program. */
export function firstBytes(program: string): Buffer {
  const text = captured[program];
  if (text === undefined) throw new Error(`nothing was captured of ${program}`);
  return Buffer.from(text, 'base64');
}

/** A detection as plain data, so that two can be compared. */
export function plain(detected: object): Record<string, unknown> {
  const { headers, ...rest } = detected as Detected & { headers?: { toObject(): object } };
  return headers === undefined ? { ...rest } : { ...rest, headers: { ...headers.toObject() } };
}

function tls(names: object): object {
  return { protocol: 'tls', serverName: undefined, alpn: [], versions: [], ech: false, fault: undefined, ...names };
}

function http1(method: string, target: string): object {
  return { protocol: 'http1', method, target, fault: undefined };
}

const MODERN = ['TLSv1.3', 'TLSv1.2'];
const ALL = [...MODERN, 'TLSv1.1', 'TLSv1'];
const WEB = ['h2', 'http/1.1'];

/** Programs, what they are, and how many of their bytes decide that: undefined for the last byte of the hello or head. */
export const PROGRAMS: readonly (readonly [program: string, detected: object, decidedAt?: number])[] = [
  ['node-tls', tls({ serverName: 'node.example', alpn: WEB, versions: MODERN })],
  ['node-tls12', tls({ versions: ['TLSv1.2'] })],
  ['openssl', tls({ serverName: 'openssl.example', alpn: ['acme-tls/1'], versions: ALL })],
  ['openssl-noname', tls({ versions: ['TLSv1.2'] })],
  ['curl-https', tls({ serverName: 'curl.example', alpn: WEB, versions: ALL })],
  ['chromium', tls({ serverName: 'front.example', alpn: WEB, versions: MODERN, ech: true })],
  ['curl-http', http1('GET', '/path?query')],
  ['curl-h2c', http1('GET', '/')],
  ['curl-post', http1('POST', '/'), 'POST / HTTP/1.'.length],
  ['curl-connect', http1('CONNECT', 'a.example:443'), 'CONNECT a.example:443 HTTP/1.'.length],
  ['curl-http2', { protocol: 'http2' }, 24],
  ['node-http2', { protocol: 'http2' }, 24],
  ['curl-proxy', { protocol: 'proxy', version: 1 }, 6],
  ['curl-socks4', { protocol: 'socks', version: 4 }, 2],
  ['curl-socks4a', { protocol: 'socks', version: 4 }, 2],
  ['curl-socks5', { protocol: 'socks', version: 5 }, 2],
];
