/**
 * The ring's arithmetic. Copies are at most two `memcpy` each; growing copies what is stored to the front of the new
 * memory, so a ring that just grew is never wrapped.
 */
#include "bytes/ring.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace miniproto {

uint8_t* HeapRingMemory::allocate(size_t size) {
  return static_cast<uint8_t*>(std::malloc(size));
}

void HeapRingMemory::release(uint8_t* memory, size_t /*size*/) {
  std::free(memory);
}

Ring::Ring(const Options& options, RingMemory& memory)
    : memory_(memory),
      minCapacity_(std::min(options.minCapacity, nextPowerOfTwo(options.maxCapacity))),
      maxCapacity_(options.maxCapacity) {}

Ring::~Ring() {
  releaseMemory();
}

Ring::Written Ring::write(ByteSpan source) {
  const size_t wanted = std::min(source.size, maxCapacity_ - length_);
  if (wanted == 0) return {0, false};
  const bool grown = reserve(length_ + wanted);
  const size_t taken = std::min(wanted, capacity_ - length_);
  if (taken == 0) return {0, !grown};
  const size_t tail = (head_ + length_) & (capacity_ - 1);
  const size_t first = std::min(taken, capacity_ - tail);
  std::memcpy(data_ + tail, source.data, first);
  if (taken > first) std::memcpy(data_, source.data + first, taken - first);
  length_ += taken;
  return {taken, !grown};
}

size_t Ring::read(MutableByteSpan target) {
  const size_t count = std::min(target.size, length_);
  if (count == 0) return 0;
  copyOut(target.data, count);
  consume(count);
  return count;
}

size_t Ring::spans(ByteSpan (&spans)[2]) const {
  if (length_ == 0) return 0;
  const size_t first = std::min(length_, capacity_ - head_);
  spans[0] = {data_ + head_, first};
  if (first == length_) return 1;
  spans[1] = {data_, length_ - first};
  return 2;
}

void Ring::consume(size_t count) {
  if (count >= length_) {
    releaseMemory();
    return;
  }
  head_ = (head_ + count) & (capacity_ - 1);
  length_ -= count;
}

void Ring::abandon() {
  data_ = nullptr;
  capacity_ = 0;
  head_ = 0;
  length_ = 0;
}

/** Pre: 1 <= needed <= maxCapacity_. Post: capacity_ >= needed, or false and nothing changed. */
bool Ring::reserve(size_t needed) {
  if (needed <= capacity_) return true;
  const size_t capacity = std::max(minCapacity_, nextPowerOfTwo(needed));
  uint8_t* data = memory_.allocate(capacity);
  if (data == nullptr) return false;
  copyOut(data, length_);
  if (data_ != nullptr) memory_.release(data_, capacity_);
  data_ = data;
  capacity_ = capacity;
  head_ = 0;
  return true;
}

/** Pre: `target` has room for `count` <= length_ bytes and is not this ring's memory. */
void Ring::copyOut(uint8_t* target, size_t count) const {
  if (count == 0) return;
  const size_t first = std::min(count, capacity_ - head_);
  std::memcpy(target, data_ + head_, first);
  if (count > first) std::memcpy(target + first, data_, count - first);
}

void Ring::releaseMemory() {
  if (data_ != nullptr) memory_.release(data_, capacity_);
  abandon();
}

size_t nextPowerOfTwo(size_t value) {
  size_t power = 1;
  while (power < value) power <<= 1;
  return power;
}

}  // namespace miniproto
