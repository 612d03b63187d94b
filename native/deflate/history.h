/**
 * The last bytes that went one way on a connection: what the next compressed message may refer to.
 *
 * A ring that overwrites its oldest bytes. It takes memory as bytes come, in powers of two, up to a capacity that is a
 * power of two as well, and keeps it: a peer may refer to any of these bytes at any time.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "deflate/memory.h"

namespace miniproto {

class History {
 public:
  /** Pre: `capacity` is 0 or a power of two; `memory` outlives the history. 0 keeps nothing. */
  History(size_t capacity, DeflateMemory& memory) : memory_(memory), capacity_(capacity) {}
  ~History();
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  /** Whether anything is ever kept. */
  bool keeps() const { return capacity_ > 0; }
  size_t length() const { return length_; }

  /** Keeps the last `capacity` of what was kept and of `size` more. @returns false where there is no memory. */
  bool append(const uint8_t* bytes, size_t size);

  /** Forgets what was kept; the memory stays. */
  void clear() {
    length_ = 0;
    end_ = 0;
  }

  /** Calls `part(bytes, size)` for what is kept, oldest first, in at most two parts that are not empty. */
  template <class Part>
  void visit(Part part) const {
    const size_t oldest = (end_ - length_) & (size_ - 1);
    const size_t first = length_ < size_ - oldest ? length_ : size_ - oldest;
    if (first > 0) part(ring_ + oldest, first);
    if (first < length_) part(ring_, length_ - first);
  }

 private:
  bool grow(size_t wanted);
  void put(const uint8_t* bytes, size_t size);

  DeflateMemory& memory_;
  uint8_t* ring_ = nullptr;
  size_t capacity_;
  /** Bytes of `ring_`: 0 or a power of two, at most capacity_. */
  size_t size_ = 0;
  /** Where the next byte goes; 0 <= end_ < size_. */
  size_t end_ = 0;
  /** 0 <= length_ <= size_. */
  size_t length_ = 0;
};

}  // namespace miniproto
