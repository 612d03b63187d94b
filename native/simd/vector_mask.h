/**
 * Masking over any vector type: XOR with a four-byte key that repeats, in place or on the way to another place.
 *
 * Every width is a multiple of four, so the key's phase is the same for each vector of the main loop, which writes
 * aligned. What it leaves at either end is done by a vector that begins at the start and one that ends at the end. They
 * overlap what the loop does, and in place that has changed by then: so they are loaded before it and stored after it,
 * each with the key turned by its own distance from the start.
 */
#pragma once

#include "simd/swar.h"

namespace miniproto {
namespace {

/** The key as it is met `distance` bytes further on. */
inline uint32_t turnKey(uint32_t key, size_t distance) {
  const unsigned shift = 8 * static_cast<unsigned>(distance & 3);
  return shift == 0 ? key : (key >> shift) | (key << (32 - shift));
}

/** Pre: `size` < 8. */
inline void maskBytes(uint8_t* target, const uint8_t* source, size_t size, uint32_t key) {
  for (size_t i = 0; i < size; i++) target[i] = static_cast<uint8_t>(source[i] ^ (key >> (8 * (i & 3))));
}

/** Pre: `size` >= V::kWidth; target is source, or the two do not overlap. */
template <class V>
inline void maskWide(uint8_t* target, const uint8_t* source, size_t size, uint32_t key) {
  constexpr size_t kWidth = V::kWidth;
  const size_t last = size - kWidth;
  const typename V::Vector headMasked = V::differing(V::load(source), V::splatKey(key));
  const typename V::Vector lastMasked = V::differing(V::load(source + last), V::splatKey(turnKey(key, last)));
  // SAFETY: the cast only tells the alignment; the next aligned place is at most kWidth <= size away.
  const size_t aligned = kWidth - (reinterpret_cast<uintptr_t>(target) & (kWidth - 1));
  const typename V::Vector keys = V::splatKey(turnKey(key, aligned));
  const uint8_t* from = source + aligned;
  uint8_t* to = target + aligned;
  for (size_t blocks = (size - aligned) / (4 * kWidth); blocks > 0; blocks--) {
    const typename V::Vector v0 = V::differing(V::load(from), keys);
    const typename V::Vector v1 = V::differing(V::load(from + kWidth), keys);
    const typename V::Vector v2 = V::differing(V::load(from + 2 * kWidth), keys);
    const typename V::Vector v3 = V::differing(V::load(from + 3 * kWidth), keys);
    V::store(to, v0);
    V::store(to + kWidth, v1);
    V::store(to + 2 * kWidth, v2);
    V::store(to + 3 * kWidth, v3);
    from += 4 * kWidth;
    to += 4 * kWidth;
  }
  for (; to < target + last; from += kWidth, to += kWidth) V::store(to, V::differing(V::load(from), keys));
  V::store(target, headMasked);
  V::store(target + last, lastMasked);
}

template <class V>
void mask(uint8_t* target, const uint8_t* source, size_t size, uint32_t key) {
  if (size >= V::kWidth) {
    maskWide<V>(target, source, size, key);
  } else if (size >= Swar::kWidth) {
    maskWide<Swar>(target, source, size, key);
  } else {
    maskBytes(target, source, size, key);
  }
}

}  // namespace
}  // namespace miniproto
