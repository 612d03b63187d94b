/**
 * A growing ring of bytes: what a connection keeps when a record is incomplete or a reader is behind.
 *
 * It holds no memory while it is empty. Memory comes in powers of two from a RingMemory, so that the same ring runs on
 * the heap and on a JavaScript ArrayBuffer. `maxCapacity` bounds the bytes stored, whatever it is; the memory is then
 * at most the next power of two. It never gives memory back in part: only an emptied ring does, and then all of it.
 *
 *   memory:  [ . . . H x x x T . . . ]   H = head_, the oldest byte; T = (head_ + length_) & (capacity_ - 1)
 *   or:      [ x x T . . . . . H x x ]
 */
#pragma once

#include <cstddef>
#include <cstdint>

#include "bytes/span.h"

namespace miniproto {

/** Where a ring gets its memory from. One ring holds at most two pieces at a time, and that only while it grows. */
class RingMemory {
 public:
  virtual ~RingMemory() = default;
  /** Pre: `size` is a power of two. Post: memory of `size` bytes, contents unspecified, or null when there is none. */
  virtual uint8_t* allocate(size_t size) = 0;
  /** Pre: `memory` came from allocate(size) and was not released. */
  virtual void release(uint8_t* memory, size_t size) = 0;
};

/** Memory from malloc. */
class HeapRingMemory final : public RingMemory {
 public:
  uint8_t* allocate(size_t size) override;
  void release(uint8_t* memory, size_t size) override;
};

class Ring {
 public:
  static constexpr size_t kMaxCapacity = size_t{1} << 30;

  struct Options {
    /** Memory taken at the first write; a power of two. More than maxCapacity needs is cut down to that. */
    size_t minCapacity;
    /** Bytes that can be stored at most; 1 to kMaxCapacity. */
    size_t maxCapacity;
  };

  /** What a write did. `taken` bytes are stored even when there was no memory for more. */
  struct Written {
    size_t taken;
    bool outOfMemory;
  };

  /** Pre: `options` are in range; `memory` outlives the ring. */
  Ring(const Options& options, RingMemory& memory);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  /** Bytes stored; 0 <= length <= maxCapacity. */
  size_t length() const { return length_; }
  /** Bytes of memory held; 0 or a power of two. */
  size_t capacity() const { return capacity_; }

  /** Copies `source` in, as much as the maximum allows. Pre: `source` is not this ring's memory. */
  Written write(ByteSpan source);
  /** Copies the oldest bytes out and removes them. Post: the count returned is min(target.size, length). */
  size_t read(MutableByteSpan target);
  /** The stored bytes, oldest first. Post: `spans` filled from the front; 0, 1 or 2 returned. */
  size_t spans(ByteSpan (&spans)[2]) const;
  /** Removes the oldest `count` bytes, or all there are. */
  void consume(size_t count);
  /** Forgets contents and memory without releasing it, for when the memory went elsewhere. */
  void abandon();

 private:
  bool reserve(size_t needed);
  void copyOut(uint8_t* target, size_t count) const;
  void releaseMemory();

  RingMemory& memory_;
  size_t minCapacity_;
  size_t maxCapacity_;
  uint8_t* data_ = nullptr;
  size_t capacity_ = 0;
  /** Index of the oldest byte; 0 <= head_ < capacity_, 0 while there is no memory. */
  size_t head_ = 0;
  size_t length_ = 0;
};

/** The smallest power of two that is at least `value`. Pre: 1 <= value <= 2^30. */
size_t nextPowerOfTwo(size_t value);

}  // namespace miniproto
