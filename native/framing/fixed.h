/**
 * Records of one fixed size: the simplest framer. At the final end a shorter rest is kUnexpectedEof. It gives no ASCII
 * verdict (kAscii is 0), since it never looks at a byte.
 */
#pragma once

#include "framing/framer.h"

namespace miniproto {

class FixedFramer final : public Framer {
 public:
  /** Pre: 1 <= size <= 2^30. */
  explicit FixedFramer(size_t size) : size_(size) {}

  size_t frame(const FrameCall& call) const noexcept override;

 private:
  size_t size_;
};

}  // namespace miniproto
