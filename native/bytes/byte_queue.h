/**
 * Bytes that wait to be sent: appended at the end, taken from the front. An empty queue holds no memory: blocks come from
 * a pool that the thread's queues share, and go back when a queue has emptied.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace miniproto {

/** Blocks that wait to be used again, for the queues of one thread. */
class BlockPool {
 public:
  /** @returns an empty block, with whatever capacity it had. */
  std::vector<uint8_t> lease();
  /** Takes a block back; more than a few, and large ones, are freed. */
  void giveBack(std::vector<uint8_t>&& block);

 private:
  std::vector<std::vector<uint8_t>> blocks_;
};

class ByteQueue {
 public:
  explicit ByteQueue(BlockPool& pool) : pool_(pool) {}
  ~ByteQueue() { clear(); }
  ByteQueue(const ByteQueue&) = delete;
  ByteQueue& operator=(const ByteQueue&) = delete;

  size_t size() const { return block_.size() - start_; }
  bool empty() const { return start_ == block_.size(); }
  const uint8_t* data() const { return block_.data() + start_; }
  void append(const uint8_t* bytes, size_t size);
  /** Drops the first `size` bytes. Pre: size <= this->size(). */
  void consume(size_t size);
  void clear();

 private:
  BlockPool& pool_;
  std::vector<uint8_t> block_;
  size_t start_ = 0;
};

}  // namespace miniproto
