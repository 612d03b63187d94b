/**
 * What the reactor has epoll watch, what epoll tells, and when it is asked again. See reactor.h.
 *
 *   a connection's     it is                                        until
 *   armed              what epoll watches                           a visit finds that nobody wants it
 *   heard              what epoll has told of, and is so            all was read; epoll is asked again
 *
 * Where something is wanted it is armed and not heard, or the connection is among the ready ones.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "net/reactor.h"
#include "net/turn_room.h"

namespace miniproto {
namespace {

/** Ready connections that one poll asks for. */
constexpr int kPollEvents = 512;

/** What is told to whoever reads; the last two say that a receive may stop before it has all. */
constexpr uint32_t kInputEvents = EPOLLIN | EPOLLRDHUP | EPOLLPRI;

}  // namespace

int Reactor::openWakes() {
  const int made = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (made < 0) return -errno;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = static_cast<uint32_t>(kWakeId);
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, made, &event) != 0) {
    const int result = -errno;
    ::close(made);
    return result;
  }
  wakes_ = made;
  return 0;
}

/** Makes the epoll descriptor readable. */
void Reactor::ring() const {
  const uint64_t one = 1;
  // It fails where the count is full already, and then it wakes as well.
  if (::write(wakes_, &one, sizeof(one)) < 0) return;
}

void Reactor::drainWakes() const {
  uint64_t count = 0;
  // There is nothing to do about a failure: the descriptor stays readable, and the loop looks again.
  if (::read(wakes_, &count, sizeof(count)) < 0) return;
}

void Reactor::rest() {
  // Epoll has told of these.
  if (hasMore()) ring();
}

/** Sees to it that epoll tells of what is wanted, also where that is there already. @returns 0 or a negative errno. */
int Reactor::watch(int32_t id, Connection& connection) {
  const uint8_t mask = maskOf(connection);
  // What is watched and not wanted any more is only taken back when it is noticed: mostly it is wanted again soon.
  if ((mask & (~connection.armed | connection.heard)) == 0) return 0;
  return arm(id, connection, mask | connection.armed);
}

/** What is to be watched. */
uint8_t Reactor::maskOf(const Connection& connection) {
  bool reads = (connection.wants & (kWantRead | kWantFlow)) != 0;
  if (connection.filtered != nullptr) reads = reads && connection.filtered->mayReceive();
  return static_cast<uint8_t>((reads ? kWantRead : 0) | ((connection.wants | connection.inner) & kWantWrite));
}

/** Has epoll watch for that and nothing else, and tell of what is there already. @returns 0 or a negative errno. */
int Reactor::arm(int32_t id, Connection& connection, uint8_t mask) {
  const bool same = mask == connection.armed && connection.inEpoll == (mask != 0);
  if (same && (mask & connection.heard) == 0) return 0;
  epoll_event event{};
  event.events = ((mask & kWantRead) != 0 ? kInputEvents : 0u) |
                 ((mask & kWantWrite) != 0 ? static_cast<uint32_t>(EPOLLOUT) : 0u) |
                 (connection.listens ? 0u : static_cast<uint32_t>(EPOLLET));
  event.data.u64 = static_cast<uint32_t>(id);
  const int operation = mask == 0 ? EPOLL_CTL_DEL : connection.inEpoll ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  counters_.arms++;
  if (::epoll_ctl(epoll_, operation, connection.descriptor, &event) != 0) return -errno;
  connection.armed = mask;
  connection.heard &= ~mask;
  connection.inEpoll = mask != 0;
  return 0;
}

/** Epoll has told of something. */
void Reactor::note(Connection& connection, uint32_t events) {
  if (connection.listens) return;
  const bool failed = (events & (EPOLLERR | EPOLLHUP)) != 0;
  if (failed || (events & EPOLLIN) != 0) connection.heard |= kWantRead;
  if (failed || (events & EPOLLOUT) != 0) connection.heard |= kWantWrite;
  // A receive stops before the end and at urgent data, with less than it was asked for, and there is more to be told.
  if (failed || (events & (EPOLLRDHUP | EPOLLPRI)) != 0) connection.receivesInParts = true;
}

void Reactor::poll() {
  epoll_event events[kPollEvents];
  const int count = ::epoll_wait(epoll_, events, kPollEvents, 0);
  counters_.polls++;
  ready_.clear();
  nextReady_ = 0;
  for (int i = 0; i < count; i++) {
    const auto id = static_cast<int32_t>(events[i].data.u64);
    if (id == kWakeId) {
      drainWakes();
    } else {
      ready_.push_back({id, events[i].events});
    }
  }
  if (!due_.empty()) addDue();
}

}  // namespace miniproto
