/**
 * The kernel set of a vector type: one line per instruction set turns the loops of the vector headers into functions.
 */
#pragma once

#include "simd/kernels.h"
#include "simd/vector_frames.h"
#include "simd/vector_lines.h"
#include "simd/vector_mask.h"
#include "simd/vector_scan.h"
#include "simd/vector_utf8.h"

namespace miniproto {
namespace {

template <class V>
constexpr KernelSet kernelSetOf(const char* name) {
  return {name,       indexOfByte<V>, indexOfAny<V>, indexOfSequence<V>, indexAll<V>,
          isAscii<V>, passUtf8<V>,    mask<V>,       takeMessages<V>,    scanLines<V>};
}

}  // namespace
}  // namespace miniproto
