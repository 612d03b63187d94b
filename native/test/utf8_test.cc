/**
 * UTF-8 rows against a decoder that reads the standard's table state by state, over valid, broken and random bytes.
 */
#include "text/utf8.h"

#include "check.h"
#include "framing/frame_table.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

/** The WHATWG decoder, state by state: https://encoding.spec.whatwg.org/#utf-8-decoder */
std::u16string oracle(const uint8_t* bytes, size_t size, bool& malformed) {
  std::u16string text;
  uint32_t point = 0;
  int needed = 0;
  int seen = 0;
  uint8_t least = 0x80;
  uint8_t most = 0xbf;
  const auto fail = [&] {
    text += u'\xfffd';
    malformed = true;
    needed = seen = 0;
    least = 0x80;
    most = 0xbf;
  };
  for (size_t i = 0; i < size; i++) {
    const uint8_t byte = bytes[i];
    if (needed == 0) {
      if (byte < 0x80) {
        text += static_cast<char16_t>(byte);
      } else if (byte >= 0xc2 && byte <= 0xdf) {
        needed = 1;
        point = byte & 0x1f;
      } else if (byte >= 0xe0 && byte <= 0xef) {
        if (byte == 0xe0) least = 0xa0;
        if (byte == 0xed) most = 0x9f;
        needed = 2;
        point = byte & 0xf;
      } else if (byte >= 0xf0 && byte <= 0xf4) {
        if (byte == 0xf0) least = 0x90;
        if (byte == 0xf4) most = 0x8f;
        needed = 3;
        point = byte & 0x7;
      } else {
        fail();
      }
      continue;
    }
    if (byte < least || byte > most) {
      fail();
      i--;
      continue;
    }
    least = 0x80;
    most = 0xbf;
    point = point << 6 | (byte & 0x3f);
    if (++seen < needed) continue;
    needed = seen = 0;
    if (point < 0x10000) {
      text += static_cast<char16_t>(point);
    } else {
      text += static_cast<char16_t>(0xd7c0 + (point >> 10));
      text += static_cast<char16_t>(0xdc00 + (point & 0x3ff));
    }
  }
  if (needed != 0) fail();
  return text;
}

/** Decodes `sizes` rows that lie behind each other, with a byte of header before each, and compares. */
void check(const ExactBuffer& bytes, const std::vector<size_t>& sizes) {
  std::vector<int32_t> rows;
  std::u16string expected;
  std::vector<int32_t> ends;
  int32_t broken = -1;
  size_t at = 0;
  size_t payload = 0;
  for (const size_t size : sizes) {
    bool malformed = false;
    rows.insert(rows.end(), {static_cast<int32_t>(at), static_cast<int32_t>(size), static_cast<int32_t>(at + size), 0});
    expected += oracle(bytes.data() + at, size, malformed);
    if (malformed && broken < 0) broken = static_cast<int32_t>(ends.size());
    ends.push_back(static_cast<int32_t>(expected.size()));
    at += size;
    payload += size;
  }
  // Exactly the room that is promised, on the heap, so that one unit too many is seen.
  auto units = std::make_unique<char16_t[]>(payload);
  std::vector<int32_t> found(sizes.size());
  const Utf8Outcome outcome =
      decodeUtf8Rows({bytes.data(), bytes.size(), rows.data(), sizes.size(), units.get(), payload, found.data()});
  CHECK(outcome.inside);
  CHECK(outcome.units == expected.size());
  CHECK(std::u16string(units.get(), outcome.units) == expected);
  CHECK(found == ends);
  CHECK(outcome.malformed == broken);
}

void randomBytesDecodeAsTheStandardSays() {
  Random random;
  // Bytes at the borders of the standard's table come up more often than others.
  const uint8_t edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1,
                           0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff, 0x41};
  for (int round = 0; round < 60000; round++) {
    const size_t size = random.below(round % 10 == 0 ? 300 : 24);
    ExactBuffer bytes(size, random.below(32));
    const size_t ascii = random.below(4);
    for (size_t i = 0; i < size; i++) {
      bytes[i] =
          random.below(4) < ascii ? static_cast<uint8_t>('a' + random.below(26)) : edges[random.below(sizeof edges)];
    }
    say("random bytes, round " + std::to_string(round));
    const size_t cut = random.below(size + 1);
    check(bytes, {cut, size - cut});
  }
}

void everyCharacterDecodes() {
  for (uint32_t point = 0; point < 0x110000; point += point < 0x3000 ? 1 : 37) {
    if (point >= 0xd800 && point < 0xe000) continue;
    std::string text(17, 'x');
    if (point < 0x80) {
      text += static_cast<char>(point);
    } else if (point < 0x800) {
      text += static_cast<char>(0xc0 | point >> 6);
    } else if (point < 0x10000) {
      text += static_cast<char>(0xe0 | point >> 12);
    } else {
      text += static_cast<char>(0xf0 | point >> 18);
      text += static_cast<char>(0x80 | (point >> 12 & 0x3f));
    }
    if (point >= 0x800) text += static_cast<char>(0x80 | (point >> 6 & 0x3f));
    if (point >= 0x80) text += static_cast<char>(0x80 | (point & 0x3f));
    ExactBuffer bytes(text.size());
    std::memcpy(bytes.data(), text.data(), text.size());
    say("character " + std::to_string(point));
    bool malformed = false;
    oracle(bytes.data(), text.size(), malformed);
    CHECK(!malformed);
    check(bytes, {text.size()});
  }
}

void rowsOutsideAreNotRead() {
  ExactBuffer bytes(16);
  for (size_t i = 0; i < 16; i++) bytes[i] = 'a';
  const int32_t bad[][2] = {{-1, 2}, {0, -1}, {0, 17}, {16, 1}, {2147483647, 2147483647}, {0, 9}};
  for (const auto& row : bad) {
    // Room for eight units: the last row lies inside but does not fit behind the good one.
    const int32_t rows[] = {0, 4, 4, 0, row[0], row[1], 0, 0};
    char16_t units[8];
    int32_t ends[2];
    CHECK(!decodeUtf8Rows({bytes.data(), 16, rows, 2, units, 8, ends}).inside);
  }
}

void unitsOverTheirRowsStayInside() {
  // Units are written over the rows that are still to be read: garbage, but none of it is followed.
  ExactBuffer bytes(200);
  for (size_t i = 0; i < 200; i++) bytes[i] = 0x7f;
  alignas(8) int32_t table[64] = {0, 100, 100, 0, 0, 4, 4, 0};
  int32_t ends[2];
  auto* units = reinterpret_cast<char16_t*>(table + 4);
  decodeUtf8Rows({bytes.data(), 200, table, 2, units, 120, ends});
}

}  // namespace

int main() {
  randomBytesDecodeAsTheStandardSays();
  everyCharacterDecodes();
  rowsOutsideAreNotRead();
  unitsOverTheirRowsStayInside();
  return 0;
}
