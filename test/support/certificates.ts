/**
 * The certificates and keys of test/fixtures/tls, read when a test first asks for them. What each is for is said in
 * make.sh there.
 *
 *     tls.createServer({ ...identity('server') });
 *     tls.connect({ port, ca: certificate('ca'), servername: 'localhost' });
 *
 * `server`, and what is refused for another reason than its name, is for localhost, 127.0.0.1, ::1 and server.example.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What `pfx()` and `encryptedKey()` are encrypted with. */
export const PASSPHRASE = 'correct-horse';

export type AuthorityName = 'ca' | 'other-ca' | 'intermediate';
export type LeafName =
  | 'server'
  | 'server-rsa'
  | 'wildcard'
  | 'a.example'
  | 'b.example'
  | 'other-host'
  | 'expired'
  | 'not-yet-valid'
  | 'unknown-ca'
  | 'wrong-purpose'
  | 'revoked'
  | 'self-signed'
  | 'chain'
  | 'broken-chain'
  | 'client'
  | 'client-rsa';

/** A certificate, with those that it brings along, and its key, PEM. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}

const FOLDER = fileURLToPath(new URL('../../test/fixtures/tls', import.meta.url));
const read = new Map<string, Buffer>();

/** Where a file of the fixtures is, for programs that want paths. */
export function fixture(name: string): string {
  return join(FOLDER, name);
}

export function certificate(name: AuthorityName | LeafName): string {
  return contents(`${name}.cert.pem`).toString();
}

export function identity(name: AuthorityName | LeafName): Identity {
  return { cert: certificate(name), key: contents(`${name}.key.pem`).toString() };
}

/** The list in which `revoked` stands, and nothing else. */
export function revocationList(): string {
  return contents('crl.pem').toString();
}

/** `server` and the CA in one file, DER. */
export function pfx(): Buffer {
  return contents('server.pfx');
}

/** The key of `server`, PEM. */
export function encryptedKey(): string {
  return contents('encrypted.key.pem').toString();
}

function contents(name: string): Buffer {
  let bytes = read.get(name);
  if (bytes === undefined) {
    bytes = readFileSync(fixture(name));
    read.set(name, bytes);
  }
  return bytes;
}
