/**
 * UTF-8 over any vector type: how far a text is valid.
 *
 * With a byte shuffle, a vector is checked at once: what two neighbours may not be is found by looking up both halves
 * of the first and the upper half of the second in tables of sixteen, and joining the answers (J. Keiser and D. Lemire,
 * "Validating UTF-8 in less than one instruction per byte", 2021). The bytes before each byte are loaded once more,
 * one, two and three places earlier. Without a shuffle: ASCII by the vector, the rest character by character.
 *
 * It passes over what is valid and stops somewhere before what is not; where exactly, and in which state a text ends,
 * is left to whoever called.
 */
#pragma once

#include "simd/swar.h"

namespace miniproto {
namespace {

inline bool continues(uint8_t byte) {
  return (byte & 0xc0) == 0x80;
}

/** Size of the character at `p`, 0 where there is none. Pre: four bytes may be read. */
inline size_t characterAt(const uint8_t* p) {
  const uint8_t lead = p[0];
  if (lead < 0x80) return 1;
  if (lead < 0xe0) return lead >= 0xc2 && continues(p[1]) ? 2 : 0;
  if (lead < 0xf0) {
    // E0 must not be overlong, ED must not be a surrogate.
    const uint8_t least = lead == 0xe0 ? 0xa0 : 0x80;
    const uint8_t most = lead == 0xed ? 0x9f : 0xbf;
    return p[1] >= least && p[1] <= most && continues(p[2]) ? 3 : 0;
  }
  // F0 must not be overlong, F4 must not pass U+10FFFF.
  const uint8_t least = lead == 0xf0 ? 0x90 : 0x80;
  const uint8_t most = lead == 0xf4 ? 0x8f : 0xbf;
  return lead < 0xf5 && p[1] >= least && p[1] <= most && continues(p[2]) && continues(p[3]) ? 4 : 0;
}

/** Passes over characters from `at` on until `enough` or what is none. */
inline size_t passCharacters(const uint8_t* bytes, size_t size, size_t at, size_t enough) {
  while (at < enough && size - at >= 4) {
    const size_t length = characterAt(bytes + at);
    if (length == 0) break;
    at += length;
  }
  return at;
}

/** Where the character begins that the first `at` bytes, which are valid, do not have whole; `at` if there is none. */
inline size_t boundaryBefore(const uint8_t* bytes, size_t at) {
  if (at >= 1 && bytes[at - 1] >= 0xc0) return at - 1;
  if (at >= 2 && bytes[at - 2] >= 0xe0) return at - 2;
  if (at >= 3 && bytes[at - 3] >= 0xf0) return at - 3;
  return at;
}

/** What may be wrong with a byte and the one before it, a bit each. The last is none behind a lead of three or four. */
enum PairFault : uint8_t {
  kTooShort = 0x01,
  kTooLong = 0x02,
  kOverlongThree = 0x04,
  kTooLarge = 0x08,
  kSurrogate = 0x10,
  kOverlongTwo = 0x20,
  kOverlongFour = 0x40,
  kFarTooLarge = 0x40,
  kTwoContinuations = 0x80,
};
constexpr uint8_t kAnyLow = kTooShort | kTooLong | kTwoContinuations;
constexpr uint8_t kLarge = kAnyLow | kTooLarge | kFarTooLarge;
constexpr uint8_t kSecond = kTooLong | kOverlongTwo | kTwoContinuations;

/** By the upper half of the first byte: ASCII, continuations, leads of two, three and four. */
constexpr uint8_t kByFirstHigh[16] = {
    kTooLong,
    kTooLong,
    kTooLong,
    kTooLong,
    kTooLong,
    kTooLong,
    kTooLong,
    kTooLong,
    kTwoContinuations,
    kTwoContinuations,
    kTwoContinuations,
    kTwoContinuations,
    kTooShort | kOverlongTwo,
    kTooShort,
    kTooShort | kOverlongThree | kSurrogate,
    kTooShort | kTooLarge | kFarTooLarge | kOverlongFour,
};
/** By its lower half: C0, C1, E0, F0 are overlong, ED leads to surrogates, from F4 on it is too large. */
constexpr uint8_t kByFirstLow[16] = {
    kAnyLow | kOverlongTwo | kOverlongThree | kOverlongFour,
    kAnyLow | kOverlongTwo,
    kAnyLow,
    kAnyLow,
    kAnyLow | kTooLarge,
    kLarge,
    kLarge,
    kLarge,
    kLarge,
    kLarge,
    kLarge,
    kLarge,
    kLarge,
    kLarge | kSurrogate,
    kLarge,
    kLarge,
};
/** By the upper half of the second byte: 80 to 8F, 90 to 9F, A0 to BF; all others are no continuation. */
constexpr uint8_t kBySecondHigh[16] = {
    kTooShort,
    kTooShort,
    kTooShort,
    kTooShort,
    kTooShort,
    kTooShort,
    kTooShort,
    kTooShort,
    kSecond | kOverlongThree | kFarTooLarge | kOverlongFour,
    kSecond | kOverlongThree | kTooLarge,
    kSecond | kSurrogate | kTooLarge,
    kSecond | kSurrogate | kTooLarge,
    kTooShort,
    kTooShort,
    kTooShort,
    kTooShort,
};

template <class V>
struct Utf8Tables {
  typename V::Vector firstHigh = V::table(kByFirstHigh);
  typename V::Vector firstLow = V::table(kByFirstLow);
  typename V::Vector secondHigh = V::table(kBySecondHigh);

  /** Not 0 where a byte of the vector at `p` cannot be there. Pre: the three bytes before it may be read. */
  typename V::Vector faults(const uint8_t* p, typename V::Vector input) const {
    const typename V::Vector one = V::load(p - 1);
    const typename V::Vector pairs =
        V::both(V::both(V::lookUp(firstHigh, V::highHalves(one)), V::lookUp(firstLow, V::both(one, V::splat(0x0f)))),
                V::lookUp(secondHigh, V::highHalves(input)));
    // Behind E0 and up by two, and F0 and up by three, a second continuation must be; the top bit says where.
    const typename V::Vector two = V::subtract(V::load(p - 2), V::splat(0xe0 - 0x80));
    const typename V::Vector three = V::subtract(V::load(p - 3), V::splat(0xf0 - 0x80));
    return V::differing(V::both(V::either(two, three), V::splat(0x80)), pairs);
  }
};

template <class V>
size_t passUtf8Wide(const uint8_t* bytes, size_t size) {
  size_t at = passCharacters(bytes, size, 0, 3);
  if (at < 3 || size - at < V::kWidth) return passCharacters(bytes, size, at, size);
  const Utf8Tables<V> tables;
  bool afterAscii = true;
  for (; size - at >= V::kWidth; at += V::kWidth) {
    const typename V::Vector input = V::load(bytes + at);
    if (!V::any(input)) {
      if (!afterAscii && boundaryBefore(bytes, at) != at) break;
      afterAscii = true;
      continue;
    }
    if (!V::isZero(tables.faults(bytes + at, input))) break;
    afterAscii = false;
  }
  // The last vector ends at the end, and overlaps what was checked.
  if (at < size && size - at < V::kWidth) {
    const uint8_t* const last = bytes + size - V::kWidth;
    if (V::isZero(tables.faults(last, V::load(last)))) at = size;
  }
  return boundaryBefore(bytes, at);
}

template <class V>
size_t passUtf8Narrow(const uint8_t* bytes, size_t size) {
  size_t at = 0;
  for (size_t before = SIZE_MAX; before != at;) {
    before = at;
    while (size - at >= V::kWidth && !V::any(V::load(bytes + at))) at += V::kWidth;
    at = passCharacters(bytes, size, at, at + V::kWidth);
  }
  return at;
}

template <class V>
size_t passUtf8(const uint8_t* bytes, size_t size) {
  if constexpr (V::kLooksUp) {
    return passUtf8Wide<V>(bytes, size);
  } else {
    return passUtf8Narrow<V>(bytes, size);
  }
}

}  // namespace
}  // namespace miniproto
