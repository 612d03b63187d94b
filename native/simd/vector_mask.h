/**
 * Masking over any vector type: XOR with a four-byte key that repeats, in place, to another place, or to lower
 * addresses of the same memory. Says on the way whether what it wrote is ASCII.
 *
 * Every width is a multiple of four, so the key's phase is the same for each vector of a loop. What a loop leaves is
 * done by a vector that ends at the end; it overlaps what the loop does, and where the memory is the same that has
 * changed by then: so it is loaded before the loop and stored after it, with the key turned by its distance from the
 * start. Loops go upwards and load before they store, which makes a move to lower addresses right at any distance.
 */
#pragma once

#include "simd/swar.h"

namespace miniproto {
namespace {

/**
 * What stores before it stays before what stores after it. Where a compiler puts stores in another order than that of
 * their addresses, the processor does not join those of a cache line, which costs a copy that is larger than the first
 * cache half its speed.
 */
MINIPROTO_INLINE void inOrder() {
#if defined(__GNUC__) || defined(__clang__)
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
#endif
}

/** The key as it is met `distance` bytes further on. */
inline uint32_t turnKey(uint32_t key, size_t distance) {
  const unsigned shift = 8 * static_cast<unsigned>(distance & 3);
  return (key >> shift) | (key << ((32 - shift) & 31));
}

/** Four bytes, the first one lowest. */
inline uint32_t loadFour(const uint8_t* bytes) {
  uint32_t word;
  std::memcpy(&word, bytes, sizeof word);
  return littleEndian(word);
}

inline void storeTwo(uint8_t* bytes, uint32_t word) {
  bytes[0] = static_cast<uint8_t>(word);
  bytes[1] = static_cast<uint8_t>(word >> 8);
}

inline void storeFour(uint8_t* bytes, uint32_t word) {
  word = littleEndian(word);
  std::memcpy(bytes, &word, sizeof word);
}

/** Pre: `size` < 8. */
MINIPROTO_INLINE bool maskFew(uint8_t* target, const uint8_t* source, size_t size, uint32_t key) {
  uint32_t seen = 0;
  if (size >= 4) {
    const uint32_t first = loadFour(source) ^ key;
    const uint32_t last = loadFour(source + size - 4) ^ turnKey(key, size);
    storeFour(target, first);
    storeFour(target + size - 4, last);
    seen = first | last;
  } else {
    for (size_t i = 0; i < size; i++) {
      const auto byte = static_cast<uint8_t>(source[i] ^ (key >> (8 * i)));
      target[i] = byte;
      seen |= byte;
    }
  }
  return (seen & 0x80808080) == 0;
}

/** A vector at a time, wherever they lie. Pre: `size` >= V::kWidth. */
template <class V>
MINIPROTO_INLINE bool maskShort(uint8_t* target, const uint8_t* source, size_t size, uint32_t key) {
  const size_t last = size - V::kWidth;
  const typename V::Vector keys = V::splatKey(key);
  const typename V::Vector lastMasked = V::differing(V::load(source + last), V::splatKey(turnKey(key, last)));
  typename V::Vector seen = lastMasked;
  for (size_t i = 0; i < last; i += V::kWidth) {
    const typename V::Vector masked = V::differing(V::load(source + i), keys);
    V::store(target + i, masked);
    seen = V::either(seen, masked);
  }
  V::store(target + last, lastMasked);
  return !V::any(seen);
}

/** Four vectors at a time, stored aligned. Pre: `size` >= V::kWidth. */
template <class V>
bool maskLong(uint8_t* target, const uint8_t* source, size_t size, uint32_t key) {
  constexpr size_t kWidth = V::kWidth;
  const typename V::Vector head = V::differing(V::load(source), V::splatKey(key));
  // SAFETY: the cast only tells the alignment; the next aligned place is at most kWidth <= size away.
  const size_t aligned = kWidth - (reinterpret_cast<uintptr_t>(target) & (kWidth - 1));
  const typename V::Vector keys = V::splatKey(turnKey(key, aligned));
  const size_t last = size - kWidth;
  const typename V::Vector tail = V::differing(V::load(source + last), V::splatKey(turnKey(key, last)));
  typename V::Vector seen = V::either(head, tail);
  const uint8_t* from = source + aligned;
  uint8_t* to = target + aligned;
  for (size_t blocks = (size - aligned) / (4 * kWidth); blocks > 0; blocks--) {
    const typename V::Vector v0 = V::differing(V::load(from), keys);
    const typename V::Vector v1 = V::differing(V::load(from + kWidth), keys);
    const typename V::Vector v2 = V::differing(V::load(from + 2 * kWidth), keys);
    const typename V::Vector v3 = V::differing(V::load(from + 3 * kWidth), keys);
    V::store(to, v0);
    inOrder();
    V::store(to + kWidth, v1);
    inOrder();
    V::store(to + 2 * kWidth, v2);
    inOrder();
    V::store(to + 3 * kWidth, v3);
    seen = V::either(seen, V::either(V::either(v0, v1), V::either(v2, v3)));
    from += 4 * kWidth;
    to += 4 * kWidth;
  }
  for (; to < target + last; from += kWidth, to += kWidth) {
    const typename V::Vector masked = V::differing(V::load(from), keys);
    V::store(to, masked);
    seen = V::either(seen, masked);
  }
  V::store(target, head);
  V::store(target + last, tail);
  return !V::any(seen);
}

/** Where it is called, so that it costs no call. Pre: `size` is small; any is right. */
template <class V>
MINIPROTO_INLINE bool maskSmall(uint8_t* target, const uint8_t* source, size_t size, uint32_t key) {
  if (size >= V::kWidth) return maskShort<V>(target, source, size, key);
  if (size >= Swar::kWidth) return maskShort<Swar>(target, source, size, key);
  return maskFew(target, source, size, key);
}

template <class V>
MINIPROTO_INLINE bool maskAny(uint8_t* target, const uint8_t* source, size_t size, uint32_t key) {
  if (size >= 16 * V::kWidth) return maskLong<V>(target, source, size, key);
  return maskSmall<V>(target, source, size, key);
}

template <class V>
bool mask(uint8_t* target, const uint8_t* source, size_t size, uint32_t key) {
  return maskAny<V>(target, source, size, key);
}

}  // namespace
}  // namespace miniproto
