/**
 * Spans of bytes: a pointer and a size that travel together.
 *
 * Deliberately not std::span (C++20) and not a container: nothing here owns, grows or checks. The code that makes a
 * span vouches for its memory; the code that reads one stays within `size`.
 */
#pragma once

#include <cstddef>
#include <cstdint>

namespace miniproto {

/** Bytes that are only read. `data` may be null when `size` is 0. */
struct ByteSpan {
  const uint8_t* data = nullptr;
  size_t size = 0;
};

/** Bytes that are written. `data` may be null when `size` is 0. */
struct MutableByteSpan {
  uint8_t* data = nullptr;
  size_t size = 0;
};

}  // namespace miniproto
