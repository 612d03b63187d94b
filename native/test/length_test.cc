/**
 * The length framer: each fault by name, and random streams against records that were built, not parsed.
 */
#include "framing/length.h"

#include "framing_driver.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

constexpr uint64_t kSafe = (uint64_t{1} << 53) - 1;

/** The length field for `value`, the way the peer writes it. */
std::string fieldOf(const LengthSettings& settings, uint64_t value) {
  std::string field;
  switch (settings.encoding) {
    case LengthEncoding::kBig:
      for (size_t i = settings.lengthBytes; i-- > 0;) field += static_cast<char>(value >> (8 * i));
      break;
    case LengthEncoding::kLittle:
      for (size_t i = 0; i < settings.lengthBytes; i++) field += static_cast<char>(value >> (8 * i));
      break;
    case LengthEncoding::kVarint:
      for (; value >= 0x80; value >>= 7) field += static_cast<char>(value | 0x80);
      field += static_cast<char>(value);
      break;
    case LengthEncoding::kDecimal:
      field = std::to_string(value) + static_cast<char>(settings.terminator);
      break;
  }
  return field;
}

LengthSettings drawSettings(Random& random) {
  LengthSettings settings;
  settings.encoding = static_cast<LengthEncoding>(random.below(4));
  settings.lengthBytes = 3 + random.below(6);
  settings.terminator = ':';
  settings.offset = random.below(4);
  settings.adjustment = static_cast<int64_t>(random.below(11)) - 5;
  settings.keepHeader = random.oneIn(2);
  settings.trailer = random.oneIn(2) ? ',' : -1;
  settings.maxLength = 200;
  return settings;
}

/** Appends a record of `length` payload bytes and its row. */
void append(const LengthSettings& settings, size_t length, std::string& stream, Outcome& expected) {
  const size_t start = stream.size();
  stream += std::string(settings.offset, '#');
  stream += fieldOf(settings, static_cast<uint64_t>(static_cast<int64_t>(length) - settings.adjustment));
  const size_t payload = settings.keepHeader ? start : stream.size();
  stream += std::string(length, '\n');
  const size_t payloadEnd = stream.size();
  if (settings.trailer >= 0) stream += static_cast<char>(settings.trailer);
  expected.rows.push_back({payload, payloadEnd - payload, stream.size(), 0});
  expected.consumed = stream.size();
}

void randomRecordsComeOutAsTheyWentIn() {
  Random random;
  for (int round = 0; round < 3000; round++) {
    const LengthSettings settings = drawSettings(random);
    const size_t least = settings.adjustment > 0 ? static_cast<size_t>(settings.adjustment) : 0;
    std::string stream;
    Outcome expected;
    for (size_t i = random.below(8); i > 0; i--) {
      append(settings, least + random.below(random.oneIn(5) ? 195 : 8), stream, expected);
    }
    if (random.oneIn(2)) {
      Outcome ignored;
      const size_t whole = stream.size();
      append(settings, least + 5, stream, ignored);
      stream.resize(stream.size() - 1 - random.below(stream.size() - whole - 1));
      expected.fault = static_cast<int32_t>(FrameFault::kUnexpectedEof);
      expected.detail = stream.size() - whole;
    }
    say("length round " + std::to_string(round));
    const LengthFramer framer(settings);
    checkEveryCut(framer, stream, expected, false, random);
  }
}

/** A good record, then bytes at fault. */
void checkFault(const LengthSettings& settings, const std::string& bad, FrameFault fault, uint64_t detail) {
  Random random;
  std::string stream;
  Outcome expected;
  append(settings, 4, stream, expected);
  stream += std::string(settings.offset, '#') + bad;
  expected.fault = static_cast<int32_t>(fault);
  expected.detail = detail;
  say("length fault " + std::to_string(static_cast<int>(fault)) + " of " + std::to_string(bad.size()) + " bytes");
  const LengthFramer framer(settings);
  checkEveryCut(framer, stream, expected, false, random);
}

void fixedWidthFaults() {
  LengthSettings settings;
  settings.lengthBytes = 8;
  settings.maxLength = 100;
  settings.adjustment = -4;
  settings.offset = 2;
  checkFault(settings, fieldOf(settings, 3) + "abc", FrameFault::kLengthNegative, 3);
  checkFault(settings, fieldOf(settings, 105), FrameFault::kRecordTooLarge, 101);
  checkFault(settings, fieldOf(settings, kSafe), FrameFault::kRecordTooLarge, kSafe - 4);
  checkFault(settings, fieldOf(settings, kSafe + 1), FrameFault::kLengthOverflow, 0);
  checkFault(settings, fieldOf(settings, UINT64_MAX), FrameFault::kLengthOverflow, 0);
  settings.adjustment = 1;
  checkFault(settings, fieldOf(settings, kSafe), FrameFault::kLengthOverflow, 0);
  checkFault(settings, fieldOf(settings, UINT64_MAX), FrameFault::kLengthOverflow, 0);
  settings.adjustment = 10 - static_cast<int64_t>(kSafe);
  settings.encoding = LengthEncoding::kLittle;
  settings.trailer = ';';
  checkFault(settings, fieldOf(settings, kSafe) + "0123456789x", FrameFault::kTrailerMissing, 'x');
  checkFault(settings, fieldOf(settings, 0), FrameFault::kLengthNegative, 0);
}

void varintFaults() {
  LengthSettings settings;
  settings.encoding = LengthEncoding::kVarint;
  settings.lengthBytes = 3;
  settings.maxLength = 100;
  checkFault(settings, "\x80\x80\x80", FrameFault::kLengthTooLong, 3);
  checkFault(settings, std::string("\x81\x00", 2), FrameFault::kLengthOverlong, 2);
  checkFault(settings, std::string("\x80\x80\x00", 3), FrameFault::kLengthOverlong, 3);
  checkFault(settings, "\x65", FrameFault::kRecordTooLarge, 101);
  settings.lengthBytes = 1;
  checkFault(settings, "\x80\x01", FrameFault::kLengthTooLong, 1);
  settings.lengthBytes = 10;
  checkFault(settings, "\xff\xff\xff\xff\xff\xff\xff\x0f", FrameFault::kRecordTooLarge, kSafe);
  checkFault(settings, "\xff\xff\xff\xff\xff\xff\xff\x10", FrameFault::kLengthOverflow, 0);
  checkFault(settings, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", FrameFault::kLengthOverflow, 0);
  checkFault(settings, std::string("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), FrameFault::kLengthOverflow, 0);
  checkFault(settings, std::string("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 10), FrameFault::kLengthOverlong, 10);
}

void decimalFaults() {
  LengthSettings settings;
  settings.encoding = LengthEncoding::kDecimal;
  settings.lengthBytes = 3;
  settings.terminator = ':';
  settings.trailer = ',';
  settings.maxLength = 100;
  checkFault(settings, "1234", FrameFault::kLengthTooLong, 3);
  checkFault(settings, "123x", FrameFault::kLengthNotDigit, 'x');
  checkFault(settings, "-1:", FrameFault::kLengthNotDigit, '-');
  checkFault(settings, ":", FrameFault::kLengthNotDigit, ':');
  checkFault(settings, "01:", FrameFault::kLengthOverlong, 2);
  checkFault(settings, "101:", FrameFault::kRecordTooLarge, 101);
  checkFault(settings, "2:abc", FrameFault::kTrailerMissing, 'c');
  settings.lengthBytes = 30;
  checkFault(settings, "9007199254740991:", FrameFault::kRecordTooLarge, kSafe);
  checkFault(settings, "9007199254740992:", FrameFault::kLengthOverflow, 0);
  checkFault(settings, "99999999999999999999999999999:", FrameFault::kLengthOverflow, 0);
  Outcome empty;
  empty.rows.push_back({2, 0, 3, 0});
  empty.consumed = 3;
  Random random;
  const LengthFramer framer(settings);
  checkEveryCut(framer, "0:,", empty, false, random);
}

/** What is needed next, for a span of `bytes`. */
int32_t needOf(const LengthSettings& settings, const std::string& bytes) {
  const LengthFramer framer(settings);
  ExactBuffer span(bytes);
  std::vector<int32_t> table(kHeaderWords + kRowWords, 0);
  framer.frame({span.data(), 0, span.size(), table.data(), table.size(), 1});
  CHECK(table[kStatus] == kFrameMore && table[kSearched] == 0);
  return table[kNeed];
}

void needIsStated() {
  LengthSettings settings;
  settings.offset = 3;
  settings.trailer = '.';
  settings.maxLength = 1000;
  CHECK(needOf(settings, "") == 7);
  CHECK(needOf(settings, "12345") == 7);
  CHECK(needOf(settings, std::string("###\0\0\1\0", 7)) == 7 + 256 + 1);
  for (const LengthEncoding encoding : {LengthEncoding::kVarint, LengthEncoding::kDecimal}) {
    settings.encoding = encoding;
    settings.terminator = ':';
    CHECK(needOf(settings, "") == 4);
    CHECK(needOf(settings, "##") == 4);
    CHECK(needOf(settings, "###") == 4);
  }
  CHECK(needOf(settings, "###12") == 6);
  CHECK(needOf(settings, "###12:") == 6 + 12 + 1);
}

}  // namespace

int main() {
  fixedWidthFaults();
  varintFaults();
  decimalFaults();
  needIsStated();
  randomRecordsComeOutAsTheyWentIn();
  return 0;
}
