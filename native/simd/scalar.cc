/**
 * The kernels in portable C++: words of eight bytes. What runs where nothing better is known, and the plain twin that
 * the others are tested against.
 */
#include "simd/kernel_sets.h"
#include "simd/vector_kernels.h"

namespace miniproto {

const KernelSet* scalarKernels() {
  static constexpr KernelSet kSet = kernelSetOf<Swar>("scalar");
  return &kSet;
}

}  // namespace miniproto
