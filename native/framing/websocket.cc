/**
 * The WebSocket framer. Frames that are whole messages, as nearly all are, go through a kernel that takes as many of
 * them as there are; what ends its run is looked at here, one frame with all the rules, and the kernel goes on.
 */
#include "framing/websocket.h"

#include <cstring>

#include "simd/kernels.h"
#include "simd/mask.h"
#include "simd/scan.h"
#include "text/utf8_check.h"

namespace miniproto {
namespace {

/** Bytes. Payloads over it are unmasked as they come, so that the end of one does not mean all the work at once. */
constexpr size_t kDoneAsItComes = 65536;
constexpr int32_t kDecoderBits = (kUtf8States - 1) << kWsUtf8Shift;
constexpr int32_t kMessageBits = kWsOpenMask | kWsOpenCompressed;

/** What a try at the frame in front answers. */
enum class Attempt { kTaken, kIncomplete, kFaulty };

/** Codes that may be received (§7.4 and IANA's registry); 1004 to 1006 and 1015 are never sent. */
bool isCloseCode(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

/** One call: where it stands in the span, and what it knows of the frame in front. */
class FrameCutter {
 public:
  FrameCutter(const WebSocketSettings& settings, const FrameCall& call)
      : settings_(settings),
        bytes_(call.bytes),
        to_(call.to),
        start_(call.from),
        target_(call.from),
        state_(call.table[kOverflow] & (kMessageBits | kDecoderBits | kWsNotAscii)),
        searched_(call.table[kSearched] > 0 ? static_cast<size_t>(call.table[kSearched]) : 0) {}

  size_t cut(const FrameCall& call);

 private:
  bool isServer() const { return settings_.role == WebSocketRole::kServer; }
  unsigned decoderState() const { return static_cast<unsigned>(state_ & kDecoderBits) >> kWsUtf8Shift; }

  Attempt takeRun(const FrameCall& call, size_t limit);
  Attempt refuseLast(const MessageRun& run, size_t index);
  Attempt takeFrame(const FrameCall& call);
  Attempt takePart(size_t present);
  bool takePayload();
  bool maskRest(size_t size);
  void putBack();
  bool isChecked() const;
  bool checkText(size_t present, bool ascii);
  bool checkClose(size_t present);
  int32_t rowFlags() const;
  int32_t stateAfter() const;
  size_t answer(const FrameCall& call, Attempt last);

  const WebSocketSettings& settings_;
  uint8_t* const bytes_;
  const size_t to_;
  /** Where the frame in front begins, and where it goes in its compact form; target_ <= start_. */
  size_t start_;
  size_t target_;
  /** kOverflow, as of the frame in front. */
  int32_t state_;
  /** Bytes of its payload that are done. */
  size_t searched_;
  /** Where its payload was received, and where it is now. */
  size_t received_ = 0;
  size_t payload_ = 0;
  WebSocketHeader header_;
  FrameOutcome outcome_;
};

size_t FrameCutter::cut(const FrameCall& call) {
  const size_t limit = rowLimit(call);
  Attempt last = Attempt::kTaken;
  while (outcome_.rows < limit && last == Attempt::kTaken) {
    if (state_ == 0 && searched_ == 0) {
      last = takeRun(call, limit);
      if (last != Attempt::kTaken || outcome_.rows == limit) break;
    }
    last = takeFrame(call);
    // What a peer sends behind its close frame does not count (§5.5.1).
    if (last == Attempt::kTaken && header_.opcode == kWsClose) break;
  }
  return answer(call, last);
}

/** Whole messages by the kernel, until something else comes or the limit. Pre: no message is open. */
Attempt FrameCutter::takeRun(const FrameCall& call, size_t limit) {
  MessageRun run{};
  run.bytes = bytes_;
  run.to = to_;
  run.rows = call.table + kHeaderWords;
  run.maxRows = limit;
  run.maxLength = settings_.maxLength;
  run.masked = isServer();
  run.asciiFlag = settings_.utf8 ? kWsFlagAscii : 0;
  run.start = start_;
  run.target = target_;
  run.rowCount = outcome_.rows;
  do {
    kernels().takeMessages(run);
    if (!run.unchecked) break;
    const Utf8Check check = checkUtf8(bytes_ + run.target - run.length, run.length, 0);
    if (!check.valid || check.state != 0) return refuseLast(run, check.valid ? run.length : check.index);
  } while (run.rowCount < limit);
  start_ = run.start;
  target_ = run.target;
  outcome_.rows = run.rowCount;
  return Attempt::kTaken;
}

/** The run's last row is no text: the frame is made again as it came. */
Attempt FrameCutter::refuseLast(const MessageRun& run, size_t index) {
  header_ = WebSocketHeader();
  header_.first = kWsFin | kWsText;
  header_.masked = isServer();
  header_.key = run.key;
  header_.length = run.length;
  header_.size = (run.length < 126 ? 2 : 4) + (isServer() ? 4 : 0);
  header_.fail(FrameFault::kWsInvalidUtf8, index);
  payload_ = run.target - run.length;
  received_ = run.start - run.length;
  start_ = received_ - header_.size;
  outcome_.rows = run.rowCount - 1;
  if (isServer()) putBack();
  return Attempt::kFaulty;
}

Attempt FrameCutter::takeFrame(const FrameCall& call) {
  header_ = WebSocketHeader();
  if (!readWebSocketHeader(settings_, bytes_ + start_, to_ - start_, (state_ & kWsOpenMask) != 0, header_)) {
    searched_ = 0;
    return header_.fault == FrameFault::kNone ? Attempt::kIncomplete : Attempt::kFaulty;
  }
  received_ = payload_ = start_ + header_.size;
  const size_t present = std::min(to_ - received_, header_.length);
  searched_ = std::min(searched_, present);
  if (header_.opcode == kWsClose && !checkClose(present)) return Attempt::kFaulty;
  if (present < header_.length) return takePart(present);
  if (!takePayload()) return Attempt::kFaulty;
  start_ = received_ + header_.length;
  writeRow(call.table, outcome_.rows++, payload_, header_.length, start_, rowFlags());
  state_ = stateAfter();
  searched_ = 0;
  return Attempt::kTaken;
}

/** Unmasks and checks what is there of a payload, in its place. */
Attempt FrameCutter::takePart(size_t present) {
  if (present == searched_ || (header_.length <= kDoneAsItComes && !isChecked())) return Attempt::kIncomplete;
  if (!checkText(present, maskRest(present))) {
    maskRest(present);
    return Attempt::kFaulty;
  }
  searched_ = present;
  return Attempt::kIncomplete;
}

/** Moves a whole payload to where it belongs, unmasked, and checks it. Post: the frame is as it came, or is taken. */
bool FrameCutter::takePayload() {
  const size_t length = header_.length;
  bool ascii = false;
  if (isServer()) {
    if (searched_ > 0) {
      ascii = maskRest(length);
    } else {
      payload_ = target_ + header_.plainSize();
      ascii = maskMove(bytes_ + received_, bytes_ + payload_, length, header_.key, 0);
    }
    writePlainHeader(header_, bytes_ + payload_ - header_.plainSize());
  } else if (isChecked()) {
    ascii = isAscii(bytes_ + payload_ + searched_, length - searched_);
  }
  if (checkText(length, ascii)) {
    target_ = payload_ + length;
    return true;
  }
  if (isServer()) putBack();
  return false;
}

/** Masks, or unmasks, what is not done of the payload's first `size` bytes. @returns whether that is now ASCII. */
bool FrameCutter::maskRest(size_t size) {
  uint8_t* const rest = bytes_ + payload_ + searched_;
  if (!isServer()) return isChecked() && isAscii(rest, size - searched_);
  return maskMove(rest, rest, size - searched_, header_.key, searched_ & 3);
}

/** Makes the frame again as it came. */
void FrameCutter::putBack() {
  std::memmove(bytes_ + received_ + searched_, bytes_ + payload_ + searched_, header_.length - searched_);
  payload_ = received_;
  maskRest(header_.length);
  writeMaskedHeader(header_, bytes_ + start_);
}

/** Whether the frame's payload is text that can be looked at. */
bool FrameCutter::isChecked() const {
  if (!settings_.utf8) return false;
  if (header_.opcode == kWsText) return (header_.first & kWsRsv1) == 0;
  return header_.opcode == kWsContinuation && (state_ & kMessageBits) == kWsOpenText;
}

/** Checks what is not done of the unmasked payload's first `present` bytes, and moves the state on. */
bool FrameCutter::checkText(size_t present, bool ascii) {
  const unsigned before = decoderState();
  if ((ascii && before == 0) || !isChecked()) return true;
  const Utf8Check check = checkUtf8(bytes_ + payload_ + searched_, present - searched_, before);
  if (!check.valid) return header_.fail(FrameFault::kWsInvalidUtf8, searched_ + check.index);
  if (check.state != 0 && present == header_.length && header_.isFinal())
    return header_.fail(FrameFault::kWsInvalidUtf8, present);
  state_ = (state_ & ~kDecoderBits) | static_cast<int32_t>(check.state << kWsUtf8Shift) | kWsNotAscii;
  return true;
}

/** A close frame has no payload, or a code and a reason that is text (§5.5.1). Looks at it without changing it. */
bool FrameCutter::checkClose(size_t present) {
  if (present < 2) return true;
  uint8_t payload[kWsLongestControl];
  maskCopy(bytes_ + received_, payload, present, header_.key, 0);
  const unsigned code = static_cast<unsigned>(payload[0]) << 8 | payload[1];
  if (!isCloseCode(code)) return header_.fail(FrameFault::kWsCloseCode, code);
  if (!settings_.utf8) return true;
  const Utf8Check check = checkUtf8(payload + 2, present - 2, 0);
  if (!check.valid) return header_.fail(FrameFault::kWsInvalidUtf8, 2 + check.index);
  if (check.state != 0 && present == header_.length) return header_.fail(FrameFault::kWsInvalidUtf8, present);
  return true;
}

int32_t FrameCutter::rowFlags() const {
  const bool asciiText = header_.first == (kWsFin | kWsText) && settings_.utf8 && (state_ & kWsNotAscii) == 0;
  return header_.first << kWsFirstShift | (asciiText ? kWsFlagAscii : 0);
}

/** The state behind a frame. Control frames stand between the frames of a message and leave it open (§5.4). */
int32_t FrameCutter::stateAfter() const {
  if (header_.opcode >= kWsClose) return state_;
  if (header_.isFinal()) return 0;
  const int32_t decoder = state_ & kDecoderBits;
  if (header_.opcode == kWsContinuation) return decoder | (state_ & kMessageBits);
  return decoder | header_.opcode | ((header_.first & kWsRsv1) == 0 ? 0 : kWsOpenCompressed);
}

/** Writes the table's header. The state is told even with a fault, so that the same is found again. */
size_t FrameCutter::answer(const FrameCall& call, Attempt last) {
  const size_t rest = to_ - start_;
  const bool final = call.table[kFinal] != 0;
  outcome_.consumed = start_ - call.from;
  outcome_.overflow = state_;
  if (last == Attempt::kTaken) {
    outcome_.status = kFrameFull;
  } else if (last == Attempt::kFaulty) {
    outcome_.status = kFrameError;
    outcome_.fault = header_.fault;
    outcome_.detail = header_.detail;
  } else if (!final) {
    outcome_.need = header_.need;
  } else if (rest > 0) {
    outcome_.status = kFrameError;
    outcome_.fault = FrameFault::kUnexpectedEof;
    outcome_.detail = rest;
  }
  const size_t rows = writeOutcome(call.table, outcome_);
  call.table[kSearched] = static_cast<int32_t>(searched_);
  return rows;
}

}  // namespace

size_t WebSocketFramer::frame(const FrameCall& call) const noexcept {
  return FrameCutter(settings_, call).cut(call);
}

}  // namespace miniproto
