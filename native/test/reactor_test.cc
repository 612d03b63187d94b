/**
 * The reactor over socket pairs: what it tells, how often, into which memory, and what it leaves in epoll. With
 * filters: filter_test.cc.
 */
#include "net/reactor.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "check.h"
#include "framing/length.h"
#include "reactor_world.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

// ---------------------------------------------------------------- system calls

struct Pair {
  Pair() { CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0); }
  ~Pair() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  int ends[2] = {-1, -1};
};

void receiveFollowsItsPlanAndThenTheSystem() {
  const Pair pair;
  SystemCalls system;
  ExactBuffer bytes(8);
  CHECK(::send(pair.ends[1], "abcdefgh", 8, 0) == 8);
  system.setFaults(SystemCall::kReceive, {{2, -EAGAIN, -EINTR, 1, 0}, false});
  CHECK(system.receive(pair.ends[0], bytes.data(), 8, false) == 2 && bytes[0] == 'a' && bytes[1] == 'b');
  CHECK(system.receive(pair.ends[0], bytes.data(), 8, false) == -EAGAIN);
  CHECK(system.receive(pair.ends[0], bytes.data(), 8, false) == 1 && bytes[0] == 'c');
  CHECK(system.receive(pair.ends[0], bytes.data(), 2, false) == 2 && bytes[0] == 'd');
  CHECK(system.receive(pair.ends[0], bytes.data(), 8, true) == 3 && bytes[0] == 'f');
  CHECK(system.receive(pair.ends[0], bytes.data(), 8, false) == 3 && bytes[2] == 'h');
  CHECK(system.receive(pair.ends[0], bytes.data(), 8, false) == -EAGAIN);
  system.setFaults(SystemCall::kReceive, {{-ECONNRESET}, true});
  for (int i = 0; i < 3; i++) CHECK(system.receive(pair.ends[0], bytes.data(), 8, false) == -ECONNRESET);
  system.setFaults(SystemCall::kReceive, {});
  CHECK(::shutdown(pair.ends[1], SHUT_WR) == 0);
  CHECK(system.receive(pair.ends[0], bytes.data(), 8, false) == 0);
}

void receiveNeverWaits() {
  int ends[2];
  CHECK(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  SystemCalls system;
  ExactBuffer bytes(8);
  // Whoever else has the socket may have put it into waiting mode.
  CHECK(system.receive(ends[0], bytes.data(), 8, false) == -EAGAIN);
  ::close(ends[0]);
  ::close(ends[1]);
}

void sendIsOneGatherWriteAndFollowsItsPlan() {
  const Pair pair;
  SystemCalls system;
  const std::string texts[4] = {"", "abc", "", "defgh"};
  iovec parts[4];
  for (size_t i = 0; i < 4; i++) parts[i] = partOf(texts[i]);
  system.setFaults(SystemCall::kSend, {{2, -ENOBUFS, -EINTR, 9, 0}, false});
  CHECK(system.send(pair.ends[0], parts, 4) == 2);
  CHECK(system.send(pair.ends[0], parts, 4) == -ENOBUFS);
  // A limited send moves no more than one part.
  CHECK(system.send(pair.ends[0], parts, 4) == 3);
  CHECK(system.send(pair.ends[0], parts, 4) == 8);
  CHECK(system.send(pair.ends[0], parts + 2, 1) == 0);
  ExactBuffer bytes(32);
  CHECK(::recv(pair.ends[1], bytes.data(), 32, 0) == 13);
  CHECK(std::memcmp(bytes.data(), "ababcabcdefgh", 13) == 0);
  ::shutdown(pair.ends[1], SHUT_RD);
  // An error and no signal, which would end the process.
  CHECK(system.send(pair.ends[0], parts, 4) == -EPIPE);
}

void duplicatesAreCloseOnExecAndDoNotWait() {
  int ends[2];
  CHECK(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  SystemCalls system;
  system.setFaults(SystemCall::kDuplicate, {{-EMFILE, 0}, false});
  CHECK(system.duplicate(ends[0]) == -EMFILE);
  const int copy = system.duplicate(ends[0]);
  CHECK(copy >= 0 && copy != ends[0]);
  CHECK((::fcntl(copy, F_GETFD) & FD_CLOEXEC) != 0 && (::fcntl(copy, F_GETFL) & O_NONBLOCK) != 0);
  CHECK(system.duplicate(-1) == -EBADF);
  for (const int descriptor : {ends[0], ends[1], copy}) ::close(descriptor);
}

// ---------------------------------------------------------------- ids and descriptors

void idsOfClosedConnectionsMeanNothing() {
  World world;
  std::set<int32_t> seen;
  // Fewer than the generations that an id has room for.
  for (int i = 0; i < 2000; i++) {
    const Peer peer = world.connect();
    CHECK(peer.id >= 0 && seen.insert(peer.id).second);
    CHECK(world.reactor.has(peer.id));
    world.reactor.remove(peer.id);
    CHECK(!world.reactor.has(peer.id));
    peer.close();
  }
  for (const int32_t id : seen) CHECK(!world.reactor.has(id));
  for (const int32_t id : {-1, 0, 1 << 19, INT32_MAX, INT32_MIN}) CHECK(!world.reactor.has(id));
  CHECK(world.reactor.counters().connections == 0);
}

void aSlotIsNotUsedAgainInItsTurn() {
  World world;
  const Peer one = world.connect();
  const uint32_t slot = static_cast<uint32_t>(one.id) & 0xfffff;
  CHECK(world.reactor.want(one.id, kWantFlow) == 0);
  one.write("x");
  CHECK(world.turnOf(one.id) == kArrived);
  // The handler closes it and adopts another one: rows of the turn still name the slot.
  world.reactor.remove(one.id);
  const Peer two = world.connect();
  CHECK((static_cast<uint32_t>(two.id) & 0xfffff) != slot);
  world.turn();
  const Peer three = world.connect();
  CHECK((static_cast<uint32_t>(three.id) & 0xfffff) == slot && three.id != one.id);
  for (const Peer& peer : {one, two, three}) peer.close();
}

void aDescriptorThatCannotBeDuplicatedLeavesNothingBehind() {
  World world;
  const size_t open = openDescriptors();
  world.reactor.system().setFaults(SystemCall::kDuplicate, {{-EMFILE}, true});
  for (int i = 0; i < 10; i++) CHECK(world.reactor.add(0) == -EMFILE);
  world.reactor.system().setFaults(SystemCall::kDuplicate, {});
  CHECK(world.reactor.add(-1) == -EBADF);
  CHECK(openDescriptors() == open && world.reactor.counters().connections == 0);
  const Peer peer = world.connect();
  CHECK(world.reactor.has(peer.id));
  peer.close();
}

/** A socket of TCP that listens at a port of its own, on the loopback. */
struct Listener {
  Listener() : descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(at);
    CHECK(::bind(descriptor, reinterpret_cast<sockaddr*>(&at), size) == 0 && ::listen(descriptor, 8) == 0);
    CHECK(::getsockname(descriptor, reinterpret_cast<sockaddr*>(&at), &size) == 0);
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener() { ::close(descriptor); }
  int connect() const {
    const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(::connect(made, reinterpret_cast<const sockaddr*>(&at), sizeof(at)) == 0);
    return made;
  }

  sockaddr_in at{};
  int descriptor;
};

bool hasNoDelay(int descriptor) {
  int on = -1;
  socklen_t size = sizeof(on);
  CHECK(::getsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0);
  return on != 0;
}

void aListenerTellsAndAccepts() {
  World world;
  const Listener listener;
  const size_t open = openDescriptors();
  const int32_t id = world.reactor.addListener(listener.descriptor, true);
  CHECK(id >= 0 && world.reactor.has(id) && world.reactor.counters().connections == 0);
  CHECK(world.reactor.accept(id) == -EAGAIN);
  CHECK(world.reactor.want(id, kWantRead) == 0 && world.reactor.waiting() == 0);
  const int ends[2] = {listener.connect(), listener.connect()};
  CHECK(world.turnOf(id) == kReadable);
  const int32_t one = world.reactor.accept(id);
  const int32_t two = world.reactor.accept(id);
  CHECK(one >= 0 && two >= 0 && one != two && world.reactor.accept(id) == -EAGAIN);
  CHECK(world.reactor.counters().connections == 2);
  for (const int32_t made : {one, two}) {
    const int descriptor = world.reactor.descriptorOf(made);
    CHECK((::fcntl(descriptor, F_GETFD) & FD_CLOEXEC) != 0 && (::fcntl(descriptor, F_GETFL) & O_NONBLOCK) != 0);
    CHECK(world.reactor.peerOf(made).version == 4);
    CHECK(world.reactor.peerOf(made).port == rawAddressOf(descriptor, SocketEnd::kRemote).port);
    CHECK(hasNoDelay(descriptor));
  }
  CHECK(::send(ends[1], "two", 3, 0) == 3);
  ExactBuffer bytes(8);
  CHECK(world.reactor.receive(two, bytes.data(), 8, false) == 3 && bytes[2] == 'o');
  for (const int32_t made : {id, one, two}) world.reactor.remove(made);
  for (const int end : ends) ::close(end);
  CHECK(openDescriptors() == open && world.reactor.counters().connections == 0);
}

void anAcceptThatFailsLeavesNothingBehindAndTheConnectionThere() {
  World world;
  const Listener listener;
  const int32_t id = world.reactor.addListener(listener.descriptor, false);
  const int end = listener.connect();
  const size_t open = openDescriptors();
  world.reactor.system().setFaults(SystemCall::kAccept, {{-EMFILE, -EINTR, 0}, false});
  CHECK(world.reactor.accept(id) == -EMFILE);
  CHECK(openDescriptors() == open && world.reactor.counters().connections == 0);
  const int32_t one = world.reactor.accept(id);
  CHECK(one >= 0 && !hasNoDelay(world.reactor.descriptorOf(one)));
  for (const int32_t made : {id, one}) world.reactor.remove(made);
  ::close(end);
  world.reactor.system().setFaults(SystemCall::kDuplicate, {{-EMFILE}, false});
  CHECK(world.reactor.addListener(listener.descriptor, false) == -EMFILE);
}

void closingEndsTheSideOfWhoIsAlone() {
  World world;
  const Listener listener;
  const int32_t id = world.reactor.addListener(listener.descriptor, true);
  const int end = listener.connect();
  const int32_t made = world.reactor.accept(id);
  CHECK(world.reactor.want(made, kWantFlow) == 0);
  char byte = 0;
  CHECK(world.reactor.shutdown(made, true) == 0);
  CHECK(::recv(end, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
  world.reactor.remove(made);
  CHECK(::recv(end, &byte, 1, 0) == 0);
  ::close(end);
  const size_t watched = world.reactor.counters().arms;
  CHECK(world.turn() == 0 && world.reactor.counters().arms == watched);
  // Another descriptor of the same socket would keep it open.
  Peer peer = world.connect();
  CHECK(world.reactor.shutdown(peer.id, true) == 0 && ::recv(peer.descriptor, &byte, 1, 0) == 0);
}

/** As a process has it for a moment that is about to become another. */
void closingTakesOutOfEpollWhatOthersHave() {
  World world;
  const Listener listener;
  const int32_t id = world.reactor.addListener(listener.descriptor, true);
  const int end = listener.connect();
  const int32_t made = world.reactor.accept(id);
  const int copy = ::dup(world.reactor.descriptorOf(made));
  CHECK(world.reactor.want(made, kWantFlow) == 0);
  world.reactor.remove(made);
  CHECK(::send(end, "x", 1, 0) == 1);
  pollfd watched = {world.reactor.descriptor(), POLLIN, 0};
  CHECK(::poll(&watched, 1, 0) == 0);
  ::close(copy);
  ::close(end);
}

void closesWhatItHasAndNothingElse() {
  const size_t open = openDescriptors();
  int released = -1;
  {
    World world;
    for (int i = 0; i < 5; i++) world.connect().close();
    const Peer peer = world.connect();
    released = world.reactor.detach(peer.id);
    CHECK(!world.reactor.has(peer.id));
    peer.write("still there");
    peer.close();
  }
  CHECK(openDescriptors() == open + 1);
  char bytes[16];
  CHECK(::recv(released, bytes, sizeof(bytes), 0) == 11);
  ::close(released);
}

/** A closed descriptor stays in epoll for as long as a duplicate of it is open anywhere: it has to be taken out. */
void whatIsReleasedIsNotInEpollAnyMore() {
  World world;
  const Peer removed = world.connect();
  const Peer detached = world.connect();
  for (const Peer& peer : {removed, detached}) CHECK(world.reactor.want(peer.id, kWantRead | kWantWrite) == 0);
  const int copy = ::dup(world.reactor.descriptorOf(removed.id));
  world.reactor.remove(removed.id);
  const int given = world.reactor.detach(detached.id);
  for (const Peer& peer : {removed, detached}) {
    peer.write("x");
    peer.close();
  }
  CHECK(world.quiet() && world.turn() == 0);
  ::close(copy);
  ::close(given);
}

// ---------------------------------------------------------------- interests

void onlyReferencedConnectionsKeepTheLoop() {
  World world;
  const Peer one = world.connect();
  const Peer two = world.connect();
  CHECK(world.reactor.waiting() == 0);
  for (const Peer& peer : {one, two}) CHECK(world.reactor.want(peer.id, kWantFlow) == 0);
  CHECK(world.reactor.waiting() == 2);
  world.reactor.setReferenced(one.id, false);
  world.reactor.setReferenced(one.id, false);
  CHECK(world.reactor.waiting() == 1);
  CHECK(world.reactor.want(one.id, kWantRead) == 0 && world.reactor.waiting() == 1);
  world.reactor.remove(two.id);
  CHECK(world.reactor.waiting() == 0);
  world.reactor.setReferenced(one.id, true);
  CHECK(world.reactor.waiting() == 1);
  world.reactor.remove(one.id);
  CHECK(world.reactor.waiting() == 0);
  one.close();
  two.close();
}

void whatCannotBeWatchedSaysSo() {
  World world;
  const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  const int32_t id = world.reactor.add(file);
  CHECK(id >= 0);
  CHECK(world.reactor.want(id, kWantRead) == -EPERM && world.reactor.waiting() == 0);
  world.reactor.remove(id);
  ::close(file);
}

// ---------------------------------------------------------------- flow

void flowGivesBytesAndRowsUntilTheEnd() {
  World world;
  const SeparatorFramer lines = lineFramer();
  const Peer peer = world.connect();
  world.reactor.setFramer(peer.id, &lines);
  CHECK(world.reactor.want(peer.id, kWantFlow) == 0);
  for (int round = 0; round < 3; round++) {
    peer.write("ab\ncde\nf");
    CHECK(world.turnOf(peer.id) == kArrived);
    const int32_t* event = world.memory.event(0);
    CHECK(world.arrived() == "ab\ncde\nf" && event[kEventRows] == 2);
    CHECK(event[kEventTable] % static_cast<int32_t>(kRowWords) == 0);
    const int32_t* row = world.memory.row(event, 1);
    CHECK(row[0] == event[kEventStart] + 3 && row[1] == 3 && row[2] == event[kEventStart] + 7);
    CHECK(world.quiet());
  }
  world.reactor.setFramer(peer.id, nullptr);
  peer.write("x\ny\n");
  CHECK(::shutdown(peer.descriptor, SHUT_WR) == 0);
  CHECK(world.turnOf(peer.id) == kArrived && world.arrived() == "x\ny\n" && world.memory.event(0)[kEventRows] == 0);
  CHECK(world.turnOf(peer.id) == kPeerEnded && world.reactor.waiting() == 0);
  // The end stays readable, and is told once.
  CHECK(world.turn() == 0 && world.quiet());
  peer.close();
}

void flowAndWriteAreToldInOneEvent() {
  World world;
  const Peer peer = world.connect();
  peer.write("x");
  CHECK(world.reactor.want(peer.id, kWantFlow | kWantWrite) == 0);
  CHECK(world.turnOf(peer.id) == (kArrived | kWritable) && world.arrived() == "x");
  CHECK(world.turn() == 0);
  CHECK(world.quiet());
  peer.write("y");
  CHECK(world.turnOf(peer.id) == kArrived && world.arrived() == "y");
  peer.close();
}

void flowThatGetsNothingIsToldLater() {
  World world;
  const Peer peer = world.connect();
  CHECK(world.reactor.want(peer.id, kWantFlow) == 0);
  world.reactor.system().setFaults(SystemCall::kReceive, {{-EAGAIN, 2, -EAGAIN, -EINTR, 0}, false});
  peer.write("abcdef");
  CHECK(world.turn() == 0 && !world.quiet());
  CHECK(world.turnOf(peer.id) == kArrived && world.arrived() == "ab");
  CHECK(world.turn() == 0);
  CHECK(world.turnOf(peer.id) == kArrived && world.arrived() == "cdef" && world.quiet());
  world.reactor.system().setFaults(SystemCall::kReceive, {{-ECONNRESET}, false});
  peer.write("lost");
  CHECK(world.turnOf(peer.id) == kConnectionFailed && world.memory.event(0)[kEventError] == -ECONNRESET);
  CHECK(world.turn() == 0 && world.quiet());
  peer.close();
}

void aFullReceiveSaysThatThereIsMoreAndBulkAsksForMore() {
  Sizes sizes;
  sizes.arena = 1024 * 1024;
  World world(sizes);
  const Peer peer = world.connect();
  const int size = 1024 * 1024;
  ::setsockopt(peer.descriptor, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
  ::fcntl(peer.descriptor, F_SETFL, O_NONBLOCK);
  CHECK(world.reactor.want(peer.id, kWantFlow) == 0);
  const std::string bulk(300 * 1024, 'x');
  std::vector<size_t> counts;
  size_t left = 0;
  for (int round = 0; round < 12; round++) {
    const ssize_t sent = ::send(peer.descriptor, bulk.data(), bulk.size(), MSG_DONTWAIT);
    if (sent > 0) left += static_cast<size_t>(sent);
    const int32_t flags = world.turnOf(peer.id);
    CHECK((flags & kArrived) != 0);
    counts.push_back(world.arrived().size());
    CHECK(((flags & kMoreComes) != 0) == ((counts.back() & (counts.back() - 1)) == 0));
    left -= counts.back();
  }
  CHECK(counts[0] == 64 * 1024);
  const size_t most = *std::max_element(counts.begin(), counts.end());
  CHECK(most > 64 * 1024 && most <= 256 * 1024);
  peer.close();
}

/** What arrived in turns that were too small for all of it, by connection. */
void collect(World& world, std::map<int32_t, std::string>& texts, std::map<int32_t, size_t>& rows) {
  const size_t count = world.turn();
  std::set<int32_t> told;
  size_t arenaEnd = 0;
  for (size_t i = 0; i < count; i++) {
    const int32_t* event = world.memory.event(i);
    // Each connection once a turn, one behind the other.
    CHECK(told.insert(event[kEventId]).second);
    CHECK((event[kEventFlags] & kArrived) != 0);
    CHECK(static_cast<size_t>(event[kEventStart]) >= arenaEnd && event[kEventStart] % 64 == 0);
    arenaEnd = static_cast<size_t>(event[kEventEnd]);
    const std::string text = world.arrived(i);
    texts[event[kEventId]] += text;
    auto end = static_cast<size_t>(event[kEventStart]);
    for (int32_t r = 0; r < event[kEventRows]; r++) {
      const int32_t* row = world.memory.row(event, static_cast<size_t>(r));
      CHECK(static_cast<size_t>(row[0]) == end && row[2] == row[0] + row[1] + 1);
      end = static_cast<size_t>(row[2]);
    }
    rows[event[kEventId]] += static_cast<size_t>(event[kEventRows]);
  }
}

void aTurnIsBoundedByEachOfItsMemories() {
  const Sizes tight[] = {{20 * 1024, 100'000, 1000}, {1024 * 1024, 300, 1000}, {1024 * 1024, 100'000, 3},
                         {16 * 1024, 256, 1},        {17 * 1024, 257, 7},      {1024 * 1024, 100'000, 1000}};
  for (const Sizes& sizes : tight) {
    say("turn of " + std::to_string(sizes.arena) + ", " + std::to_string(sizes.rows) + ", " +
        std::to_string(sizes.events));
    World world(sizes);
    const SeparatorFramer lines = lineFramer();
    std::vector<Peer> peers;
    std::map<int32_t, std::string> expected;
    for (int i = 0; i < 30; i++) {
      const Peer peer = world.connect();
      world.reactor.setFramer(peer.id, &lines);
      CHECK(world.reactor.want(peer.id, kWantFlow) == 0);
      std::string text;
      while (text.size() < 3000) text += std::string(static_cast<size_t>(i) % 7, 'a') + "\n";
      peer.write(text);
      expected[peer.id] = text;
      peers.push_back(peer);
    }
    std::map<int32_t, std::string> texts;
    std::map<int32_t, size_t> rows;
    int turns = 0;
    while ((!world.quiet() || world.reactor.hasMore()) && turns++ < 1000) collect(world, texts, rows);
    CHECK(texts == expected);
    for (const Peer& peer : peers) {
      const std::string& text = expected[peer.id];
      // One receive took all; of the rows as many as there was room for.
      CHECK(rows[peer.id] <= static_cast<size_t>(std::count(text.begin(), text.end(), '\n')));
      CHECK(rows[peer.id] >= std::min<size_t>(256, text.size() / 7));
      peer.close();
    }
  }
}

void aConnectionThatIsClosedBetweenTurnsOfAPollIsNotTold() {
  Sizes sizes;
  sizes.events = 1;
  World world(sizes);
  std::vector<Peer> peers;
  for (int i = 0; i < 4; i++) {
    peers.push_back(world.connect());
    peers.back().write("x");
    CHECK(world.reactor.want(peers.back().id, kWantFlow) == 0);
  }
  CHECK(world.turn() == 1 && world.reactor.hasMore());
  // A handler closes all others; the slots they leave have new owners, who have been told nothing.
  const int32_t first = world.memory.event(0)[kEventId];
  for (const Peer& peer : peers) {
    if (peer.id != first) world.reactor.remove(peer.id);
    peer.close();
  }
  CHECK(world.turn() == 0);
  std::vector<Peer> heirs;
  heirs.reserve(3);
  for (int i = 0; i < 3; i++) heirs.push_back(world.connect());
  CHECK(!world.reactor.hasMore());
  CHECK(world.turnOf(first) == kPeerEnded);
  CHECK(world.turn() == 0 && world.quiet());
  for (const Peer& heir : heirs) heir.close();
}

void hundredsOfConnectionsGetEachTheirOwn() {
  World world(Sizes{64 * 1024, 2048, 100});
  const SeparatorFramer lines = lineFramer();
  Random random;
  std::map<int32_t, std::string> expected;
  std::map<int32_t, std::string> texts;
  std::map<int32_t, size_t> rows;
  std::vector<Peer> peers;
  peers.reserve(400);
  for (int i = 0; i < 400; i++) {
    peers.push_back(world.connect());
    world.reactor.setFramer(peers.back().id, &lines);
    CHECK(world.reactor.want(peers.back().id, kWantFlow) == 0);
  }
  for (int step = 0; step < 4000; step++) {
    const Peer& peer = peers[random.below(peers.size())];
    const std::string text = std::to_string(step) + " of " + std::to_string(peer.id) + "\n";
    peer.write(text);
    expected[peer.id] += text;
    if (random.oneIn(50)) collect(world, texts, rows);
  }
  for (int i = 0; i < 1000 && !world.quiet(); i++) collect(world, texts, rows);
  CHECK(texts == expected);
  CHECK(world.reactor.counters().connections == 400);
  for (const Peer& peer : peers) {
    const SocketCounters& counters = world.reactor.countersOf(peer.id);
    CHECK(counters.bytesReceived == expected[peer.id].size() && counters.rows == rows[peer.id]);
    peer.close();
  }
}

/** Connections come, ask, stop asking, are closed and reset in any order; every byte that was told is the right one. */
void anyOrderOfEventsLosesNothing() {
  Random random;
  for (int round = 0; round < 20; round++) {
    say("random round " + std::to_string(round));
    World world(Sizes{32 * 1024, 1000, 1 + random.below(8)});
    const LengthFramer lengths{LengthSettings()};
    struct State {
      Peer peer;
      std::string sent;
      std::string read;
      uint8_t wants = 0;
    };
    std::map<int32_t, State> states;
    if (random.oneIn(2)) {
      world.reactor.system().setFaults(SystemCall::kReceive, {{0, 3, -EAGAIN, 0, -EINTR, 100, 0, 0, -EAGAIN}, true});
    }
    const auto receive = [&world](int32_t id, State& state, size_t size, bool peek) {
      std::string bytes(size, ' ');
      const int64_t count = world.reactor.receive(id, reinterpret_cast<uint8_t*>(&bytes[0]), size, peek);
      if (count > 0 && !peek) state.read.append(bytes, 0, static_cast<size_t>(count));
    };
    const size_t open = openDescriptors();
    for (int step = 0; step < 600; step++) {
      if (states.size() < 10 && random.oneIn(3)) {
        const Peer peer = world.connect(random.oneIn(2) ? Kind::kUnix : Kind::kTcp);
        CHECK(states.emplace(peer.id, State{peer, "", "", 0}).second);
        world.reactor.setFramer(peer.id, random.oneIn(2) ? &lengths : nullptr);
      }
      if (states.empty()) continue;
      auto it = states.begin();
      std::advance(it, static_cast<std::ptrdiff_t>(random.below(states.size())));
      State& state = it->second;
      switch (random.below(7)) {
        case 0:
        case 1: {
          std::string text(1 + random.below(300), ' ');
          for (char& c : text) c = static_cast<char>(random.next() >> 50);
          state.peer.write(text);
          state.sent += text;
          break;
        }
        case 2: {
          state.wants = static_cast<uint8_t>(random.below(8));
          CHECK(world.reactor.want(it->first, state.wants) == 0);
          break;
        }
        case 4: {
          receive(it->first, state, 1 + random.below(200), random.oneIn(4));
          break;
        }
        case 3: {
          if (!random.oneIn(4)) break;
          state.peer.close();
          world.reactor.remove(it->first);
          states.erase(it);
          break;
        }
        default: {
          const size_t count = world.turn();
          for (size_t i = 0; i < count; i++) {
            const int32_t* event = world.memory.event(i);
            const auto found = states.find(event[kEventId]);
            CHECK(found != states.end());
            if ((event[kEventFlags] & kArrived) != 0) found->second.read += world.arrived(i);
            if ((event[kEventFlags] & kReadable) != 0) found->second.wants &= ~kWantRead;
            if ((event[kEventFlags] & kWritable) != 0) found->second.wants &= ~kWantWrite;
          }
        }
      }
      // Whoever waits for what is there is not left to sleep.
      const bool due = std::any_of(states.begin(), states.end(), [](const auto& one) {
        const State& other = one.second;
        return (other.wants & kWantWrite) != 0 || (other.wants != 0 && other.read.size() < other.sent.size());
      });
      CHECK(!due || world.wakes(1000));
    }
    world.reactor.system().setFaults(SystemCall::kReceive, {});
    for (auto& [id, state] : states) {
      CHECK(state.sent.compare(0, state.read.size(), state.read) == 0);
      std::string rest(state.sent.size() - state.read.size() + 1, ' ');
      const auto* bytes = reinterpret_cast<uint8_t*>(&rest[0]);
      const int64_t count = world.reactor.receive(id, const_cast<uint8_t*>(bytes), rest.size(), false);
      CHECK(count == static_cast<int64_t>(rest.size() - 1) || (count == -EAGAIN && rest.size() == 1));
      CHECK(state.sent == state.read + rest.substr(0, rest.size() - 1));
      state.peer.close();
      world.reactor.remove(id);
    }
    CHECK(world.reactor.waiting() == 0 && world.reactor.counters().connections == 0);
    for (int i = 0; i < 3 && !world.quiet(); i++) CHECK(world.turn() == 0);
    CHECK(world.quiet() && openDescriptors() == open);
  }
}

}  // namespace

int main() {
  receiveFollowsItsPlanAndThenTheSystem();
  receiveNeverWaits();
  sendIsOneGatherWriteAndFollowsItsPlan();
  duplicatesAreCloseOnExecAndDoNotWait();
  idsOfClosedConnectionsMeanNothing();
  aSlotIsNotUsedAgainInItsTurn();
  aDescriptorThatCannotBeDuplicatedLeavesNothingBehind();
  aListenerTellsAndAccepts();
  anAcceptThatFailsLeavesNothingBehindAndTheConnectionThere();
  closingEndsTheSideOfWhoIsAlone();
  closingTakesOutOfEpollWhatOthersHave();
  closesWhatItHasAndNothingElse();
  whatIsReleasedIsNotInEpollAnyMore();
  onlyReferencedConnectionsKeepTheLoop();
  whatCannotBeWatchedSaysSo();
  flowGivesBytesAndRowsUntilTheEnd();
  flowAndWriteAreToldInOneEvent();
  flowThatGetsNothingIsToldLater();
  aFullReceiveSaysThatThereIsMoreAndBulkAsksForMore();
  aTurnIsBoundedByEachOfItsMemories();
  aConnectionThatIsClosedBetweenTurnsOfAPollIsNotTold();
  hundredsOfConnectionsGetEachTheirOwn();
  anyOrderOfEventsLosesNothing();
  return 0;
}
