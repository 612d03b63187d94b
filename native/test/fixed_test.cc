/**
 * The fixed framer: whole records, the rest at the end, and the need it states.
 */
#include "framing/fixed.h"

#include "framing_driver.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

void everySizeAndRest() {
  Random random;
  for (const size_t size : {1, 3, 64}) {
    const FixedFramer framer(size);
    for (size_t length = 0; length <= 130; length++) {
      say("fixed size " + std::to_string(size) + ", stream of " + std::to_string(length));
      Outcome expected;
      for (size_t at = 0; at + size <= length; at += size) expected.rows.push_back({at, size, at + size, 0});
      expected.consumed = length - length % size;
      if (length % size != 0) {
        expected.fault = static_cast<int32_t>(FrameFault::kUnexpectedEof);
        expected.detail = length % size;
      }
      checkEveryCut(framer, std::string(length, '\xff'), expected, false, random);
    }
  }
}

void needIsTheSizeUntilTheEnd() {
  const FixedFramer framer(5);
  std::vector<int32_t> table(kHeaderWords + 8 * kRowWords, 0);
  uint8_t bytes[12] = {};
  CHECK(framer.frame({bytes, 1, 12, table.data(), table.size(), 100}) == 2);
  CHECK(table[kNeed] == 5 && table[kConsumed] == 10 && table[kStatus] == kFrameMore);
  table[kFinal] = 1;
  CHECK(framer.frame({bytes, 2, 12, table.data(), table.size(), 100}) == 2);
  CHECK(table[kNeed] == 0 && table[kStatus] == kFrameMore);
}

}  // namespace

int main() {
  everySizeAndRest();
  needIsTheSizeUntilTheEnd();
  return 0;
}
