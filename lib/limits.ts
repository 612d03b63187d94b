/**
 * Every default limit, with its unit and its reason. Those that are an option can be set where they are used; see
 * docs/limits.md.
 */

/** Bytes. Largest record by default: room for a large JSON message, little enough for thousands of connections. */
export const DEFAULT_MAX_LENGTH = 1024 * 1024;

/** Bytes. Largest WebSocket message by default, inflated: what a page may well send, and no more than one core inflates at once. */
export const DEFAULT_MAX_MESSAGE_LENGTH = 16 * 1024 * 1024;

/** Bytes. The largest value any maxLength may have: table rows are 32-bit, and twice this must not overflow. */
export const LARGEST_MAX_LENGTH = 2 ** 30;

/** Bytes. Input read ahead of the reader: the size of a Node socket chunk, so that one read fills it. */
export const DEFAULT_READ_HIGH_WATER_MARK = 64 * 1024;

/** Bytes. Output accepted while the layer below does not take it: Node's own default for byte streams since 22. */
export const DEFAULT_WRITE_HIGH_WATER_MARK = 64 * 1024;

/** Bytes. From here on a payload is sent from where it lies; below, a copy costs less than keeping track of it. */
export const BY_REFERENCE_FROM = 16 * 1024;

/** Rows. Records of one batch: as many lines as a page of a file has; the table takes 64 KiB while a batch lives. */
export const BATCH_ROWS = 4096;

/** Times a codec may give records, or ask to go on, without taking a byte before that counts as no progress. */
export const MAX_EMPTY_PROGRESS = 100;

/** Bytes. `close()` reads and discards this much of what the peer still sends before it gives up on its EOF. */
export const CLOSE_DISCARD_BYTES = 1024 * 1024;

/** Milliseconds. `close()` waits this long for output to leave and for the peer's EOF. */
export const CLOSE_TIMEOUT_MS = 5_000;

/** Bytes. Looked at to tell a protocol: as much as the head of a request, and ten ClientHellos with post-quantum keys. */
export const MAX_DETECT_BYTES = 16 * 1024;

/** Milliseconds. For a peer to have said what it speaks: who speaks first does so at once, and TCP may have to send it again. */
export const DETECT_TIMEOUT_MS = 5_000;

/** Milliseconds. Who says nothing for so long waits for the server to speak; TCP sends a lost first packet again within it. */
export const DETECT_SILENCE_MS = 1_000;

/** Bytes. Largest head of an HTTP request or response: Node's own default. */
export const MAX_HEAD_BYTES = 16 * 1024;

/** Fields. Most of one head: browsers send some twenty, and each costs objects. */
export const MAX_HEADER_COUNT = 128;

/** Milliseconds. A WebSocket's opening handshake: patience with slow networks, none with peers that only hold a connection. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Milliseconds. A TLS handshake: two round trips over the slowest network, and a user's callback in between. */
export const TLS_HANDSHAKE_TIMEOUT_MS = 30_000;

/** Bytes. What is read of the body of an answer that refuses a handshake: enough to say why. */
export const MAX_REFUSAL_BODY = 16 * 1024;

/** Bytes. From here on WebSocket messages are deflated where that was agreed on: shorter ones hardly get shorter. */
export const DEFLATE_THRESHOLD = 1024;

/** Bytes. What was sent that a deflated message may refer to: more costs more time for each message than it saves. */
export const DEFLATE_HISTORY = 4096;

/** Bytes. Largest header of the PROXY protocol: what nginx takes; addresses and names take some hundred, a certificate more. */
export const MAX_PROXY_HEADER = 4096;

/** Milliseconds. For a PROXY header to arrive: it comes first and at once, and 3 s let TCP send it again. */
export const PROXY_HEADER_TIMEOUT_MS = 5_000;

/** Milliseconds. A handshake with a proxy, which has to connect to somewhere else meanwhile. */
export const PROXY_TIMEOUT_MS = 30_000;
