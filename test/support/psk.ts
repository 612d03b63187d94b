/** TLS without certificates, for tests: both sides have the same key. */
import type { ConnectionOptions, TLSSocketOptions } from 'node:tls';

const psk = Buffer.alloc(16, 7);
const how = { ciphers: 'PSK-AES128-GCM-SHA256', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;

/** For `new TLSSocket`; the types know `pskCallback` of servers only. */
export const PSK_SERVER = { ...how, isServer: true, pskCallback: () => psk } as TLSSocketOptions;

/** For `tls.connect`. */
export const PSK_CLIENT: ConnectionOptions = {
  ...how,
  pskCallback: () => ({ psk, identity: 'test' }),
  checkServerIdentity: () => undefined,
};
