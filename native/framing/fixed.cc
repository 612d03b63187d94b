/**
 * Fixed-size records: a division in disguise, done as a loop because the rows have to be written anyway.
 */
#include "framing/fixed.h"

namespace miniproto {

size_t FixedFramer::frame(const FrameCall& call) const noexcept {
  const bool final = call.table[kFinal] != 0;
  const size_t count = std::min(rowLimit(call), (call.to - call.from) / size_);
  size_t start = call.from;
  for (size_t row = 0; row < count; row++, start += size_) {
    writeRow(call.table, row, start, size_, start + size_, 0);
  }
  FrameOutcome outcome;
  outcome.rows = count;
  outcome.consumed = start - call.from;
  const size_t rest = call.to - start;
  if (count == rowLimit(call)) {
    outcome.status = kFrameFull;
  } else if (!final) {
    outcome.need = size_;
  } else if (rest > 0) {
    outcome.status = kFrameError;
    outcome.fault = FrameFault::kUnexpectedEof;
    outcome.detail = rest;
  }
  return writeOutcome(call.table, outcome);
}

}  // namespace miniproto
