/**
 * Masking against the definition (byte i meets key byte (phase + i) % 4): in place, copied, moved to lower addresses of
 * the same memory, whole and in pieces.
 */
#include "simd/mask.h"

#include "check.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

uint8_t masked(uint8_t byte, uint32_t key, size_t index) {
  return static_cast<uint8_t>(byte ^ (key >> (8 * (index & 3))));
}

void maskMeetsItsDefinition() {
  Random random;
  forEachShape([&](size_t size, size_t alignment) {
    const auto key = static_cast<uint32_t>(random.next());
    const auto phase = static_cast<unsigned>(random.below(4));
    say("mask, size " + std::to_string(size) + ", alignment " + std::to_string(alignment) + ", phase " +
        std::to_string(phase));
    ExactBuffer source(size, alignment);
    ExactBuffer inPlace(size, alignment);
    ExactBuffer target(size, random.below(64));
    for (size_t i = 0; i < size; i++) inPlace[i] = source[i] = static_cast<uint8_t>(random.next() >> 33);
    const auto phaseAfter = static_cast<unsigned>((phase + size) % 4);
    CHECK(mask(inPlace.data(), size, key, phase) == phaseAfter);
    CHECK(maskCopy(source.data(), target.data(), size, key, phase) == phaseAfter);
    for (size_t i = 0; i < size; i++) {
      CHECK(inPlace[i] == masked(source[i], key, phase + i));
      CHECK(target[i] == inPlace[i]);
    }
  });
}

void piecesMaskAsTheWhole() {
  Random random;
  for (int round = 0; round < 2000; round++) {
    const size_t size = random.below(400);
    const auto key = static_cast<uint32_t>(random.next());
    say("pieces, round " + std::to_string(round) + ", size " + std::to_string(size));
    ExactBuffer whole(size);
    ExactBuffer pieces(size, random.below(64));
    for (size_t i = 0; i < size; i++) whole[i] = pieces[i] = static_cast<uint8_t>(random.next() >> 33);
    mask(whole.data(), size, key, 0);
    unsigned phase = 0;
    for (size_t at = 0; at < size;) {
      const size_t piece = 1 + random.below(size - at);
      phase = mask(pieces.data() + at, piece, key, phase);
      at += piece;
    }
    CHECK(size == 0 || std::memcmp(whole.data(), pieces.data(), size) == 0);
    mask(whole.data(), size, key, 0);
    mask(pieces.data(), size, key, 0);
    CHECK(size == 0 || std::memcmp(whole.data(), pieces.data(), size) == 0);
  }
}

void moveToLowerAddresses() {
  Random random;
  forEachShape([&](size_t size, size_t alignment) {
    const size_t distance = random.oneIn(4) ? random.below(4) : 4 * random.below(40);
    const auto key = static_cast<uint32_t>(random.next());
    const auto phase = static_cast<unsigned>(random.below(4));
    say("move, size " + std::to_string(size) + ", alignment " + std::to_string(alignment) + ", distance " +
        std::to_string(distance));
    ExactBuffer bytes(distance + size, alignment);
    const bool mostlyAscii = random.oneIn(2);
    for (size_t i = 0; i < size; i++) {
      const auto plain = static_cast<uint8_t>(random.next() >> 33);
      bytes[distance + i] = masked(mostlyAscii ? plain & 0x7f : plain, key, phase + i);
    }
    if (size > 0 && random.oneIn(2)) bytes[distance + random.below(size)] ^= 0x80;
    std::string expected(size, '\0');
    bool ascii = true;
    for (size_t i = 0; i < size; i++) {
      const uint8_t plain = masked(bytes[distance + i], key, phase + i);
      expected[i] = static_cast<char>(plain);
      ascii = ascii && plain < 0x80;
    }
    CHECK(maskMove(bytes.data() + distance, bytes.data(), size, key, phase) == ascii);
    CHECK(size == 0 || std::memcmp(bytes.data(), expected.data(), size) == 0);
  });
}

}  // namespace

int main() {
  forEachKernel([] {
    maskMeetsItsDefinition();
    piecesMaskAsTheWhole();
    moveToLowerAddresses();
  });
  return 0;
}
