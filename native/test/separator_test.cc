/**
 * The separator framer against a naive reading of its rules, which sees the whole stream at once and knows no spans.
 *
 * Streams are drawn from a small alphabet, so that separators, their beginnings, bare CR and LF and payloads around
 * the limit are all common; settings are drawn too. A list of wire cases comes first.
 */
#include "framing/separator.h"

#include <algorithm>

#include "framing_driver.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

/** Where the first separator from `from` on starts and ends, and which it is. */
struct Found {
  size_t at, end, index;
  bool any;
};

Found naiveFind(const std::string& stream, size_t from, const std::vector<std::string>& separators) {
  for (size_t at = from; at < stream.size(); at++) {
    Found best{at, at, 0, false};
    for (size_t i = 0; i < separators.size(); i++) {
      const bool matches = stream.compare(at, separators[i].size(), separators[i]) == 0;
      if (matches && at + separators[i].size() > best.end) best = {at, at + separators[i].size(), i, true};
    }
    if (best.any) return best;
  }
  return {stream.size(), stream.size(), 0, false};
}

/** The first CR or LF on its own in the record that starts at `start`, or npos. */
size_t naiveBare(const std::string& stream, size_t start) {
  for (size_t i = start; i < stream.size(); i++) {
    if (stream[i] == '\n') return i;
    if (stream[i] != '\r') continue;
    if (i + 1 < stream.size() && stream[i + 1] == '\n') return std::string::npos;
    return i;
  }
  return std::string::npos;
}

Outcome naive(const SeparatorSettings& settings, const std::string& stream) {
  Outcome out;
  bool pieces = false;
  const auto fail = [&](FrameFault fault, size_t detail) {
    out.fault = static_cast<int32_t>(fault);
    out.detail = detail;
    return out;
  };
  while (out.consumed < stream.size()) {
    const size_t start = out.consumed;
    if (settings.newline == Newline::kStrictCrlf) {
      const size_t bare = naiveBare(stream, start);
      if (bare != std::string::npos && bare - start <= settings.maxLength) {
        return fail(stream[bare] == '\n' ? FrameFault::kBareLf : FrameFault::kBareCr, bare - start);
      }
    }
    const Found found = naiveFind(stream, start, settings.separators);
    size_t payloadEnd = found.at;
    if (settings.newline == Newline::kStripCr && found.any && payloadEnd > start && stream[payloadEnd - 1] == '\r') {
      payloadEnd--;
    }
    const int32_t last = pieces ? kFlagLastPiece : 0;
    if (payloadEnd - start > settings.maxLength) {
      if (settings.overflow == Overflow::kError) return fail(FrameFault::kRecordTooLarge, settings.maxLength + 1);
      if (settings.overflow == Overflow::kSkip) {
        out.consumed = found.end;
        out.skipped++;
      } else {
        out.consumed = start + settings.maxLength;
        out.rows.push_back({start, settings.maxLength, out.consumed, kFlagPiece});
        pieces = true;
      }
      continue;
    }
    if (!found.any && settings.tail == Tail::kRefuse) return fail(FrameFault::kUnexpectedEof, stream.size() - start);
    out.consumed = found.end;
    pieces = false;
    if (!found.any) {
      if (settings.tail == Tail::kGive)
        out.rows.push_back({start, found.at - start, found.end, kFlagUnterminated | last});
      continue;
    }
    const size_t length = (settings.keep ? found.end : payloadEnd) - start;
    out.rows.push_back({start, length, found.end, static_cast<int32_t>(found.index << kSeparatorShift) | last});
  }
  return out;
}

std::string describe(const SeparatorSettings& settings, const std::string& stream) {
  std::string text = "separators";
  const auto quoted = [](const std::string& bytes) {
    std::string out = "\"";
    for (const char byte : bytes) out += byte == '\r' ? "\\r" : byte == '\n' ? "\\n" : std::string(1, byte);
    return out + "\"";
  };
  for (const std::string& separator : settings.separators) text += " " + quoted(separator);
  text += settings.keep ? " keep" : "";
  text += " newline " + std::to_string(static_cast<int>(settings.newline)) + " max " +
          std::to_string(settings.maxLength) + " overflow " + std::to_string(static_cast<int>(settings.overflow)) +
          " tail " + std::to_string(static_cast<int>(settings.tail));
  return text + " stream " + (stream.size() < 300 ? quoted(stream) : std::to_string(stream.size()) + " bytes");
}

void checkStream(const SeparatorSettings& settings, const std::string& stream, Random& random) {
  const SeparatorFramer framer(settings);
  say(describe(settings, stream));
  checkEveryCut(framer, stream, naive(settings, stream), true, random);
}

SeparatorSettings drawSettings(Random& random) {
  static const std::vector<std::vector<std::string>> kSets = {{"\n"},
                                                              {"\r\n"},
                                                              {"\r\n\r\n"},
                                                              {"a"},
                                                              {"ab"},
                                                              {"aa"},
                                                              {"aab"},
                                                              {"abab"},
                                                              {"\n", "\r\n"},
                                                              {"\r\n", "\r"},
                                                              {"a", "ab", "abb"},
                                                              {"abb", "b", "\r", "\n"},
                                                              {"ab", "ba"},
                                                              {"a", "b", "\n", "\r", "c"}};
  SeparatorSettings settings;
  const size_t mode = random.below(3);
  settings.newline = static_cast<Newline>(mode);
  settings.separators = mode == 0   ? kSets[random.below(kSets.size())]
                        : mode == 1 ? std::vector<std::string>{"\n"}
                                    : std::vector<std::string>{"\r\n"};
  settings.keep = random.oneIn(2);
  settings.overflow = static_cast<Overflow>(random.below(3));
  settings.tail = static_cast<Tail>(random.below(3));
  settings.maxLength = random.oneIn(3) ? 1000 : random.below(12);
  if (settings.overflow == Overflow::kPieces && settings.maxLength == 0) settings.maxLength = 1;
  return settings;
}

std::string drawStream(Random& random, bool strict) {
  const std::string alphabet = random.oneIn(2) ? "ab\r\n" : "abcdefgh\r\n\xc3";
  const size_t size = random.oneIn(40) ? 500 + random.below(2000) : random.below(60);
  const bool pairs = random.oneIn(strict ? 1 : 2);
  std::string stream;
  while (stream.size() < size) {
    const char byte = alphabet[random.below(alphabet.size())];
    const bool newline = byte == '\r' || byte == '\n';
    // Mostly CR LF where that is the separator: else every stream would end at its first bare one.
    if (newline && pairs && !random.oneIn(12)) {
      stream += "\r\n";
    } else {
      stream += newline && size > 400 && !random.oneIn(20) ? 'x' : byte;
    }
  }
  return stream;
}

void randomStreamsAgreeWithTheRules() {
  Random random;
  for (int round = 0; round < 2500; round++) {
    const SeparatorSettings settings = drawSettings(random);
    checkStream(settings, drawStream(random, settings.newline == Newline::kStrictCrlf), random);
  }
}

void longLinesCrossEveryBlockBoundary() {
  Random random;
  for (const Newline newline : {Newline::kPlain, Newline::kStripCr, Newline::kStrictCrlf}) {
    SeparatorSettings settings;
    settings.newline = newline;
    settings.separators = {newline == Newline::kStrictCrlf ? "\r\n" : "\n"};
    settings.maxLength = 130;
    for (size_t length = 0; length <= 132; length++) {
      for (const size_t lead : {0, 1, 62, 63, 64}) {
        const std::string line = std::string(length, 'x') + "\r\n";
        std::string stream = std::string(lead, 'y') + "\r\n";
        stream.append(line).append(line).append("end");
        checkStream(settings, stream, random);
      }
    }
  }
}

void wireCases() {
  Random random;
  SeparatorSettings settings;
  settings.separators = {"\n"};
  settings.newline = Newline::kStripCr;
  settings.maxLength = 3;
  for (const Overflow overflow : {Overflow::kError, Overflow::kSkip, Overflow::kPieces}) {
    settings.overflow = overflow;
    for (const char* stream :
         {"", "\n", "\r\n", "\r", "\r\r\n", "abc\r\n", "abc\r\r\n", "abcd\r\n", "abc\rd\n", "abc\r", "abcd",
          "abcdefghi\r\nx\n", "a\n\r\n\nb", "abcdef", "abcdef\r\n", "abc\r\nabcd"}) {
      for (const Tail tail : {Tail::kGive, Tail::kRefuse, Tail::kDrop}) {
        settings.tail = tail;
        checkStream(settings, stream, random);
      }
    }
  }
}

void noRowsAskedForIsFull() {
  SeparatorSettings settings;
  settings.separators = {"\n"};
  settings.maxLength = 10;
  const SeparatorFramer framer(settings);
  std::vector<int32_t> table(kHeaderWords, -1);
  table[kFinal] = 0;
  uint8_t bytes[] = {'a', '\n'};
  CHECK(framer.frame({bytes, 0, 2, table.data(), table.size(), 5}) == 0);
  CHECK(table[kStatus] == kFrameFull && table[kConsumed] == 0 && table[kAscii] == 1 && table[kSearched] == 0);
  CHECK(table[kOverflow] == kOverflowNone);
}

}  // namespace

int main() {
  forEachKernel([] {
    wireCases();
    noRowsAskedForIsFull();
    longLinesCrossEveryBlockBoundary();
    randomStreamsAgreeWithTheRules();
  });
  return 0;
}
