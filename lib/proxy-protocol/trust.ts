/**
 * Whose headers are believed. Anyone can write one, and with it any address: so who may is said by the address of the
 * connection that it comes over, which nobody can write.
 */
import { BlockList, isIP } from 'node:net';
import { invalidArgType, invalidArgValue } from '../arguments.js';
import { DuplexStream } from '../streams/duplex-stream.js';

/** Answers whether a header from this address is believed. Undefined: the connection has none, as a Unix socket. */
export type TrustFunction = (remoteAddress: string | undefined) => boolean;

/**
 * Sources whose headers are believed: addresses and networks in CIDR notation, a list of Node's, or a function.
 * A connection without an address is on no list.
 */
export type TrustedSources = readonly string[] | BlockList | TrustFunction;

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE */
export function trustFunction(trusted: TrustedSources | undefined): TrustFunction {
  if (trusted === undefined) return trustAll;
  // Only true is: a promise would be as good as true otherwise.
  if (typeof trusted === 'function') return (address) => trusted(address) === true;
  if (trusted instanceof BlockList) return onList(trusted);
  if (!Array.isArray(trusted)) {
    throw invalidArgType('options.trusted', 'an array of strings, a net.BlockList or a function', trusted);
  }
  const list = new BlockList();
  for (const network of trusted as readonly unknown[]) addNetwork(list, network);
  return onList(list);
}

/** Whoever asks for a header and names nobody has made sure by other means that only proxies can connect. */
const trustAll: TrustFunction = () => true;

function onList(list: BlockList): TrustFunction {
  return (address) => {
    // A zone, `fe80::1%eth0`, is no part of what a list knows.
    const plain = address?.split('%', 1)[0] ?? '';
    const version = isIP(plain);
    // An IPv4 address that a socket of IPv6 sees, `::ffff:192.0.2.1`, is on a list that has it as IPv4.
    return version !== 0 && list.check(plain, version === 4 ? 'ipv4' : 'ipv6');
  };
}

function addNetwork(list: BlockList, network: unknown): void {
  if (typeof network !== 'string') throw invalidArgType('options.trusted', 'an array of strings', network);
  const [address = '', prefix, ...more] = network.split('/');
  const version = isIP(address);
  const bits = prefix === undefined || /^\d{1,3}$/.test(prefix) ? Number(prefix ?? 0) : Number.NaN;
  if (version === 0 || address.includes('%') || more.length > 0 || !(bits <= (version === 4 ? 32 : 128))) {
    throw invalidArgValue('options.trusted', network, 'is neither an address nor a network in CIDR notation');
  }
  const type = version === 4 ? 'ipv4' : 'ipv6';
  if (prefix === undefined) list.addAddress(address, type);
  else list.addSubnet(address, bits, type);
}

/** The address that a connection comes from, of whatever knows one: a connection of ours, a socket of Node's. */
export function remoteAddressOf(stream: object): string | undefined {
  const { addresses } = stream as { addresses?: { remoteAddress?: string } };
  if (addresses !== undefined) return addresses.remoteAddress;
  const source = stream instanceof DuplexStream ? stream.readable : stream;
  return (source as { remoteAddress?: string } | undefined)?.remoteAddress;
}
