/**
 * The decoder: stretches of ASCII are widened 16 bytes at a time, everything else is decoded character by character.
 *
 * SSE2 and NEON are part of every x64 and arm64 processor, so there is nothing to choose at run time; a processor
 * without either takes 8 bytes at a time. Each byte gives at most one unit, so `out + (end - p)` never passes the room
 * that is left, and a block may be stored whole although only its first units count.
 */
#include "text/utf8.h"

#include <cstring>

#include "framing/frame_table.h"

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#elif defined(__aarch64__) || defined(_M_ARM64)
#include <arm_neon.h>
#endif

namespace miniproto {
namespace {

constexpr char16_t kReplacement = 0xfffd;

inline unsigned trailingZeros(uint64_t bits) {
#if defined(_MSC_VER) && !defined(__clang__)
  unsigned long index = 0;
  _BitScanForward64(&index, bits);
  return index;
#else
  return static_cast<unsigned>(__builtin_ctzll(bits));
#endif
}

#if defined(__SSE2__) || defined(_M_X64)
constexpr size_t kBlock = 16;
/** Widens a block. @returns how many of its first bytes are ASCII; only so many units count. */
inline size_t widen(const uint8_t* p, char16_t* out) {
  const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  const __m128i zero = _mm_setzero_si128();
  // SAFETY: the caller has room for kBlock units.
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_unpacklo_epi8(block, zero));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 8), _mm_unpackhi_epi8(block, zero));
  const auto high = static_cast<unsigned>(_mm_movemask_epi8(block));
  return high == 0 ? kBlock : trailingZeros(high);
}
#elif defined(__aarch64__) || defined(_M_ARM64)
constexpr size_t kBlock = 16;
inline size_t widen(const uint8_t* p, char16_t* out) {
  const uint8x16_t block = vld1q_u8(p);
  // SAFETY: the caller has room for kBlock units.
  vst1q_u16(reinterpret_cast<uint16_t*>(out), vmovl_u8(vget_low_u8(block)));
  vst1q_u16(reinterpret_cast<uint16_t*>(out + 8), vmovl_u8(vget_high_u8(block)));
  if (vmaxvq_u8(block) < 0x80) return kBlock;
  const uint8x8_t nibbles = vshrn_n_u16(vreinterpretq_u16_u8(vcgeq_u8(block, vdupq_n_u8(0x80))), 4);
  return trailingZeros(vget_lane_u64(vreinterpret_u64_u8(nibbles), 0)) / 4;
}
#else
constexpr size_t kBlock = 8;
inline size_t widen(const uint8_t* p, char16_t* out) {
  for (size_t i = 0; i < kBlock; i++) {
    if (p[i] >= 0x80) return i;
    out[i] = p[i];
  }
  return kBlock;
}
#endif

inline bool continues(const uint8_t* p, const uint8_t* end) {
  return p < end && (*p & 0xc0) == 0x80;
}

inline bool within(const uint8_t* p, const uint8_t* end, uint8_t least, uint8_t most) {
  return p < end && *p >= least && *p <= most;
}

/** Where decoding stands. */
struct Cursor {
  const uint8_t* p;
  char16_t* out;
  bool malformed;
};

/** A maximal subpart of `size` bytes that is no character. */
inline void replace(Cursor& at, size_t size) {
  *at.out++ = kReplacement;
  at.p += size;
  at.malformed = true;
}

inline void decodeThree(Cursor& at, const uint8_t* end) {
  const uint8_t* p = at.p;
  // E0 must not be overlong, ED must not be a surrogate.
  const uint8_t least = p[0] == 0xe0 ? 0xa0 : 0x80;
  const uint8_t most = p[0] == 0xed ? 0x9f : 0xbf;
  if (!within(p + 1, end, least, most)) return replace(at, 1);
  if (!continues(p + 2, end)) return replace(at, 2);
  *at.out++ = static_cast<char16_t>((p[0] & 0x0f) << 12 | (p[1] & 0x3f) << 6 | (p[2] & 0x3f));
  at.p += 3;
}

inline void decodeFour(Cursor& at, const uint8_t* end) {
  const uint8_t* p = at.p;
  // F0 must not be overlong, F4 must not pass U+10FFFF.
  const uint8_t least = p[0] == 0xf0 ? 0x90 : 0x80;
  const uint8_t most = p[0] == 0xf4 ? 0x8f : 0xbf;
  if (!within(p + 1, end, least, most)) return replace(at, 1);
  if (!continues(p + 2, end)) return replace(at, 2);
  if (!continues(p + 3, end)) return replace(at, 3);
  const uint32_t point = (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
  *at.out++ = static_cast<char16_t>(0xd7c0 + (point >> 10));
  *at.out++ = static_cast<char16_t>(0xdc00 + (point & 0x3ff));
  at.p += 4;
}

/** One character that is not ASCII. Pre: at.p < end, *at.p >= 0x80. */
inline void decodeOne(Cursor& at, const uint8_t* end) {
  const uint8_t lead = *at.p;
  if (lead >= 0xc2 && lead < 0xe0) {
    if (!continues(at.p + 1, end)) return replace(at, 1);
    *at.out++ = static_cast<char16_t>((lead & 0x1f) << 6 | (at.p[1] & 0x3f));
    at.p += 2;
  } else if (lead >= 0xe0 && lead < 0xf0) {
    decodeThree(at, end);
  } else if (lead >= 0xf0 && lead < 0xf5) {
    decodeFour(at, end);
  } else {
    replace(at, 1);
  }
}

inline void decode(Cursor& at, const uint8_t* end) {
  while (at.p < end) {
    if (static_cast<size_t>(end - at.p) >= kBlock) {
      const size_t ascii = widen(at.p, at.out);
      at.p += ascii;
      at.out += ascii;
      if (ascii == kBlock) continue;
    } else {
      while (at.p < end && *at.p < 0x80) *at.out++ = *at.p++;
    }
    while (at.p < end && *at.p >= 0x80) decodeOne(at, end);
  }
}

}  // namespace

Utf8Outcome decodeUtf8Rows(const Utf8Rows& call) noexcept {
  Utf8Outcome outcome;
  Cursor at{nullptr, call.units, false};
  size_t room = call.room;
  // Volatile: what was checked is what is used, whatever another thread writes there.
  const volatile int32_t* row = call.rows;
  for (size_t i = 0; i < call.count; i++, row += kRowWords) {
    const int64_t offset = row[kRowOffset];
    const int64_t size = row[kRowLength];
    if (offset < 0 || size < 0 || offset + size > static_cast<int64_t>(call.length) ||
        size > static_cast<int64_t>(room)) {
      outcome.inside = false;
      break;
    }
    room -= static_cast<size_t>(size);
    at.p = call.bytes + offset;
    decode(at, at.p + size);
    call.ends[i] = static_cast<int32_t>(at.out - call.units);
    if (at.malformed && outcome.malformed < 0) outcome.malformed = static_cast<int32_t>(i);
  }
  outcome.units = static_cast<size_t>(at.out - call.units);
  return outcome;
}

namespace {

/** Tags of V8's serialization format. */
enum Tag : uint8_t {
  kVersion = 0xff,
  kPadding = 0x00,
  kBeginDenseArray = 'A',
  kEndDenseArray = '$',
  kOneByteString = '"',
  kTwoByteString = 'c',
};
constexpr uint8_t kFormatVersion = 15;

/** A base-128 number of always three bytes: its place can be kept before its value is known. */
inline void writeLength(uint8_t* at, size_t length) {
  at[0] = static_cast<uint8_t>(length & 0x7f) | 0x80;
  at[1] = static_cast<uint8_t>(length >> 7 & 0x7f) | 0x80;
  at[2] = static_cast<uint8_t>(length >> 14 & 0x7f);
}

/** Bytes before the first that is not ASCII. */
inline size_t asciiPrefix(const uint8_t* p, size_t size) {
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    uint64_t word;
    std::memcpy(&word, p + i, 8);
    if ((word & 0x8080808080808080) != 0) break;
  }
  while (i < size && p[i] < 0x80) i++;
  return i;
}

inline uint8_t* writeOneByte(uint8_t* at, const uint8_t* p, size_t size) {
  *at = kOneByteString;
  writeLength(at + 1, size);
  std::memcpy(at + 4, p, size);
  return at + 4 + size;
}

inline uint8_t* writeTwoByte(uint8_t* at, const uint8_t* p, size_t size, bool& malformed) {
  // V8 pads so that the characters lie at an even place.
  if ((reinterpret_cast<uintptr_t>(at) & 1) != 0) *at++ = kPadding;
  // SAFETY: even, and room for `size` units, as serializeTexts has checked.
  auto* units = reinterpret_cast<char16_t*>(at + 4);
  Cursor cursor{p, units, false};
  decode(cursor, p + size);
  malformed = malformed || cursor.malformed;
  const auto count = static_cast<size_t>(cursor.out - units);
  *at = kTwoByteString;
  writeLength(at + 1, 2 * count);
  return at + 4 + 2 * count;
}

}  // namespace

TextOutcome serializeTexts(const TextRows& call) noexcept {
  TextOutcome outcome;
  outcome.inside = call.room >= kSerializedFrame;
  if (!outcome.inside) return outcome;
  uint8_t* at = call.target;
  const uint8_t* const end = call.target + call.room - kSerializedFrame / 2;
  *at++ = kVersion;
  *at++ = kFormatVersion;
  *at++ = kBeginDenseArray;
  writeLength(at, call.count);
  at += 3;
  // Volatile: what was checked is what is used, whatever another thread writes there.
  const volatile int32_t* row = call.rows;
  for (size_t i = 0; i < call.count; i++, row += kRowWords) {
    const int64_t offset = row[kRowOffset];
    const int64_t size = row[kRowLength];
    const bool fits =
        offset >= 0 && size >= 0 && size < (1 << 20) && offset + size <= static_cast<int64_t>(call.length);
    if (!fits || end - at < static_cast<ptrdiff_t>(kSerializedRow + 2 * size)) {
      outcome.inside = false;
      return outcome;
    }
    const uint8_t* payload = call.bytes + offset;
    const auto count = static_cast<size_t>(size);
    const bool oneByte = call.latin1 || asciiPrefix(payload, count) == count;
    at = oneByte ? writeOneByte(at, payload, count) : writeTwoByte(at, payload, count, outcome.malformed);
  }
  *at++ = kEndDenseArray;
  *at++ = 0;
  writeLength(at, call.count);
  at += 3;
  outcome.size = static_cast<size_t>(at - call.target);
  return outcome;
}

}  // namespace miniproto
