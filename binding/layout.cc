#include "layout.h"

#include "framing/frame_table.h"

namespace miniproto::binding {
namespace {

constexpr NamedNumber kFrameTable[] = {
    {"HEADER_WORDS", kHeaderWords},
    {"ROW_WORDS", kRowWords},
    {"H_ROWS", kRows},
    {"H_CONSUMED", kConsumed},
    {"H_NEED", kNeed},
    {"H_SEARCHED", kSearched},
    {"H_STATUS", kStatus},
    {"H_FAULT", kFault},
    {"H_ASCII", kAscii},
    {"H_OVERFLOW", kOverflow},
    {"H_DETAIL_LOW", kDetailLow},
    {"H_DETAIL_HIGH", kDetailHigh},
    {"H_FINAL", kFinal},
    {"H_SKIPPED", kSkipped},
    {"FRAME_MORE", kFrameMore},
    {"FRAME_FULL", kFrameFull},
    {"FRAME_ERROR", kFrameError},
    {"OVERFLOW_NONE", kOverflowNone},
    {"OVERFLOW_SKIPPING", kOverflowSkipping},
    {"OVERFLOW_PIECES", kOverflowPieces},
    {"R_OFFSET", kRowOffset},
    {"R_LENGTH", kRowLength},
    {"R_END", kRowEnd},
    {"R_FLAGS", kRowFlags},
    {"FLAG_PIECE", kFlagPiece},
    {"FLAG_LAST_PIECE", kFlagLastPiece},
    {"FLAG_UNTERMINATED", kFlagUnterminated},
    {"SEPARATOR_SHIFT", kSeparatorShift},
    {"WS_OPEN_MASK", kWsOpenMask},
    {"WS_OPEN_TEXT", kWsOpenText},
    {"WS_OPEN_BINARY", kWsOpenBinary},
    {"WS_OPEN_COMPRESSED", kWsOpenCompressed},
    {"WS_UTF8_SHIFT", kWsUtf8Shift},
    {"WS_UTF8_MASK", kWsUtf8Mask},
    {"WS_NOT_ASCII", kWsNotAscii},
    {"WS_FIRST_SHIFT", kWsFirstShift},
    {"WS_FLAG_ASCII", kWsFlagAscii},
};

constexpr NamedNumber kFaults[] = {
    {"NONE", static_cast<int>(FrameFault::kNone)},
    {"RECORD_TOO_LARGE", static_cast<int>(FrameFault::kRecordTooLarge)},
    {"LENGTH_OVERFLOW", static_cast<int>(FrameFault::kLengthOverflow)},
    {"LENGTH_NEGATIVE", static_cast<int>(FrameFault::kLengthNegative)},
    {"LENGTH_OVERLONG", static_cast<int>(FrameFault::kLengthOverlong)},
    {"LENGTH_TOO_LONG", static_cast<int>(FrameFault::kLengthTooLong)},
    {"LENGTH_NOT_DIGIT", static_cast<int>(FrameFault::kLengthNotDigit)},
    {"TRAILER_MISSING", static_cast<int>(FrameFault::kTrailerMissing)},
    {"BARE_CR", static_cast<int>(FrameFault::kBareCr)},
    {"BARE_LF", static_cast<int>(FrameFault::kBareLf)},
    {"UNEXPECTED_EOF", static_cast<int>(FrameFault::kUnexpectedEof)},
    {"WS_RESERVED_BITS", static_cast<int>(FrameFault::kWsReservedBits)},
    {"WS_RESERVED_OPCODE", static_cast<int>(FrameFault::kWsReservedOpcode)},
    {"WS_MASK_MISSING", static_cast<int>(FrameFault::kWsMaskMissing)},
    {"WS_MASK_UNEXPECTED", static_cast<int>(FrameFault::kWsMaskUnexpected)},
    {"WS_CONTROL_FRAGMENTED", static_cast<int>(FrameFault::kWsControlFragmented)},
    {"WS_CONTROL_TOO_LONG", static_cast<int>(FrameFault::kWsControlTooLong)},
    {"WS_LENGTH_NOT_MINIMAL", static_cast<int>(FrameFault::kWsLengthNotMinimal)},
    {"WS_CONTINUATION_UNEXPECTED", static_cast<int>(FrameFault::kWsContinuationUnexpected)},
    {"WS_CONTINUATION_EXPECTED", static_cast<int>(FrameFault::kWsContinuationExpected)},
    {"WS_INVALID_UTF8", static_cast<int>(FrameFault::kWsInvalidUtf8)},
    {"WS_CLOSE_LENGTH", static_cast<int>(FrameFault::kWsCloseLength)},
    {"WS_CLOSE_CODE", static_cast<int>(FrameFault::kWsCloseCode)},
};

}  // namespace

void setFrameTable(Napi::Object layout) {
  Napi::Object faults = Napi::Object::New(layout.Env());
  setNumbers(faults, kFaults);
  setNumbers(layout, kFrameTable);
  layout.Set("FrameFault", faults);
}

}  // namespace miniproto::binding
