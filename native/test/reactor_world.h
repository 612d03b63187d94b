/**
 * What the tests of the reactor share: a reactor with memory for its turns, and connections whose other end is a
 * test's.
 *
 * A turn's memory has exact ends (ExactBuffer), so that a receive or a row beyond them is caught. "Quiet" means that
 * the epoll descriptor is not readable: whoever has the loop would sleep.
 */
#pragma once

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "check.h"
#include "framing/separator.h"
#include "net/reactor.h"

namespace miniproto::test {

struct Sizes {
  size_t arena = 256 * 1024;
  size_t rows = 4096;
  size_t events = 256;
};

/** Memory of turns, with nothing readable behind its ends. */
class Memory {
 public:
  explicit Memory(const Sizes& sizes)
      : arena_(sizes.arena, 0),
        table_((kHeaderWords + sizes.rows * kRowWords) * sizeof(int32_t), 0),
        events_(sizes.events * kEventWords * sizeof(int32_t), 0) {}

  TurnMemory turn() {
    return {arena_.data(), arena_.size(), words(table_), table_.size() / 4, words(events_), events_.size() / 4};
  }
  const int32_t* event(size_t index) { return words(events_) + index * kEventWords; }
  std::string bytes(size_t start, size_t end) const {
    return {reinterpret_cast<const char*>(arena_.data()) + start, end - start};
  }
  const int32_t* row(const int32_t* event, size_t index) {
    return words(table_) + event[kEventTable] + kHeaderWords + index * kRowWords;
  }
  /** What the last turn left is nobody's. */
  void forget() { std::memset(arena_.data(), 0xee, arena_.size()); }

 private:
  static int32_t* words(ExactBuffer& buffer) { return reinterpret_cast<int32_t*>(buffer.data()); }
  ExactBuffer arena_;
  ExactBuffer table_;
  ExactBuffer events_;
};

/** A connection of the reactor's and the other end of it. */
struct Peer {
  int32_t id;
  int descriptor;

  void write(const std::string& text) const {
    CHECK(::send(descriptor, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
  }
  void close() const { ::close(descriptor); }
};

enum class Kind { kUnix, kTcp };

/** A connected pair of stream sockets; TCP goes over loopback. */
inline void connectPair(Kind kind, int ends[2]) {
  if (kind == Kind::kUnix) {
    CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    return;
  }
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* any = reinterpret_cast<sockaddr*>(&address);
  CHECK(::bind(listener, any, size) == 0 && ::listen(listener, 1) == 0 && ::getsockname(listener, any, &size) == 0);
  ends[1] = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(::connect(ends[1], any, size) == 0);
  ends[0] = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  CHECK(ends[0] >= 0);
  ::close(listener);
}

struct World {
  explicit World(const Sizes& sizes = Sizes()) : memory(sizes) { CHECK(reactor.open() == 0); }

  Peer connect(Kind kind = Kind::kUnix) {
    int ends[2];
    connectPair(kind, ends);
    const int32_t id = reactor.add(ends[0]);
    CHECK(id >= 0);
    ::close(ends[0]);
    return {id, ends[1]};
  }
  size_t turn() {
    memory.forget();
    const size_t count = reactor.turn(memory.turn());
    reactor.endTurn();
    reactor.rest();
    return count;
  }
  /** @returns the flags of the only event, which is about `id`; 0 for none. */
  int32_t turnOf(int32_t id) {
    const size_t count = turn();
    CHECK(count <= 1);
    if (count == 0) return 0;
    CHECK(memory.event(0)[kEventId] == id);
    return memory.event(0)[kEventFlags];
  }
  bool quiet() const { return !wakes(0); }
  /** @returns true when whoever has the loop wakes within that time. */
  bool wakes(int milliseconds) const {
    pollfd one{reactor.descriptor(), POLLIN, 0};
    return ::poll(&one, 1, milliseconds) == 1;
  }
  std::string arrived(size_t index = 0) {
    const int32_t* event = memory.event(index);
    CHECK((event[kEventFlags] & kArrived) != 0);
    return memory.bytes(static_cast<size_t>(event[kEventStart]), static_cast<size_t>(event[kEventEnd]));
  }

  Reactor reactor;
  Memory memory;
};

inline SeparatorFramer lineFramer() {
  SeparatorSettings settings;
  settings.separators = {"\n"};
  settings.maxLength = 1 << 20;
  return SeparatorFramer(settings);
}

inline size_t openDescriptors() {
  size_t count = 0;
  for (int i = 0; i < 4096; i++) count += ::fcntl(i, F_GETFD) >= 0 ? 1 : 0;
  return count;
}

inline iovec partOf(const std::string& text) {
  return {const_cast<char*>(text.data()), text.size()};
}

}  // namespace miniproto::test
