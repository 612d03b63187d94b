/**
 * Frames and bytes that are none, through the WebSocket framer in either role: however they are cut the same frames
 * come out, and the same fault. The bytes say what to write; masks and headers are made here, so that most of it is
 * nearly right. websocket_delivery.h checks each call.
 */
#include <fuzzer/FuzzedDataProvider.h>

#include "test/websocket_delivery.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

std::string drawStream(FuzzedDataProvider& data, const WebSocketSettings& settings) {
  Random random(data.ConsumeIntegralInRange<uint64_t>(1, UINT32_MAX));
  std::string stream;
  for (int count = data.ConsumeIntegralInRange(0, 12); count > 0 && data.remaining_bytes() > 0; count--) {
    const uint8_t first = data.ConsumeBool()
                              ? data.PickValueInArray<uint8_t>({0x81, 0x01, 0x00, 0x80, 0x82, 0x89, 0x88})
                              : data.ConsumeIntegral<uint8_t>();
    std::string payload = data.ConsumeRandomLengthString(300);
    // Lengths of several forms, and payloads that are taken as they come.
    const size_t times = data.ConsumeIntegralInRange(0, 9) == 0 ? data.ConsumeIntegralInRange<size_t>(1, 600) : 1;
    std::string longer;
    for (size_t i = 0; i < times; i++) longer += payload;
    stream += wireOf({first, longer}, settings, random);
    if (data.ConsumeIntegralInRange(0, 7) == 0) stream += data.ConsumeRandomLengthString(20);
    if (!stream.empty() && data.ConsumeIntegralInRange(0, 7) == 0) {
      stream[data.ConsumeIntegralInRange<size_t>(0, stream.size() - 1)] = data.ConsumeIntegral<char>();
    }
  }
  return stream;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  FuzzedDataProvider data(bytes, size);
  const char* names[4] = {};
  const size_t kernels = availableKernels(names);
  selectKernel(names[data.ConsumeIntegralInRange<size_t>(0, kernels - 1)]);
  WebSocketSettings settings;
  settings.role = data.ConsumeBool() ? WebSocketRole::kServer : WebSocketRole::kClient;
  settings.compression = data.ConsumeBool();
  settings.utf8 = data.ConsumeIntegralInRange(0, 3) > 0;
  settings.maxLength = data.ConsumeIntegralInRange<size_t>(0, data.ConsumeBool() ? 400 : size_t{1} << 30);
  const size_t rows = data.ConsumeIntegralInRange<size_t>(1, 5);
  std::vector<size_t> steps;
  for (int count = data.ConsumeIntegralInRange(1, 9); count > 0; count--) {
    steps.push_back(1 + data.ConsumeIntegralInRange<size_t>(0, data.ConsumeBool() ? 20 : 70000));
  }
  const std::string stream = drawStream(data, settings);
  std::vector<size_t> cuts;
  for (size_t at = 0, i = 0; cuts.size() < 100; i++) {
    at += steps[i % steps.size()];
    if (at > stream.size()) break;
    cuts.push_back(at);
  }
  Delivery inOne(settings, 1000);
  Delivery inPieces(settings, rows);
  const Outcome whole = inOne.run(stream, {});
  const Outcome cut = inPieces.run(stream, cuts);
  say("fault " + std::to_string(whole.fault) + " or " + std::to_string(cut.fault) + ", details " +
      std::to_string(whole.detail) + ", " + std::to_string(cut.detail));
  CHECK(whole.frames == cut.frames && whole.consumed == cut.consumed);
  CHECK(whole.fault == cut.fault && whole.detail == cut.detail);
  return 0;
}
