/**
 * One function per instruction set, each in its own file: the set, or null where the build or the processor has none.
 * Only dispatch.cc calls them.
 */
#pragma once

#include "simd/kernels.h"

namespace miniproto {

/** 32 bytes at a time: AVX2 and BMI. */
const KernelSet* avx2Kernels();
/** 16 bytes at a time: SSE2, part of every x86-64. */
const KernelSet* sse2Kernels();
/** 16 bytes at a time: NEON, part of every 64-bit Arm. */
const KernelSet* neonKernels();
/** 8 bytes at a time, anywhere. */
const KernelSet* scalarKernels();

}  // namespace miniproto
