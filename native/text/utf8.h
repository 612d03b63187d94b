/**
 * UTF-8 to UTF-16 for the rows of a frame table: all payloads of a batch in one pass, one behind the other.
 *
 * JavaScript then makes one string of the units and slices it by the ends. What is no UTF-8 becomes U+FFFD per maximal
 * subpart, as the WHATWG Encoding Standard's decoder has it (https://encoding.spec.whatwg.org/#utf-8-decoder), so the
 * result is what TextDecoder or Buffer give for each row on its own. A byte order mark is kept.
 */
#pragma once

#include <cstddef>
#include <cstdint>

namespace miniproto {

/** What came of a row or of many. */
struct Utf8Outcome {
  /** UTF-16 units written. */
  size_t units = 0;
  /** Index of the first row that is not valid UTF-8, or -1. */
  int32_t malformed = -1;
};

/**
 * Decodes the payloads of `count` rows.
 * @param rows the first row's words, see frame_table.h
 * @param units room for the units: at least as many as the payloads have bytes
 * @param ends room for `count` words: where each row's units end
 * Pre: every row's payload lies in `bytes`; 2 * units fit in an int32.
 */
Utf8Outcome decodeUtf8Rows(const uint8_t* bytes, const int32_t* rows, size_t count, char16_t* units,
                           int32_t* ends) noexcept;

}  // namespace miniproto
