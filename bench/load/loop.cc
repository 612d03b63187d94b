/** The epoll loop. See loop.h. */
#include "loop.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

namespace miniproto::load {

namespace {

constexpr size_t kEventsPerWait = 512;
/** The longest wait, so that a deadline is met to a few milliseconds. */
constexpr uint64_t kMostWaitMs = 5;

}  // namespace

Loop::Loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)), events_(kEventsPerWait) {
  if (epoll_ < 0) throw Failure(std::string("epoll_create1: ") + std::strerror(errno));
}

Loop::~Loop() {
  close(epoll_);
}

void Loop::add(Connection& connection) {
  connection.transmit(scratch_);
  watch(connection, EPOLL_CTL_ADD);
}

void Loop::remove(Connection& connection) {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, connection.fd(), nullptr);
  gone_ = &connection;
}

void Loop::watch(Connection& connection, int operation) const {
  epoll_event event{};
  event.events = EPOLLIN;
  if (connection.wantsWrite()) event.events |= EPOLLOUT;
  event.data.ptr = &connection;
  if (epoll_ctl(epoll_, operation, connection.fd(), &event) != 0) {
    throw Failure(std::string("epoll_ctl: ") + std::strerror(errno));
  }
}

void Loop::run(uint64_t untilNanoseconds, const std::function<bool()>& done) {
  for (uint64_t time = now(); time < untilNanoseconds && !(done && done()); time = now()) {
    const uint64_t waitMs = std::min((untilNanoseconds - time) / 1000000 + 1, kMostWaitMs);
    const int count = epoll_wait(epoll_, events_.data(), kEventsPerWait, static_cast<int>(waitMs));
    if (count < 0 && errno != EINTR) throw Failure(std::string("epoll_wait: ") + std::strerror(errno));
    for (int i = 0; i < count; i++) serve(*static_cast<Connection*>(events_[i].data.ptr), events_[i].events);
  }
}

void Loop::serve(Connection& connection, uint32_t events) {
  gone_ = nullptr;
  const bool wanted = connection.wantsWrite();
  if ((events & ~uint32_t{EPOLLOUT}) != 0) {
    if (!connection.receive(scratch_)) {
      if (!onEnd) throw Failure("connection " + std::to_string(connection.index()) + ": ended by the server");
      onEnd(connection);
      return;
    }
    if (onRead) onRead(connection);
    if (gone_ == &connection) return;
  }
  connection.transmit(scratch_);
  if (connection.wantsWrite() != wanted) watch(connection, EPOLL_CTL_MOD);
}

}  // namespace miniproto::load
