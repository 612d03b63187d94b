/**
 * The check: ASCII is passed over a word at a time, everything else goes through the machine byte by byte.
 */
#include "text/utf8_check.h"

#include <cstring>

namespace miniproto {
namespace {

constexpr uint8_t kInvalid = kUtf8States;

/** What may come next in a state, and where it leads. State 0 is not looked up. */
constexpr uint8_t kLeast[kUtf8States] = {0, 0x80, 0x80, 0x80, 0xa0, 0x80, 0x90, 0x80};
constexpr uint8_t kMost[kUtf8States] = {0, 0xbf, 0xbf, 0xbf, 0xbf, 0x9f, 0xbf, 0x8f};
constexpr uint8_t kNext[kUtf8States] = {0, 0, 1, 2, 1, 1, 2, 2};

/** Pre: lead >= 0x80. */
inline unsigned stateAfter(uint8_t lead) {
  if (lead < 0xc2 || lead > 0xf4) return kInvalid;
  if (lead < 0xe0) return 1;
  if (lead < 0xf0) return lead == 0xe0 ? 4 : lead == 0xed ? 5 : 2;
  return lead == 0xf0 ? 6 : lead == 0xf4 ? 7 : 3;
}

/** Bytes from `at` on that are ASCII, as far as whole words show. */
inline size_t skipAscii(const uint8_t* bytes, size_t size, size_t at) {
  for (; size - at >= 8; at += 8) {
    uint64_t word;
    std::memcpy(&word, bytes + at, 8);
    if ((word & 0x8080808080808080) != 0) break;
  }
  return at;
}

}  // namespace

Utf8Check checkUtf8(const uint8_t* bytes, size_t size, unsigned state) noexcept {
  size_t at = 0;
  while (at < size) {
    if (state == 0) {
      at = skipAscii(bytes, size, at);
      while (at < size && bytes[at] < 0x80) at++;
      if (at == size) break;
      state = stateAfter(bytes[at]);
      if (state == kInvalid) return {0, false, at};
    } else {
      if (bytes[at] < kLeast[state] || bytes[at] > kMost[state]) return {0, false, at};
      state = kNext[state];
    }
    at++;
  }
  return {state, true, 0};
}

}  // namespace miniproto
