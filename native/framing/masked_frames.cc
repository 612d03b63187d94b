/** A walk from header to header; see masked_frames.h. */
#include "framing/masked_frames.h"

#include "framing/websocket_header.h"
#include "simd/kernels.h"

namespace miniproto {
namespace {

constexpr uint8_t kMaskBit = 0x80;
constexpr size_t kKeyBytes = 4;

/** Big-endian. */
uint64_t lengthAt(const uint8_t* bytes, size_t count) {
  uint64_t length = 0;
  for (size_t i = 0; i < count; i++) length = length << 8 | bytes[i];
  return length;
}

}  // namespace

size_t maskFrames(uint8_t* bytes, size_t size) {
  const auto mask = kernels().mask;
  size_t at = 0;
  while (size - at >= 2 && (bytes[at + 1] & kMaskBit) != 0) {
    const uint8_t inHeader = bytes[at + 1] & 0x7f;
    const size_t more = inHeader < 126 ? 0 : inHeader == 126 ? 2 : 8;
    const size_t header = 2 + more + kKeyBytes;
    if (header > size - at) break;
    const uint64_t length = more == 0 ? inHeader : lengthAt(bytes + at + 2, more);
    if (length > size - at - header) break;
    // SAFETY: the payload's end was just compared with what is there.
    uint8_t* const payload = bytes + at + header;
    mask(payload, payload, static_cast<size_t>(length), loadKey(payload - kKeyBytes));
    at += header + static_cast<size_t>(length);
  }
  return at;
}

}  // namespace miniproto
