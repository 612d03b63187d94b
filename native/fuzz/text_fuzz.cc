/**
 * Any bytes as UTF-8: the check in pieces, the decoder of many rows and the strings that V8 reads, against a decoder
 * that is written as the Unicode Standard's table 3-7 has it, and tables of rows that are wrong.
 */
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>

#include "framing/frame_table.h"
#include "test/check.h"
#include "text/utf8.h"
#include "text/utf8_check.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

struct Decoded {
  std::u16string units;
  /** Where the first byte is that cannot be there; the size where there is none. */
  size_t wrong;
  bool valid = true;
};

/** The least and most of the byte behind a first byte. */
void secondOf(uint8_t first, uint8_t& least, uint8_t& most) {
  least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
}

void append(std::u16string& units, uint32_t point) {
  if (point >= 0x10000) {
    units += static_cast<char16_t>(0xd7c0 + (point >> 10));
    point = 0xdc00 + (point & 0x3ff);
  }
  units += static_cast<char16_t>(point);
}

Decoded decode(const std::string& text) {
  Decoded decoded{{}, text.size()};
  size_t at = 0;
  while (at < text.size()) {
    const auto first = static_cast<uint8_t>(text[at]);
    const size_t size = first < 0x80   ? 1
                        : first < 0xc2 ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                        : first < 0xf5 ? 4
                                       : 0;
    uint32_t point = size < 2 ? first : first & (0x7f >> size);
    size_t got = 1;
    for (; got < size && at + got < text.size(); got++) {
      const auto next = static_cast<uint8_t>(text[at + got]);
      uint8_t least = 0x80;
      uint8_t most = 0xbf;
      if (got == 1) secondOf(first, least, most);
      if (next < least || next > most) break;
      point = point << 6 | (next & 0x3f);
    }
    const bool whole = size > 0 && got == size;
    append(decoded.units, whole ? point : 0xfffd);
    if (!whole && decoded.valid) {
      decoded.valid = false;
      decoded.wrong = size == 0 ? at : at + got;
    }
    at += got;
  }
  return decoded;
}

void checkPieces(const std::string& text, const Decoded& expected, FuzzedDataProvider& data) {
  unsigned state = 0;
  size_t at = 0;
  while (at < text.size()) {
    const size_t size = std::min(text.size() - at, data.ConsumeIntegralInRange<size_t>(1, 200));
    const ExactBuffer piece(text.substr(at, size), data.ConsumeIntegralInRange<size_t>(0, 63));
    const Utf8Check check = checkUtf8(piece.data(), size, state);
    if (!check.valid) {
      CHECK(!expected.valid && at + check.index == expected.wrong);
      return;
    }
    state = check.state;
    at += size;
  }
  CHECK((state == 0) == expected.valid && expected.wrong == text.size());
}

/** Rows that are mostly inside, one behind the other. */
std::vector<int32_t> drawRows(size_t size, FuzzedDataProvider& data, bool& inside) {
  std::vector<int32_t> rows;
  size_t at = 0;
  for (int count = data.ConsumeIntegralInRange(1, 20); count > 0; count--) {
    const size_t length = data.ConsumeIntegralInRange<size_t>(0, std::min<size_t>(size - at, 300));
    rows.insert(rows.end(), {static_cast<int32_t>(at), static_cast<int32_t>(length), static_cast<int32_t>(at), 0});
    at += length;
    at += data.ConsumeIntegralInRange<size_t>(0, std::min<size_t>(size - at, 3));
  }
  inside = data.ConsumeIntegralInRange(0, 9) > 0;
  if (inside) return rows;
  rows[data.ConsumeIntegralInRange<size_t>(0, rows.size() / 4 - 1) * 4 + (data.ConsumeBool() ? 1 : 0)] =
      data.ConsumeIntegral<int32_t>();
  return rows;
}

void checkRows(const std::string& text, FuzzedDataProvider& data) {
  bool inside = true;
  const std::vector<int32_t> rows = drawRows(text.size(), data, inside);
  const size_t count = rows.size() / kRowWords;
  const ExactBuffer bytes(text);
  size_t room = 0;
  for (size_t i = 0; i < count && inside; i++) room += static_cast<size_t>(rows[i * kRowWords + 1]);
  if (!inside || data.ConsumeIntegralInRange(0, 5) == 0)
    room = data.ConsumeIntegralInRange<size_t>(0, 3000), inside = false;
  ExactBuffer units(room * 2);
  std::vector<int32_t> ends(count);
  const Utf8Outcome outcome = decodeUtf8Rows(
      {bytes.data(), bytes.size(), rows.data(), count, reinterpret_cast<char16_t*>(units.data()), room, ends.data()});
  CHECK(outcome.units <= room);
  if (!inside) return;
  CHECK(outcome.inside);
  std::u16string all;
  int32_t malformed = -1;
  for (size_t i = 0; i < count; i++) {
    const Decoded row =
        decode(text.substr(static_cast<size_t>(rows[i * kRowWords]), static_cast<size_t>(rows[i * kRowWords + 1])));
    if (!row.valid && malformed < 0) malformed = static_cast<int32_t>(i);
    all += row.units;
    CHECK(ends[i] == static_cast<int32_t>(all.size()));
  }
  CHECK(outcome.malformed == malformed && outcome.units == all.size());
  CHECK(std::memcmp(units.data(), all.data(), all.size() * 2) == 0);
}

void checkSerialized(const std::string& text, FuzzedDataProvider& data) {
  bool inside = true;
  const std::vector<int32_t> rows = drawRows(text.size(), data, inside);
  const size_t count = rows.size() / kRowWords;
  const ExactBuffer bytes(text);
  size_t payloads = 0;
  for (size_t i = 0; i < count && inside; i++) payloads += static_cast<size_t>(rows[i * kRowWords + 1]);
  const size_t most = kSerializedFrame + count * kSerializedRow + 2 * payloads;
  const bool enough = inside && data.ConsumeBool();
  ExactBuffer target(enough ? most : data.ConsumeIntegralInRange<size_t>(0, most));
  const TextOutcome outcome = serializeTexts(
      {bytes.data(), bytes.size(), rows.data(), count, data.ConsumeBool(), target.data(), target.size()});
  CHECK(outcome.size <= target.size());
  if (enough) CHECK(outcome.inside && outcome.size > 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  FuzzedDataProvider data(bytes, size);
  const char* names[4] = {};
  const size_t kernels = availableKernels(names);
  selectKernel(names[data.ConsumeIntegralInRange<size_t>(0, kernels - 1)]);
  std::string text = data.ConsumeRandomLengthString(2000);
  if (data.ConsumeBool()) text = std::string(data.ConsumeIntegralInRange<size_t>(0, 200), 'x') + text;
  checkPieces(text, decode(text), data);
  checkRows(text, data);
  checkSerialized(text, data);
  return 0;
}
