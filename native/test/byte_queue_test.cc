/** The queue of bytes that wait to be sent, against a string: what goes in comes out, and memory goes back. */
#include "bytes/byte_queue.h"

#include <algorithm>
#include <deque>
#include <string>

#include "check.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

std::string numbered(Random& random, size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random.next() >> 32);
  return bytes;
}

void append(ByteQueue& queue, const std::string& bytes) {
  const ExactBuffer exact(bytes);
  queue.append(exact.data(), bytes.size());
}

void keepsTheOrder() {
  Random random;
  BlockPool pool;
  ByteQueue queue(pool);
  std::string expected;
  for (int i = 0; i < 3000; i++) {
    const std::string bytes = numbered(random, random.below(random.oneIn(20) ? 70000 : 300));
    append(queue, bytes);
    expected += bytes;
    const size_t drop = random.oneIn(5) ? queue.size() : random.below(queue.size() + 1);
    queue.consume(drop);
    expected.erase(0, drop);
    CHECK(queue.size() == expected.size() && queue.empty() == expected.empty());
    CHECK(expected.compare(0, std::string::npos, reinterpret_cast<const char*>(queue.data()), queue.size()) == 0);
  }
}

/** A queue that always holds something may not keep all that went through it. */
void reusesItsFront() {
  BlockPool pool;
  ByteQueue queue(pool);
  const std::string bytes(1000, 'x');
  append(queue, bytes);
  for (int i = 0; i < 100000; i++) {
    append(queue, bytes);
    queue.consume(1000);
  }
  CHECK(queue.size() == 1000);
  queue.clear();
  CHECK(pool.lease().capacity() < 64 * 1024);
}

void sharesBlocks() {
  BlockPool pool;
  const uint8_t* block = nullptr;
  {
    ByteQueue queue(pool);
    append(queue, "some");
    block = queue.data();
    queue.consume(4);
    CHECK(queue.empty());
  }
  ByteQueue other(pool);
  append(other, "more");
  CHECK(other.data() == block);
  append(other, "");
  CHECK(other.size() == 4);
}

/** Many queues that empty at once: a few blocks stay, and none of the large ones. */
void keepsFewBlocks() {
  BlockPool pool;
  std::deque<ByteQueue> queues;
  for (int i = 0; i < 20; i++) {
    queues.emplace_back(pool);
    append(queues.back(), i == 19 ? std::string(2 << 20, 'x') : "x");
  }
  for (ByteQueue& queue : queues) queue.clear();
  for (int i = 0; i < 9; i++) CHECK(pool.lease().capacity() < 64 * 1024);
}

}  // namespace

int main() {
  keepsTheOrder();
  reusesItsFront();
  sharesBlocks();
  keepsFewBlocks();
  std::puts("byte_queue_test: ok");
}
