/**
 * Masks the payloads of WebSocket frames that lie one behind the other, each by the key in its header (RFC 6455 §5.2):
 * the twin of lib/reference/masked-frames.ts. They are a client's own, so nothing but where they end is looked at.
 */
#pragma once

#include <cstddef>
#include <cstdint>

namespace miniproto {

/** @returns where it ended: `size`, where all frames are whole and masked. */
size_t maskFrames(uint8_t* bytes, size_t size);

}  // namespace miniproto
