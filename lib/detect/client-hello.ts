/**
 * A ClientHello, read for what it names: server, application protocols, versions. RFC 8446 §4.1.2, RFC 5246 §7.4.1.2
 *
 * All of it or nothing: a hello that is malformed anywhere we look gives no names, since another reader might repair it
 * to other ones. Looked at are the frame of the message (every length, no bytes behind it), the extensions' frame (no
 * type twice, RFC 8446 §4.2), and the insides of server_name, ALPN and supported_versions; the other extensions are
 * passed over, whatever is in them. Values of GREASE (RFC 8701) are left out.
 *
 * Fields are read through a window that knows its end. What would lie outside is 0 or empty and sets `broken`, so no
 * read is out of bounds and one check at the end is enough.
 */

/** What a hello names. */
export interface HelloNames {
  readonly serverName: string | undefined;
  readonly alpn: readonly string[];
  readonly versions: readonly string[];
  readonly ech: boolean;
}

export const NO_NAMES: HelloNames = { serverName: undefined, alpn: [], versions: [], ech: false };

/** @param message behind its header of 4 bytes. @returns what is wrong with it, where something is. */
export function parseClientHello(message: Buffer): HelloNames | string {
  const hello = new Window(message);
  const version = hello.uint(2);
  if (version >> 8 !== 3) return 'its version is not 3.x';
  hello.skip(32);
  const sessionId = hello.vector(1);
  const ciphers = hello.vector(2);
  const compressions = hello.vector(1);
  if (hello.broken) return 'it is shorter than its fields';
  if (sessionId.left > 32) return 'its session id is longer than 32 bytes';
  if (ciphers.left === 0 || ciphers.left % 2 === 1) return 'its list of ciphers is malformed';
  if (compressions.left === 0) return 'it has no compression method';
  // Before TLS 1.2 a hello might end here. RFC 5246 §7.4.1.2
  const extensions = hello.left === 0 ? hello : hello.vector(2);
  if (hello.broken || hello.left > 0) return 'its extensions do not end where it ends';
  return namesIn(extensions, version);
}

const SERVER_NAME = 0;
const ALPN = 16;
const SUPPORTED_VERSIONS = 43;
const ENCRYPTED_CLIENT_HELLO = 0xfe0d;

function namesIn(extensions: Window, legacyVersion: number): HelloNames | string {
  const found = new Map<number, Window>();
  while (extensions.left > 0) {
    const type = extensions.uint(2);
    const data = extensions.vector(2);
    if (extensions.broken) return 'an extension is longer than what is left';
    if (found.has(type)) return `it has extension ${type} twice`;
    found.set(type, data);
  }
  const serverName = serverNameIn(found.get(SERVER_NAME));
  if (serverName === null) return 'its server_name is malformed';
  const alpn = alpnIn(found.get(ALPN));
  if (alpn === null) return 'its list of application protocols is malformed';
  const versions = versionsIn(found.get(SUPPORTED_VERSIONS), legacyVersion);
  if (versions === null) return 'its list of versions is malformed';
  return { serverName, alpn, versions, ech: found.has(ENCRYPTED_CLIENT_HELLO) };
}

/** Printable ASCII without spaces, which covers every host name and address. */
const NAME = /^[\x21-\x7e]{1,255}$/;

/** One name, and of type host_name: no other was ever defined, and OpenSSL takes no list either. Null for what is none. */
function serverNameIn(data: Window | undefined): string | undefined | null {
  if (data === undefined) return undefined;
  const list = data.vector(2);
  const type = list.uint(1);
  const name = list.vector(2).text();
  if (data.broken || data.left > 0 || list.broken || list.left > 0 || type !== 0 || !NAME.test(name)) return null;
  return name.toLowerCase();
}

/** A reserved value of two equal bytes, 0x0a0a to 0xfafa. RFC 8701 §2 */
function isGrease(value: number): boolean {
  return (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff);
}

function alpnIn(data: Window | undefined): string[] | null {
  if (data === undefined) return [];
  const list = data.vector(2);
  const protocols: string[] = [];
  if (list.left === 0) return null;
  while (list.left > 0) {
    const name = list.vector(1).text();
    if (name === '') return null;
    const grease = name.length === 2 && isGrease((name.charCodeAt(0) << 8) | name.charCodeAt(1));
    if (!grease) protocols.push(name);
  }
  return data.broken || data.left > 0 || list.broken ? null : protocols;
}

/** By their number, 0x0300 to 0x0304. */
const VERSION_NAMES = ['SSLv3', 'TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];

/** Where there is no list, the version of the message is the highest offered, and 1.3 cannot be. RFC 8446 §4.1.2 */
function versionsIn(data: Window | undefined, legacyVersion: number): string[] | null {
  if (data === undefined) return [VERSION_NAMES[Math.min(legacyVersion, 0x0303) - 0x0300]!];
  const list = data.vector(1);
  if (list.left < 2 || list.left % 2 === 1 || data.broken || data.left > 0) return null;
  const versions: string[] = [];
  while (list.left > 0) {
    // GREASE and drafts have no name.
    const name = VERSION_NAMES[list.uint(2) - 0x0300];
    if (name !== undefined) versions.push(name);
  }
  return versions;
}

/** Bytes with an end, read front to back. */
class Window {
  readonly #bytes: Buffer;
  /** 0 <= at <= bytes.length */
  #at = 0;
  /** Something was asked for that is not inside; what is left is nothing then. */
  broken = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  skip(byteCount: number): void {
    this.#take(byteCount);
  }

  /** An unsigned integer of 1 or 2 bytes. */
  uint(byteLength: 1 | 2): number {
    const bytes = this.#take(byteLength);
    return bytes.length === byteLength ? bytes.readUIntBE(0, byteLength) : 0;
  }

  /** What follows a length of 1 or 2 bytes, and is that long. */
  vector(lengthBytes: 1 | 2): Window {
    return new Window(this.#take(this.uint(lengthBytes)));
  }

  /** All that is left. */
  text(): string {
    return this.#bytes.toString('latin1', this.#at);
  }

  #take(byteCount: number): Buffer {
    const end = this.#at + byteCount;
    const fits = end <= this.#bytes.length;
    const taken = fits ? this.#bytes.subarray(this.#at, end) : this.#bytes.subarray(this.#bytes.length);
    this.#at = fits ? end : this.#bytes.length;
    if (!fits) this.broken = true;
    return taken;
  }
}
