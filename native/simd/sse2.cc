/**
 * The kernels in SSE2, which every x86-64 processor has. Elsewhere this file is empty.
 */
#include "simd/kernel_sets.h"

#if defined(__x86_64__) || defined(_M_X64)

#include <emmintrin.h>

#include "simd/vector_kernels.h"

namespace miniproto {
namespace {

struct Sse2 {
  using Vector = __m128i;
  static constexpr size_t kWidth = 16;
  static constexpr bool kLooksUp = false;

  // SAFETY: the unaligned forms are used; callers keep kWidth bytes in range.
  static Vector load(const uint8_t* bytes) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)); }
  static void store(uint8_t* bytes, Vector vector) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes), vector);  // SAFETY: as load
  }
  static Vector splat(uint8_t byte) { return _mm_set1_epi8(static_cast<char>(byte)); }
  static Vector splatKey(uint32_t key) { return _mm_set1_epi32(static_cast<int>(key)); }
  static Vector either(Vector a, Vector b) { return _mm_or_si128(a, b); }
  static Vector both(Vector a, Vector b) { return _mm_and_si128(a, b); }
  static Vector differing(Vector a, Vector b) { return _mm_xor_si128(a, b); }
  static Vector equal(Vector a, Vector b) { return _mm_cmpeq_epi8(a, b); }
  static bool any(Vector vector) { return _mm_movemask_epi8(vector) != 0; }
  static uint64_t bits(Vector vector) { return static_cast<uint32_t>(_mm_movemask_epi8(vector)); }
  static uint64_t blockBits(const Vector (&vectors)[4]) {
    return bits(vectors[0]) | bits(vectors[1]) << 16 | bits(vectors[2]) << 32 | bits(vectors[3]) << 48;
  }
};

}  // namespace

const KernelSet* sse2Kernels() {
  static constexpr KernelSet kSet = kernelSetOf<Sse2>("sse2");
  return &kSet;
}

}  // namespace miniproto

#else

namespace miniproto {
const KernelSet* sse2Kernels() {
  return nullptr;
}
}  // namespace miniproto

#endif
