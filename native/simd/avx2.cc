/**
 * The kernels in AVX2. This file alone is compiled for it (CMakeLists.txt), and nothing in it may run before the
 * processor was asked. Elsewhere than on x86-64 it is empty.
 */
#include "simd/kernel_sets.h"

#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>

#include "simd/vector_kernels.h"

namespace miniproto {
namespace {

struct Avx2 {
  using Vector = __m256i;
  static constexpr size_t kWidth = 32;
  static constexpr bool kLooksUp = true;

  // SAFETY: the unaligned forms are used; callers keep kWidth bytes in range.
  static Vector load(const uint8_t* bytes) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)); }
  static void store(uint8_t* bytes, Vector vector) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(bytes), vector);  // SAFETY: as load
  }
  static Vector splat(uint8_t byte) { return _mm256_set1_epi8(static_cast<char>(byte)); }
  static Vector splatKey(uint32_t key) { return _mm256_set1_epi32(static_cast<int>(key)); }
  static Vector either(Vector a, Vector b) { return _mm256_or_si256(a, b); }
  static Vector both(Vector a, Vector b) { return _mm256_and_si256(a, b); }
  static Vector differing(Vector a, Vector b) { return _mm256_xor_si256(a, b); }
  static Vector equal(Vector a, Vector b) { return _mm256_cmpeq_epi8(a, b); }
  static bool any(Vector vector) { return _mm256_movemask_epi8(vector) != 0; }
  static uint64_t bits(Vector vector) { return static_cast<uint32_t>(_mm256_movemask_epi8(vector)); }
  /** Sixteen bytes to look up in: in both halves, since a shuffle stays within its own. */
  static Vector table(const uint8_t (&bytes)[16]) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));  // SAFETY: as load
  }
  /** Pre: indices are below 16. */
  static Vector lookUp(Vector table, Vector indices) { return _mm256_shuffle_epi8(table, indices); }
  static Vector highHalves(Vector vector) { return both(_mm256_srli_epi16(vector, 4), splat(0x0f)); }
  /** Not below 0. */
  static Vector subtract(Vector a, Vector b) { return _mm256_subs_epu8(a, b); }
  static bool isZero(Vector vector) { return _mm256_testz_si256(vector, vector) != 0; }
  static uint64_t blockBits(const Vector (&vectors)[2]) { return bits(vectors[0]) | bits(vectors[1]) << 32; }
};

bool processorHasAvx2() {
#if defined(_MSC_VER) && !defined(__clang__)
  int words[4];
  __cpuidex(words, 0, 0);
  if (words[0] < 7) return false;
  __cpuidex(words, 1, 0);
  const bool savesAvx = (words[2] & (1 << 27)) != 0 && (words[2] & (1 << 28)) != 0;
  if (!savesAvx || (_xgetbv(0) & 6) != 6) return false;
  __cpuidex(words, 7, 0);
  return (words[1] & (1 << 5)) != 0 && (words[1] & (1 << 3)) != 0;
#else
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("bmi") != 0;
#endif
}

}  // namespace

const KernelSet* avx2Kernels() {
  static constexpr KernelSet kSet = kernelSetOf<Avx2>("avx2");
  return processorHasAvx2() ? &kSet : nullptr;
}

}  // namespace miniproto

#else

namespace miniproto {
const KernelSet* avx2Kernels() {
  return nullptr;
}
}  // namespace miniproto

#endif
