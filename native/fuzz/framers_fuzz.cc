/**
 * Any bytes through the framers of separators, lengths and fixed sizes, with any settings that they may have: however
 * the bytes are cut and however few rows a call may write, the same comes out. framing_driver.h checks each call.
 */
#include <fuzzer/FuzzedDataProvider.h>

#include <memory>

#include "framing/fixed.h"
#include "framing/length.h"
#include "framing/separator.h"
#include "test/framing_driver.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

constexpr size_t kLongestStream = 4096;

SeparatorSettings drawSeparator(FuzzedDataProvider& data) {
  SeparatorSettings settings;
  const int kind = data.ConsumeIntegralInRange(0, 5);
  settings.keep = data.ConsumeBool();
  settings.overflow = static_cast<Overflow>(data.ConsumeIntegralInRange(0, 2));
  settings.tail = static_cast<Tail>(data.ConsumeIntegralInRange(0, 2));
  settings.maxLength = data.ConsumeIntegralInRange<size_t>(settings.overflow == Overflow::kPieces ? 1 : 0, 300);
  settings.separators = {kind == 2 ? "\r\n" : "\n"};
  if (kind == 1) settings.newline = Newline::kStripCr;
  if (kind == 2) settings.newline = Newline::kStrictCrlf;
  if (kind < 3) return settings;
  settings.separators.clear();
  for (int count = kind == 3 ? 1 : data.ConsumeIntegralInRange(1, 16); count > 0; count--) {
    std::string separator = data.ConsumeRandomLengthString(data.ConsumeBool() ? 3 : 256);
    settings.separators.push_back(separator.empty() ? "\n" : separator);
  }
  return settings;
}

LengthSettings drawLength(FuzzedDataProvider& data) {
  LengthSettings settings;
  settings.encoding = static_cast<LengthEncoding>(data.ConsumeIntegralInRange(0, 3));
  const bool isFixed = settings.encoding == LengthEncoding::kBig || settings.encoding == LengthEncoding::kLittle;
  settings.lengthBytes = data.ConsumeIntegralInRange<size_t>(1, isFixed ? 8 : data.ConsumeBool() ? 12 : 256);
  settings.terminator = data.ConsumeIntegralInRange<uint8_t>(':', 255);
  settings.offset = data.ConsumeIntegralInRange<size_t>(0, data.ConsumeBool() ? 8 : 1 << 29);
  constexpr int64_t kSafe = (int64_t{1} << 53) - 1;
  settings.adjustment = data.ConsumeBool() ? data.ConsumeIntegralInRange<int64_t>(-20, 20)
                                           : data.ConsumeIntegralInRange<int64_t>(-kSafe, kSafe);
  settings.keepHeader = data.ConsumeBool();
  settings.trailer = data.ConsumeIntegralInRange(-1, 255);
  settings.maxLength = data.ConsumeIntegralInRange<size_t>(0, data.ConsumeBool() ? 300 : size_t{1} << 30);
  return settings;
}

std::unique_ptr<Framer> drawFramer(FuzzedDataProvider& data, bool& asciiVerdict) {
  const int kind = data.ConsumeIntegralInRange(0, 8);
  asciiVerdict = kind < 4;
  if (kind < 4) return std::make_unique<SeparatorFramer>(drawSeparator(data));
  if (kind < 8) return std::make_unique<LengthFramer>(drawLength(data));
  return std::make_unique<FixedFramer>(data.ConsumeIntegralInRange<size_t>(1, 200));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  FuzzedDataProvider data(bytes, size);
  const char* names[4] = {};
  const size_t kernels = availableKernels(names);
  selectKernel(names[data.ConsumeIntegralInRange<size_t>(0, kernels - 1)]);
  bool asciiVerdict = false;
  const std::unique_ptr<Framer> framer = drawFramer(data, asciiVerdict);
  const size_t rows = data.ConsumeIntegralInRange<size_t>(1, 9);
  std::vector<size_t> steps;
  for (int count = data.ConsumeIntegralInRange(0, 9); count > 0; count--) {
    steps.push_back(data.ConsumeIntegralInRange<size_t>(0, 200));
  }
  const std::string stream = data.ConsumeBytesAsString(kLongestStream);
  std::vector<size_t> cuts;
  for (size_t at = 0, i = 0; !steps.empty() && cuts.size() < 200; i++) {
    at += steps[i % steps.size()] + (i % steps.size() == 0 ? 1 : 0);
    if (at > stream.size()) break;
    cuts.push_back(at);
  }
  Driver driver(*framer, asciiVerdict);
  const Outcome whole = driver.run(stream, {}, 1000);
  const Outcome cut = driver.run(stream, cuts, rows);
  say("whole: " + describe(whole) + "\n  cut:   " + describe(cut));
  CHECK(whole == cut);
  return 0;
}
