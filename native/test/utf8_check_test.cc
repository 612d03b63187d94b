/**
 * Checking UTF-8 against a decoder that is written from the definition: code points, their ranges, their least size.
 * Every kernel; every combination of the bytes at which a range begins or ends, at any place; pieces of any size.
 */
#include "text/utf8_check.h"

#include "check.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

/** What a whole text is: valid, or the index of the first byte at which that is no longer possible. */
struct Verdict {
  bool valid = true;
  size_t index = 0;
  /** Bytes of an unfinished character at the end. */
  size_t unfinished = 0;
};

/** True when some well-formed character begins with these `size` bytes. */
bool beginsCharacter(const uint8_t* p, size_t size) {
  const unsigned length = p[0] < 0x80 ? 1 : (p[0] >> 5) == 6 ? 2 : (p[0] >> 4) == 14 ? 3 : (p[0] >> 3) == 30 ? 4 : 0;
  if (length == 0 || size > length) return false;
  // The least and the greatest code point that can still come of it.
  uint32_t least = length == 1 ? p[0] : p[0] & (0x7fu >> length);
  uint32_t most = least;
  for (unsigned i = 1; i < length; i++) {
    if (i < size && (p[i] & 0xc0) != 0x80) return false;
    least = least << 6 | (i < size ? p[i] & 0x3fu : 0);
    most = most << 6 | (i < size ? p[i] & 0x3fu : 0x3f);
  }
  const uint32_t shortest = length == 1 ? 0 : length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
  if (most < shortest || least > 0x10ffff) return false;
  return !(least >= 0xd800 && most <= 0xdfff);
}

size_t lengthOf(uint8_t lead) {
  return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

Verdict judge(const uint8_t* bytes, size_t size) {
  size_t start = 0;
  for (size_t at = 0; at < size; at++) {
    if (!beginsCharacter(bytes + start, at - start + 1)) return {false, at, 0};
    if (at - start + 1 == lengthOf(bytes[start])) start = at + 1;
  }
  return {true, 0, size - start};
}

void checkWhole(const ExactBuffer& text) {
  const Verdict right = judge(text.data(), text.size());
  const Utf8Check check = checkUtf8(text.data(), text.size(), 0);
  CHECK(check.valid == right.valid);
  CHECK(right.valid || check.index == right.index);
  CHECK(!right.valid || (check.state == 0) == (right.unfinished == 0));
}

void everyBoundaryByteMeetsEveryOther() {
  const uint8_t edges[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf,
                           0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xff};
  Random random;
  for (const uint8_t a : edges) {
    for (const uint8_t b : edges) {
      for (const uint8_t c : edges) {
        for (const uint8_t d : edges) {
          // Beside ASCII, and beside characters that end or begin right there.
          const size_t before = random.below(70);
          ExactBuffer text(before + 4 + random.below(70), random.below(64));
          for (size_t i = 0; i < text.size(); i++) text[i] = 'x';
          if (before > 1 && random.oneIn(2)) std::memcpy(text.data() + before - 2, "\xc3\xa9", 2);
          const uint8_t bytes[] = {a, b, c, d};
          std::memcpy(text.data() + before, bytes, 4);
          say("bytes " + std::to_string(a) + " " + std::to_string(b) + " " + std::to_string(c) + " " +
              std::to_string(d) + " at " + std::to_string(before) + " of " + std::to_string(text.size()));
          checkWhole(text);
        }
      }
    }
  }
}

/** Valid text of many characters, at times with a byte changed. */
std::string drawText(Random& random) {
  const char* const characters[] = {"a",         "plain text that is longer than a register",
                                    "\u00e9",    "\u07ff",
                                    "\u0800",    "\ud7ff",
                                    "\uffff",    "\U00010000",
                                    "\U0010ffff"};
  std::string text;
  const size_t kinds = 1 + random.below(9);
  for (size_t i = random.below(120); i > 0; i--) text += characters[random.below(kinds)];
  if (!text.empty() && random.oneIn(2)) text[random.below(text.size())] ^= static_cast<char>(1 << random.below(8));
  if (!text.empty() && random.oneIn(4)) text.resize(text.size() - random.below(4) % text.size());
  return text;
}

void piecesCheckAsTheWhole() {
  Random random;
  for (int round = 0; round < 4000; round++) {
    const ExactBuffer text(drawText(random), random.below(64));
    say("text of round " + std::to_string(round) + ", size " + std::to_string(text.size()));
    checkWhole(text);
    const Utf8Check whole = checkUtf8(text.data(), text.size(), 0);
    unsigned state = 0;
    bool valid = true;
    for (size_t at = 0; at < text.size() && valid;) {
      const size_t size = 1 + random.below(random.oneIn(2) ? 5 : text.size() - at);
      const size_t piece = size < text.size() - at ? size : text.size() - at;
      const ExactBuffer bytes(std::string(text.data() + at, text.data() + at + piece), random.below(64));
      const Utf8Check check = checkUtf8(bytes.data(), piece, state);
      valid = check.valid;
      state = check.state;
      if (!valid) CHECK(!whole.valid && at + check.index == whole.index);
      at += piece;
    }
    CHECK(valid == whole.valid);
    if (valid) CHECK(state == whole.state);
  }
}

}  // namespace

int main() {
  forEachKernel([] {
    everyBoundaryByteMeetsEveryOther();
    piecesCheckAsTheWhole();
  });
  return 0;
}
