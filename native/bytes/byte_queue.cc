#include "bytes/byte_queue.h"

#include <utility>

namespace miniproto {
namespace {

/** The bytes from which a block is too large to be kept. */
constexpr size_t kLargestKept = 512 * 1024;
/** Bytes that a new block has room for: one full TLS record. */
constexpr size_t kFirstCapacity = 17 * 1024;

}  // namespace

std::vector<uint8_t> BlockPool::lease() {
  if (count_ == 0) {
    std::vector<uint8_t> block;
    block.reserve(kFirstCapacity);
    return block;
  }
  return std::move(blocks_[--count_]);
}

void BlockPool::giveBack(std::vector<uint8_t>&& block) noexcept {
  std::vector<uint8_t> given = std::move(block);
  if (count_ == blocks_.size() || given.capacity() > kLargestKept) return;
  given.clear();
  blocks_[count_++] = std::move(given);
}

void ByteQueue::append(const uint8_t* bytes, size_t size) {
  if (size == 0) return;
  if (block_.capacity() == 0) block_ = pool_.lease();
  // A queue that never empties may not grow with all that ever went through it. Moving no more than was taken since
  // keeps the cost of a byte constant.
  if (block_.size() + size > block_.capacity() && start_ >= this->size()) {
    block_.erase(block_.begin(), block_.begin() + static_cast<std::ptrdiff_t>(start_));
    start_ = 0;
  }
  block_.insert(block_.end(), bytes, bytes + size);
}

void ByteQueue::consume(size_t size) noexcept {
  start_ += size;
  if (start_ == block_.size()) clear();
}

void ByteQueue::clear() noexcept {
  start_ = 0;
  if (block_.capacity() > 0) pool_.giveBack(std::exchange(block_, {}));
}

}  // namespace miniproto
