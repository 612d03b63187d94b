/**
 * Messages of permessage-deflate: any bytes are inflated, in any pieces and any room, as zlib alone does with the same
 * messages behind each other; what was deflated comes back; memory stays within what a connection may have.
 */
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>

#include "deflate/messages.h"
#include "test/check.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

/** Of one message; what is more is a bomb, and left in the middle. */
constexpr size_t kMostOutput = 200'000;

struct Whole {
  DeflateStatus status;
  std::string output;
};

using Step = DeflateResult (DeflateContext::*)(const uint8_t*, size_t, MessagePart, uint8_t*, size_t);

Whole through(DeflateContext& context, Step step, size_t leastRoom, const std::string& input,
              FuzzedDataProvider& data) {
  Whole whole{DeflateStatus::kDone, {}};
  const bool pieces = data.ConsumeBool();
  const size_t room = leastRoom + data.ConsumeIntegralInRange<size_t>(0, data.ConsumeBool() ? 8 : 5000);
  ExactBuffer target(room);
  size_t at = 0;
  for (bool last = false; !last;) {
    const size_t rest = input.size() - at;
    const size_t size = pieces ? std::min(rest, data.ConsumeIntegralInRange<size_t>(0, 64)) : rest;
    last = at + size == input.size() && (size > 0 || rest == 0);
    const ExactBuffer piece(input.substr(at, size));
    const MessagePart part = last ? MessagePart::kEnd : data.ConsumeBool() ? MessagePart::kFlush : MessagePart::kMore;
    size_t taken = 0;
    DeflateResult result;
    do {
      result = (context.*step)(piece.data() + taken, size - taken, part, target.data(), room);
      CHECK(result.given <= room && result.taken <= size - taken);
      taken += result.taken;
      whole.output.append(reinterpret_cast<const char*>(target.data()), result.given);
    } while (result.status == DeflateStatus::kFull && whole.output.size() <= kMostOutput);
    whole.status = result.status;
    if (result.status != DeflateStatus::kDone) break;
    CHECK(taken == size);
    at += size;
    if (data.remaining_bytes() == 0 && pieces && !last) {
      // Nothing is left to draw pieces from: the rest in one.
      const Whole end = through(context, step, leastRoom, input.substr(at), data);
      return {end.status, whole.output + end.output};
    }
  }
  return whole;
}

/** zlib by itself, which goes on with what the message before has left. Pre: it is ready for a message. */
struct Plain {
  z_stream z{};
  Plain() { CHECK(inflateInit2(&z, -15) == Z_OK); }
  ~Plain() { inflateEnd(&z); }

  Whole inflateMessage(std::string message) {
    message.append(reinterpret_cast<const char*>(kTail), kTailLength);
    Whole whole{DeflateStatus::kDone, {}};
    std::string room(kMostOutput + 10'000, '\0');
    z.next_in = reinterpret_cast<Bytef*>(&message[0]);
    z.avail_in = static_cast<uInt>(message.size());
    z.next_out = reinterpret_cast<Bytef*>(&room[0]);
    z.avail_out = static_cast<uInt>(room.size());
    for (;;) {
      const int answer = ::inflate(&z, Z_SYNC_FLUSH);
      if (z.avail_out == 0) {
        whole.status = DeflateStatus::kFull;
      } else if (answer == Z_STREAM_END) {
        const bool ends = z.avail_in == kTailLength || z.avail_in == 0;
        inflateResetKeep(&z);
        if (!ends) continue;
      } else if (answer != Z_OK && answer != Z_BUF_ERROR) {
        whole.status = DeflateStatus::kCorrupt;
      } else if (z.avail_in > 0) {
        continue;
      } else if ((z.data_type & 128) == 0 || (z.data_type & 63) != 0) {
        whole.status = DeflateStatus::kCorrupt;
      }
      break;
    }
    whole.output = room.substr(0, room.size() - z.avail_out);
    return whole;
  }
};

DeflateSettings drawSettings(FuzzedDataProvider& data) {
  DeflateSettings settings;
  settings.own = {data.ConsumeIntegralInRange(0, 9), data.ConsumeIntegralInRange(9, 15),
                  data.ConsumeIntegralInRange(1, 9)};
  if (data.ConsumeBool()) settings.ownHistory = size_t{1} << settings.own.windowBits;
  settings.peerHistory = size_t{1} << 15;
  settings.ownInflater = data.ConsumeBool();
  return settings;
}

void inflatesAsZlibDoes(FuzzedDataProvider& data, DeflateRoom& room) {
  DeflateContext context(1, drawSettings(data), room);
  DeflateContext other(2, drawSettings(data), room);
  Plain plain;
  for (int count = data.ConsumeIntegralInRange(1, 4); count > 0; count--) {
    const std::string message = data.ConsumeRandomLengthString(1000);
    // Somebody else takes the stream meanwhile, and leaves it in any state.
    if (data.ConsumeBool()) through(other, &DeflateContext::inflate, 1, data.ConsumeRandomLengthString(60), data);
    const Whole got = through(context, &DeflateContext::inflate, 1, message, data);
    const Whole expected = plain.inflateMessage(message);
    if (got.status == DeflateStatus::kFull || expected.status == DeflateStatus::kFull) {
      CHECK(got.output.compare(0, kMostOutput, expected.output, 0, kMostOutput) == 0);
      return;
    }
    say("status " + std::to_string(static_cast<int>(got.status)) + ", not " +
        std::to_string(static_cast<int>(expected.status)) + ", of " + std::to_string(message.size()) + " bytes");
    for (const char byte : message.substr(0, 40))
      miniproto::test::context() += " " + std::to_string(static_cast<uint8_t>(byte));
    CHECK(got.status == expected.status);
    if (got.status != DeflateStatus::kDone) return;
    CHECK(got.output == expected.output);
    CHECK(room.memory.bytes() < 4 * 128 * 1024);
  }
}

void comesBack(FuzzedDataProvider& data, DeflateRoom& room) {
  const DeflateSettings settings = drawSettings(data);
  DeflateContext sender(3, settings, room);
  DeflateContext receiver(4, settings, room);
  for (int count = data.ConsumeIntegralInRange(1, 5); count > 0; count--) {
    std::string message = data.ConsumeRandomLengthString(1000);
    for (int times = data.ConsumeIntegralInRange(0, 6); times > 0; times--) message += message;
    if (data.ConsumeIntegralInRange(0, 5) == 0) sender.forgetSent();
    const Whole deflated = through(sender, &DeflateContext::deflate, kLeastRoom, message, data);
    if (deflated.status == DeflateStatus::kFull) return;
    CHECK(deflated.status == DeflateStatus::kDone);
    const Whole inflated = through(receiver, &DeflateContext::inflate, 1, deflated.output, data);
    CHECK(inflated.status == DeflateStatus::kDone && inflated.output == message);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  FuzzedDataProvider data(bytes, size);
  DeflateRoom room;
  if (data.ConsumeBool()) {
    inflatesAsZlibDoes(data, room);
  } else {
    comesBack(data, room);
  }
  return 0;
}
