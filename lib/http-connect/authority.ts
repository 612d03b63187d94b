/** `host:port`, as CONNECT has it for its target and Host for its value. RFC 9110 §9.3.6, RFC 9112 §3.2.3 */
import { checkString, invalidArgValue } from '../arguments.js';
import { type Endpoint, type HostKind, kindOfHost } from '../socks/target.js';

/** Writes a place; IPv6 in brackets. */
export function authorityOf({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A place with what its host is. */
export interface Authority extends Endpoint {
  readonly type: HostKind;
}

const AUTHORITY = /^(?:\[([^[\]]*)\]|([^:[\]]*)):(\d{1,5})$/;

/** @returns the place, or what is wrong with the text, in words. */
export function parseAuthority(text: string): Authority | string {
  const [, bracketed, plain, digits] = AUTHORITY.exec(text) ?? [];
  // RFC 9110 §9.3.6: a target with an empty or invalid port MUST be rejected.
  if (digits === undefined) return 'the target is not host:port';
  const port = Number(digits);
  if (port < 1 || port > 65_535) return `the port ${digits} is none`;
  const host = bracketed ?? plain!;
  if (host === '') return 'the host is empty';
  const type = kindOfHost(host);
  // Brackets are for IPv6 and for nothing else.
  if (type === undefined || (type === 'ipv6') !== (bracketed !== undefined))
    return `${JSON.stringify(host)} is no host`;
  return { host, port, type };
}

/** Who asks, as `Proxy-Authorization: Basic` has it. */
export interface ProxyCredentials {
  readonly user: string;
  readonly password: string;
}

/** Writes the value of Proxy-Authorization. RFC 7617 @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE */
export function basicCredentials(name: string, { user, password }: ProxyCredentials): string {
  checkString(`${name}.user`, user);
  checkString(`${name}.password`, password);
  // RFC 7617 §2: what stands behind the first colon is the password, and neither has control characters.
  if (user.includes(':') || hasControls(user)) {
    throw invalidArgValue(`${name}.user`, user, 'must have no colon and no control character');
  }
  if (hasControls(password)) throw invalidArgValue(`${name}.password`, '***', 'must have no control character');
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

/** @returns user and password of the header's value; undefined for any other scheme, and for what cannot be read. */
export function parseCredentials(value: string | undefined): ProxyCredentials | undefined {
  const encoded = /^basic +([0-9a-z+/]+=*)$/i.exec(value ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString();
  const colon = text.indexOf(':');
  if (colon < 0 || hasControls(text)) return undefined;
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

function hasControls(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return /[\x00-\x1f\x7f]/.test(text);
}
