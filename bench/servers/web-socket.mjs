/** What the WebSocket servers have in common. See load/publish.cc for who subscribes, and how. */

/** Messages may be larger than a default allows. */
export const MAX_PAYLOAD = 16 << 20;
/** zlib's own default, said aloud: everybody works as hard. */
export const LEVEL = 6;
export const SUBSCRIBE = 'subscribe';
