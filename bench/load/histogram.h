/**
 * Latencies in buckets: each power of two is cut into 64, so that a percentile is right to 1.6 percent, and taking one
 * down is an increment. Nothing is allocated while it counts. Values are nanoseconds, below 2^40 (18 minutes).
 */
#ifndef MINIPROTO_LOAD_HISTOGRAM_H
#define MINIPROTO_LOAD_HISTOGRAM_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace miniproto::load {

class Histogram {
 public:
  void add(uint64_t nanoseconds) {
    const uint64_t value = std::min(nanoseconds, kMost);
    counts_[bucketOf(value)]++;
    count_++;
    most_ = std::max(most_, value);
  }

  uint64_t count() const { return count_; }

  /** Microseconds below which this share of the values lies; 0 when there are none. */
  double microseconds(double share) const;

  /** `{"p50":…,"p90":…,"p99":…,"p999":…,"max":…}` in microseconds. */
  std::string json() const;

 private:
  static constexpr int kStepBits = 6;
  static constexpr uint64_t kSteps = 1 << kStepBits;
  static constexpr uint64_t kMost = (uint64_t{1} << 40) - 1;

  /** Values below 64 have a bucket each; above, the top six bits after the first choose it. */
  static size_t bucketOf(uint64_t value) {
    if (value < kSteps) return value;
    const int shift = 63 - __builtin_clzll(value) - kStepBits;
    return (static_cast<size_t>(shift + 1) << kStepBits) + ((value >> shift) - kSteps);
  }

  /** The highest value of a bucket. */
  static uint64_t topOf(size_t bucket) {
    if (bucket < kSteps) return bucket;
    const size_t shift = (bucket >> kStepBits) - 1;
    return ((kSteps + (bucket & (kSteps - 1)) + 1) << shift) - 1;
  }

  std::vector<uint64_t> counts_ = std::vector<uint64_t>((40 - kStepBits + 1) * kSteps);
  uint64_t count_ = 0;
  uint64_t most_ = 0;
};

}  // namespace miniproto::load

#endif
