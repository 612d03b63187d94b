/**
 * Is it UTF-8? For texts that come in pieces, which may end inside of characters.
 *
 * A machine of eight states, the same as in lib/reference/utf8-check.ts, since a state may be told to one and taken up
 * by the other: 0 between two characters; 1 to 3 when so many continuation bytes are to come; 4 to 7 behind E0, ED, F0
 * and F4, which narrow the byte after them. Well-formed is what table 3-7 of the Unicode Standard says.
 */
#pragma once

#include <cstddef>
#include <cstdint>

namespace miniproto {

constexpr unsigned kUtf8States = 8;

struct Utf8Check {
  /** The state behind the piece; where it is not valid, unspecified. */
  unsigned state = 0;
  bool valid = true;
  /** Where it is not valid, index of the first byte that cannot be there. */
  size_t index = 0;
};

/** Pre: state < kUtf8States. */
Utf8Check checkUtf8(const uint8_t* bytes, size_t size, unsigned state) noexcept;

}  // namespace miniproto
