/**
 * The kernels in NEON, which every 64-bit Arm processor has. Elsewhere this file is empty.
 *
 * NEON has no movemask. A block's 64 bits come from pairwise additions: each matching byte keeps the one bit of its
 * place in eight, and three rounds of adding neighbours pack eight bytes into one.
 */
#include "simd/kernel_sets.h"

#if (defined(__aarch64__) || defined(_M_ARM64)) && !defined(__AARCH64EB__)

#include <arm_neon.h>

#include "simd/vector_kernels.h"

namespace miniproto {
namespace {

struct Neon {
  using Vector = uint8x16_t;
  static constexpr size_t kWidth = 16;
  static constexpr bool kLooksUp = true;

  static Vector load(const uint8_t* bytes) { return vld1q_u8(bytes); }
  static void store(uint8_t* bytes, Vector vector) { vst1q_u8(bytes, vector); }
  static Vector splat(uint8_t byte) { return vdupq_n_u8(byte); }
  static Vector splatKey(uint32_t key) { return vreinterpretq_u8_u32(vdupq_n_u32(key)); }
  static Vector either(Vector a, Vector b) { return vorrq_u8(a, b); }
  static Vector both(Vector a, Vector b) { return vandq_u8(a, b); }
  static Vector differing(Vector a, Vector b) { return veorq_u8(a, b); }
  static Vector equal(Vector a, Vector b) { return vceqq_u8(a, b); }
  static bool any(Vector vector) { return vmaxvq_u8(vector) >= 0x80; }
  /** Sixteen bytes to look up in. */
  static Vector table(const uint8_t (&bytes)[16]) { return vld1q_u8(bytes); }
  /** Pre: indices are below 16. */
  static Vector lookUp(Vector table, Vector indices) { return vqtbl1q_u8(table, indices); }
  static Vector highHalves(Vector vector) { return vshrq_n_u8(vector, 4); }
  /** Not below 0. */
  static Vector subtract(Vector a, Vector b) { return vqsubq_u8(a, b); }
  static bool isZero(Vector vector) { return vmaxvq_u8(vector) == 0; }
  static Vector placeBits(Vector matches) {
    return vandq_u8(matches, vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201)));
  }
  static uint64_t bits(Vector matches) {
    const Vector places = placeBits(matches);
    return static_cast<uint64_t>(vaddv_u8(vget_low_u8(places))) | static_cast<uint64_t>(vaddv_u8(vget_high_u8(places)))
                                                                      << 8;
  }
  static uint64_t blockBits(const Vector (&matches)[4]) {
    const Vector low = vpaddq_u8(placeBits(matches[0]), placeBits(matches[1]));
    const Vector high = vpaddq_u8(placeBits(matches[2]), placeBits(matches[3]));
    const Vector quarters = vpaddq_u8(low, high);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(quarters, quarters)), 0);
  }
};

}  // namespace

const KernelSet* neonKernels() {
  static constexpr KernelSet kSet = kernelSetOf<Neon>("neon");
  return &kSet;
}

}  // namespace miniproto

#else

namespace miniproto {
const KernelSet* neonKernels() {
  return nullptr;
}
}  // namespace miniproto

#endif
