/** What is left of a turn's memory, and how it is shared among connections. For the reactor's own files. */
#pragma once

#include <algorithm>

#include "net/reactor.h"

namespace miniproto {

/** Bytes: one socket's share of a turn at first, and at most. The first is what Node reads, and fits in the cache. */
constexpr uint32_t kFirstReceive = 64 * 1024;
constexpr uint32_t kLargestReceive = 256 * 1024;
/** Bytes: with less room than this in the arena the turn ends, instead of receiving in crumbs. */
constexpr size_t kLeastReceive = 16 * 1024;
/** Rows of one connection in one turn, and the room without which the turn ends. */
constexpr size_t kMostRows = 2048;
constexpr size_t kLeastRows = 256;

/** In place of an id: what epoll tells of the reactor's own event descriptor. */
constexpr int32_t kWakeId = -1;

struct Reactor::Room {
  const TurnMemory& memory;
  size_t arenaUsed = 0;
  size_t tableUsed = 0;
  size_t events = 0;
  /** A connection needs more than is left. */
  bool closed = false;

  size_t arenaLeft() const { return memory.arenaSize - arenaUsed; }
  size_t rowsLeft() const {
    const size_t words = memory.tableWords - tableUsed;
    return words < kHeaderWords ? 0 : (words - kHeaderWords) / kRowWords;
  }
  bool full() const {
    return (events + 1) * kEventWords > memory.eventWords || arenaLeft() < kLeastReceive || rowsLeft() < kLeastRows ||
           closed;
  }
  /** The next event, empty; it counts once `events` does. */
  int32_t* event(int32_t id) const {
    int32_t* words = memory.events + events * kEventWords;
    std::fill(words, words + kEventWords, 0);
    words[kEventId] = id;
    return words;
  }
};

}  // namespace miniproto
