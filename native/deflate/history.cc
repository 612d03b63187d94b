/** A ring that overwrites; history.h says what for. */
#include "deflate/history.h"

#include <algorithm>
#include <cstring>

namespace miniproto {

namespace {
/** Small messages are common, and most connections have few. */
constexpr size_t kLeastSize = 1024;
}  // namespace

History::~History() {
  memory_.release(ring_);
}

bool History::append(const uint8_t* bytes, size_t size) {
  if (capacity_ == 0 || size == 0) return true;
  if (size > capacity_) {
    bytes += size - capacity_;
    size = capacity_;
  }
  const size_t wanted = std::min(length_ + size, capacity_);
  if (wanted > size_ && !grow(wanted)) return false;
  put(bytes, size);
  return true;
}

/** Pre: size_ < wanted <= capacity_. */
bool History::grow(size_t wanted) {
  size_t size = std::min(std::max(size_, kLeastSize), capacity_);
  while (size < wanted) size *= 2;
  auto* ring = static_cast<uint8_t*>(memory_.allocate(size));
  if (ring == nullptr) return false;
  size_t at = 0;
  if (ring_ != nullptr) {
    visit([&](const uint8_t* part, size_t length) {
      std::memcpy(ring + at, part, length);
      at += length;
    });
  }
  memory_.release(ring_);
  ring_ = ring;
  size_ = size;
  // What was kept is less than the new size, so the place behind it exists.
  end_ = at;
  return true;
}

/** Pre: size <= size_. */
void History::put(const uint8_t* bytes, size_t size) {
  const size_t first = std::min(size, size_ - end_);
  std::memcpy(ring_ + end_, bytes, first);
  if (first < size) std::memcpy(ring_, bytes + first, size - first);
  end_ = (end_ + size) & (size_ - 1);
  length_ = std::min(length_ + size, size_);
}

}  // namespace miniproto
