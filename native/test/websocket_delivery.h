/**
 * Drives the WebSocket framer over a stream that is cut in pieces, as an input buffer would, and notes the frames that
 * come out. On the way it checks what holds for every call: rows are in the compact form, what is before the span
 * stays, a promised need is more than there is, and a fault is found again in bytes that have not changed.
 */
#pragma once

#include "check.h"
#include "framing/websocket.h"

namespace miniproto::test {

struct Frame {
  uint8_t first;
  std::string payload;
  bool operator==(const Frame& other) const { return first == other.first && payload == other.payload; }
};

/** What a whole stream gave. */
struct Outcome {
  std::vector<Frame> frames;
  int32_t fault = 0;
  uint64_t detail = 0;
  /** Of the frames. */
  size_t consumed = 0;
  /** Bytes that had arrived when the fault was found. */
  size_t faultAfter = 0;
};

inline std::string headerOf(uint8_t first, size_t length, bool masked) {
  std::string header(1, static_cast<char>(first));
  const size_t more = length < 126 ? 0 : length < 65536 ? 2 : 8;
  header += static_cast<char>((masked ? 0x80 : 0) | (more == 0 ? length : more == 2 ? 126 : 127));
  for (size_t i = more; i-- > 0;) header += static_cast<char>(uint64_t{length} >> (8 * i));
  return header;
}

inline std::string wireOf(const Frame& frame, const WebSocketSettings& settings, Random& random) {
  const bool masked = settings.role == WebSocketRole::kServer;
  std::string wire = headerOf(frame.first, frame.payload.size(), masked);
  if (!masked) return wire + frame.payload;
  std::string key;
  for (int i = 0; i < 4; i++) key += static_cast<char>(random.next() >> 40);
  wire += key;
  for (size_t i = 0; i < frame.payload.size(); i++) wire += static_cast<char>(frame.payload[i] ^ key[i & 3]);
  return wire;
}

/** Delivers a stream in pieces, as an input buffer would: what is not consumed is there again, as it was left. */
class Delivery {
 public:
  Delivery(const WebSocketSettings& settings, size_t maxRows)
      : settings_(settings),
        framer_(settings),
        maxRows_(maxRows),
        table_(kHeaderWords + kRowWords * (maxRows + 1), 0) {}

  /** Pre: `cuts` ascending, within the stream. */
  const Outcome& run(const std::string& stream, const std::vector<size_t>& cuts) {
    size_t arrived = 0;
    for (size_t i = 0; i <= cuts.size(); i++) {
      const size_t until = i == cuts.size() ? stream.size() : cuts[i];
      rest_ += stream.substr(arrived, until - arrived);
      arrived = until;
      do {
        call(i);
      } while (table_[kStatus] == kFrameFull);
      if (table_[kStatus] != kFrameError) continue;
      outcome_.faultAfter = arrived;
      checkAgain();
      break;
    }
    return outcome_;
  }

 private:
  void call(size_t salt) {
    // Some bytes in front and an exact end; what is in front must stay.
    const size_t front = (rest_.size() * 7 + salt * 3 + maxRows_) % 70;
    ExactBuffer span(std::string(front, '\x81') + rest_, salt % 64);
    const bool inPlace = table_[kSearched] > 0;
    const size_t rows = framer_.frame({span.data(), front, span.size(), table_.data(), table_.size(), maxRows_});
    CHECK(rows == static_cast<size_t>(table_[kRows]) && rows <= maxRows_);
    for (size_t i = 0; i < front; i++) CHECK(span[i] == 0x81);
    size_t at = front;
    for (size_t i = 0; i < rows; i++) at = take(span, at, i, i == 0 && inPlace);
    const auto consumed = static_cast<size_t>(table_[kConsumed]);
    CHECK(rows == 0 || end_ == front + consumed);
    outcome_.consumed += consumed;
    rest_.assign(span.data() + front + consumed, span.data() + span.size());
    CHECK(table_[kSearched] >= 0 && static_cast<size_t>(table_[kSearched]) <= rest_.size());
    CHECK(table_[kAscii] == 0 && table_[kSkipped] == 0);
    if (table_[kStatus] == kFrameMore) CHECK(static_cast<size_t>(table_[kNeed]) > rest_.size());
    outcome_.fault = table_[kFault];
    outcome_.detail = static_cast<uint64_t>(static_cast<uint32_t>(table_[kDetailHigh])) << 32 |
                      static_cast<uint32_t>(table_[kDetailLow]);
  }

  /** Checks a row, which a server's form begins at `at` unless it was unmasked in place. @returns where it ends. */
  size_t take(const ExactBuffer& span, size_t at, size_t index, bool inPlace) {
    const int32_t* row = table_.data() + kHeaderWords + index * kRowWords;
    const auto offset = static_cast<size_t>(row[kRowOffset]);
    const auto length = static_cast<size_t>(row[kRowLength]);
    const auto first = static_cast<uint8_t>(row[kRowFlags] >> kWsFirstShift);
    end_ = static_cast<size_t>(row[kRowEnd]);
    const std::string payload(span.data() + offset, span.data() + offset + length);
    outcome_.frames.push_back({first, payload});
    const std::string header = headerOf(first, length, false);
    CHECK(std::string(span.data() + offset - header.size(), span.data() + offset) == header);
    if (settings_.role == WebSocketRole::kClient || inPlace) CHECK(end_ == offset + length);
    if (settings_.role == WebSocketRole::kServer && !inPlace) CHECK(offset - header.size() == at);
    bool ascii = first == 0x81 && settings_.utf8;
    for (const char byte : payload) ascii = ascii && static_cast<uint8_t>(byte) < 0x80;
    CHECK(((row[kRowFlags] & kWsFlagAscii) != 0) == ascii);
    return offset + length;
  }

  /** A fault is found again, and nothing has changed. */
  void checkAgain() {
    const Outcome before = outcome_;
    const std::string rest = rest_;
    call(5);
    CHECK(rest_ == rest && outcome_.fault == before.fault && outcome_.detail == before.detail);
    CHECK(outcome_.frames.size() == before.frames.size());
  }

  WebSocketSettings settings_;
  WebSocketFramer framer_;
  size_t maxRows_;
  std::vector<int32_t> table_;
  std::string rest_;
  size_t end_ = 0;
  Outcome outcome_;
};

}  // namespace miniproto::test
