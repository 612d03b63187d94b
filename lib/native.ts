/**
 * The one place that opens the addon, and the one that the rest of the library asks for native work.
 *
 * The addon is looked for once, at the first use: where MINIPROTO_NATIVE says, else in build/ and prebuilds/. Where it
 * is missing or does not load (another platform, Bun, `--permission`) the reference does everything, one warning says
 * why, and `nativeInfo()` keeps the reason. MINIPROTO_NATIVE:
 *
 *     off         the reference, without a warning
 *     required    the addon, or native() throws ERR_NATIVE_UNAVAILABLE
 *     <path>      this .node file; if it does not load, the reference with a warning
 *
 * The addon for sockets is another file, since it needs more of its runtime. MINIPROTO_SOCKETS=node leaves sockets to
 * Node; so does MINIPROTO_NATIVE=off. So is the one for compression, which Node's own zlib does without it, and the one for
 * TLS, which MINIPROTO_TLS=node leaves to Node.
 */
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { emitWarning, env, platform, versions } from 'node:process';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import type { DeflateInterface } from './deflate-interface.js';
import { checkLayout, LAYOUTS } from './layouts.js';
import { dispatch } from './native-dispatch.js';
import type { NativeInterface } from './native-interface.js';
import type { NetInterface } from './net-interface.js';
import { referenceDeflate } from './reference/deflate.js';
import { referenceInterface } from './reference/index.js';
import type { TlsInterface } from './tls-interface.js';

export { referenceDeflate, referenceInterface };

/** What does the native work in this thread, and why. */
export interface NativeInfo {
  /** 'addon': the C++ addon, with TypeScript for small inputs. 'reference': TypeScript alone. */
  readonly implementation: 'addon' | 'reference';
  /** The instruction set in use: 'avx2', 'sse2', 'neon', 'scalar'; 'typescript' without the addon. */
  readonly kernel: string;
  /** The .node file that was loaded. */
  readonly path?: string;
  /** Why this was chosen, in a sentence without a full stop. */
  readonly reason: string;
  /** What went wrong where the addon was looked for and could not be used. */
  readonly error?: Error;
  /** The Node-API version that this runtime offers; the addon needs 9. 0 where there is none. */
  readonly napiVersion: number;
  /** Whether sockets are native, or Node's behind the same interface, and why. */
  readonly sockets: SocketsInfo;
  /** Whether messages are compressed natively, and why. */
  readonly deflate: SocketsInfo;
  /** Whether TLS is native, or Node's behind the same interface, and why. */
  readonly tls: SocketsInfo;
}

/** An addon of its own: sockets, compression, or TLS. */
export interface SocketsInfo {
  readonly native: boolean;
  /** The .node file that was loaded. */
  readonly path?: string;
  /** Why this was chosen, in a sentence without a full stop. */
  readonly reason: string;
  /** What went wrong where the addon was looked for and could not be used. */
  readonly error?: Error;
}

/** Thrown by native() and nativeInfo() when MINIPROTO_NATIVE is 'required' and the addon cannot be used. */
export interface NativeUnavailableError extends Error {
  readonly code: 'ERR_NATIVE_UNAVAILABLE';
}

interface Loaded {
  readonly native: NativeInterface;
  readonly addon?: NativeInterface;
  readonly path?: string;
  readonly reason: string;
  readonly error?: Error;
}

/** One of the addons, as pkg-prebuilds looks for it. */
interface Prebuild {
  readonly name: keyof typeof LAYOUTS;
  readonly napi_versions: readonly number[];
}

const PREBUILDS: Prebuild = { name: 'miniproto_core', napi_versions: [9] };
const NET_PREBUILDS: Prebuild = { name: 'miniproto_net', napi_versions: [9] };
const DEFLATE_PREBUILDS: Prebuild = { name: 'miniproto_deflate', napi_versions: [9] };
const TLS_PREBUILDS: Prebuild = { name: 'miniproto_tls', napi_versions: [9] };

/** What came of looking for an addon of its own. */
interface Found<A> {
  readonly addon?: A;
  readonly info: SocketsInfo;
}

let loaded: Loaded | undefined;
let loadedNet: Found<NetInterface> | undefined;
let loadedDeflate: Found<DeflateInterface> | undefined;
let loadedTls: Found<TlsInterface> | undefined;

/** The native interface of this thread: the addon composed with the reference, or the reference. Loads at first use. */
export function native(): NativeInterface {
  return load().native;
}

/** Tells what was loaded and why; loads if nothing is yet. */
export function nativeInfo(): NativeInfo {
  const { native: chosen, addon, path, reason, error } = load();
  return {
    implementation: addon === undefined ? 'reference' : 'addon',
    kernel: chosen.kernel(),
    ...(path === undefined ? {} : { path }),
    reason,
    ...(error === undefined ? {} : { error }),
    napiVersion: Number(versions.napi ?? 0),
    sockets: loadNet().info,
    deflate: loadDeflate().info,
    tls: loadTls().info,
  };
}

/** The addon for sockets, or undefined where it is not to be had. Loads at first use. */
export function nativeNet(): NetInterface | undefined {
  return loadNet().addon;
}

/** Compression of this thread: the addon, or the reference. Loads at first use. */
export function nativeDeflate(): DeflateInterface {
  return loadDeflate().addon ?? referenceDeflate;
}

/** The addon for compression itself, for tests and benches. */
export function loadDeflateAddon(): DeflateInterface | undefined {
  return loadDeflate().addon;
}

/** The addon for TLS, or undefined where it is not to be had. Loads at first use. */
export function nativeTls(): TlsInterface | undefined {
  return loadTls().addon;
}

/**
 * The addon itself, without the reference for small inputs, for tests and benches.
 */
export function loadAddon(): NativeInterface | undefined {
  return load().addon;
}

function load(): Loaded {
  loaded ??= choose(env.MINIPROTO_NATIVE ?? '');
  return loaded;
}

function choose(wish: string): Loaded {
  if (wish === 'off') return { native: referenceInterface, reason: 'MINIPROTO_NATIVE is off' };
  const byPath = wish !== '' && wish !== 'required';
  try {
    const { addon, path } = open<NativeInterface>(PREBUILDS, byPath ? resolve(wish) : undefined);
    const reason = byPath ? 'MINIPROTO_NATIVE names this file' : 'the addon was found and loads';
    return { native: dispatch(addon, referenceInterface), addon, path, reason };
  } catch (cause) {
    const error = cause instanceof Error ? cause : new Error(String(cause));
    const reason = `the addon could not be used: ${firstLine(error.message)}`;
    if (wish === 'required') throw unavailable(reason, error);
    // Workers would repeat what the main thread has said.
    if (isMainThread) {
      emitWarning(`miniproto runs without its addon, in plain JavaScript: ${reason}`, { code: 'MINIPROTO_REFERENCE' });
    }
    return { native: referenceInterface, reason, error };
  }
}

/** Sockets have no reference that would have to be announced: without the addon they are Node's. */
function loadNet(): Found<NetInterface> {
  loadedNet ??= find({
    prebuild: NET_PREBUILDS,
    subject: 'sockets',
    variable: 'MINIPROTO_SOCKETS',
    elsewhere: 'sockets are not native',
  });
  return loadedNet;
}

/** Its absence need not be announced either: the reference compresses with the same zlib. */
function loadDeflate(): Found<DeflateInterface> {
  loadedDeflate ??= find({ prebuild: DEFLATE_PREBUILDS, subject: 'compression' });
  return loadedDeflate;
}

/** Nor this one's: without it TLS is Node's, over the same OpenSSL. */
function loadTls(): Found<TlsInterface> {
  loadedTls ??= find({
    prebuild: TLS_PREBUILDS,
    subject: 'TLS',
    variable: 'MINIPROTO_TLS',
    elsewhere: 'TLS is not native',
  });
  return loadedTls;
}

/** An addon of its own, and how it is spoken of. */
interface Wanted {
  readonly prebuild: Prebuild;
  readonly subject: string;
  /** The environment variable that leaves its work to Node. */
  readonly variable?: string;
  /** What is said on other platforms than Linux, where it is for Linux alone. */
  readonly elsewhere?: string;
}

function find<A>(wanted: Wanted): Found<A> {
  const unwanted = whyNot(wanted);
  if (unwanted !== undefined) return { info: { native: false, reason: unwanted } };
  try {
    const { addon, path } = open<A>(wanted.prebuild);
    return { addon, info: { native: true, path, reason: 'the addon was found and loads' } };
  } catch (cause) {
    const error = cause instanceof Error ? cause : new Error(String(cause));
    const reason = `the addon for ${wanted.subject} could not be used: ${firstLine(error.message)}`;
    return { info: { native: false, reason, error } };
  }
}

/** Why it is not even looked for, or undefined. */
function whyNot({ variable, elsewhere }: Wanted): string | undefined {
  if (env.MINIPROTO_NATIVE === 'off') return 'MINIPROTO_NATIVE is off';
  if (variable !== undefined && env[variable] === 'node') return `${variable} is node`;
  return elsewhere !== undefined && platform !== 'linux' ? `${elsewhere} on ${platform}` : undefined;
}

/** Finds and opens an addon; throws where there is none, it does not load, or it was built from another version. */
function open<A>(prebuild: Prebuild, wishedPath?: string): { addon: A; path: string } {
  const require = createRequire(import.meta.url);
  let path = wishedPath;
  if (path === undefined) {
    const prebuilds = require('pkg-prebuilds');
    // This file lies in dist/, or is part of one in bundle/; build/ and prebuilds/ are beside both.
    path = prebuilds.resolve(fileURLToPath(new URL('..', import.meta.url)), prebuild, false, true) as string;
  }
  const addon = require(path);
  checkLayout(addon, LAYOUTS[prebuild.name]);
  return { addon, path };
}

function unavailable(reason: string, cause: Error): NativeUnavailableError {
  const message = `MINIPROTO_NATIVE is 'required', but ${reason}`;
  return Object.assign(new Error(message, { cause }), { code: 'ERR_NATIVE_UNAVAILABLE' as const });
}

/** The first line, since messages of loaders list paths and stacks after it. */
function firstLine(message: string): string {
  return message.split('\n', 1)[0];
}
