/**
 * Messages of permessage-deflate: what goes in comes out, in any pieces and any room, over shared streams; what is
 * wrong is said, and what there is no memory for fails alone.
 */
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "check.h"
#include "deflate/messages.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

DeflateSettings settingsOf(int level, int windowBits, int memLevel, bool takeover) {
  DeflateSettings settings;
  settings.own = {level, windowBits, memLevel};
  const size_t history = takeover ? size_t{1} << windowBits : 0;
  settings.ownHistory = history;
  settings.peerHistory = history;
  // Both ways of inflating are tested everywhere.
  static int made = 0;
  settings.ownInflater = takeover && ++made % 2 == 0;
  return settings;
}

/** Words that repeat, and now and then bytes that do not. */
std::string messageOf(Random& random, size_t size) {
  static const char* kWords[] = {"\"name\":", "\"value\":", "true,", "false,", "[1,2,3]", "{}", "hello ", "world "};
  std::string message;
  while (message.size() < size) {
    if (random.oneIn(8)) {
      message += static_cast<char>(random.next() >> 32);
    } else {
      message += kWords[random.below(8)];
    }
  }
  message.resize(size);
  return message;
}

using Step = DeflateResult (DeflateContext::*)(const uint8_t*, size_t, MessagePart, uint8_t*, size_t);

/** Puts a message through a context in random pieces and rooms, each in memory of exactly its size. */
DeflateStatus through(DeflateContext& context, Step step, const std::string& input, Random& random, size_t leastRoom,
                      std::string& output) {
  size_t at = 0;
  do {
    const size_t size = random.oneIn(2) ? input.size() - at : random.below(input.size() - at + 1);
    ExactBuffer piece(input.substr(at, size));
    const bool last = at + size == input.size();
    size_t taken = 0;
    for (;;) {
      const size_t room = leastRoom + random.below(random.oneIn(2) ? 8 : 3000);
      ExactBuffer target(room);
      const MessagePart part = last ? MessagePart::kEnd : random.oneIn(4) ? MessagePart::kFlush : MessagePart::kMore;
      const DeflateResult result = (context.*step)(piece.data() + taken, size - taken, part, target.data(), room);
      if (result.status != DeflateStatus::kDone && result.status != DeflateStatus::kFull) return result.status;
      CHECK(result.given <= room);
      output.append(reinterpret_cast<const char*>(target.data()), result.given);
      taken += result.taken;
      if (result.status == DeflateStatus::kDone) break;
    }
    CHECK(taken == size);
    at += size;
    if (last) break;
  } while (true);
  return DeflateStatus::kDone;
}

void keepsTheLastBytes() {
  DeflateMemory memory;
  Random random;
  for (const size_t capacity : {0, 1, 256, 1024, 4096}) {
    History history(capacity, memory);
    std::string all;
    for (int i = 0; i < 300; i++) {
      const std::string bytes = messageOf(random, random.below(i % 7 == 0 ? 5000 : 100));
      CHECK(history.append(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
      all += bytes;
      std::string kept;
      history.visit([&](const uint8_t* part, size_t size) { kept.append(reinterpret_cast<const char*>(part), size); });
      CHECK(kept == all.substr(all.size() - std::min(all.size(), capacity)));
      CHECK(kept.size() == history.length());
    }
    CHECK(memory.bytes() <= capacity);
    history.clear();
    CHECK(history.length() == 0);
  }
  CHECK(memory.bytes() == 0);
}

/** Twenty connections take turns on eight streams, so that each is found warm, and taken from another. */
void roundTrips(bool takeover) {
  Random random;
  for (const int level : {0, 1, 6, 9}) {
    for (const int windowBits : {9, 12, 15}) {
      say("level " + std::to_string(level) + ", windowBits " + std::to_string(windowBits));
      DeflateRoom room;
      std::vector<std::unique_ptr<DeflateContext>> senders;
      std::vector<std::unique_ptr<DeflateContext>> receivers;
      for (uint32_t i = 0; i < 20; i++) {
        const DeflateSettings settings = settingsOf(level, windowBits, level % 2 == 0 ? 8 : 1, takeover);
        senders.push_back(std::make_unique<DeflateContext>(2 * i + 1, settings, room));
        receivers.push_back(std::make_unique<DeflateContext>(2 * i + 2, settings, room));
      }
      for (int i = 0; i < 150; i++) {
        const size_t who = random.below(20);
        const std::string message = messageOf(random, random.below(i % 10 == 0 ? 70000 : 2000));
        std::string deflated;
        std::string inflated;
        CHECK(through(*senders[who], &DeflateContext::deflate, message, random, kLeastRoom, deflated) ==
              DeflateStatus::kDone);
        CHECK(through(*receivers[who], &DeflateContext::inflate, deflated, random, 1, inflated) ==
              DeflateStatus::kDone);
        CHECK(inflated == message);
      }
      CHECK(room.deflaters.idle() <= 8 && room.inflaters.idle() <= 8);
    }
  }
}

/** Whatever is changed in a message, the answer comes, and nothing outside of the target is touched. */
void standsCorruption() {
  Random random;
  DeflateRoom room;
  size_t failed = 0;
  for (int i = 0; i < 4000; i++) {
    DeflateContext sender(1, settingsOf(6, 15, 8, false), room);
    DeflateContext receiver(2, settingsOf(6, 15, 8, true), room);
    const std::string message = messageOf(random, 1 + random.below(600));
    std::string deflated;
    CHECK(through(sender, &DeflateContext::deflate, message, random, kLeastRoom, deflated) == DeflateStatus::kDone);
    for (size_t changes = 1 + random.below(3); changes > 0; changes--) {
      deflated[random.below(deflated.size())] ^= static_cast<char>(1 << random.below(8));
    }
    if (random.oneIn(4)) deflated.resize(random.below(deflated.size()));
    std::string inflated;
    const DeflateStatus status = through(receiver, &DeflateContext::inflate, deflated, random, 1, inflated);
    CHECK(status == DeflateStatus::kDone || status == DeflateStatus::kCorrupt);
    if (status == DeflateStatus::kCorrupt) failed++;
  }
  CHECK(failed > 1000);
}

/** A final block that ends inside the tail leaves bytes that are no block, however little room there is. */
void readsItsTailToTheEnd() {
  const uint8_t message = 0xeb;
  for (const bool own : {false, true}) {
    for (size_t size = 1; size < 5; size++) {
      DeflateRoom room;
      DeflateSettings settings = settingsOf(6, 15, 8, true);
      settings.ownInflater = own;
      DeflateContext receiver(1, settings, room);
      ExactBuffer target(size);
      DeflateResult result = receiver.inflate(&message, 1, MessagePart::kEnd, target.data(), size);
      while (result.status == DeflateStatus::kFull) {
        result = receiver.inflate(&message, 0, MessagePart::kEnd, target.data(), size);
      }
      CHECK(result.status == DeflateStatus::kCorrupt);
    }
  }
}

/** Each allocation fails in turn: the message fails and says why, the next connection works, nothing is lost. */
void standsMissingMemory() {
  Random random;
  const std::string message = messageOf(random, 5000);
  for (int allowed = 0;; allowed++) {
    say("allocations " + std::to_string(allowed));
    DeflateRoom room;
    int failures = 0;
    {
      DeflateContext sender(1, settingsOf(6, 15, 8, true), room);
      DeflateContext receiver(2, settingsOf(6, 15, 8, true), room);
      room.memory.failAfter(allowed);
      std::string deflated;
      std::string inflated;
      const auto deflating = through(sender, &DeflateContext::deflate, message, random, kLeastRoom, deflated);
      if (deflating != DeflateStatus::kDone) failures++;
      CHECK(deflating == DeflateStatus::kDone || deflating == DeflateStatus::kNoMemory);
      if (deflating == DeflateStatus::kDone) {
        const auto inflating = through(receiver, &DeflateContext::inflate, deflated, random, 1, inflated);
        if (inflating != DeflateStatus::kDone) failures++;
        CHECK(inflating == DeflateStatus::kDone || inflating == DeflateStatus::kNoMemory);
      }
      room.memory.failAfter(-1);
      DeflateContext other(3, settingsOf(6, 15, 8, true), room);
      std::string again;
      CHECK(through(other, &DeflateContext::deflate, message, random, kLeastRoom, again) == DeflateStatus::kDone);
    }
    room.deflaters.forget(1);
    if (failures == 0) break;
    CHECK(allowed < 50);
  }
}

/** Some versions of zlib write to what they were not given. */
void hasAllMemoryBeforeItBegins() {
  for (int windowBits = 9; windowBits <= 15; windowBits++) {
    for (int memLevel = 1; memLevel <= 9; memLevel++) {
      DeflateMemory memory;
      memory.failAfter(0);
      CHECK(!ZlibStream(StreamKind::kDeflate, {6, windowBits, memLevel}, memory).ready());
      memory.failAfter(1);
      CHECK(ZlibStream(StreamKind::kDeflate, {6, windowBits, memLevel}, memory).ready());
      CHECK(memory.bytes() == 0);
    }
  }
}

/** 8 bytes of room at a time: however much a message would become, no more is kept than a stream has. */
void pausesBombs() {
  DeflateRoom room;
  Random random;
  const std::string bomb(10'000'000, 'x');
  std::string deflated;
  {
    DeflateContext sender(1, settingsOf(9, 15, 8, false), room);
    CHECK(through(sender, &DeflateContext::deflate, bomb, random, 4096, deflated) == DeflateStatus::kDone);
  }
  CHECK(deflated.size() < 20'000);
  const size_t before = room.memory.bytes();
  DeflateContext receiver(2, settingsOf(6, 15, 8, true), room);
  uint8_t target[8];
  DeflateResult result = receiver.inflate(reinterpret_cast<const uint8_t*>(deflated.data()), deflated.size(),
                                          MessagePart::kEnd, target, sizeof target);
  CHECK(result.status == DeflateStatus::kFull && result.given == sizeof target);
  const size_t taken = result.taken;
  for (int i = 0; i < 1000; i++) {
    result = receiver.inflate(reinterpret_cast<const uint8_t*>(deflated.data()) + taken, 0, MessagePart::kMore, target,
                              sizeof target);
    if (result.status == DeflateStatus::kDone) break;
  }
  CHECK(room.memory.bytes() - before < 64 * 1024 + 1024);
}

}  // namespace

int main() {
  keepsTheLastBytes();
  roundTrips(false);
  roundTrips(true);
  standsCorruption();
  readsItsTailToTheEnd();
  standsMissingMemory();
  hasAllMemoryBeforeItBegins();
  pausesBombs();
  return 0;
}
