/**
 * Eight bytes in a 64-bit word, treated as a vector: the portable instruction set, and every other one's small sizes.
 *
 * Everything in the vector headers has internal linkage on purpose: each instruction set's file is compiled with its
 * own flags, and a function shared between them could be linked in the version that the processor does not run. For
 * the same reason nothing from the standard library's templates is used in them.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#if defined(_MSC_VER)
#include <intrin.h>
#include <stdlib.h>
#endif

/** For what runs once for each of very many short things, where a call costs as much as the work. */
#if defined(_MSC_VER) && !defined(__clang__)
#define MINIPROTO_INLINE __forceinline
#else
#define MINIPROTO_INLINE inline __attribute__((always_inline))
#endif

namespace miniproto {
namespace {

/** Bytes that the vector headers take as one block, with one bit per byte. */
constexpr size_t kBlock = 64;

/** Index of the lowest bit set. Pre: bits != 0. */
[[maybe_unused]] inline size_t lowestBit(uint64_t bits) {
#if defined(_MSC_VER) && !defined(__clang__)
  unsigned long index;
  _BitScanForward64(&index, bits);
  return index;
#else
  return static_cast<size_t>(__builtin_ctzll(bits));
#endif
}

/** The word with its first byte in memory lowest, whatever the machine. */
inline uint64_t littleEndian(uint64_t word) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  return __builtin_bswap64(word);
#else
  return word;
#endif
}

inline uint32_t littleEndian(uint32_t word) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  return __builtin_bswap32(word);
#else
  return word;
#endif
}

struct Swar {
  using Vector = uint64_t;
  static constexpr size_t kWidth = 8;
  /** Whether there is a table() and lookUp(). */
  static constexpr bool kLooksUp = false;
  static constexpr uint64_t kOnes = 0x0101010101010101;
  static constexpr uint64_t kTops = 0x8080808080808080;

  static Vector load(const uint8_t* bytes) {
    uint64_t word;
    std::memcpy(&word, bytes, sizeof word);
    return littleEndian(word);
  }
  static void store(uint8_t* bytes, Vector vector) {
    const uint64_t word = littleEndian(vector);
    std::memcpy(bytes, &word, sizeof word);
  }
  static Vector splat(uint8_t byte) { return kOnes * byte; }
  static Vector splatKey(uint32_t key) { return (uint64_t{key} << 32) | key; }
  static Vector either(Vector a, Vector b) { return a | b; }
  static Vector both(Vector a, Vector b) { return a & b; }
  static Vector differing(Vector a, Vector b) { return a ^ b; }
  /** Top bit of every byte that is equal; exact, no borrow runs into the neighbour. */
  static Vector equal(Vector a, Vector b) {
    const uint64_t difference = a ^ b;
    return ~(((difference & ~kTops) + ~kTops) | difference | ~kTops);
  }
  /** True when a byte has its top bit set. */
  static bool any(Vector vector) { return (vector & kTops) != 0; }
  /** One bit per byte of what equal() gave. The product moves the eight bits into the top byte, first byte lowest. */
  static uint64_t bits(Vector vector) { return ((vector >> 7) * 0x0102040810204080) >> 56; }
  static uint64_t blockBits(const Vector (&vectors)[8]) {
    uint64_t all = 0;
    for (size_t i = 0; i < 8; i++) all |= bits(vectors[i]) << (8 * i);
    return all;
  }
};

}  // namespace
}  // namespace miniproto
