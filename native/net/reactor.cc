#include "net/reactor.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "net/turn_room.h"

namespace miniproto {
namespace {

/** Ids are slot + generation << kSlotBits, and fit in 31 bits. */
constexpr uint16_t kGenerationMask = 0x7ff;

/** Bytes: a full receive of records this long on average is bulk, and the next one asks for more. */
constexpr size_t kBulkRecord = 4096;
/** Payloads start at cache lines, so that connections do not share one. */
constexpr size_t kArenaAlignment = 64;

void setNoDelay(int descriptor) {
  const int on = 1;
  static_cast<void>(::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
}

}  // namespace

Reactor::~Reactor() {
  for (size_t slot = 0; slot < connections_.size(); slot++) {
    if (connections_[slot].descriptor >= 0) ::close(connections_[slot].descriptor);
  }
  if (wakes_ >= 0) ::close(wakes_);
  if (epoll_ >= 0) ::close(epoll_);
}

int Reactor::open() {
  // Whoever could not go on after it may try again.
  if (epoll_ >= 0) return 0;
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return -errno;
  const int result = openWakes();
  if (result < 0) ::close(std::exchange(epoll_, -1));
  return result;
}

const Reactor::Connection* Reactor::find(int32_t id) const {
  if (id < 0) return nullptr;
  const uint32_t slot = static_cast<uint32_t>(id) & kSlotMask;
  if (slot >= connections_.size()) return nullptr;
  const Connection& connection = connections_[slot];
  const bool same = connection.descriptor >= 0 && connection.generation == static_cast<uint32_t>(id) >> kSlotBits;
  return same ? &connection : nullptr;
}

int32_t Reactor::add(int descriptor) {
  if (isFull()) return -EMFILE;
  const int copy = system_.duplicate(descriptor);
  if (copy < 0) return copy;
  counters_.connections++;
  return place(copy, rawAddressOf(copy, SocketEnd::kRemote));
}

int32_t Reactor::addListener(int descriptor, bool noDelay) {
  if (isFull()) return -EMFILE;
  const int copy = system_.duplicate(descriptor);
  if (copy < 0) return copy;
  const int32_t id = place(copy, RawAddress());
  Connection& listener = *find(id);
  listener.listens = true;
  // Whoever made the socket says whether the loop lives for it.
  listener.referenced = false;
  // What Linux accepts is as the listening socket is, so each connection is spared a call. A Unix socket has no such
  // thing.
  if (noDelay) setNoDelay(copy);
  return id;
}

int32_t Reactor::accept(int32_t id) {
  if (isFull()) return -EMFILE;
  sockaddr_storage peer{};
  const int made = system_.accept(find(id)->descriptor, peer);
  if (made < 0) return made;
  counters_.connections++;
  const int32_t placed = place(made, rawAddressOf(peer));
  find(placed)->sole = true;
  return placed;
}

bool Reactor::isFull() const {
  return free_.empty() && connections_.size() > kSlotMask;
}

/** Keeps a descriptor. Pre: !isFull(). @returns its id. */
int32_t Reactor::place(int descriptor, const RawAddress& peer) {
  uint32_t slot = 0;
  if (free_.empty()) {
    slot = static_cast<uint32_t>(connections_.size());
    connections_.grow();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  Connection& connection = connections_[slot];
  const uint16_t generation = (connection.generation + 1) & kGenerationMask;
  connection = Connection();
  connection.descriptor = descriptor;
  connection.generation = generation;
  connection.receiveSize = kFirstReceive;
  connection.peer = peer;
  // On Unix sockets a receive ends behind a descriptor that was passed, whatever follows.
  connection.receivesInParts = peer.version == 0;
  return static_cast<int32_t>(slot | static_cast<uint32_t>(generation) << kSlotBits);
}

void Reactor::forget(int32_t id) {
  Connection& connection = *find(id);
  setWants(connection, 0, 0);
  // Out of epoll before anything else happens to the descriptor: a duplicate elsewhere would keep it in there.
  if (connection.inEpoll) arm(id, connection, 0);
  connection.descriptor = -1;
  connection.filtered.reset();
  (inTurn_ ? freed_ : free_).push_back(static_cast<uint32_t>(id) & kSlotMask);
  if (!connection.listens) counters_.connections--;
}

void Reactor::remove(int32_t id) {
  Connection& connection = *find(id);
  if (connection.filtered != nullptr) sayLast(id, connection);
  const int descriptor = detach(id);
  ::close(descriptor);
}

int Reactor::detach(int32_t id) {
  const int descriptor = find(id)->descriptor;
  forget(id);
  return descriptor;
}

void Reactor::setWants(Connection& connection, uint8_t wants, uint8_t inner) {
  const bool before = isWaiting(connection);
  connection.wants = wants;
  connection.inner = inner;
  const bool after = isWaiting(connection);
  waiting_ += static_cast<size_t>(after) - static_cast<size_t>(before);
}

void Reactor::setReferenced(int32_t id, bool referenced) {
  Connection& connection = *find(id);
  const uint8_t wants = connection.wants;
  const uint8_t inner = connection.inner;
  setWants(connection, 0, 0);
  connection.referenced = referenced;
  setWants(connection, wants, inner);
}

int Reactor::want(int32_t id, uint8_t wants) {
  Connection& connection = *find(id);
  setWants(connection, wants);
  if (connection.filtered != nullptr) nudge(id, connection);
  const int result = watch(id, connection);
  if (result < 0) setWants(connection, 0);
  return result;
}

int64_t Reactor::receive(int32_t id, uint8_t* bytes, size_t size, bool peek) {
  Connection& connection = *find(id);
  if (connection.filtered == nullptr) return receiveRaw(connection, bytes, size, peek);
  return peek ? -EOPNOTSUPP : receiveFiltered(id, connection, bytes, size);
}

int64_t Reactor::receiveRaw(Connection& connection, uint8_t* bytes, size_t size, bool peek) {
  const int64_t count = system_.receive(connection.descriptor, bytes, size, peek);
  counters_.receives++;
  connection.counters.receives++;
  const bool drained = count == -EAGAIN || (!connection.receivesInParts && !peek && count < static_cast<int64_t>(size));
  // What a fault plan has cut short says nothing about the socket.
  if (drained && !system_.faulted()) connection.heard &= ~kWantRead;
  if (count > 0 && !peek) {
    counters_.bytesReceived += static_cast<uint64_t>(count);
    connection.counters.bytesReceived += static_cast<uint64_t>(count);
  }
  return count;
}

int64_t Reactor::send(int32_t id, const iovec* parts, size_t count) {
  Connection& connection = *find(id);
  if (connection.filtered != nullptr) return sendFiltered(id, connection, parts, count);
  return sendRaw(connection, parts, count);
}

int64_t Reactor::sendRaw(Connection& connection, const iovec* parts, size_t count, SendEnd end) {
  const int64_t sent = system_.send(connection.descriptor, parts, count, end);
  size_t wanted = 0;
  for (size_t i = 0; i < count; i++) wanted += parts[i].iov_len;
  counters_.sends++;
  connection.counters.sends++;
  if (sent > 0) {
    counters_.bytesSent += static_cast<uint64_t>(sent);
    connection.counters.bytesSent += static_cast<uint64_t>(sent);
  }
  if (sent == -EAGAIN || (sent >= 0 && static_cast<size_t>(sent) < wanted)) {
    counters_.stalls++;
    connection.counters.stalls++;
  }
  return sent;
}

int Reactor::shutdown(int32_t id, bool closes) {
  Connection& connection = *find(id);
  const bool byClosing = closes && connection.sole;
  if (connection.filtered != nullptr) return shutdownFiltered(id, connection, byClosing);
  if (byClosing) return 0;
  return ::shutdown(connection.descriptor, SHUT_WR) == 0 ? 0 : -errno;
}

size_t Reactor::turn(const TurnMemory& memory) {
  endTurn();
  // What the last turn's rows were about has been dealt with by now.
  free_.insert(free_.end(), freed_.begin(), freed_.end());
  freed_.clear();
  inTurn_ = true;
  if (!hasMore()) poll();
  Room room{memory};
  while (hasMore() && !room.full()) visit(ready_[nextReady_++], room);
  if (room.events > 0) counters_.turns++;
  inTurn_ = room.events > 0;
  return room.events;
}

void Reactor::visit(const Ready& ready, Room& room) {
  Connection* connection = find(ready.id);
  // Closed since the poll, perhaps by a handler in this very round.
  if (connection == nullptr) return;
  note(*connection, ready.events);
  if (connection->filtered != nullptr) return visitFiltered(*connection, ready, room);
  const bool failed = (ready.events & (EPOLLERR | EPOLLHUP)) != 0;
  const bool readable = failed || (ready.events & EPOLLIN) != 0;
  const bool writable = failed || (ready.events & EPOLLOUT) != 0;
  int32_t* event = room.event(ready.id);
  if (writable && (connection->wants & kWantWrite) != 0) {
    event[kEventFlags] |= kWritable;
    setWants(*connection, connection->wants & ~kWantWrite);
  }
  const bool flows = readable && (connection->wants & kWantFlow) != 0;
  if (flows) {
    flow(*connection, room, event);
  } else if (readable && (connection->wants & kWantRead) != 0) {
    event[kEventFlags] |= kReadable;
    setWants(*connection, connection->wants & ~kWantRead);
  }
  if (event[kEventFlags] != 0) tell(*connection, room);
  if (event[kEventFlags] == 0 && !flows) {
    // Ready, and nobody asked: out of epoll, until somebody does.
    arm(ready.id, *connection, maskOf(*connection));
  } else {
    watch(ready.id, *connection);
  }
}

/** The event that was filled in counts. */
void Reactor::tell(Connection& connection, Room& room) {
  room.events++;
  connection.counters.turns++;
}

void Reactor::flow(Connection& connection, Room& room, int32_t* event) {
  const size_t most = std::min<size_t>(connection.receiveSize, room.arenaLeft());
  const int64_t count = receiveRaw(connection, room.memory.arena + room.arenaUsed, most, false);
  if (count <= 0) return stopped(connection, count, event);
  arrived(connection, room, event, static_cast<size_t>(count), static_cast<size_t>(count) == most);
}

/** Nothing came: there is nothing yet, or never will be. */
void Reactor::stopped(Connection& connection, int64_t count, int32_t* event) {
  if (count == -EAGAIN) return;
  event[kEventFlags] |= count == 0 ? kPeerEnded : kConnectionFailed;
  event[kEventError] = static_cast<int32_t>(count);
  // Said once: the end stays readable for ever.
  setWants(connection, connection.wants & kWantWrite);
}

/** `count` bytes lie where the arena's room begins. */
void Reactor::arrived(Connection& connection, Room& room, int32_t* event, size_t count, bool full) {
  const TurnMemory& memory = room.memory;
  const size_t start = room.arenaUsed;
  const size_t end = start + count;
  event[kEventFlags] |= kArrived | (full ? kMoreComes : 0);
  event[kEventStart] = static_cast<int32_t>(start);
  event[kEventEnd] = static_cast<int32_t>(end);
  event[kEventTable] = static_cast<int32_t>(room.tableUsed);
  room.arenaUsed = std::min(memory.arenaSize, (end + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment);
  size_t rows = 0;
  if (connection.framer != nullptr) {
    int32_t* header = memory.table + room.tableUsed;
    std::fill(header, header + kHeaderWords, 0);
    const FrameCall call{
        memory.arena, start, end, header, memory.tableWords - room.tableUsed, std::min(kMostRows, room.rowsLeft())};
    rows = connection.framer->frame(call);
    room.tableUsed += kHeaderWords + rows * kRowWords;
  }
  event[kEventRows] = static_cast<int32_t>(rows);
  counters_.rows += rows;
  connection.counters.rows += rows;
  if (full && count >= kBulkRecord * (rows + 1)) {
    connection.receiveSize = std::min(kLargestReceive, 2 * connection.receiveSize);
  }
}

}  // namespace miniproto
