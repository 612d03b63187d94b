/**
 * Records that end with a separator: lines, and anything cut by one or several byte sequences.
 *
 * Two ways through a span. Where a single separator of one byte, or of two different ones, or a newline mode allows
 * it, the line kernel writes rows for as long as records are plain; everything it stops at (a record over the limit,
 * the end of the span, a bare CR or LF) goes through a step that handles one record by the rules in full. Sets of
 * separators and longer ones take that step for every record.
 *
 * The front of the span, kept in kOverflow between calls:
 *   state      means                                   left when
 *   none       a record starts here                    its payload is certainly over the limit
 *   skipping   bytes are dropped ('skip')              a separator has passed, or the stream ended
 *   pieces     pieces of a record are out ('pieces')   its last piece is out, or its tail refused or dropped
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "framing/framer.h"
#include "framing/separator_search.h"
#include "simd/kernels.h"

namespace miniproto {

enum class Newline { kPlain, kStripCr, kStrictCrlf };
enum class Overflow { kError, kSkip, kPieces };
enum class Tail { kGive, kRefuse, kDrop };

/** How to cut; the fields of SeparatorFraming in lib/native-interface.ts. */
struct SeparatorSettings {
  std::vector<std::string> separators;
  bool keep = false;
  Newline newline = Newline::kPlain;
  size_t maxLength = 0;
  Overflow overflow = Overflow::kError;
  Tail tail = Tail::kGive;
};

class SeparatorFramer final : public Framer {
 public:
  /**
   * Pre: 1 to 16 separators of 1 to 256 bytes; exactly LF for kStripCr, exactly CR LF for kStrictCrlf;
   * maxLength <= 2^30, and >= 1 for kPieces.
   */
  explicit SeparatorFramer(const SeparatorSettings& settings);

  size_t frame(const FrameCall& call) const noexcept override;

 private:
  struct Run;
  enum class Step { kGoOn, kStop };

  void runKernel(Run& run) const noexcept;
  Step step(Run& run) const noexcept;
  Step skip(Run& run) const noexcept;
  Step takeRecord(Run& run, const SeparatorMatch& match) const noexcept;
  Step takeOverlong(Run& run, size_t searched) const noexcept;
  Step takeTail(Run& run) const noexcept;
  bool findStrict(Run& run, SeparatorMatch& match) const noexcept;
  static bool verdict(const Run& run) noexcept;

  SeparatorSearch search_;
  bool keep_;
  Newline newline_;
  size_t maxLength_;
  Overflow overflow_;
  Tail tail_;
  /** Bytes that a separator has at most, the CR of kStripCr included. */
  size_t longestEnd_;
  bool hasKernel_ = false;
  LineEnd lineEnd_ = LineEnd::kByte;
  uint8_t lineFirst_ = 0;
  uint8_t lineLast_ = 0;
};

}  // namespace miniproto
