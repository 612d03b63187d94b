/**
 * The framer contract: find record boundaries in a span of bytes and write them to a table.
 *
 * A framer keeps nothing between two calls. What an unfinished record needs to be resumed is in the table's header
 * (kSearched, kOverflow, kFinal), so one framer serves any number of streams, and any framer with the same settings may
 * take over. Cutting the same bytes into spans differently never changes the rows, only how many calls they take.
 *
 * The situations of a span, and the answer in each:
 *   rows reach the limit                    kFrameFull, at once: nothing behind the last row is looked at
 *   the span ends before the next record    kFrameMore, with kNeed and kSearched for the next try
 *   the next record is at fault             kFrameError; rows before it stay, kConsumed ends where it starts
 */
#pragma once

#include "framing/frame_table.h"

namespace miniproto {

class Framer {
 public:
  Framer() = default;
  virtual ~Framer() = default;
  Framer(const Framer&) = delete;
  Framer& operator=(const Framer&) = delete;

  /**
   * Frames call.bytes[from, to).
   * Pre: the ranges that FrameCall states. Post: rows and every out word are written. @returns the count of rows.
   */
  virtual size_t frame(const FrameCall& call) const noexcept = 0;
};

}  // namespace miniproto
