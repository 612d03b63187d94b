/**
 * The reactor's connections with a filter: receiving, opening and framing; sealing and sending; what leaves by itself.
 *
 *   what waits                                who gets it going
 *   something to say that did not leave       epoll, by an interest of the reactor's own (`inner`)
 *   opened bytes that had no room, a state    a list of connections that get a turn without epoll, and an event
 *   that nobody was told of                   descriptor in it, so that the loop wakes for them
 *   the peer, behind kMostReplies             what we had to say has left
 */
#include "net/filtered_socket.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "net/turn_room.h"

namespace miniproto {
namespace {

/** Beside epoll's bits: the connection was on the list. Epoll has no such bit. */
constexpr uint32_t kListed = 1u << 24;
/** Parts that are sealed as one piece at most; more wait for the next call. */
constexpr size_t kMostParts = 64;
/** Bytes that wait for the end of a turn at most: tickets, a flight without certificates. */
constexpr size_t kMostDeferred = 4096;
/** Bytes that are taken out of the system before a connection is closed behind an alert. */
constexpr size_t kMostDiscarded = 256 * 1024;

}  // namespace

int Reactor::setFilter(int32_t id, std::shared_ptr<Filter> filter) {
  Connection& connection = *find(id);
  connection.filtered.reset();
  setWants(connection, connection.wants, 0);
  if (filter == nullptr) return 0;
  if (scratch_ == nullptr) scratch_ = std::make_unique<uint8_t[]>(kLargestReceive);
  connection.filtered = std::make_unique<FilteredSocket>(std::move(filter));
  flush(id, connection);
  return 0;
}

uint32_t Reactor::filterState(int32_t id) const {
  const Connection& connection = *find(id);
  return connection.filtered == nullptr ? 0 : stateOf(*connection.filtered);
}

uint32_t Reactor::stateOf(const FilteredSocket& socket) {
  Filter& filter = *socket.filter;
  const bool waits = !socket.deferred && !filter.outgoing().empty();
  return filter.state() | (waits ? kOutgoing : 0) | (socket.sendError == 0 ? 0 : kSendFailed);
}

void Reactor::removeFiltered() {
  for (size_t slot = 0; slot < connections_.size(); slot++) {
    const Connection& connection = connections_[slot];
    if (connection.filtered == nullptr) continue;
    remove(static_cast<int32_t>(slot | static_cast<uint32_t>(connection.generation) << kSlotBits));
  }
}

// ---------------------------------------------------------------- turns

void Reactor::wake(int32_t id, FilteredSocket& socket) {
  if (socket.due) return;
  socket.due = true;
  due_.push_back(id);
  if (due_.size() == 1) ring();
}

/** Puts those on the list among the ready ones, each connection once. */
void Reactor::addDue() {
  for (Ready& ready : ready_) {
    Connection* connection = find(ready.id);
    if (connection == nullptr || connection->filtered == nullptr || !connection->filtered->due) continue;
    connection->filtered->due = false;
    ready.events |= kListed;
  }
  for (const int32_t id : due_) {
    Connection* connection = find(id);
    if (connection == nullptr || connection->filtered == nullptr || !connection->filtered->due) continue;
    connection->filtered->due = false;
    ready_.push_back({id, kListed});
  }
  due_.clear();
}

void Reactor::visitFiltered(Connection& connection, const Ready& ready, Room& room) {
  if (room.arenaUsed > 0 && room.arenaLeft() < kLeastReceive + kFilterSlack) {
    nextReady_--;
    room.closed = true;
    return;
  }
  FilteredSocket& socket = *connection.filtered;
  Filter& filter = *socket.filter;
  const bool failed = (ready.events & (EPOLLERR | EPOLLHUP)) != 0;
  const bool readable = failed || (ready.events & EPOLLIN) != 0;
  const bool writable = failed || (ready.events & EPOLLOUT) != 0;
  const bool listed = (ready.events & kListed) != 0;
  int32_t* event = room.event(ready.id);
  if (writable && flush(ready.id, connection) && (connection.wants & kWantWrite) != 0) {
    event[kEventFlags] |= kWritable;
    setWants(connection, connection.wants & ~kWantWrite);
  }
  const bool more = filter.hasMore();
  const bool reads = more || ((readable || listed) && socket.mayReceive());
  const bool flows = reads && (connection.wants & kWantFlow) != 0;
  if (flows) {
    // What is inside comes first: only then is there room for all that is received.
    flowFiltered(connection, room, event, readable && !more);
  } else if (reads && (more || readable) && (connection.wants & kWantRead) != 0) {
    event[kEventFlags] |= kReadable;
    setWants(connection, connection.wants & ~kWantRead);
  }
  tellState(connection, event);
  if (event[kEventFlags] != 0) {
    tell(connection, room);
  } else if (!flows || !readable) {
    // As without a filter: what is ready and not wanted is only taken out when nothing else was to be done.
    arm(ready.id, connection, maskOf(connection));
  }
  watch(ready.id, connection);
}

void Reactor::flowFiltered(Connection& connection, Room& room, int32_t* event, bool receives) {
  FilteredSocket& socket = *connection.filtered;
  const size_t left = room.arenaLeft();
  size_t received = 0;
  bool full = false;
  if (receives) {
    const size_t most = std::min<size_t>(connection.receiveSize, left > kFilterSlack ? left - kFilterSlack : left);
    const int64_t count = receiveRaw(connection, scratch_.get(), most, false);
    if (count <= 0) return stopped(connection, count, event);
    received = static_cast<size_t>(count);
    full = received == most;
  }
  const size_t opened = openInto(socket, received, room.memory.arena + room.arenaUsed, left);
  if (mayDefer(connection, opened)) {
    socket.deferred = true;
    deferred_.push_back(event[kEventId]);
  } else {
    flush(event[kEventId], connection);
  }
  if (opened > 0) arrived(connection, room, event, opened, full);
  if (socket.filter->hasMore()) wake(event[kEventId], socket);
}

/** What has changed since the last event, and what it means for who reads. */
void Reactor::tellState(Connection& connection, int32_t* event) {
  FilteredSocket& socket = *connection.filtered;
  const Filter& filter = *socket.filter;
  uint32_t state = stateOf(socket);
  event[kEventState] = static_cast<int32_t>(state);
  state &= ~kOutgoing;
  // News are told of until they are fetched.
  if ((state & ~socket.told) != 0 || (state & kFilterNews) != 0) event[kEventFlags] |= kFilterChanged;
  // The end is told behind the last byte.
  if ((state & kFilterEnded) != 0 && filter.hasMore()) state &= ~static_cast<uint32_t>(kFilterEnded);
  if ((state & kFilterEnded & ~socket.told) != 0) event[kEventFlags] |= kPeerEnded;
  if ((state & (kFilterEnded | kFilterFailed)) != 0) setWants(connection, connection.wants & kWantWrite);
  socket.told = state;
}

// ---------------------------------------------------------------- the filter

/** Opens scratch[0, received). @returns the bytes written to out[0, room). */
size_t Reactor::openInto(FilteredSocket& socket, size_t received, uint8_t* out, size_t room) {
  Filter& filter = *socket.filter;
  const size_t before = filter.outgoing().size();
  const size_t opened = filter.open(received == 0 ? nullptr : scratch_.get(), received, out, room);
  socket.begun = true;
  socket.replies += filter.outgoing().size() - before;
  return opened;
}

/** Somebody will be told of something that calls for an answer, and nothing but the filter's own waits. */
bool Reactor::mayDefer(const Connection& connection, size_t opened) {
  const FilteredSocket& socket = *connection.filtered;
  const size_t waiting = socket.filter->outgoing().size();
  if (waiting == 0 || waiting > kMostDeferred || connection.inner != 0 || socket.deferred) return false;
  const bool open = (socket.filter->state() & ~static_cast<uint32_t>(kFilterNews)) == kFilterSecured;
  return open && (opened > 0 || (socket.told & kFilterSecured) == 0);
}

void Reactor::endTurn() {
  for (const int32_t id : deferred_) {
    Connection* connection = find(id);
    if (connection != nullptr && connection->filtered != nullptr && connection->filtered->deferred) {
      flush(id, *connection);
    }
  }
  deferred_.clear();
}

/** Has the filter say what it says first, a client's hello for example. */
void Reactor::begin(int32_t id, Connection& connection) {
  if (connection.filtered->begun) return;
  uint8_t nothing = 0;
  openInto(*connection.filtered, 0, &nothing, 0);
  flush(id, connection);
}

/** Sends what the filter has to say, and keeps track of what waits. @returns true when nothing does. */
bool Reactor::flush(int32_t id, Connection& connection) {
  FilteredSocket& socket = *connection.filtered;
  const ByteQueue& outgoing = socket.filter->outgoing();
  socket.deferred = false;
  if (!outgoing.empty()) sendOutgoing(id, connection);
  settle(id, connection);
  return outgoing.empty();
}

void Reactor::sendOutgoing(int32_t id, Connection& connection) {
  FilteredSocket& socket = *connection.filtered;
  ByteQueue& outgoing = socket.filter->outgoing();
  const iovec part{const_cast<uint8_t*>(outgoing.data()), outgoing.size()};
  // The word that nothing follows, and the end of our side right behind it, need one packet.
  const bool last = socket.ending && (socket.filter->state() & kFilterClosed) != 0;
  const SendEnd end = last ? SendEnd::kFollows : SendEnd::kMayFollow;
  const int64_t sent = socket.sendError != 0 ? socket.sendError : sendRaw(connection, &part, 1, end);
  if (sent > 0) outgoing.consume(static_cast<size_t>(sent));
  if (sent >= 0 || sent == -EAGAIN || sent == -ENOBUFS) return;
  // Reading goes on, the peer may have said why.
  socket.sendError = static_cast<int32_t>(sent);
  outgoing.clear();
  wake(id, socket);
}

/** Watches what waits; what was to happen once nothing does, happens. */
void Reactor::settle(int32_t id, Connection& connection) {
  FilteredSocket& socket = *connection.filtered;
  if (socket.filter->outgoing().empty()) {
    const bool held = socket.replies >= kMostReplies;
    socket.replies = 0;
    // In the middle of a handshake it has still to say that it closes.
    const bool closed = !socket.begun || (socket.filter->state() & (kFilterClosed | kFilterFailed)) != 0;
    const bool ends = socket.ending && !socket.ended && closed;
    if (ends && !socket.byClosing) ::shutdown(connection.descriptor, SHUT_WR);
    socket.ended = socket.ended || ends;
    if (connection.inner == 0) return;
    setWants(connection, connection.wants, 0);
    // The filter may have waited for that.
    if (connection.wants != 0 && socket.filter->hasMore()) wake(id, socket);
    if (!held) return;
  } else {
    if (connection.inner != 0) return;
    setWants(connection, connection.wants, kWantWrite);
  }
  const int result = watch(id, connection);
  if (result >= 0 || connection.inner == 0) return;
  // Nobody would ever tell that it can leave.
  socket.sendError = result;
  socket.filter->outgoing().clear();
  setWants(connection, connection.wants, 0);
  wake(id, socket);
}

/** Somebody wants something: looks whether there is something already, or something to be done for it. */
void Reactor::nudge(int32_t id, Connection& connection) {
  FilteredSocket& socket = *connection.filtered;
  const bool reads = (connection.wants & (kWantRead | kWantFlow)) != 0;
  if (reads) begin(id, connection);
  if (connection.inner == 0 && !socket.deferred) flush(id, connection);
  const uint32_t state = socket.filter->state();
  const bool resumed = (socket.told & kFilterPaused & ~state) != 0;
  if (resumed) socket.told = state;
  if ((reads && (resumed || socket.filter->hasMore())) || (state & ~socket.told) != 0) wake(id, socket);
}

// ---------------------------------------------------------------- calls

int64_t Reactor::receiveFiltered(int32_t id, Connection& connection, uint8_t* bytes, size_t size) {
  FilteredSocket& socket = *connection.filtered;
  Filter& filter = *socket.filter;
  begin(id, connection);
  size_t opened = filter.hasMore() ? openInto(socket, 0, bytes, size) : 0;
  int64_t count = socket.receiveError != 0 ? socket.receiveError : -EAGAIN;
  while (opened < size && socket.receiveError == 0 && socket.mayReceive()) {
    // Not much more than there is room for, or it would have to be kept inside.
    const size_t most = std::min<size_t>(kFirstReceive, std::max(size - opened, kLeastReceive));
    count = receiveRaw(connection, scratch_.get(), most, false);
    if (count <= 0) break;
    opened += openInto(socket, static_cast<size_t>(count), bytes + opened, size - opened);
    flush(id, connection);
    // A socket that gives less than it was asked for has no more; but with nothing to show for it, that has to be sure.
    if (static_cast<size_t>(count) < most && opened > 0) break;
  }
  if (count < 0 && count != -EAGAIN) socket.receiveError = static_cast<int32_t>(count);
  const uint32_t state = filter.state();
  if ((state & ~socket.told) != 0) wake(id, socket);
  if (opened > 0) return static_cast<int64_t>(opened);
  if ((state & kFilterFailed) != 0) return -EPROTO;
  if ((state & kFilterEnded) != 0) return 0;
  return count > 0 ? -EAGAIN : count;
}

int64_t Reactor::sendFiltered(int32_t id, Connection& connection, const iovec* parts, size_t count) {
  FilteredSocket& socket = *connection.filtered;
  Filter& filter = *socket.filter;
  begin(id, connection);
  const bool left = filter.outgoing().empty() || socket.deferred || flush(id, connection);
  if (socket.sendError != 0) return socket.sendError;
  if (!left) return -EAGAIN;
  Part plain[kMostParts];
  const size_t sealed = std::min(count, kMostParts);
  for (size_t i = 0; i < sealed; i++) plain[i] = {static_cast<const uint8_t*>(parts[i].iov_base), parts[i].iov_len};
  const size_t taken = filter.seal(plain, sealed);
  flush(id, connection);
  if (socket.sendError != 0) return socket.sendError;
  const uint32_t state = filter.state();
  if ((state & ~socket.told) != 0) wake(id, socket);
  if (taken == 0 && (state & (kFilterFailed | kFilterClosed)) != 0) {
    return (state & kFilterFailed) != 0 ? -EPROTO : -EPIPE;
  }
  return static_cast<int64_t>(taken);
}

int Reactor::shutdownFiltered(int32_t id, Connection& connection, bool byClosing) {
  FilteredSocket& socket = *connection.filtered;
  // A handshake that was not begun is not begun for the sake of its end.
  if (socket.begun) socket.filter->close();
  socket.ending = true;
  socket.byClosing = byClosing;
  flush(id, connection);
  return 0;
}

/** The last words, an alert for example, before the connection is closed. */
void Reactor::sayLast(int32_t id, Connection& connection) {
  FilteredSocket& socket = *connection.filtered;
  Filter& filter = *socket.filter;
  if (!filter.outgoing().empty()) sendOutgoing(id, connection);
  if ((filter.state() & kFilterFailed) == 0) return;
  // With unread input the system would send a reset, which overtakes the alert.
  ::shutdown(connection.descriptor, SHUT_WR);
  int64_t count = 1;
  for (size_t read = 0; count > 0 && read < kMostDiscarded; read += static_cast<size_t>(count)) {
    count = receiveRaw(connection, scratch_.get(), kFirstReceive, false);
    if (count < 0) break;
  }
}

}  // namespace miniproto
