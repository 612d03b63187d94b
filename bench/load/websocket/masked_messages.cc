/** Making masked frames. See masked_messages.h. */
#include "masked_messages.h"

#include <algorithm>
#include <cstring>

namespace miniproto::load {

namespace {

/** Messages from this size on are sent from where they are. */
constexpr size_t kDirectBytes = 32 * 1024;
constexpr size_t kMaskBytes = 4;

/** splitmix64 */
uint64_t hashed(uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
  value = (value ^ value >> 27) * 0x94d049bb133111eb;
  return value ^ value >> 31;
}

size_t lengthBytes(size_t size) {
  return size < 126 ? 1 : size < 65536 ? 3 : 9;
}

size_t frameBytes(size_t size) {
  return 1 + lengthBytes(size) + kMaskBytes + size;
}

}  // namespace

size_t writeHeader(char* to, uint8_t firstByte, size_t size, const uint8_t* key) {
  const size_t width = lengthBytes(size);
  to[0] = static_cast<char>(firstByte);
  to[1] = static_cast<char>((width == 1 ? size : width == 3 ? 126 : 127) | (key == nullptr ? 0 : 0x80));
  for (size_t i = 1; i < width; i++) to[1 + i] = static_cast<char>(size >> 8 * (width - 1 - i));
  if (key == nullptr) return 1 + width;
  std::memcpy(to + 1 + width, key, kMaskBytes);
  return 1 + width + kMaskBytes;
}

std::string frameHeader(uint8_t firstByte, size_t size, const uint8_t* key) {
  char header[14];
  return {header, writeHeader(header, firstByte, size, key)};
}

void mask(char* to, const char* from, size_t size, const uint8_t* key) {
  uint64_t wide = 0;
  for (size_t i = 0; i < sizeof wide; i++) reinterpret_cast<uint8_t*>(&wide)[i] = key[i % kMaskBytes];
  size_t at = 0;
  for (; at + sizeof wide <= size; at += sizeof wide) {
    uint64_t word;
    std::memcpy(&word, from + at, sizeof word);
    word ^= wide;
    std::memcpy(to + at, &word, sizeof word);
  }
  for (; at < size; at++) to[at] = static_cast<char>(static_cast<uint8_t>(from[at]) ^ key[at % kMaskBytes]);
}

MaskedMessages::MaskedMessages(std::unique_ptr<Payloads> payloads, uint32_t connection, size_t fragmentBytes)
    : payloads_(std::move(payloads)), connection_(connection), fragmentBytes_(fragmentBytes) {}

size_t MaskedMessages::wireBytes(uint64_t number) const {
  const size_t size = payloads_->size(number);
  if (fragmentBytes_ == 0 || size <= fragmentBytes_) return frameBytes(size);
  const size_t full = (size - 1) / fragmentBytes_;
  return full * frameBytes(fragmentBytes_) + frameBytes(size - full * fragmentBytes_);
}

void MaskedMessages::build(uint64_t number) {
  if (number == built_) return;
  built_ = number;
  wire_.resize(wireBytes(number));
  const Span payload = payloads_->payload(number);
  char* to = wire_.data();
  uint8_t bits = payloads_->firstBits();
  for (size_t from = 0, fragment = 0;; fragment++) {
    const size_t part = fragmentBytes_ == 0 ? payload.size : std::min(fragmentBytes_, payload.size - from);
    const bool last = from + part == payload.size;
    const uint64_t key = hashed(hashed(uint64_t{connection_} << 40 ^ number) + fragment);
    const auto* const keyBytes = reinterpret_cast<const uint8_t*>(&key);
    to += writeHeader(to, bits | (last ? kFinalFrame : 0), part, keyBytes);
    mask(to, payload.data + from, part, keyBytes);
    to += part;
    from += part;
    bits = 0;
    if (last) return;
  }
}

Span MaskedMessages::peek(uint64_t limit, char* scratch, size_t scratchBytes) {
  if (number_ >= limit) return {scratch, 0};
  build(number_);
  if (wire_.size() - offset_ >= kDirectBytes) return {wire_.data() + offset_, wire_.size() - offset_};
  size_t size = 0;
  uint64_t number = number_;
  for (size_t offset = offset_; number < limit; number++, offset = 0) {
    build(number);
    const size_t part = std::min(wire_.size() - offset, scratchBytes - size);
    std::memcpy(scratch + size, wire_.data() + offset, part);
    size += part;
    if (size == scratchBytes) break;
  }
  return {scratch, size};
}

void MaskedMessages::skip(size_t bytes) {
  offset_ += bytes;
  for (size_t size = wireBytes(number_); offset_ >= size; size = wireBytes(number_)) {
    offset_ -= size;
    number_++;
  }
}

}  // namespace miniproto::load
