#include "bytes/byte_queue.h"

#include <utility>

namespace miniproto {
namespace {

/** Blocks that are kept, and the bytes from which one is too large to be kept. */
constexpr size_t kMostBlocks = 8;
constexpr size_t kLargestKept = 512 * 1024;
/** Bytes that a new block has room for: one full TLS record. */
constexpr size_t kFirstCapacity = 17 * 1024;

}  // namespace

std::vector<uint8_t> BlockPool::lease() {
  if (blocks_.empty()) {
    std::vector<uint8_t> block;
    block.reserve(kFirstCapacity);
    return block;
  }
  std::vector<uint8_t> block = std::move(blocks_.back());
  blocks_.pop_back();
  return block;
}

void BlockPool::giveBack(std::vector<uint8_t>&& block) {
  if (blocks_.size() >= kMostBlocks || block.capacity() > kLargestKept) return;
  block.clear();
  blocks_.push_back(std::move(block));
}

void ByteQueue::append(const uint8_t* bytes, size_t size) {
  if (size == 0) return;
  if (block_.capacity() == 0) block_ = pool_.lease();
  block_.insert(block_.end(), bytes, bytes + size);
}

void ByteQueue::consume(size_t size) {
  start_ += size;
  if (start_ == block_.size()) clear();
}

void ByteQueue::clear() {
  start_ = 0;
  if (block_.capacity() > 0) pool_.giveBack(std::exchange(block_, {}));
}

}  // namespace miniproto
