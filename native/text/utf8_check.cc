/**
 * The check: a kernel passes over what is valid, and the machine goes through the few bytes where a piece begins and
 * ends inside of characters, or where it is at fault.
 */
#include "text/utf8_check.h"

#include "simd/kernels.h"

namespace miniproto {
namespace {

/** Bytes. Fewer go through the machine alone. */
constexpr size_t kKernelFrom = 16;
constexpr unsigned kInvalid = kUtf8States;

/** What may come next in a state, and where it leads. State 0 is not looked up. */
constexpr uint8_t kLeast[kUtf8States] = {0, 0x80, 0x80, 0x80, 0xa0, 0x80, 0x90, 0x80};
constexpr uint8_t kMost[kUtf8States] = {0, 0xbf, 0xbf, 0xbf, 0xbf, 0x9f, 0xbf, 0x8f};
constexpr uint8_t kNext[kUtf8States] = {0, 0, 1, 2, 1, 1, 2, 2};

inline unsigned stateAfter(uint8_t lead) {
  if (lead < 0x80) return 0;
  if (lead < 0xc2 || lead > 0xf4) return kInvalid;
  if (lead < 0xe0) return 1;
  if (lead < 0xf0) return lead == 0xe0 ? 4 : lead == 0xed ? 5 : 2;
  return lead == 0xf0 ? 6 : lead == 0xf4 ? 7 : 3;
}

inline unsigned step(unsigned state, uint8_t byte) {
  if (state == 0) return stateAfter(byte);
  return byte < kLeast[state] || byte > kMost[state] ? kInvalid : kNext[state];
}

}  // namespace

Utf8Check checkUtf8(const uint8_t* bytes, size_t size, unsigned state) noexcept {
  size_t at = 0;
  for (; at < size && state != 0; at++) {
    state = step(state, bytes[at]);
    if (state == kInvalid) return {0, false, at};
  }
  if (size - at >= kKernelFrom) at += kernels().passUtf8(bytes + at, size - at);
  for (; at < size; at++) {
    state = step(state, bytes[at]);
    if (state == kInvalid) return {0, false, at};
  }
  return {state, true, 0};
}

}  // namespace miniproto
