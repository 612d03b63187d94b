/**
 * From the options of a context, as Node names them, to what the engine is given: types are checked, lists made of single
 * values, ciphers of the two versions told apart.
 */
import {
  checkBoolean,
  checkInteger,
  checkObject,
  checkOneOf,
  checkString,
  checkUint8Array,
  invalidArgType,
  invalidArgValue,
} from '../arguments.js';
import { UsageError } from '../errors.js';
import { late } from '../late.js';
import type { TlsContextSettings, TlsIdentity } from '../tls-interface.js';
import type { Pem, PemKey, Pfx, TlsContextOptions, TlsVersion } from './tls-context.js';

const VERSIONS: { readonly [version in TlsVersion]: number } = { 'TLSv1.2': 0x0303, 'TLSv1.3': 0x0304 };
/** Bytes of `ticketKeys`: a name, a key for the HMAC, one for AES. */
const TICKET_KEYS_BYTES = 48;
/** Most that OpenSSL sends; more help nobody. */
const MOST_TICKETS = 10;
/** Tickets after a full handshake: OpenSSL's own number, one for each of two connections. */
const DEFAULT_TICKETS = 2;
/** Seconds. OpenSSL's and Node's own. */
const DEFAULT_SESSION_TIMEOUT = 300;

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE; UsageError ERR_TLS_CONTEXT */
export function settingsOf(
  options: TlsContextOptions,
): Omit<TlsContextSettings, 'role' | 'pauseAtHello' | 'keyLog' | 'verify'> {
  checkObject('options', options);
  const { honorCipherOrder = true, requestCert = false, rejectUnauthorized = true } = options;
  checkBoolean('options.honorCipherOrder', honorCipherOrder);
  checkBoolean('options.requestCert', requestCert);
  checkBoolean('options.rejectUnauthorized', rejectUnauthorized);
  return {
    identities: identitiesOf(options),
    ca: options.ca == null ? undefined : pems('options.ca', options.ca),
    crl: options.crl == null ? undefined : pems('options.crl', options.crl),
    ...ciphersAndVersions(options),
    groups: groupsOf(options.ecdhCurve),
    sigalgs: optionalText('options.sigalgs', options.sigalgs),
    honorCipherOrder,
    reportOnly: !rejectUnauthorized,
    alpn: alpnOf(options.ALPNProtocols),
    dhparam: options.dhparam == null ? undefined : dhparamOf(options.dhparam),
    ...resumptionOf(options),
  };
}

function resumptionOf({
  ticketKeys,
  tickets = DEFAULT_TICKETS,
  sessionTimeout = DEFAULT_SESSION_TIMEOUT,
  sessionIdContext = '',
}: TlsContextOptions): Pick<TlsContextSettings, 'ticketKeys' | 'tickets' | 'sessionTimeout' | 'sessionIdContext'> {
  if (ticketKeys !== undefined) {
    checkUint8Array('options.ticketKeys', ticketKeys);
    if (ticketKeys.length !== TICKET_KEYS_BYTES) {
      throw invalidArgValue('options.ticketKeys', ticketKeys.length, `must be exactly ${TICKET_KEYS_BYTES} bytes`);
    }
  }
  checkInteger('options.tickets', tickets, 0, MOST_TICKETS);
  checkInteger('options.sessionTimeout', sessionTimeout, 0, 2 ** 31 - 1);
  checkString('options.sessionIdContext', sessionIdContext);
  return { ticketKeys, tickets, sessionTimeout, sessionIdContext };
}

/** As Node does it: names of TLS 1.3 begin with TLS_, and where only they are named, there is only TLS 1.3. */
function ciphersAndVersions(
  options: TlsContextOptions,
): Pick<TlsContextSettings, 'ciphers' | 'cipherSuites' | 'minVersion' | 'maxVersion'> {
  const { ciphers = late.tls.DEFAULT_CIPHERS, minVersion, maxVersion } = options;
  checkString('options.ciphers', ciphers);
  let lowest = versionOf('options.minVersion', minVersion, late.tls.DEFAULT_MIN_VERSION);
  const highest = versionOf('options.maxVersion', maxVersion, late.tls.DEFAULT_MAX_VERSION);
  const names = ciphers.split(':').filter((name) => name !== '');
  const suites = names.filter((name) => name.startsWith('TLS_'));
  const list = names.filter((name) => !name.startsWith('TLS_'));
  if (names.length === 0) throw invalidArgValue('options.ciphers', ciphers);
  if (list.length === 0 && highest > VERSIONS['TLSv1.2']) lowest = VERSIONS['TLSv1.3'];
  if (lowest > highest) throw invalidArgValue('options.minVersion', minVersion, 'is above the highest version');
  return {
    ciphers: list.length === 0 ? undefined : list.join(':'),
    cipherSuites: suites.length === 0 ? undefined : suites.join(':'),
    minVersion: lowest,
    maxVersion: highest,
  };
}

function versionOf(name: string, version: unknown, otherwise: string): number {
  // A default of Node's may have been lowered to versions that are not to be had.
  if (version === undefined) return VERSIONS[otherwise as TlsVersion] ?? VERSIONS['TLSv1.2'];
  checkOneOf(name, version, ['TLSv1.2', 'TLSv1.3']);
  return VERSIONS[version as TlsVersion];
}

function groupsOf(ecdhCurve: unknown = late.tls.DEFAULT_ECDH_CURVE): string | undefined {
  checkString('options.ecdhCurve', ecdhCurve);
  return ecdhCurve === 'auto' ? undefined : ecdhCurve;
}

function alpnOf(names: TlsContextOptions['ALPNProtocols'] = []): readonly string[] {
  if (!Array.isArray(names)) throw invalidArgType('options.ALPNProtocols', 'an instance of Array', names);
  for (const name of names) {
    checkString('options.ALPNProtocols', name);
    const size = Buffer.byteLength(name, 'latin1');
    if (size < 1 || size > 255)
      throw invalidArgValue('options.ALPNProtocols', name, 'must have names of 1 to 255 bytes');
  }
  return [...names];
}

/** Keys and chains belong together by their place. */
function identitiesOf({ key, cert, pfx, passphrase }: TlsContextOptions): readonly TlsIdentity[] {
  if (passphrase !== undefined) checkString('options.passphrase', passphrase);
  const keys: readonly unknown[] = asList(key);
  const certs: readonly unknown[] = asList(cert);
  if (keys.length !== certs.length) {
    throw invalidArgValue('options.key', keys.length, `must be as many as options.cert, ${certs.length}`);
  }
  const pairs = certs.map((chain, at) => ({
    cert: pem('options.cert', chain),
    ...keyOf(keys[at] as Pem | PemKey, passphrase),
  }));
  return [...pairs, ...asList(pfx).map((one) => pfxOf(one as Uint8Array | Pfx, passphrase))];
}

function keyOf(key: Pem | PemKey, passphrase: string | undefined): TlsIdentity {
  if (typeof key !== 'object' || key === null || key instanceof Uint8Array)
    return { key: pem('options.key', key), passphrase };
  const own = optionalText('options.passphrase', key.passphrase) ?? passphrase;
  return { key: pem('options.key', key.pem), passphrase: own };
}

function pfxOf(pfx: Uint8Array | Pfx, passphrase: string | undefined): TlsIdentity {
  const bare = typeof pfx !== 'object' || pfx === null || pfx instanceof Uint8Array;
  const { buf, passphrase: own } = bare ? { buf: pfx, passphrase: undefined } : pfx;
  checkUint8Array('options.pfx', buf);
  return { pfx: buf, passphrase: optionalText('options.passphrase', own) ?? passphrase };
}

function asList(value: unknown): readonly unknown[] {
  if (value == null) return [];
  return Array.isArray(value) ? value : [value];
}

function pems(name: string, value: Pem | readonly Pem[]): string[] {
  return asList(value).map((one) => pem(name, one));
}

function dhparamOf(dhparam: Pem): string {
  return dhparam === 'auto' ? dhparam : pem('options.dhparam', dhparam);
}

/**
 * A path in place of its file's contents is the common mistake: OpenSSL would say "no start line", and Node says nothing
 * of authorities and parameters that it cannot read.
 * @throws ERR_INVALID_ARG_TYPE; UsageError ERR_TLS_CONTEXT
 */
function pem(name: string, value: unknown): string {
  const found = text(name, value);
  if (found.includes('-----BEGIN ')) return found;
  throw new UsageError('ERR_TLS_CONTEXT', {
    message: `${name} has no "-----BEGIN" in it: it has to be PEM, the contents of a file and not its path`,
    protocol: 'tls',
  });
}

function text(name: string, value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1');
  throw invalidArgType(name, 'of type string or an instance of Buffer or Uint8Array', value);
}

function optionalText(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  checkString(name, value);
  return value;
}
