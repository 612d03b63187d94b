/**
 * The table that a framer fills, in C++: the same words, flags and faults as lib/frame-table.ts, which documents each.
 *
 * A table is int32 words: a header of kHeaderWords, then rows of kRowWords. A test compares the two files by way of
 * layout(), so a change here is a change there.
 */
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace miniproto {

constexpr size_t kHeaderWords = 16;
constexpr size_t kRowWords = 4;

enum HeaderWord : size_t {
  kRows = 0,
  kConsumed = 1,
  kNeed = 2,
  kSearched = 3,
  kStatus = 4,
  kFault = 5,
  kAscii = 6,
  kOverflow = 7,
  kDetailLow = 8,
  kDetailHigh = 9,
  kFinal = 10,
  kSkipped = 11,
};

enum RowWord : size_t { kRowOffset = 0, kRowLength = 1, kRowEnd = 2, kRowFlags = 3 };

enum FrameStatus : int32_t { kFrameMore = 0, kFrameFull = 1, kFrameError = 2 };

enum OverflowState : int32_t { kOverflowNone = 0, kOverflowSkipping = 1, kOverflowPieces = 2 };

enum WebSocketState : int32_t {
  kWsOpenMask = 3,
  kWsOpenText = 1,
  kWsOpenBinary = 2,
  kWsOpenCompressed = 4,
  kWsUtf8Mask = 0xff,
  kWsNotAscii = 0x1000,
};
constexpr int kWsUtf8Shift = 4;

enum RowFlag : int32_t { kFlagPiece = 1, kFlagLastPiece = 2, kFlagUnterminated = 4, kWsFlagAscii = 0x10000 };
constexpr int kSeparatorShift = 8;
constexpr int kWsFirstShift = 8;

enum class FrameFault : int32_t {
  kNone = 0,
  kRecordTooLarge = 1,
  kLengthOverflow = 2,
  kLengthNegative = 3,
  kLengthOverlong = 4,
  kLengthTooLong = 5,
  kLengthNotDigit = 6,
  kTrailerMissing = 7,
  kBareCr = 8,
  kBareLf = 9,
  kUnexpectedEof = 10,
  kWsReservedBits = 11,
  kWsReservedOpcode = 12,
  kWsMaskMissing = 13,
  kWsMaskUnexpected = 14,
  kWsControlFragmented = 15,
  kWsControlTooLong = 16,
  kWsLengthNotMinimal = 17,
  kWsContinuationUnexpected = 18,
  kWsContinuationExpected = 19,
  kWsInvalidUtf8 = 20,
  kWsCloseLength = 21,
  kWsCloseCode = 22,
};

/** One call of a framer: the span, and the table it fills. */
struct FrameCall {
  /** Written by the WebSocket framer alone, within [from, to). */
  uint8_t* bytes;
  /** 0 <= from <= to <= 2^31 - 1, since rows hold indices into `bytes` in 32 bits. */
  size_t from;
  size_t to;
  /** At least kHeaderWords words. */
  int32_t* table;
  size_t tableWords;
  size_t maxRows;
};

/** Rows that one call may write. */
inline size_t rowLimit(const FrameCall& call) {
  return std::min((call.tableWords - kHeaderWords) / kRowWords, call.maxRows);
}

/** What a framer found, apart from rows: the out words of the header. All counts are bytes. */
struct FrameOutcome {
  size_t rows = 0;
  size_t consumed = 0;
  size_t need = 0;
  size_t searched = 0;
  FrameStatus status = kFrameMore;
  FrameFault fault = FrameFault::kNone;
  bool ascii = false;
  int32_t overflow = kOverflowNone;
  uint64_t detail = 0;
  size_t skipped = 0;
};

/** Post: every out word of the header is written. @returns the count of rows. */
inline size_t writeOutcome(int32_t* table, const FrameOutcome& outcome) {
  const bool more = outcome.status == kFrameMore;
  table[kRows] = static_cast<int32_t>(outcome.rows);
  table[kConsumed] = static_cast<int32_t>(outcome.consumed);
  table[kNeed] = more ? static_cast<int32_t>(outcome.need) : 0;
  table[kSearched] = more ? static_cast<int32_t>(outcome.searched) : 0;
  table[kStatus] = outcome.status;
  table[kFault] = static_cast<int32_t>(outcome.fault);
  table[kAscii] = outcome.ascii ? 1 : 0;
  table[kOverflow] = outcome.overflow;
  table[kDetailLow] = static_cast<int32_t>(static_cast<uint32_t>(outcome.detail));
  table[kDetailHigh] = static_cast<int32_t>(static_cast<uint32_t>(outcome.detail >> 32));
  table[kSkipped] = static_cast<int32_t>(outcome.skipped);
  return outcome.rows;
}

/** Writes row `row`. Pre: it lies within the table; the values are at most 2^31 - 1. */
inline void writeRow(int32_t* table, size_t row, size_t offset, size_t length, size_t end, int32_t flags) {
  int32_t* words = table + kHeaderWords + row * kRowWords;
  words[kRowOffset] = static_cast<int32_t>(offset);
  words[kRowLength] = static_cast<int32_t>(length);
  words[kRowEnd] = static_cast<int32_t>(end);
  words[kRowFlags] = flags;
}

}  // namespace miniproto
