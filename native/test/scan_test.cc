/**
 * Scanning against naive loops: every size and alignment that crosses a boundary, each byte value, needles at the
 * edges and just outside the range, for each kernel set in turn.
 */
#include "simd/scan.h"

#include <algorithm>

#include "check.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

size_t naiveIndexOf(const ExactBuffer& buffer, const std::string& sequence) {
  for (size_t i = 0; i + sequence.size() <= buffer.size(); i++) {
    if (std::memcmp(buffer.data() + i, sequence.data(), sequence.size()) == 0) return i;
  }
  return buffer.size();
}

void fill(ExactBuffer& buffer, Random& random, size_t alphabet) {
  for (size_t i = 0; i < buffer.size(); i++) buffer[i] = static_cast<uint8_t>('a' + random.below(alphabet));
}

/** Places worth putting something at: the edges, the middle, and a random one. */
std::vector<size_t> placesIn(size_t size, Random& random) {
  if (size == 0) return {};
  return {0, size / 2, size - 1, random.below(size)};
}

void indexOfByteFindsTheFirst() {
  Random random;
  forEachShape([&](size_t size, size_t alignment) {
    say("indexOfByte, size " + std::to_string(size) + ", alignment " + std::to_string(alignment));
    ExactBuffer buffer(size, alignment);
    fill(buffer, random, 3);
    CHECK(indexOfByte(buffer.data(), size, '\n') == size);
    CHECK(indexOfAny(buffer.data(), size, '\n', '\r', 0) == size);
    for (const size_t place : placesIn(size, random)) {
      buffer[place] = '\n';
      const size_t first = naiveIndexOf(buffer, "\n");
      CHECK(indexOfByte(buffer.data(), size, '\n') == first);
      CHECK(indexOfAny(buffer.data(), size, '\r', '\n', '\r') == first);
      CHECK(indexOfAny(buffer.data(), size, '\n', '\n', '\n') == first);
      CHECK(indexOfAny(buffer.data(), size, 'x', 'y', '\n') == first);
      // The same bytes with the needle just outside.
      CHECK(indexOfByte(buffer.data(), first, '\n') == first);
    }
  });
}

void everyByteValueIsFoundAndNoOther() {
  ExactBuffer buffer(256, 5);
  for (int shift = 0; shift < 256; shift++) {
    for (size_t i = 0; i < 256; i++) buffer[i] = static_cast<uint8_t>(i + static_cast<size_t>(shift));
    for (size_t byte = 0; byte < 256; byte++) {
      const size_t place = (byte + 256 - static_cast<size_t>(shift)) & 255;
      CHECK(indexOfByte(buffer.data(), 256, static_cast<uint8_t>(byte)) == place);
      CHECK(indexOfByte(buffer.data(), place, static_cast<uint8_t>(byte)) == place);
    }
  }
  for (size_t byte = 0; byte < 256; byte++) {
    for (size_t i = 0; i < 256; i++) buffer[i] = static_cast<uint8_t>(byte);
    // Neighbours in value are what a borrow or a sign would confuse.
    CHECK(indexOfByte(buffer.data(), 256, static_cast<uint8_t>(byte + 1)) == 256);
    CHECK(indexOfByte(buffer.data(), 256, static_cast<uint8_t>(byte ^ 0x80)) == 256);
    CHECK(isAscii(buffer.data(), 256) == (byte < 0x80));
  }
}

void sequencesAreFoundWhereTheyLie() {
  Random random;
  const std::string sequences[] = {
      "\n", "\r\n", "\r\n\r\n", "aab", "abcabd", "--boundary-7", std::string(256, 'a') + ""};
  forEachShape([&](size_t size, size_t alignment) {
    if (size > 300 && alignment > 8) return;
    ExactBuffer buffer(size, alignment);
    for (const std::string& sequence : sequences) {
      say("indexOfSequence, size " + std::to_string(size) + ", sequence of " + std::to_string(sequence.size()));
      const auto* needle = reinterpret_cast<const uint8_t*>(sequence.data());
      fill(buffer, random, 2);
      CHECK(indexOfSequence(buffer.data(), size, needle, sequence.size()) == naiveIndexOf(buffer, sequence));
      if (size < sequence.size()) continue;
      for (const size_t place : {size_t{0}, size - sequence.size(), random.below(size - sequence.size() + 1)}) {
        fill(buffer, random, 2);
        std::memcpy(buffer.data() + place, sequence.data(), sequence.size());
        CHECK(indexOfSequence(buffer.data(), size, needle, sequence.size()) == naiveIndexOf(buffer, sequence));
        // One byte short.
        const size_t found = indexOfSequence(buffer.data(), place + sequence.size() - 1, needle, sequence.size());
        CHECK(found + sequence.size() <= place + sequence.size() - 1 || found == place + sequence.size() - 1);
      }
    }
  });
}

void indexAllWritesEveryPlaceAndTheVerdict() {
  Random random;
  forEachShape([&](size_t size, size_t alignment) {
    for (const size_t oneIn : {1, 3, 40, 100000}) {
      for (const bool ascii : {true, false}) {
        ExactBuffer buffer(size, alignment);
        fill(buffer, random, 20);
        for (size_t i = 0; i < size; i++) buffer[i] = random.oneIn(oneIn) ? '\n' : buffer[i];
        if (!ascii && size > 0) buffer[random.below(size)] = 0x80;
        std::vector<int32_t> expected;
        for (size_t i = 0; i < size; i++) {
          if (buffer[i] == '\n') expected.push_back(static_cast<int32_t>(i + 1000));
        }
        for (const size_t capacity : {expected.size(), expected.size() + 1, expected.size() / 2, size_t{0}}) {
          say("indexAll, size " + std::to_string(size) + ", capacity " + std::to_string(capacity));
          std::vector<int32_t> positions(capacity);
          const IndexResult result = indexAll(buffer.data(), size, '\n', 1000, positions.data(), capacity);
          const size_t count = std::min(capacity, expected.size());
          CHECK(result.count == count);
          CHECK(
              std::equal(positions.begin(), positions.begin() + static_cast<std::ptrdiff_t>(count), expected.begin()));
          size_t looked = size;
          if (count == capacity) looked = count == 0 ? 0 : static_cast<size_t>(positions[count - 1]) - 999;
          bool verdict = true;
          for (size_t i = 0; i < looked; i++) verdict = verdict && buffer[i] < 0x80;
          CHECK(result.ascii == verdict);
        }
      }
    }
  });
}

void isAsciiSeesOneByteAnywhere() {
  Random random;
  forEachShape([&](size_t size, size_t alignment) {
    say("isAscii, size " + std::to_string(size) + ", alignment " + std::to_string(alignment));
    ExactBuffer buffer(size, alignment);
    for (size_t i = 0; i < size; i++) buffer[i] = static_cast<uint8_t>(random.below(128));
    CHECK(isAscii(buffer.data(), size));
    for (size_t place = 0; place<size; place += size> 300 ? 997 : 1) {
      const uint8_t before = buffer[place];
      buffer[place] = static_cast<uint8_t>(before | 0x80);
      CHECK(!isAscii(buffer.data(), size));
      CHECK(isAscii(buffer.data(), place));
      buffer[place] = before;
    }
  });
}

void membersOfATableAreFound() {
  uint8_t table[256] = {};
  table[';'] = table['\n'] = table[0xff] = 1;
  ExactBuffer buffer(std::string("abc\xff;\n"));
  CHECK(indexOfMember(buffer.data(), 3, table) == 3);
  CHECK(indexOfMember(buffer.data(), 6, table) == 3);
  CHECK(indexOfMember(buffer.data() + 4, 2, table) == 0);
}

}  // namespace

int main() {
  forEachKernel([] {
    indexOfByteFindsTheFirst();
    everyByteValueIsFoundAndNoOther();
    sequencesAreFoundWhereTheyLie();
    indexAllWritesEveryPlaceAndTheVerdict();
    isAsciiSeesOneByteAnywhere();
    membersOfATableAreFound();
  });
  return 0;
}
