/**
 * A table that only grows, in blocks: what is in it stays where it is.
 *
 * Not a vector: one of thousands of connections is moved each time it grows, and leaves a large piece of memory behind.
 * When that goes back to the system, glibc takes it for a sign, and from then on lets each thread keep up to twice as
 * much of what it frees (M_TRIM_THRESHOLD in mallopt(3)): the threads of V8 do, and that was more than the table
 * itself.
 */
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace miniproto {

template <typename T>
class Slots {
 public:
  size_t size() const { return size_; }

  /** Pre: index < size(). */
  T& operator[](size_t index) { return blocks_[index / kBlock][index % kBlock]; }
  const T& operator[](size_t index) const { return blocks_[index / kBlock][index % kBlock]; }

  /** Adds one, as T() makes it. */
  void grow() {
    if (size_ == blocks_.size() * kBlock) blocks_.push_back(std::make_unique<T[]>(kBlock));
    size_++;
  }

 private:
  /** A block of connections is some kilobytes: a few do not cost much, and many take few blocks. */
  static constexpr size_t kBlock = 64;

  std::vector<std::unique_ptr<T[]>> blocks_;
  size_t size_ = 0;
};

}  // namespace miniproto
