/**
 * Search over any vector type: included once per instruction set, see swar.h for why everything is internal.
 *
 * A vector type V gives kWidth, load, splat, equal, either, both, any and bits. A matcher says which bytes are looked
 * for: at() compares a vector's worth of places at once, one() a single place, confirm() checks what the comparison
 * left open. One loop, findFirst, serves them all:
 *   1. the first vector, where it lies; most records are short, so most searches end here
 *   2. four aligned vectors at a time, joined and tested once
 *   3. one vector at a time, then a last one that ends exactly at the end and overlaps what was searched
 * Fewer bytes than a vector go to Swar, fewer than eight byte by byte: no load ever leaves the range.
 */
#pragma once

#include "simd/swar.h"

namespace miniproto {
namespace {

template <class V>
struct ByteMatch {
  typename V::Vector needle;
  uint8_t byte;

  explicit ByteMatch(uint8_t b) : needle(V::splat(b)), byte(b) {}
  typename V::Vector at(const uint8_t* p) const { return V::equal(V::load(p), needle); }
  bool one(const uint8_t* p) const { return *p == byte; }
  static bool confirm(const uint8_t* /*p*/) { return true; }
};

template <class V>
struct AnyMatch {
  typename V::Vector a, b, c;
  uint8_t byteA, byteB, byteC;

  AnyMatch(uint8_t x, uint8_t y, uint8_t z)
      : a(V::splat(x)), b(V::splat(y)), c(V::splat(z)), byteA(x), byteB(y), byteC(z) {}
  typename V::Vector at(const uint8_t* p) const {
    const typename V::Vector bytes = V::load(p);
    return V::either(V::either(V::equal(bytes, a), V::equal(bytes, b)), V::equal(bytes, c));
  }
  bool one(const uint8_t* p) const { return *p == byteA || *p == byteB || *p == byteC; }
  static bool confirm(const uint8_t* /*p*/) { return true; }
};

/** First and last byte of the sequence in one comparison; what lies between is confirmed for the few places left. */
template <class V>
struct SequenceMatch {
  typename V::Vector first, last;
  const uint8_t* sequence;
  size_t length;

  SequenceMatch(const uint8_t* bytes, size_t count)
      : first(V::splat(bytes[0])), last(V::splat(bytes[count - 1])), sequence(bytes), length(count) {}
  typename V::Vector at(const uint8_t* p) const {
    return V::both(V::equal(V::load(p), first), V::equal(V::load(p + length - 1), last));
  }
  bool one(const uint8_t* p) const {
    return p[0] == sequence[0] && p[length - 1] == sequence[length - 1] && confirm(p);
  }
  bool confirm(const uint8_t* p) const { return length == 2 || std::memcmp(p + 1, sequence + 1, length - 2) == 0; }
};

/** First confirmed place of a comparison of the vector at `p`. @returns its index within the vector, or kWidth. */
template <class V, class M>
inline size_t firstOf(typename V::Vector matches, const M& match, const uint8_t* p) {
  for (uint64_t bits = V::bits(matches); bits != 0; bits &= bits - 1) {
    const size_t index = lowestBit(bits);
    if (match.confirm(p + index)) return index;
  }
  return V::kWidth;
}

/** findFirst for fewer places than a vector of V has. */
template <class M>
inline size_t findFirstSmall(const uint8_t* bytes, size_t size, const M& match) {
  size_t i = 0;
  if (size >= Swar::kWidth) {
    for (;;) {
      const Swar::Vector matches = match.at(bytes + i);
      const size_t index = Swar::any(matches) ? firstOf<Swar>(matches, match, bytes + i) : Swar::kWidth;
      if (index < Swar::kWidth) return i + index;
      i += Swar::kWidth;
      if (i == size) return size;
      if (i > size - Swar::kWidth) i = size - Swar::kWidth;
    }
  }
  for (; i < size; i++) {
    if (match.one(bytes + i)) return i;
  }
  return size;
}

/**
 * First of `size` places that matches, or `size`.
 * Pre: at least V::kWidth places; the matcher may read what it reads at each of them.
 */
template <class V, class M>
inline size_t findFirstWide(const uint8_t* bytes, size_t size, const M& match) {
  constexpr size_t kWidth = V::kWidth;
  const size_t head = firstOf<V>(match.at(bytes), match, bytes);
  if (head < kWidth) return head;
  const uint8_t* const end = bytes + size;
  // SAFETY: the cast only tells the alignment; the next aligned place is at most kWidth <= size away.
  const uint8_t* p = bytes + kWidth - (reinterpret_cast<uintptr_t>(bytes) & (kWidth - 1));
  // Counted blocks and a plain pointer: an indexed operand costs the comparison a second micro-operation.
  for (size_t blocks = static_cast<size_t>(end - p) / (4 * kWidth); blocks > 0; blocks--, p += 4 * kWidth) {
    const typename V::Vector all[4] = {match.at(p), match.at(p + kWidth), match.at(p + 2 * kWidth),
                                       match.at(p + 3 * kWidth)};
    if (!V::any(V::either(V::either(all[0], all[1]), V::either(all[2], all[3])))) continue;
    for (size_t k = 0; k < 4; k++) {
      const size_t index = firstOf<V>(all[k], match, p + k * kWidth);
      if (index < kWidth) return static_cast<size_t>(p - bytes) + k * kWidth + index;
    }
  }
  for (; p < end; p += kWidth) {
    if (static_cast<size_t>(end - p) < kWidth) p = end - kWidth;
    const size_t index = firstOf<V>(match.at(p), match, p);
    if (index < kWidth) return static_cast<size_t>(p - bytes) + index;
  }
  return size;
}

template <class V>
size_t indexOfByte(const uint8_t* bytes, size_t size, uint8_t byte) {
  if (size < V::kWidth) return findFirstSmall(bytes, size, ByteMatch<Swar>(byte));
  return findFirstWide<V>(bytes, size, ByteMatch<V>(byte));
}

template <class V>
size_t indexOfAny(const uint8_t* bytes, size_t size, uint8_t a, uint8_t b, uint8_t c) {
  if (size < V::kWidth) return findFirstSmall(bytes, size, AnyMatch<Swar>(a, b, c));
  return findFirstWide<V>(bytes, size, AnyMatch<V>(a, b, c));
}

template <class V>
size_t indexOfSequence(const uint8_t* bytes, size_t size, const uint8_t* sequence, size_t length) {
  const size_t places = size - length + 1;
  const size_t found = places < V::kWidth ? findFirstSmall(bytes, places, SequenceMatch<Swar>(sequence, length))
                                          : findFirstWide<V>(bytes, places, SequenceMatch<V>(sequence, length));
  return found == places ? size : found;
}

template <class V>
bool isAscii(const uint8_t* bytes, size_t size) {
  if (size < V::kWidth) {
    uint64_t seen = 0;
    size_t i = 0;
    for (; size - i >= Swar::kWidth; i += Swar::kWidth) seen |= Swar::load(bytes + i);
    for (; i < size; i++) seen |= bytes[i];
    return !Swar::any(seen);
  }
  constexpr size_t kWidth = V::kWidth;
  if (V::any(V::load(bytes))) return false;
  const uint8_t* const end = bytes + size;
  // SAFETY: as in findFirstWide.
  const uint8_t* p = bytes + kWidth - (reinterpret_cast<uintptr_t>(bytes) & (kWidth - 1));
  for (size_t blocks = static_cast<size_t>(end - p) / (4 * kWidth); blocks > 0; blocks--, p += 4 * kWidth) {
    if (V::any(V::either(V::either(V::load(p), V::load(p + kWidth)),
                         V::either(V::load(p + 2 * kWidth), V::load(p + 3 * kWidth))))) {
      return false;
    }
  }
  for (; static_cast<size_t>(end - p) >= kWidth; p += kWidth) {
    if (V::any(V::load(p))) return false;
  }
  return !V::any(V::load(end - kWidth));
}

}  // namespace
}  // namespace miniproto
