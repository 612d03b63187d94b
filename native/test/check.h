/**
 * The tests' harness: one executable per file, cases as functions, a check that prints where and with which seed.
 *
 * ExactBuffer is what makes AddressSanitizer useful here: its last byte is the last byte of a heap block, and its
 * first one may be put at any alignment, so a kernel that reads one byte too far is caught.
 */
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "simd/kernels.h"

namespace miniproto::test {

constexpr uint64_t kSeed = 0x6d696e6970726f74;

/** What a failing check prints: the case and its parameters. */
inline std::string& context() {
  static std::string text;
  return text;
}

#define CHECK(condition)                                                                                      \
  do {                                                                                                        \
    if (!(condition)) {                                                                                       \
      std::fprintf(stderr, "%s:%d: failed: %s\n  kernel %s, seed %llx, %s\n", __FILE__, __LINE__, #condition, \
                   miniproto::kernels().name, static_cast<unsigned long long>(miniproto::test::kSeed),        \
                   miniproto::test::context().c_str());                                                       \
      std::exit(1);                                                                                           \
    }                                                                                                         \
  } while (false)

/** xorshift64*: small, and the same everywhere. */
class Random {
 public:
  explicit Random(uint64_t seed = kSeed) : state_(seed) {}
  uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1d;
  }
  /** 0 to bound - 1. */
  size_t below(size_t bound) { return static_cast<size_t>((next() >> 16) % bound); }
  bool oneIn(size_t n) { return below(n) == 0; }

 private:
  uint64_t state_;
};

class ExactBuffer {
 public:
  explicit ExactBuffer(size_t size, size_t alignment = 0) : size_(size) {
    const size_t whole = alignment + size + (alignment + size == 0 ? 1 : 0);
#if defined(_WIN32)
    block_ = std::malloc(whole);  // Alignments are then only nominal.
#else
    if (posix_memalign(&block_, 64, whole) != 0) block_ = nullptr;
#endif
    if (block_ == nullptr) std::abort();
    data_ = static_cast<uint8_t*>(block_) + alignment;
  }
  explicit ExactBuffer(const std::string& bytes, size_t alignment = 0) : ExactBuffer(bytes.size(), alignment) {
    if (!bytes.empty()) std::memcpy(data_, bytes.data(), bytes.size());
  }
  ~ExactBuffer() {
    std::free(block_);
  }
  ExactBuffer(const ExactBuffer&) = delete;
  ExactBuffer& operator=(const ExactBuffer&) = delete;

  uint8_t* data() {
    return data_;
  }
  const uint8_t* data() const {
    return data_;
  }
  size_t size() const {
    return size_;
  }
  uint8_t& operator[](size_t i) {
    return data_[i];
  }

 private:
  void* block_ = nullptr;
  uint8_t* data_ = nullptr;
  size_t size_;
};

inline const std::vector<size_t>& smallSizes() {
  static const std::vector<size_t> kSizes = {0,  1,  2,  3,  4,  5,  7,  8,  9,  15,  16,  17,  31,  32,  33,  47, 48,
                                             49, 63, 64, 65, 79, 80, 95, 96, 97, 125, 126, 127, 128, 129, 191, 257};
  return kSizes;
}

inline const std::vector<size_t>& largeSizes() {
  static const std::vector<size_t> kSizes = {65535, 65536};
  return kSizes;
}

/** Runs `body(size, alignment)` over every size and alignment that matters. */
template <class Body>
void forEachShape(Body body) {
  for (const size_t alignment : {0, 1, 7, 8, 15, 16, 31, 32, 33, 63}) {
    for (const size_t size : largeSizes()) body(size, alignment);
  }
  for (size_t alignment = 0; alignment < 64; alignment++) {
    for (const size_t size : smallSizes()) body(size, alignment);
  }
}

/** Runs `body()` with each kernel set the processor has. */
template <class Body>
void forEachKernel(Body body) {
  const char* names[4] = {};
  const size_t count = availableKernels(names);
  for (size_t i = 0; i < count; i++) {
    CHECK(selectKernel(names[i]));
    CHECK(std::strcmp(kernels().name, names[i]) == 0);
    body();
  }
  CHECK(!selectKernel("none"));
}

inline void say(const std::string& text) {
  context() = text;
}

}  // namespace miniproto::test
