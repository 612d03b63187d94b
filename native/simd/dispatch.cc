/**
 * The choice among the kernel sets. The pointer in use is process-wide, shared by all threads; two threads that pick
 * the best set at the same time pick the same one, so relaxed order is enough.
 */
#include <atomic>
#include <cstring>

#include "simd/kernel_sets.h"

namespace miniproto {
namespace {

constexpr size_t kSetCount = 4;

/** Post: `sets` filled from the front, best first. @returns the count. */
size_t collectSets(const KernelSet* (&sets)[kSetCount]) {
  const KernelSet* const candidates[kSetCount] = {avx2Kernels(), sse2Kernels(), neonKernels(), scalarKernels()};
  size_t count = 0;
  for (const KernelSet* candidate : candidates) {
    if (candidate != nullptr) sets[count++] = candidate;
  }
  return count;
}

const KernelSet* bestSet() {
  const KernelSet* sets[kSetCount] = {};
  collectSets(sets);
  return sets[0];
}

std::atomic<const KernelSet*> inUse{nullptr};

}  // namespace

const KernelSet& kernels() {
  const KernelSet* set = inUse.load(std::memory_order_relaxed);
  if (set == nullptr) {
    set = bestSet();
    inUse.store(set, std::memory_order_relaxed);
  }
  return *set;
}

size_t availableKernels(const char* (&names)[kSetCount]) {
  const KernelSet* sets[kSetCount] = {};
  const size_t count = collectSets(sets);
  for (size_t i = 0; i < count; i++) names[i] = sets[i]->name;
  return count;
}

bool selectKernel(const char* name) {
  const KernelSet* sets[kSetCount] = {};
  const size_t count = collectSets(sets);
  for (size_t i = 0; i < count; i++) {
    if (std::strcmp(sets[i]->name, name) != 0) continue;
    inUse.store(sets[i], std::memory_order_relaxed);
    return true;
  }
  return false;
}

}  // namespace miniproto
