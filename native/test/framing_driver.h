/**
 * Drives a framer over a stream that is cut in pieces, as an input buffer would, and notes what comes out in
 * coordinates of the stream. The same stream must give the same notes however it is cut and whatever the row limit.
 *
 * On the way it checks what holds for every call: rows follow each other, the out words are in range, a status that is
 * not "more" leaves no search state, the ASCII verdict is exact, and a promised need is never an underestimate.
 */
#pragma once

#include "check.h"
#include "framing/framer.h"

namespace miniproto::test {

struct Row {
  size_t offset, length, end;
  int32_t flags;
  bool operator==(const Row& other) const {
    return offset == other.offset && length == other.length && end == other.end && flags == other.flags;
  }
};

/** What a whole stream gave. */
struct Outcome {
  std::vector<Row> rows;
  size_t consumed = 0;
  size_t skipped = 0;
  int32_t fault = 0;
  uint64_t detail = 0;
  bool operator==(const Outcome& other) const {
    return rows == other.rows && consumed == other.consumed && skipped == other.skipped && fault == other.fault &&
           detail == other.detail;
  }
};

inline std::string describe(const Outcome& outcome) {
  std::string text = "consumed " + std::to_string(outcome.consumed) + ", skipped " + std::to_string(outcome.skipped) +
                     ", fault " + std::to_string(outcome.fault) + " (" + std::to_string(outcome.detail) + "), rows";
  for (const Row& row : outcome.rows) {
    text += " [" + std::to_string(row.offset) + "+" + std::to_string(row.length) + "|" + std::to_string(row.end) + " " +
            std::to_string(row.flags) + "]";
  }
  return text;
}

class Driver {
 public:
  Driver(const Framer& framer, bool asciiVerdict) : framer_(framer), asciiVerdict_(asciiVerdict) {}

  /** Pre: `cuts` ascending, within the stream. */
  Outcome run(const std::string& stream, const std::vector<size_t>& cuts, size_t maxRows) {
    outcome_ = Outcome();
    table_.assign(kHeaderWords + kRowWords * (maxRows + 1), -7);
    table_[kSearched] = 0;
    table_[kOverflow] = 0;
    need_ = 0;
    for (size_t i = 0; i <= cuts.size(); i++) {
      const bool final = i == cuts.size();
      const size_t arrived = final ? stream.size() : cuts[i];
      if (!feed(stream, arrived, final, maxRows)) break;
    }
    return outcome_;
  }

 private:
  /** Frames until the span has no more rows. @returns false after a fault. */
  bool feed(const std::string& stream, size_t arrived, bool final, size_t maxRows) {
    for (;;) {
      // Some bytes in front, so that indices and counts differ, and an exact end.
      const size_t front = (arrived * 7 + maxRows) % 70;
      ExactBuffer span(std::string(front, '\r') + stream.substr(outcome_.consumed, arrived - outcome_.consumed));
      table_[kFinal] = final ? 1 : 0;
      const FrameCall call{span.data(), front, span.size(), table_.data(), table_.size(), maxRows};
      const size_t rows = framer_.frame(call);
      check(span, front, rows, maxRows, final);
      const size_t base = outcome_.consumed - front;
      for (size_t i = 0; i < rows; i++) {
        const int32_t* row = table_.data() + kHeaderWords + i * kRowWords;
        outcome_.rows.push_back({base + static_cast<size_t>(row[0]), static_cast<size_t>(row[1]),
                                 base + static_cast<size_t>(row[2]), row[3]});
      }
      outcome_.consumed += static_cast<size_t>(table_[kConsumed]);
      outcome_.skipped += static_cast<size_t>(table_[kSkipped]);
      if (table_[kStatus] == kFrameError) return fail();
      if (table_[kStatus] == kFrameMore) return true;
    }
  }

  bool fail() {
    outcome_.fault = table_[kFault];
    outcome_.detail = static_cast<uint32_t>(table_[kDetailLow]) |
                      static_cast<uint64_t>(static_cast<uint32_t>(table_[kDetailHigh])) << 32;
    return false;
  }

  void check(const ExactBuffer& span, size_t front, size_t rows, size_t maxRows, bool final) {
    const auto consumed = static_cast<size_t>(table_[kConsumed]);
    const size_t rest = span.size() - front - consumed;
    CHECK(rows == static_cast<size_t>(table_[kRows]) && rows <= maxRows);
    CHECK(table_[kHeaderWords + kRowWords * rows] == -7 || rows < maxRows || maxRows == 0);
    CHECK(static_cast<size_t>(table_[kSearched]) <= rest && table_[kNeed] >= 0);
    CHECK((table_[kStatus] == kFrameFull) == (rows == maxRows && table_[kStatus] != kFrameError));
    CHECK((table_[kFault] != 0) == (table_[kStatus] == kFrameError));
    if (table_[kStatus] != kFrameMore) CHECK(table_[kSearched] == 0 && table_[kNeed] == 0);
    if (table_[kStatus] == kFrameMore && table_[kNeed] != 0) CHECK(static_cast<size_t>(table_[kNeed]) > rest && !final);
    // The need that was stated is not more than what then completed a record or showed a fault.
    if (rows > 0 || table_[kFault] != 0) {
      CHECK(need_ <= span.size() - front || final);
      need_ = 0;
    }
    if (table_[kStatus] == kFrameMore) need_ = static_cast<size_t>(table_[kNeed]);
    size_t end = front;
    for (size_t i = 0; i < rows; i++) {
      const int32_t* row = table_.data() + kHeaderWords + i * kRowWords;
      CHECK(static_cast<size_t>(row[0]) >= end && row[1] >= 0 && row[0] + row[1] <= row[2]);
      end = static_cast<size_t>(row[2]);
    }
    CHECK(end <= front + consumed);
    bool ascii = asciiVerdict_;
    for (size_t i = 0; i < consumed && ascii; i++) ascii = span.data()[front + i] < 0x80;
    CHECK((table_[kAscii] == 1) == ascii);
  }

  const Framer& framer_;
  bool asciiVerdict_;
  Outcome outcome_;
  std::vector<int32_t> table_;
  size_t need_ = 0;
};

/** Checks `stream` whole, byte by byte, at every split point and cut at random, with small and large row limits. */
inline void checkEveryCut(const Framer& framer, const std::string& stream, const Outcome& expected, bool asciiVerdict,
                          Random& random) {
  Driver driver(framer, asciiVerdict);
  const auto run = [&](const std::vector<size_t>& cuts, size_t maxRows) {
    const Outcome got = driver.run(stream, cuts, maxRows);
    if (got == expected) return;
    context() += "\n  expected " + describe(expected) + "\n  got      " + describe(got) + "\n  first cut " +
                 std::to_string(cuts.empty() ? stream.size() : cuts[0]) + " of " + std::to_string(stream.size()) +
                 ", rows at a time " + std::to_string(maxRows);
    CHECK(got == expected);
  };
  run({}, 1000);
  run({}, 1);
  std::vector<size_t> everyByte;
  for (size_t i = 0; i <= stream.size(); i++) everyByte.push_back(i);
  run(everyByte, 1000);
  if (stream.size() < 200) {
    for (size_t i = 0; i <= stream.size(); i++) run({i}, 1 + i % 3);
  }
  std::vector<size_t> cuts;
  for (size_t at = random.below(20); at < stream.size(); at += random.below(100)) cuts.push_back(at);
  run(cuts, 1 + random.below(10));
}

}  // namespace miniproto::test
