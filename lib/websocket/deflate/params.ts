/**
 * The parameters of permessage-deflate as they stand in a header, and back. RFC 7692 §7.1
 */
import type { ExtensionOffer } from '../handshake/extensions.js';

export const PERMESSAGE_DEFLATE = 'permessage-deflate';

/** What one offer or answer says. */
export interface DeflateParams {
  readonly serverNoContextTakeover?: boolean;
  readonly clientNoContextTakeover?: boolean;
  readonly serverMaxWindowBits?: number;
  /** `true`: the client can be told, and says no more. Only an offer may leave the value out. */
  readonly clientMaxWindowBits?: number | true;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

const BITS = /^(?:[89]|1[0-5])$/;

/**
 * Reads parameters; one that is unknown, occurs twice or has a value it may not have makes all of them void (§7.1).
 * @returns why they are void, as the end of a sentence, or the parameters.
 */
export function readParams({ params }: ExtensionOffer, of: 'offer' | 'answer'): DeflateParams | string {
  const read: Writable<DeflateParams> = {};
  const seen = new Set<string>();
  for (const [name, value] of params) {
    if (seen.has(name)) return `${name} occurs twice`;
    seen.add(name);
    if (name === 'server_no_context_takeover' && value === true) read.serverNoContextTakeover = true;
    else if (name === 'client_no_context_takeover' && value === true) read.clientNoContextTakeover = true;
    else if (name === 'server_max_window_bits' && isBits(value)) read.serverMaxWindowBits = Number(value);
    else if (name === 'client_max_window_bits' && isBits(value)) read.clientMaxWindowBits = Number(value);
    else if (name === 'client_max_window_bits' && value === true && of === 'offer') read.clientMaxWindowBits = true;
    else return value === true ? `${name} is not allowed like this` : `${name}=${value} is not allowed`;
  }
  return read;
}

/** 8 to 15, without leading zeros. §7.1.2.1 */
function isBits(value: string | true): boolean {
  return value !== true && BITS.test(value);
}

/** @returns the extension with its parameters, as it stands in a header. */
export function writeParams(params: DeflateParams): string {
  const parts: string[] = [PERMESSAGE_DEFLATE];
  if (params.serverNoContextTakeover) parts.push('server_no_context_takeover');
  if (params.clientNoContextTakeover) parts.push('client_no_context_takeover');
  if (params.serverMaxWindowBits !== undefined) parts.push(`server_max_window_bits=${params.serverMaxWindowBits}`);
  if (params.clientMaxWindowBits === true) parts.push('client_max_window_bits');
  else if (params.clientMaxWindowBits !== undefined) {
    parts.push(`client_max_window_bits=${params.clientMaxWindowBits}`);
  }
  return parts.join('; ');
}
