/**
 * Masking over any vector type: XOR with a four-byte key that repeats, in place or on the way to another place.
 *
 * Every width is a multiple of four, so the key's phase is the same for each vector of the main loop. The last bytes
 * are done by a vector that ends exactly at the end. It overlaps bytes already done, and in place those have changed,
 * so it is loaded before the loop, and its key is turned by its own distance from the start.
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
  const typename V::Vector lastMasked = V::differing(V::load(source + last), V::splatKey(turnKey(key, last)));
  const typename V::Vector keys = V::splatKey(key);
  size_t i = 0;
  for (; size - i >= 4 * kWidth; i += 4 * kWidth) {
    const typename V::Vector v0 = V::differing(V::load(source + i), keys);
    const typename V::Vector v1 = V::differing(V::load(source + i + kWidth), keys);
    const typename V::Vector v2 = V::differing(V::load(source + i + 2 * kWidth), keys);
    const typename V::Vector v3 = V::differing(V::load(source + i + 3 * kWidth), keys);
    V::store(target + i, v0);
    V::store(target + i + kWidth, v1);
    V::store(target + i + 2 * kWidth, v2);
    V::store(target + i + 3 * kWidth, v3);
  }
  for (; size - i > kWidth; i += kWidth) {
    V::store(target + i, V::differing(V::load(source + i), keys));
  }
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
