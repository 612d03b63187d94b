/**
 * Bytes that wait to be sent: appended at the end, taken from the front. An empty queue holds no memory: blocks come
 * from a pool that the thread's queues share, and go back when a queue has emptied.
 */
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace miniproto {

/** Blocks that wait to be used again, for the queues of one thread. */
class BlockPool {
 public:
  /** @returns an empty block, with whatever capacity it had. */
  std::vector<uint8_t> lease();
  /** Takes a block back; more than a few, and large ones, are freed. Never fails: queues end with it. */
  void giveBack(std::vector<uint8_t>&& block) noexcept;

 private:
  std::array<std::vector<uint8_t>, 8> blocks_;
  /** Blocks that are there: the first ones. */
  size_t count_ = 0;
};

class ByteQueue {
 public:
  /** Pre: `pool` outlives the queue. */
  explicit ByteQueue(BlockPool& pool) : pool_(pool) {}
  ~ByteQueue() { clear(); }
  ByteQueue(const ByteQueue&) = delete;
  ByteQueue& operator=(const ByteQueue&) = delete;

  size_t size() const { return block_.size() - start_; }
  bool empty() const { return start_ == block_.size(); }
  /** Valid until the next call that changes the queue. */
  const uint8_t* data() const { return block_.data() + start_; }
  /** Throws std::bad_alloc, and has then changed nothing. */
  void append(const uint8_t* bytes, size_t size);
  /** Drops the first `size` bytes. Pre: size <= this->size(). */
  void consume(size_t size) noexcept;
  void clear() noexcept;

 private:
  BlockPool& pool_;
  std::vector<uint8_t> block_;
  /** Bytes of the block that were taken; 0 <= start_ <= block_.size(). */
  size_t start_ = 0;
};

}  // namespace miniproto
