/**
 * The reactor's connections with a filter, over socket pairs and a toy of TLS: handshakes without anybody's help, what
 * is told and when, what leaves by itself, and what is never received.
 */
#include <netinet/in.h>

#include <cerrno>
#include <functional>
#include <map>

#include "check.h"
#include "net/reactor.h"
#include "reactor_world.h"
#include "toy_filter.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

/** The other end: a filter that is driven by hand. */
struct ToyPeer {
  ToyPeer(BlockPool& pool, int end, const ToySettings& settings) : descriptor(end), filter(pool, settings) {}

  /** Receives and sends what goes. @returns true when something moved. */
  bool pump() {
    bool moved = false;
    uint8_t bytes[4096];
    uint8_t plain[kFilterSlack + sizeof(bytes)];
    for (bool first = true;; first = false) {
      const ssize_t count = first ? 0 : ::recv(descriptor, bytes, sizeof(bytes), MSG_DONTWAIT);
      if (!first && count <= 0) {
        ended = ended || count == 0;
        break;
      }
      moved = moved || count > 0;
      received += static_cast<size_t>(count);
      const size_t opened = filter.open(bytes, static_cast<size_t>(count), plain, sizeof(plain));
      text.append(reinterpret_cast<char*>(plain), opened);
    }
    return send() || moved;
  }
  bool send() {
    ByteQueue& out = filter.outgoing();
    if (out.empty()) return false;
    const ssize_t sent = ::send(descriptor, out.data(), out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) out.consume(static_cast<size_t>(sent));
    return sent > 0;
  }
  void write(const std::string& plain) {
    const Part part{reinterpret_cast<const uint8_t*>(plain.data()), plain.size()};
    CHECK(filter.seal(&part, 1) == plain.size());
    send();
  }
  void close() const { ::close(descriptor); }

  int descriptor;
  ToyFilter filter;
  std::string text;
  size_t received = 0;
  bool ended = false;
};

/** A connection with a filter, and its peer. */
struct Toy {
  Toy(World& at, const ToySettings& ours, const ToySettings& theirs, const Peer& given)
      : world(at),
        id(given.id),
        filter(std::make_shared<ToyFilter>(pool(), ours)),
        peer(pool(), given.descriptor, theirs) {
    CHECK(world.reactor.setFilter(id, filter) == 0);
  }
  Toy(World& at, const ToySettings& ours) : Toy(at, ours, other(ours), at.connect()) {}

  static BlockPool& pool() {
    static BlockPool pool;
    return pool;
  }
  static ToySettings other(ToySettings settings) {
    settings.server = !settings.server;
    settings.pauses = false;
    return settings;
  }
  uint32_t state() const { return world.reactor.filterState(id); }
  /** Turns and pumps until both sleep. @returns all flags that were told. */
  int32_t settle() {
    int32_t flags = 0;
    for (int i = 0; i < 5000; i++) {
      const bool moved = peer.pump();
      if (world.quiet() && !moved) return flags;
      flags |= turn();
    }
    CHECK(false);
    return flags;
  }
  /** One turn; what arrived is in `text`. */
  int32_t turn() {
    const int32_t flags = world.turnOf(id);
    if ((flags & kArrived) != 0) text += world.arrived();
    if (flags != 0) told = static_cast<uint32_t>(world.memory.event(0)[kEventState]);
    return flags;
  }
  void secure() {
    CHECK(world.reactor.want(id, kWantFlow) == 0);
    CHECK(settle() == kFilterChanged);
    CHECK(told == kFilterSecured && state() == kFilterSecured);
    CHECK((peer.filter.state() & kFilterSecured) != 0);
  }
  int64_t send(const std::string& plain) const {
    const iovec part = partOf(plain);
    return world.reactor.send(id, &part, 1);
  }
  int64_t receive(size_t size) {
    ExactBuffer bytes(size);
    const int64_t count = world.reactor.receive(id, bytes.data(), size, false);
    if (count > 0) text.append(reinterpret_cast<char*>(bytes.data()), static_cast<size_t>(count));
    return count;
  }
  void finish() {
    world.reactor.remove(id);
    peer.close();
  }

  World& world;
  int32_t id;
  std::shared_ptr<ToyFilter> filter;
  ToyPeer peer;
  std::string text;
  uint32_t told = 0;
};

ToySettings role(bool server) {
  ToySettings settings;
  settings.server = server;
  return settings;
}

void eachRole(const std::function<void(const ToySettings&)>& body) {
  for (const bool server : {false, true}) {
    say(server ? "as a server" : "as a client");
    body(role(server));
  }
}

std::string lettersOf(size_t size) {
  std::string text(size, ' ');
  for (size_t i = 0; i < size; i++) text[i] = static_cast<char>('a' + i % 26);
  return text;
}

/** A pair of sockets that hold little. */
Peer narrow(World& world) {
  int ends[2];
  CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const int size = 4608;
  for (const int end : ends) ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
  const int32_t id = world.reactor.add(ends[0]);
  ::close(ends[0]);
  return {id, ends[1]};
}

// ---------------------------------------------------------------- handshakes

void aHandshakeNeedsNobody() {
  eachRole([](const ToySettings& ours) {
    World world;
    Toy toy(world, ours);
    CHECK(world.quiet() && toy.state() == 0 && toy.send("early") == 0);
    toy.secure();
    CHECK(toy.text.empty() && world.quiet());
    toy.finish();
  });
}

void nothingIsSaidBeforeSomebodyWantsIt() {
  World world;
  Toy toy(world, role(false));
  CHECK(!toy.peer.pump() && toy.peer.received == 0);
  CHECK(world.reactor.want(toy.id, 0) == 0 && !toy.peer.pump());
  CHECK(toy.receive(10) == -EAGAIN && toy.peer.pump() && toy.peer.received > 0);
  CHECK(toy.receive(10) == -EAGAIN && toy.peer.pump());
  // Secured within a call: the next turn tells.
  CHECK(!world.quiet() && toy.turn() == kFilterChanged && toy.told == kFilterSecured && world.quiet());
  toy.finish();
}

void aFlightThatDoesNotLeaveLeavesByItself() {
  World world;
  ToySettings ours = role(true);
  ours.flight = 60'000;
  Toy toy(world, ours, role(false), narrow(world));
  CHECK(world.reactor.want(toy.id, kWantFlow) == 0 && world.reactor.waiting() == 1);
  toy.peer.pump();
  CHECK(toy.turn() == 0 && (toy.state() & kOutgoing) != 0 && toy.send("early") == -EAGAIN);
  // Nobody waits for it, and the loop lives for it all the same.
  CHECK(world.reactor.want(toy.id, 0) == 0 && world.reactor.waiting() == 1);
  CHECK(toy.settle() == 0 && (toy.state() & kOutgoing) == 0 && world.reactor.waiting() == 0);
  CHECK(world.reactor.want(toy.id, kWantFlow) == 0);
  CHECK(toy.settle() == kFilterChanged && toy.told == kFilterSecured);
  toy.finish();
}

void aPauseReceivesNothingUntilItIsOver() {
  World world;
  ToySettings ours = role(true);
  ours.pauses = true;
  Toy toy(world, ours);
  CHECK(world.reactor.want(toy.id, kWantFlow) == 0);
  CHECK(toy.settle() == kFilterChanged && toy.told == kFilterPaused);
  const uint64_t receives = world.reactor.counters().receives;
  const std::string stray = toyRecord('?', "");
  CHECK(::send(toy.peer.descriptor, stray.data(), stray.size(), 0) == 3);
  for (int i = 0; i < 3; i++) CHECK(toy.turn() == 0);
  CHECK(world.quiet() && world.reactor.counters().receives == receives && toy.receive(10) == -EAGAIN);
  toy.filter->resume();
  CHECK(world.quiet() && world.reactor.want(toy.id, kWantFlow) == 0 && !world.quiet());
  // What came meanwhile is refused once the handshake has gone on.
  CHECK((toy.settle() & kFilterChanged) != 0 && (toy.told & (kFilterPaused | kFilterFailed)) == kFilterFailed);
  toy.finish();
}

// ---------------------------------------------------------------- records

void recordsAreOpenedBeforeTheyAreFramed() {
  eachRole([](const ToySettings& ours) {
    World world;
    const SeparatorFramer lines = lineFramer();
    Toy toy(world, ours);
    toy.secure();
    world.reactor.setFramer(toy.id, &lines);
    toy.peer.write("ab\ncde\nf");
    CHECK(toy.turn() == kArrived && toy.text == "ab\ncde\nf" && toy.told == kFilterSecured);
    const int32_t* event = world.memory.event(0);
    CHECK(event[kEventRows] == 2);
    const int32_t* row = world.memory.row(event, 1);
    CHECK(row[0] == event[kEventStart] + 3 && row[1] == 3 && row[2] == event[kEventStart] + 7);
    CHECK(world.quiet() && toy.send("answer") == 6);
    toy.peer.pump();
    CHECK(toy.peer.text == "answer");
    toy.finish();
  });
}

void partsAreSealedAsOnePiece() {
  World world;
  Toy toy(world, role(false));
  toy.secure();
  const std::string texts[3] = {"head", "", "and the payload"};
  const iovec parts[3] = {partOf(texts[0]), partOf(texts[1]), partOf(texts[2])};
  const size_t before = toy.peer.received;
  toy.peer.pump();
  CHECK(world.reactor.send(toy.id, parts, 3) == 19);
  toy.peer.pump();
  CHECK(toy.peer.text == "headand the payload" && toy.peer.received - before == 3 + 19);
  toy.finish();
}

void aPartOfARecordTellsNothing() {
  World world;
  Toy toy(world, role(true));
  toy.secure();
  const std::string record = toyRecord(kToyData, "in crumbs");
  for (size_t i = 0; i < record.size(); i++) {
    CHECK(::send(toy.peer.descriptor, record.data() + i, 1, 0) == 1);
    CHECK(toy.turn() == (i + 1 < record.size() ? 0 : kArrived));
  }
  CHECK(toy.text == "in crumbs" && world.quiet());
  toy.finish();
}

void whatHadNoRoomComesWithoutThePeer() {
  World world;
  Toy toy(world, role(true));
  toy.secure();
  CHECK(world.reactor.want(toy.id, 0) == 0);
  toy.peer.write("abcdefghij");
  CHECK(toy.receive(3) == 3 && toy.receive(2) == 2 && toy.text == "abcde");
  for (int i = 0; i < 2; i++) CHECK(toy.turn() == 0);
  CHECK(world.quiet() && world.reactor.want(toy.id, kWantRead) == 0 && !world.quiet());
  CHECK(toy.turn() == kReadable && toy.receive(2) == 2);
  CHECK(world.reactor.want(toy.id, kWantFlow) == 0 && !world.quiet());
  CHECK(toy.turn() == kArrived && toy.text == "abcdefghij" && world.quiet());
  CHECK(toy.receive(5) == -EAGAIN);
  toy.finish();
}

void eachConnectionIsToldOnceATurn() {
  World world;
  Toy toy(world, role(true));
  toy.secure();
  toy.peer.write("abc");
  CHECK(toy.receive(1) == 1);
  toy.peer.write("def");
  CHECK(world.reactor.want(toy.id, 0) == 0 && world.reactor.want(toy.id, kWantFlow) == 0);
  // On the list, and ready in epoll.
  CHECK(toy.turn() == kArrived && toy.text == "abc");
  CHECK(toy.turn() == kArrived && toy.text == "abcdef" && world.quiet());
  toy.finish();
}

void aTurnHasRoomForWhatItOpens() {
  for (const size_t arena : {20'000u, 40'000u, 60'000u, 120'000u, 500'000u}) {
    say("arena of " + std::to_string(arena));
    World world(Sizes{arena, 4096, 256});
    std::vector<std::unique_ptr<Toy>> toys;
    std::map<int32_t, std::string> expected;
    std::map<int32_t, std::string> texts;
    for (int i = 0; i < 6; i++) {
      toys.push_back(std::make_unique<Toy>(world, role(i % 2 == 0)));
      toys.back()->secure();
    }
    for (const auto& toy : toys) {
      const std::string text = lettersOf(50'000);
      toy->peer.write(text);
      expected[toy->id] = text;
    }
    for (int i = 0; i < 1000 && texts != expected; i++) {
      for (const auto& toy : toys) toy->peer.send();
      const size_t count = world.turn();
      for (size_t k = 0; k < count; k++) texts[world.memory.event(k)[kEventId]] += world.arrived(k);
    }
    CHECK(texts == expected && world.quiet());
    for (const auto& toy : toys) toy->finish();
  }
}

// ---------------------------------------------------------------- sending

void whatIsSealedLeavesBeforeAnythingElseIs() {
  eachRole([](const ToySettings& ours) {
    World world;
    Toy toy(world, ours, Toy::other(ours), narrow(world));
    toy.secure();
    const std::string bulk = lettersOf(kFilterMost + 1000);
    CHECK(toy.send(bulk) == static_cast<int64_t>(kFilterMost));
    CHECK((toy.state() & kOutgoing) != 0 && toy.send("more") == -EAGAIN);
    CHECK(world.reactor.want(toy.id, kWantWrite) == 0);
    // Some has left, and nobody is told.
    for (int i = 0; i < 10; i++) {
      toy.peer.pump();
      CHECK(toy.turn() == 0);
    }
    CHECK(toy.settle() == kWritable && (toy.told & kOutgoing) == 0);
    CHECK(toy.send("more") == 4);
    toy.settle();
    CHECK(toy.peer.text == bulk.substr(0, kFilterMost) + "more" && world.reactor.waiting() == 0);
    toy.finish();
  });
}

void twoThatWriteToEachOtherBothReceive() {
  World world;
  Toy toy(world, role(true), role(false), narrow(world));
  toy.secure();
  const std::string bulk = lettersOf(kFilterMost);
  CHECK(toy.send(bulk) == static_cast<int64_t>(kFilterMost) && (toy.state() & kOutgoing) != 0);
  toy.peer.write(bulk);
  // The peer reads nothing before it has written everything.
  for (int i = 0; i < 2000 && !toy.peer.filter.outgoing().empty(); i++) {
    toy.peer.send();
    toy.turn();
  }
  CHECK(toy.peer.filter.outgoing().empty());
  toy.settle();
  CHECK(toy.text == bulk && toy.peer.text == bulk);
  toy.finish();
}

void aPeerThatOnlyAsksIsNotHeard() {
  World world;
  Toy toy(world, role(true), role(false), narrow(world));
  toy.secure();
  const std::string question(60'000, '?');
  size_t asked = 0;
  const auto ask = [&] {
    if (toy.peer.filter.outgoing().size() < 200'000) toy.peer.filter.say(kToyAsk, question);
    if (toy.peer.send()) asked++;
  };
  for (int i = 0; i < 5000; i++) {
    ask();
    CHECK(toy.turn() == 0);
  }
  const size_t waiting = toy.filter->outgoing().size();
  CHECK(waiting >= kMostReplies && waiting < kMostReplies + 2 * 70'000 && world.quiet());
  CHECK(asked < 4000);
  // It reads after all.
  toy.settle();
  CHECK((toy.state() & kOutgoing) == 0 && (toy.peer.filter.state() & kFilterFailed) == 0);
  toy.peer.write("data");
  toy.settle();
  CHECK(toy.text == "data");
  toy.finish();
}

/** Nobody sends then, and nobody would hear of it. */
void sendingThatFailsInAHandshakeIsTold() {
  eachRole([](const ToySettings& ours) {
    World world;
    Toy toy(world, ours);
    world.reactor.system().setFaults(SystemCall::kSend, {{-EPIPE}, false});
    CHECK(world.reactor.want(toy.id, kWantFlow) == 0);
    CHECK(toy.settle() == kFilterChanged && (toy.told & kSendFailed) != 0);
    const iovec nothing{nullptr, 0};
    CHECK(world.reactor.send(toy.id, &nothing, 1) == -EPIPE);
    toy.finish();
  });
}

void sendingThatFailsIsToldToWhoSends() {
  World world;
  Toy toy(world, role(false));
  toy.secure();
  world.reactor.system().setFaults(SystemCall::kSend, {{-ECONNRESET}, false});
  CHECK(toy.send("lost") == -ECONNRESET && toy.send("lost") == -ECONNRESET);
  CHECK((toy.state() & (kOutgoing | kSendFailed)) == kSendFailed && world.reactor.waiting() == 1);
  CHECK(toy.turn() == kFilterChanged && toy.told == (kFilterSecured | kSendFailed) && world.quiet());
  toy.peer.write("still heard");
  CHECK(toy.turn() == kArrived && toy.text == "still heard" && world.quiet());
  toy.finish();
}

// ---------------------------------------------------------------- ends

void theEndIsToldBehindTheLastByte() {
  eachRole([](const ToySettings& ours) {
    World world;
    Toy toy(world, ours);
    toy.secure();
    toy.peer.write("last");
    toy.peer.filter.close();
    toy.peer.send();
    CHECK(toy.turn() == (kArrived | kPeerEnded | kFilterChanged) && toy.text == "last");
    CHECK(toy.told == (kFilterSecured | kFilterEnded) && world.reactor.waiting() == 0);
    CHECK(toy.receive(10) == 0 && toy.send("after") == 5);
    for (int i = 0; i < 2; i++) CHECK(toy.turn() == 0);
    CHECK(world.quiet());
    // Not TLS any more, so it is not received.
    CHECK(::send(toy.peer.descriptor, "x", 1, 0) == 1 && toy.turn() == 0 && world.quiet());
    toy.finish();
  });
}

void theEndIsToldBehindWhatHadNoRoom() {
  World world;
  Toy toy(world, role(true));
  toy.secure();
  CHECK(world.reactor.want(toy.id, 0) == 0);
  toy.peer.write("last");
  toy.peer.filter.close();
  toy.peer.send();
  CHECK(toy.receive(2) == 2 && toy.receive(10) == 2 && toy.receive(10) == 0 && toy.text == "last");
  CHECK(toy.turn() == (kPeerEnded | kFilterChanged) && toy.turn() == 0 && world.quiet());
  toy.finish();
}

void anEndThatThePeerDidNotSayIsToldApart() {
  eachRole([](const ToySettings& ours) {
    for (const bool secured : {false, true}) {
      World world;
      Toy toy(world, ours);
      if (secured)
        toy.secure();
      else
        CHECK(world.reactor.want(toy.id, kWantFlow) == 0);
      CHECK(::shutdown(toy.peer.descriptor, SHUT_WR) == 0);
      CHECK(toy.turn() == kPeerEnded && (toy.told & kFilterEnded) == 0);
      CHECK(toy.receive(10) == 0 && (toy.state() & kFilterEnded) == 0);
      CHECK(toy.turn() == 0 && world.quiet());
      toy.finish();
    }
  });
}

void aResetIsAFailureOfTheConnection() {
  World world;
  Toy toy(world, role(true));
  toy.secure();
  world.reactor.system().setFaults(SystemCall::kReceive, {{-ECONNRESET}, false});
  toy.peer.write("lost");
  CHECK(toy.turn() == kConnectionFailed && world.memory.event(0)[kEventError] == -ECONNRESET);
  CHECK(world.reactor.want(toy.id, 0) == 0);
  toy.finish();
}

void receivingKeepsAFailureBehindBytes() {
  World world;
  Toy toy(world, role(true));
  toy.secure();
  CHECK(world.reactor.want(toy.id, 0) == 0);
  world.reactor.system().setFaults(SystemCall::kReceive, {{0, -ECONNRESET}, false});
  toy.peer.write(lettersOf(16'384));
  toy.peer.write(lettersOf(100));
  CHECK(toy.receive(16'387) == 16'384 && toy.receive(10) == -ECONNRESET && toy.receive(10) == -ECONNRESET);
  toy.finish();
}

void aFailureSaysItsAlertAndNothingElse() {
  eachRole([](const ToySettings& ours) {
    for (const bool secured : {false, true}) {
      World world;
      Toy toy(world, ours);
      if (secured)
        toy.secure();
      else
        CHECK(world.reactor.want(toy.id, kWantFlow) == 0);
      const std::string first = secured ? toyRecord(kToyData, "whole") : "";
      const std::string garbage = first + toyRecord('?', "") + "plain text";
      CHECK(::send(toy.peer.descriptor, garbage.data(), garbage.size(), 0) == static_cast<ssize_t>(garbage.size()));
      CHECK(toy.turn() == (kFilterChanged | (secured ? kArrived : 0)) && (toy.told & kFilterFailed) != 0);
      CHECK(toy.text == (secured ? "whole" : "") && world.reactor.waiting() == 0);
      CHECK(toy.receive(10) == -EPROTO && toy.send("x") == -EPROTO);
      toy.peer.pump();
      CHECK((toy.peer.filter.state() & kFilterFailed) != 0);
      toy.finish();
    }
  });
}

/** Over TCP: with unread input a close would be a reset, and the alert lost. */
void anAlertReachesAPeerThatGoesOnSending() {
  World world;
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* at = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  CHECK(::bind(listener, at, size) == 0 && ::listen(listener, 1) == 0 && ::getsockname(listener, at, &size) == 0);
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(::connect(client, at, size) == 0);
  const int accepted = ::accept(listener, nullptr, nullptr);
  const int32_t id = world.reactor.add(accepted);
  ::close(accepted);
  ::close(listener);
  Toy toy(world, role(true), role(false), Peer{id, client});
  world.reactor.system().setFaults(SystemCall::kSend, {{-EAGAIN, 0}, false});
  CHECK(world.reactor.want(toy.id, kWantFlow) == 0);
  const std::string garbage = toyRecord('?', "");
  CHECK(::send(client, garbage.data(), garbage.size(), 0) > 0);
  CHECK((toy.turn() & kFilterChanged) != 0 && (toy.told & (kFilterFailed | kOutgoing)) != 0);
  CHECK(::send(client, "unread", 6, 0) == 6);
  world.reactor.remove(toy.id);
  toy.peer.pump();
  CHECK((toy.peer.filter.state() & kFilterFailed) != 0 && toy.peer.ended);
  toy.peer.close();
}

void ourEndFollowsWhatWaits() {
  World world;
  Toy toy(world, role(false), role(true), narrow(world));
  toy.secure();
  const std::string bulk = lettersOf(100'000);
  CHECK(toy.send(bulk) == 100'000 && world.reactor.shutdown(toy.id) == 0);
  CHECK(toy.send("after") < 0 && (toy.state() & (kOutgoing | kFilterClosed)) == (kOutgoing | kFilterClosed));
  toy.peer.pump();
  CHECK(!toy.peer.ended);
  toy.settle();
  toy.peer.pump();
  CHECK(toy.peer.text == bulk && toy.peer.ended && (toy.peer.filter.state() & kFilterEnded) != 0);
  CHECK(toy.send("after") == -EPIPE && world.reactor.shutdown(toy.id) == 0);
  toy.peer.write("still heard");
  toy.settle();
  CHECK(toy.text == "still heard");
  toy.finish();
}

void newsAreToldUntilTheyAreFetched() {
  World world;
  Toy toy(world, role(false));
  toy.secure();
  toy.filter->setNews();
  for (int i = 0; i < 2; i++) {
    toy.peer.write("x");
    CHECK(toy.turn() == (kArrived | kFilterChanged) && (toy.told & kFilterNews) != 0);
  }
  toy.filter->takeNews();
  toy.peer.write("x");
  CHECK(toy.turn() == kArrived && toy.told == kFilterSecured);
  toy.finish();
}

// ---------------------------------------------------------------- life

void filtersAreGoneWithTheirConnections() {
  const size_t open = openDescriptors();
  std::vector<std::weak_ptr<Filter>> filters;
  {
    World world;
    std::vector<int> ends;
    for (int i = 0; i < 5; i++) {
      Toy toy(world, role(false));
      if (i > 0) toy.secure();
      filters.push_back(toy.filter);
      ends.push_back(toy.peer.descriptor);
    }
    const Peer plain = world.connect();
    Toy removed(world, role(true));
    // On the list when it goes.
    removed.secure();
    removed.peer.write("abc");
    CHECK(world.reactor.want(removed.id, 0) == 0 && removed.receive(1) == 1);
    CHECK(world.reactor.want(removed.id, kWantFlow) == 0 && !world.quiet());
    filters.push_back(removed.filter);
    removed.filter.reset();
    removed.finish();
    CHECK(filters.back().expired() && world.turn() == 0 && world.quiet());
    ExactBuffer bytes(4);
    CHECK(world.reactor.receive(plain.id, bytes.data(), 4, true) == -EAGAIN);
    world.reactor.removeFiltered();
    for (const auto& filter : filters) CHECK(filter.expired());
    CHECK(world.reactor.counters().connections == 1 && world.reactor.has(plain.id) && world.reactor.waiting() == 0);
    for (const int end : ends) {
      char one = 0;
      while (::recv(end, &one, 1, MSG_DONTWAIT) > 0) continue;
      CHECK(::recv(end, &one, 1, MSG_DONTWAIT) == 0);
      ::close(end);
    }
    plain.close();
  }
  CHECK(openDescriptors() == open);
}

void peekingIsRefused() {
  World world;
  Toy toy(world, role(true));
  ExactBuffer bytes(4);
  CHECK(world.reactor.receive(toy.id, bytes.data(), 4, true) == -EOPNOTSUPP);
  toy.finish();
}

/** Any order of wants, reads, writes and faults: what comes out is what was put in, on both sides. */
void anyOrderLosesNothing() {
  Random random;
  for (int round = 0; round < 60; round++) {
    say("random round " + std::to_string(round));
    World world(Sizes{(20u + 30u * random.below(10)) * 1024, 2000, 1 + random.below(8)});
    std::vector<std::unique_ptr<Toy>> toys;
    std::map<int32_t, std::string> sent;
    std::map<int32_t, std::string> answered;
    std::map<int32_t, Toy*> byId;
    for (int i = 0; i < 5; i++) {
      const ToySettings ours = role(random.oneIn(2));
      const Peer peer = random.oneIn(2) ? narrow(world) : world.connect();
      toys.push_back(std::make_unique<Toy>(world, ours, Toy::other(ours), peer));
      byId[peer.id] = toys.back().get();
    }
    FaultPlan receives{{}, true};
    FaultPlan sends{{}, true};
    for (int i = 0; i < 20; i++) {
      receives.steps.push_back(random.oneIn(3) ? -EAGAIN : static_cast<int32_t>(random.below(40)));
      sends.steps.push_back(random.oneIn(3) ? -EAGAIN : static_cast<int32_t>(random.below(3000)));
    }
    receives.steps.push_back(0);
    sends.steps.push_back(0);
    world.reactor.system().setFaults(SystemCall::kReceive, receives);
    world.reactor.system().setFaults(SystemCall::kSend, sends);
    const auto turn = [&] {
      const size_t count = world.turn();
      for (size_t k = 0; k < count; k++) {
        const int32_t* event = world.memory.event(k);
        CHECK((event[kEventFlags] & (kPeerEnded | kConnectionFailed)) == 0);
        if ((event[kEventFlags] & kArrived) != 0) byId[event[kEventId]]->text += world.arrived(k);
      }
    };
    for (int step = 0; step < 1500; step++) {
      Toy& toy = *toys[random.below(toys.size())];
      const std::string text = lettersOf(1 + random.below(random.oneIn(10) ? 40'000 : 200));
      switch (random.below(6)) {
        case 0:
          CHECK(world.reactor.want(toy.id, static_cast<uint8_t>(random.below(8))) == 0);
          break;
        case 1: {
          const int64_t taken = toy.send(text);
          CHECK(taken >= 0 || taken == -EAGAIN);
          if (taken > 0) answered[toy.id] += text.substr(0, static_cast<size_t>(taken));
          break;
        }
        case 2:
          if ((toy.peer.filter.state() & kFilterSecured) == 0) break;
          toy.peer.write(text);
          sent[toy.id] += text;
          break;
        case 3:
          toy.peer.pump();
          break;
        case 4: {
          const int64_t count = toy.receive(1 + random.below(300));
          CHECK(count > 0 || count == -EAGAIN);
          break;
        }
        default:
          turn();
      }
    }
    world.reactor.system().setFaults(SystemCall::kReceive, {});
    world.reactor.system().setFaults(SystemCall::kSend, {});
    for (const auto& toy : toys) CHECK(world.reactor.want(toy->id, kWantFlow) == 0);
    for (int still = 0; still < 2; still++) {
      for (const auto& toy : toys) still = toy->peer.pump() ? 0 : still;
      if (!world.quiet() || world.reactor.hasMore()) still = 0;
      turn();
    }
    for (const auto& toy : toys) {
      CHECK(toy->text == sent[toy->id] && toy->peer.text == answered[toy->id]);
      toy->finish();
    }
    CHECK(world.reactor.waiting() == 0 && world.quiet());
  }
}

}  // namespace

int main() {
  aHandshakeNeedsNobody();
  nothingIsSaidBeforeSomebodyWantsIt();
  aFlightThatDoesNotLeaveLeavesByItself();
  aPauseReceivesNothingUntilItIsOver();
  recordsAreOpenedBeforeTheyAreFramed();
  partsAreSealedAsOnePiece();
  aPartOfARecordTellsNothing();
  whatHadNoRoomComesWithoutThePeer();
  eachConnectionIsToldOnceATurn();
  aTurnHasRoomForWhatItOpens();
  whatIsSealedLeavesBeforeAnythingElseIs();
  twoThatWriteToEachOtherBothReceive();
  aPeerThatOnlyAsksIsNotHeard();
  sendingThatFailsInAHandshakeIsTold();
  sendingThatFailsIsToldToWhoSends();
  theEndIsToldBehindTheLastByte();
  theEndIsToldBehindWhatHadNoRoom();
  anEndThatThePeerDidNotSayIsToldApart();
  aResetIsAFailureOfTheConnection();
  receivingKeepsAFailureBehindBytes();
  aFailureSaysItsAlertAndNothingElse();
  anAlertReachesAPeerThatGoesOnSending();
  ourEndFollowsWhatWaits();
  newsAreToldUntilTheyAreFetched();
  filtersAreGoneWithTheirConnections();
  peekingIsRefused();
  anyOrderLosesNothing();
  return 0;
}
