/**
 * Byte search with whatever kernels are in use: the plain functions that framers and the binding call.
 *
 * Every function takes a pointer and a size, and answers an index from that pointer, or `size` for "not there".
 */
#pragma once

#include <cstddef>
#include <cstdint>

namespace miniproto {

/** First index of `byte`, or `size`. */
size_t indexOfByte(const uint8_t* bytes, size_t size, uint8_t byte);

/** First index of any of three bytes, or `size`; for two, repeat one. */
size_t indexOfAny(const uint8_t* bytes, size_t size, uint8_t a, uint8_t b, uint8_t c);

/** First index of a byte whose entry in `table` is not 0, or `size`. A byte at a time, for more than three bytes. */
size_t indexOfMember(const uint8_t* bytes, size_t size, const uint8_t (&table)[256]);

/** First index where the whole sequence lies, or `size`. Pre: length >= 1. */
size_t indexOfSequence(const uint8_t* bytes, size_t size, const uint8_t* sequence, size_t length);

struct IndexResult {
  /** Positions written. */
  size_t count;
  /** No byte over 0x7f in the whole range, or up to the last position when `positions` was filled. */
  bool ascii;
};

/**
 * Writes `base` plus the index of each `byte` to `positions` until `capacity` are there.
 * Pre: base + size <= 2^31.
 */
IndexResult indexAll(const uint8_t* bytes, size_t size, uint8_t byte, int32_t base, int32_t* positions,
                     size_t capacity);

/** True when no byte is over 0x7f. */
bool isAscii(const uint8_t* bytes, size_t size);

}  // namespace miniproto
