/**
 * Where compression gets its memory: malloc, counted, with a fault that tests can set.
 *
 * Counting costs a word in front of each block. It is what tells how much a connection keeps, which the resident size
 * of a process tells only roughly.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace miniproto {

class DeflateMemory {
 public:
  /** Blocks in use, their own heads left out. */
  size_t bytes() const { return bytes_; }

  /** Lets `count` more allocations succeed and all later ones fail; negative lets all succeed. */
  void failAfter(int64_t count) { allowed_ = count; }

  /** Not zeroed. @returns null where there is no memory. */
  void* allocate(size_t size) {
    if (allowed_ == 0) return nullptr;
    if (allowed_ > 0) allowed_--;
    if (size > SIZE_MAX - sizeof(Head)) return nullptr;
    auto* head = static_cast<Head*>(std::malloc(sizeof(Head) + size));
    if (head == nullptr) return nullptr;
    head->size = size;
    bytes_ += size;
    return head + 1;
  }

  /** Pre: null, or what allocate() answered and was not released. */
  void release(void* block) {
    if (block == nullptr) return;
    // SAFETY: allocate() put a Head in front of every block.
    Head* head = static_cast<Head*>(block) - 1;
    bytes_ -= head->size;
    std::free(head);
  }

 private:
  /** As large as malloc aligns, so that what follows is aligned as well. */
  struct alignas(alignof(std::max_align_t)) Head {
    size_t size;
  };

  size_t bytes_ = 0;
  int64_t allowed_ = -1;
};

}  // namespace miniproto
