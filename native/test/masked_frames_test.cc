/**
 * Frames of every size of header, one behind the other, against the definition (RFC 6455 §5.3), cut anywhere, and with
 * one among them that is not masked.
 */
#include "framing/masked_frames.h"

#include <algorithm>

#include "check.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

constexpr size_t kSizes[] = {0, 1, 3, 4, 15, 16, 31, 32, 64, 125, 126, 127, 300, 65535, 65536, 70000};

struct Frames {
  std::string plain;
  std::string masked;
  /** Where each frame ends. */
  std::vector<size_t> ends;
};

std::string headerOf(size_t size, uint8_t maskBit) {
  std::string header(1, '\x82');
  const size_t more = size < 126 ? 0 : size < 65536 ? 2 : 8;
  header += static_cast<char>(maskBit | (more == 0 ? size : more == 2 ? 126 : 127));
  for (size_t i = more; i-- > 0;) header += static_cast<char>(static_cast<uint64_t>(size) >> (8 * i));
  return header;
}

void addFrame(Frames& frames, Random& random, size_t size) {
  std::string start = headerOf(size, 0x80);
  std::string key;
  for (int i = 0; i < 4; i++) key += static_cast<char>(random.next() >> 33);
  start += key;
  frames.plain += start;
  frames.masked += start;
  for (size_t i = 0; i < size; i++) {
    const auto byte = static_cast<char>(random.next() >> 33);
    frames.plain += byte;
    frames.masked += static_cast<char>(byte ^ key[i % 4]);
  }
  frames.ends.push_back(frames.plain.size());
}

Frames someFrames(Random& random) {
  Frames frames;
  const size_t count = 1 + random.below(6);
  for (size_t i = 0; i < count; i++) addFrame(frames, random, kSizes[random.below(std::size(kSizes))]);
  return frames;
}

/** Frames that end within `size` bytes are masked, and nothing behind them. */
void masksWhatIsWhole(const Frames& frames, size_t size, size_t alignment) {
  say("frames of " + std::to_string(frames.plain.size()) + " bytes, cut at " + std::to_string(size));
  size_t end = 0;
  for (const size_t each : frames.ends) end = each <= size ? each : end;
  ExactBuffer bytes(frames.plain.substr(0, size), alignment);
  CHECK(maskFrames(bytes.data(), size) == end);
  const std::string expected = frames.masked.substr(0, end) + frames.plain.substr(end, size - end);
  CHECK(size == 0 || std::memcmp(bytes.data(), expected.data(), size) == 0);
}

void framesMeetTheDefinition() {
  Random random;
  for (int round = 0; round < 300; round++) {
    const Frames frames = someFrames(random);
    masksWhatIsWhole(frames, frames.plain.size(), random.below(64));
    masksWhatIsWhole(frames, random.below(frames.plain.size()), random.below(64));
  }
}

void everyCutIsFound() {
  Random random;
  for (const size_t last : {size_t{0}, size_t{70}, size_t{200}, size_t{65536}}) {
    Frames frames;
    addFrame(frames, random, 5);
    addFrame(frames, random, last);
    for (size_t size = 0; size <= std::min<size_t>(frames.plain.size(), 300); size++) masksWhatIsWhole(frames, size, 0);
  }
}

void whatIsNotMaskedEndsIt() {
  Random random;
  Frames frames;
  addFrame(frames, random, 40);
  say("a frame without a mask");
  ExactBuffer bytes(frames.plain + headerOf(8, 0) + "12345678");
  CHECK(maskFrames(bytes.data(), bytes.size()) == frames.plain.size());
  CHECK(std::memcmp(bytes.data() + frames.plain.size(), (headerOf(8, 0) + "12345678").data(), 10) == 0);
}

}  // namespace

int main() {
  forEachKernel([] {
    framesMeetTheDefinition();
    everyCutIsFound();
    whatIsNotMaskedEndsIt();
  });
  return 0;
}
