/**
 * What the reactor knows of a connection, as the addon tells it: words with a space behind each, in one string, because
 * every connection is asked as it closes, and few are ever looked at.
 *
 *     bytes received, sent, receives, sends, stalls, rows, turns, calls;  of the peer, then of our end: version, address, port
 */
import type { SocketAddresses, SocketCounters } from '../net-interface.js';

/** @param told what `NetInterface.describe` answers. */
export function countersIn(told: string): SocketCounters {
  const [bytesReceived, bytesSent, receives, sends, stalls, rows, turns, nativeCalls] = told
    .split(' ', COUNTS)
    .map(Number) as Counts;
  return { bytesReceived, bytesSent, receives, sends, stalls, rows, turns, nativeCalls };
}

/** Words before those of the addresses. */
const COUNTS = 8;

type Counts = [number, number, number, number, number, number, number, number];

/** @param told as above */
export function addressesIn(told: string): SocketAddresses {
  const [remoteVersion, remoteAddress, remotePort, localVersion, localAddress, localPort] = told
    .split(' ')
    .slice(COUNTS) as Words;
  return {
    ...(remoteVersion !== '0' && {
      remoteAddress,
      remoteFamily: `IPv${remoteVersion}`,
      remotePort: Number(remotePort),
    }),
    ...(localVersion !== '0' && { localAddress, localFamily: `IPv${localVersion}`, localPort: Number(localPort) }),
  };
}

type Words = [string, string, string, string, string, string];
