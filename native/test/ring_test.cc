/**
 * The ring against a plain string, with memory that counts what is held and can refuse.
 */
#include "bytes/ring.h"

#include <algorithm>

#include "check.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

/** Heap memory that knows what is out, and gives none once `left` is used up. */
class CountingMemory final : public RingMemory {
 public:
  size_t held = 0;
  size_t blocks = 0;
  size_t left = SIZE_MAX;

  uint8_t* allocate(size_t size) override {
    CHECK((size & (size - 1)) == 0);
    if (left == 0) return nullptr;
    left--;
    held += size;
    blocks++;
    CHECK(blocks <= 2);
    return heap_.allocate(size);
  }
  void release(uint8_t* memory, size_t size) override {
    held -= size;
    blocks--;
    heap_.release(memory, size);
  }

 private:
  HeapRingMemory heap_;
};

ByteSpan spanOf(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string contentsOf(const Ring& ring) {
  ByteSpan parts[2];
  const size_t count = ring.spans(parts);
  std::string text;
  for (size_t i = 0; i < count; i++) {
    CHECK(parts[i].size > 0);
    text.append(reinterpret_cast<const char*>(parts[i].data), parts[i].size);
  }
  return text;
}

void ringHoldsNoMemoryWhileEmpty() {
  CountingMemory memory;
  Ring ring({16, 100}, memory);
  CHECK(ring.capacity() == 0 && memory.held == 0);
  CHECK(ring.write({nullptr, 0}).taken == 0 && memory.held == 0);
  CHECK(ring.write(spanOf("a")).taken == 1 && ring.capacity() == 16);
  ring.consume(1);
  CHECK(ring.capacity() == 0 && memory.held == 0);
  ring.consume(5);
  CHECK(ring.length() == 0);
}

void ringGrowsInPowersOfTwoUpToItsMaximum() {
  CountingMemory memory;
  Ring ring({16, 100}, memory);
  CHECK(ring.write(spanOf(std::string(17, 'x'))).taken == 17 && ring.capacity() == 32);
  CHECK(ring.write(spanOf(std::string(200, 'y'))).taken == 83 && ring.capacity() == 128);
  CHECK(ring.length() == 100 && ring.write(spanOf("z")).taken == 0);
  CHECK(contentsOf(ring) == std::string(17, 'x') + std::string(83, 'y'));
  Ring small({1024, 5}, memory);
  CHECK(small.write(spanOf("abcdefgh")).taken == 5 && small.capacity() == 8);
}

void ringWithoutMemoryTakesWhatFits() {
  CountingMemory memory;
  memory.left = 1;
  Ring ring({16, 100}, memory);
  CHECK(ring.write(spanOf("0123456789")).taken == 10);
  const Ring::Written written = ring.write(spanOf("abcdefghij"));
  CHECK(written.taken == 6 && written.outOfMemory);
  CHECK(contentsOf(ring) == "0123456789abcdef");
  ring.consume(16);
  memory.left = 0;
  const Ring::Written none = ring.write(spanOf("a"));
  CHECK(none.taken == 0 && none.outOfMemory && ring.length() == 0);
}

void ringEqualsAStringUnderRandomUse() {
  Random random;
  for (int round = 0; round < 300; round++) {
    CountingMemory memory;
    const size_t most = 1 + random.below(5000);
    Ring ring({size_t{1} << random.below(8), most}, memory);
    std::string model;
    for (int step = 0; step < 200; step++) {
      say("ring round " + std::to_string(round) + ", step " + std::to_string(step));
      const size_t amount = random.below(random.oneIn(4) ? 3000 : 60);
      if (random.oneIn(2)) {
        std::string bytes(amount, ' ');
        for (char& byte : bytes) byte = static_cast<char>(random.next() >> 40);
        const size_t taken = std::min(amount, most - model.size());
        CHECK(ring.write(spanOf(bytes)).taken == taken);
        model.append(bytes, 0, taken);
      } else if (random.oneIn(2)) {
        ring.consume(amount);
        model.erase(0, amount);
      } else {
        ExactBuffer target(amount);
        const size_t count = ring.read({target.data(), amount});
        CHECK(count == std::min(amount, model.size()));
        CHECK(count == 0 || std::memcmp(target.data(), model.data(), count) == 0);
        model.erase(0, count);
      }
      CHECK(ring.length() == model.size() && contentsOf(ring) == model);
      CHECK(ring.capacity() == memory.held && (model.empty() == (memory.held == 0)));
      CHECK(ring.capacity() <= nextPowerOfTwo(most));
    }
  }
}

}  // namespace

int main() {
  ringHoldsNoMemoryWhileEmpty();
  ringGrowsInPowersOfTwoUpToItsMaximum();
  ringWithoutMemoryTakesWhatFits();
  ringEqualsAStringUnderRandomUse();
  return 0;
}
