/** Percentiles of a histogram, and how they are printed. See histogram.h. */
#include "histogram.h"

#include <cmath>
#include <cstdio>

namespace miniproto::load {

double Histogram::microseconds(double share) const {
  const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(count_)));
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < counts_.size(); bucket++) {
    seen += counts_[bucket];
    if (seen >= wanted && seen > 0) return static_cast<double>(std::min(topOf(bucket), most_)) / 1e3;
  }
  return 0;
}

std::string Histogram::json() const {
  char text[160];
  std::snprintf(text, sizeof text, R"({"p50":%.1f,"p90":%.1f,"p99":%.1f,"p999":%.1f,"max":%.1f})", microseconds(0.5),
                microseconds(0.9), microseconds(0.99), microseconds(0.999), static_cast<double>(most_) / 1e3);
  return text;
}

}  // namespace miniproto::load
