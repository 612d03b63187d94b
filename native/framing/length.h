/**
 * Records that say their length: `offset` bytes, the length field, n = value + adjustment bytes, perhaps a trailer.
 *
 *   | offset | length field | n bytes | trailer |
 *   |        '- fixed width, varint or digits and their terminator
 *
 * The loop is built once per encoding and width, so that reading a length is a load and a byte swap. A length that is
 * wrong is reported as soon as the byte that decides is there; a declared length reserves nothing. It gives no ASCII
 * verdict (kAscii is 0), since it never looks at payloads.
 */
#pragma once

#include <cstddef>
#include <cstdint>

#include "framing/framer.h"

namespace miniproto {

enum class LengthEncoding { kBig, kLittle, kVarint, kDecimal };

/** How to cut; the fields of LengthFraming in lib/native-interface.ts. */
struct LengthSettings {
  LengthEncoding encoding = LengthEncoding::kBig;
  /** Width of a fixed field, 1 to 8; for varints and decimals the most bytes or digits, 1 to kMaxFieldBytes. */
  size_t lengthBytes = 4;
  uint8_t terminator = 0;
  /** 0 to 2^29. */
  size_t offset = 0;
  /** -(2^53 - 1) to 2^53 - 1. */
  int64_t adjustment = 0;
  bool keepHeader = false;
  /** The byte behind the payload, or -1. */
  int trailer = -1;
  /** 0 to 2^30. */
  size_t maxLength = 0;
};

class LengthFramer final : public Framer {
 public:
  static constexpr size_t kMaxFieldBytes = 256;

  /** Pre: the ranges that LengthSettings states. */
  explicit LengthFramer(const LengthSettings& settings);

  size_t frame(const FrameCall& call) const noexcept override { return loop_(settings_, call); }

 private:
  using Loop = size_t (*)(const LengthSettings& settings, const FrameCall& call) noexcept;
  LengthSettings settings_;
  Loop loop_;
};

}  // namespace miniproto
