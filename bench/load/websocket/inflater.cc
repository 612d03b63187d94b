/** RFC 1951, straight. See inflater.h. */
#include "inflater.h"

#include <algorithm>

namespace miniproto::load {

namespace {

constexpr size_t kWindowBytes = 32 * 1024;
constexpr int kMostBits = 15;
constexpr int kEndOfBlock = 256;
/** More than any message of ours: what claims to be larger is wrong. */
constexpr size_t kMostBytes = 64 << 20;

constexpr uint16_t kLengthBase[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                    31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
constexpr uint8_t kLengthExtra[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                    2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
constexpr uint16_t kDistanceBase[] = {1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
                                      33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
                                      1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
constexpr uint8_t kDistanceExtra[] = {0, 0, 0, 0, 1, 1, 2, 2,  3,  3,  4,  4,  5,  5,  6,
                                      6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};
constexpr uint8_t kLengthOrder[] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};

}  // namespace

Span Inflater::message(const char* data, size_t size, Window window) {
  if (window == Window::kForget) output_.clear();
  if (output_.size() > 2 * kWindowBytes) output_.erase(0, output_.size() - kWindowBytes);
  const size_t begin = output_.size();
  input_.assign(data, size);
  input_.append("\x00\x00\xff\xff", 4);
  at_ = 0;
  bits_ = 0;
  bitCount_ = 0;
  overrun_ = false;
  // A message ends where the flush's empty block does.
  while (at_ - static_cast<size_t>(bitCount_ / 8) < input_.size()) {
    if (!block() || overrun_) return {output_.data(), 0};
  }
  return {output_.data() + begin, output_.size() - begin};
}

void Inflater::refill() {
  while (bitCount_ <= 56 && at_ < input_.size()) {
    bits_ |= uint64_t{static_cast<uint8_t>(input_[at_++])} << bitCount_;
    bitCount_ += 8;
  }
}

uint32_t Inflater::take(int count) {
  if (bitCount_ < count) refill();
  if (bitCount_ < count) {
    overrun_ = true;
    return 0;
  }
  const auto value = static_cast<uint32_t>(bits_ & ((uint64_t{1} << count) - 1));
  bits_ >>= count;
  bitCount_ -= count;
  return value;
}

int Inflater::symbol(const Code& code) {
  if (bitCount_ < kMostBits) refill();
  const uint16_t entry = code.entries[bits_ & ((uint64_t{1} << code.bits) - 1)];
  const int length = entry & 15;
  if (length == 0 || length > bitCount_) return -1;
  bits_ >>= length;
  bitCount_ -= length;
  return entry >> 4;
}

bool Inflater::Code::build(const uint8_t* lengths, size_t count) {
  unsigned counts[kMostBits + 1] = {};
  for (size_t i = 0; i < count; i++) counts[lengths[i]]++;
  counts[0] = 0;
  bits = 1;
  for (int length = 1; length <= kMostBits; length++) bits = counts[length] > 0 ? length : bits;
  unsigned next[kMostBits + 2] = {};
  for (int length = 1; length <= kMostBits; length++) {
    next[length + 1] = (next[length] + counts[length]) << 1;
    if (next[length] + counts[length] > 1u << length) return false;
  }
  entries.assign(size_t{1} << bits, 0);
  for (size_t i = 0; i < count; i++) {
    const int length = lengths[i];
    if (length == 0) continue;
    unsigned reversed = 0;
    const unsigned word = next[length]++;
    for (int bit = 0; bit < length; bit++) reversed |= (word >> bit & 1) << (length - 1 - bit);
    for (size_t at = reversed; at < entries.size(); at += size_t{1} << length) {
      entries[at] = static_cast<uint16_t>(i << 4 | static_cast<unsigned>(length));
    }
  }
  return true;
}

bool Inflater::block() {
  take(1);
  switch (take(2)) {
    case 0:
      return stored();
    case 1:
      fixedCodes();
      return compressed();
    case 2:
      return dynamicCodes() && compressed();
    default:
      return false;
  }
}

bool Inflater::stored() {
  take(bitCount_ % 8);
  const uint32_t length = take(16);
  if ((take(16) ^ 0xffff) != length || overrun_) return false;
  for (uint32_t i = 0; i < length; i++) output_ += static_cast<char>(take(8));
  return true;
}

void Inflater::fixedCodes() {
  uint8_t lengths[288];
  for (size_t i = 0; i < 288; i++) lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
  literals_.build(lengths, 288);
  std::fill_n(lengths, 30, uint8_t{5});
  distances_.build(lengths, 30);
}

bool Inflater::dynamicCodes() {
  const size_t literals = 257 + take(5);
  const size_t distances = 1 + take(5);
  const size_t words = 4 + take(4);
  uint8_t lengths[320] = {};
  for (size_t i = 0; i < words; i++) lengths[kLengthOrder[i]] = static_cast<uint8_t>(take(3));
  if (!lengths_.build(lengths, 19)) return false;
  std::fill_n(lengths, sizeof lengths, uint8_t{0});
  for (size_t at = 0; at < literals + distances;) {
    const int word = symbol(lengths_);
    if (word < 0) return false;
    if (word < 16) {
      lengths[at++] = static_cast<uint8_t>(word);
      continue;
    }
    if (word == 16 && at == 0) return false;
    const uint8_t value = word == 16 ? lengths[at - 1] : 0;
    const size_t repeats = word == 16 ? 3 + take(2) : word == 17 ? 3 + take(3) : 11 + take(7);
    if (at + repeats > literals + distances) return false;
    std::fill_n(lengths + at, repeats, value);
    at += repeats;
  }
  return literals_.build(lengths, literals) && distances_.build(lengths + literals, distances);
}

bool Inflater::compressed() {
  while (output_.size() < kMostBytes) {
    const int word = symbol(literals_);
    if (word < kEndOfBlock) {
      if (word < 0) return false;
      output_ += static_cast<char>(word);
      continue;
    }
    if (word == kEndOfBlock) return true;
    if (word > 285) return false;
    const size_t length = kLengthBase[word - 257] + take(kLengthExtra[word - 257]);
    const int far = symbol(distances_);
    if (far < 0 || far > 29) return false;
    if (!copy(length, kDistanceBase[far] + take(kDistanceExtra[far]))) return false;
  }
  return false;
}

bool Inflater::copy(size_t length, size_t distance) {
  if (distance > output_.size() || distance > kWindowBytes || overrun_) return false;
  // Byte by byte: what is copied may be what is being written.
  for (size_t from = output_.size() - distance, end = from + length; from < end; from++) output_ += output_[from];
  return true;
}

}  // namespace miniproto::load
