/** The certificate and key of every TLS server here: an elliptic one (P-256), as servers have them today. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FOLDER = new URL('../../test/fixtures/tls/', import.meta.url);

/** For programs that take paths. */
export const CERT_PATH = fileURLToPath(new URL('server.cert.pem', FOLDER));
export const KEY_PATH = fileURLToPath(new URL('server.key.pem', FOLDER));

export function identity() {
  return { cert: readFileSync(CERT_PATH), key: readFileSync(KEY_PATH) };
}
