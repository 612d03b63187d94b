/** `connectTls`: a connection that is secure before anybody gets it. */
import { checkObject, checkSignal } from '../arguments.js';
import { type ConnectOptions, connect } from '../net/connect.js';
import { clientPlan, type TlsClientOptions, type TlsPlan, UNTIMED } from './options.js';
import { secureStream } from './secure.js';
import type { SecureStream } from './secure-stream.js';

/** Where to, as for `connect`, and how, as for `tlsClient`. */
export type ConnectTlsOptions = ConnectOptions & TlsClientOptions;

/**
 * Connects, and does the handshake. The server's certificate has to be for `host`, or for `servername` where that is given;
 * for a Unix socket one of them has to be.
 * @throws as `connect` and `tlsClient`; what the handshake failed with.
 * @example
 * const stream = framed(await connectTls({ host: 'imap.example.com', port: 993 }), lines());
 */
export async function connectTls(options: ConnectTlsOptions): Promise<SecureStream> {
  checkObject('options', options);
  checkSignal('options.signal', options.signal);
  const { host, servername } = options as { host?: string | false; servername?: string };
  // As Node: where nothing is said, it is this machine.
  const where = typeof host === 'string' ? host : 'path' in options ? undefined : 'localhost';
  const plan = clientPlan({ ...options, host: servername ?? (host === false ? false : where) } as TlsClientOptions);
  return connectPlanned({ ...options, ...(where === undefined ? {} : { host: where }) } as ConnectOptions, plan);
}

/** The same where the certificate is not for the place that is connected to. Internal. */
export async function connectPlanned(where: ConnectOptions, plan: TlsPlan): Promise<SecureStream> {
  const lower = await connect({ ...where, ...UNTIMED } as ConnectOptions);
  const secure = secureStream(lower, plan);
  try {
    await secure.handshake({ signal: where.signal });
  } catch (error) {
    secure.destroy(error instanceof Error ? error : undefined);
    throw error;
  }
  return secure;
}
