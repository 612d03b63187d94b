/**
 * Masking by dispatch: the phase is turned into the key once, so kernels always start at key byte 0.
 */
#include "simd/mask.h"

#include "simd/kernels.h"

namespace miniproto {
namespace {

uint32_t keyAt(uint32_t key, unsigned phase) {
  const unsigned shift = 8 * phase;
  return shift == 0 ? key : (key >> shift) | (key << (32 - shift));
}

unsigned phaseAfter(size_t size, unsigned phase) {
  return static_cast<unsigned>((phase + size) & 3);
}

}  // namespace

unsigned mask(uint8_t* bytes, size_t size, uint32_t key, unsigned phase) {
  kernels().mask(bytes, bytes, size, keyAt(key, phase));
  return phaseAfter(size, phase);
}

unsigned maskCopy(const uint8_t* source, uint8_t* target, size_t size, uint32_t key, unsigned phase) {
  kernels().mask(target, source, size, keyAt(key, phase));
  return phaseAfter(size, phase);
}

bool maskMove(const uint8_t* source, uint8_t* target, size_t size, uint32_t key, unsigned phase) {
  return kernels().mask(target, source, size, keyAt(key, phase));
}

}  // namespace miniproto
