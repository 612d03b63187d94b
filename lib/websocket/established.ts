/**
 * What a handshake ends in, whoever made it: a byte stream whose input starts behind the head, and what both sides have
 * agreed on. A connection is made of it, and knows nothing of HTTP.
 */
import type { ByteStream } from '../streams/byte-stream.js';
import type { DeflateSettings } from './deflate/options.js';

/** How one direction is compressed. RFC 7692 §7.1 */
export interface DeflateDirection {
  /** Size of the window as a power of two, 8 to 15. */
  readonly windowBits: number;
  /** Whether a message may refer to the messages before it. */
  readonly contextTakeover: boolean;
}

/** What was agreed on for permessage-deflate. */
export interface AgreedDeflate {
  /** What this side compresses with. */
  readonly own: DeflateDirection;
  /** What the peer compresses with. */
  readonly peer: DeflateDirection;
  /** What this side was told to do with it. */
  readonly settings: DeflateSettings;
}

/** Who this end is. A client masks what it sends. RFC 6455 §5.3 */
export type WebSocketRole = 'server' | 'client';

/** An established WebSocket, before anything was read or written in frames. */
export interface Established {
  /** Its input begins with the first byte of the first frame. */
  readonly stream: ByteStream;
  readonly role: WebSocketRole;
  /** The subprotocol, '' for none. */
  readonly protocol: string;
  /** The value of Sec-WebSocket-Extensions in the answer, '' for none. */
  readonly extensions: string;
  /** What was agreed on, together with the options that were given for it; undefined where nothing is compressed. */
  readonly deflate: AgreedDeflate | undefined;
}

/** What was agreed on. Connections in a row mostly agree on the same, and share it. */
export type Terms = Pick<Established, 'role' | 'protocol' | 'extensions'>;

let latest: Terms = { role: 'server', protocol: '', extensions: '' };

export function termsOf(role: WebSocketRole, protocol: string, extensions: string): Terms {
  const same = latest.role === role && latest.protocol === protocol && latest.extensions === extensions;
  if (!same) latest = { role, protocol, extensions };
  return latest;
}
