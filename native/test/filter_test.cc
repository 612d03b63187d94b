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
  /** Sends bytes as they are, sealed or not. */
  void sendRaw(const std::string& bytes) const {
    CHECK(::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
  }
  /** Its close_notify, as it were. */
  void end() {
    filter.close();
    send();
  }
  void close() const { ::close(descriptor); }

  int descriptor;
  ToyFilter filter;
  std::string text;
  size_t received = 0;
  bool ended = false;
};

ToySettings role(bool server) {
  ToySettings settings;
  settings.server = server;
  return settings;
}

ToySettings otherSide(ToySettings settings) {
  settings.server = !settings.server;
  settings.pauses = false;
  return settings;
}

BlockPool& pool() {
  static BlockPool pool;
  return pool;
}

/** A connection with a filter, and its peer. Both are gone with it. */
struct Toy {
  Toy(World& at, const ToySettings& ours, const Peer& given)
      : world(at),
        id(given.id),
        filter(std::make_shared<ToyFilter>(pool(), ours)),
        peer(pool(), given.descriptor, otherSide(ours)) {
    CHECK(world.reactor.setFilter(id, filter) == 0);
  }
  Toy(World& at, const ToySettings& ours) : Toy(at, ours, at.connect()) {}
  Toy(const Toy&) = delete;
  Toy& operator=(const Toy&) = delete;
  ~Toy() {
    if (world.reactor.has(id)) world.reactor.remove(id);
    peer.close();
  }

  bool quiet() const { return world.quiet(); }
  size_t waiting() const { return world.reactor.waiting(); }
  uint32_t state() const { return world.reactor.filterState(id); }
  void want(uint8_t what) const { CHECK(world.reactor.want(id, what) == 0); }
  /** The next calls of the system end like this. */
  void fault(SystemCall call, const std::vector<int32_t>& steps) const {
    world.reactor.system().setFaults(call, {steps, false});
  }
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
    want(kWantFlow);
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

  World& world;
  int32_t id;
  std::shared_ptr<ToyFilter> filter;
  ToyPeer peer;
  std::string text;
  uint32_t told = 0;
};

using Connect = Peer (*)(World&);

Peer wide(World& world) {
  return world.connect();
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

Peer overTcp(World& world) {
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
  return {id, client};
}

struct OwnWorld {
  World own;
};

/** A toy in a world of its own, which goes after it. */
struct LoneToy : private OwnWorld, public Toy {
  explicit LoneToy(const ToySettings& ours, Connect connect = wide) : Toy(own, ours, connect(own)) {}
};

/** Its handshake is over. */
struct SecureToy : public LoneToy {
  explicit SecureToy(const ToySettings& ours, Connect connect = wide) : LoneToy(ours, connect) { secure(); }
};

void eachRole(const std::function<void(const ToySettings&)>& body) {
  for (const bool server : {false, true}) {
    say(server ? "as a server" : "as a client");
    body(role(server));
  }
}

/** Each role in its handshake, and behind it. */
void eachStage(const std::function<void(Toy&, bool secured)>& body) {
  eachRole([&](const ToySettings& ours) {
    for (const bool secured : {false, true}) {
      LoneToy toy(ours);
      if (secured) {
        toy.secure();
      } else {
        toy.want(kWantFlow);
      }
      body(toy, secured);
    }
  });
}

std::string lettersOf(size_t size) {
  std::string text(size, ' ');
  for (size_t i = 0; i < size; i++) text[i] = static_cast<char>('a' + i % 26);
  return text;
}

// ---------------------------------------------------------------- handshakes

void aHandshakeNeedsNobody() {
  eachRole([](const ToySettings& ours) {
    LoneToy toy(ours);
    CHECK(toy.quiet() && toy.state() == 0 && toy.send("early") == 0);
    toy.secure();
    CHECK(toy.text.empty() && toy.quiet());
  });
}

void nothingIsSaidBeforeSomebodyWantsIt() {
  LoneToy toy(role(false));
  CHECK(!toy.peer.pump() && toy.peer.received == 0);
  toy.want(0);
  CHECK(!toy.peer.pump());
  CHECK(toy.receive(10) == -EAGAIN && toy.peer.pump() && toy.peer.received > 0);
  CHECK(toy.receive(10) == -EAGAIN && toy.peer.pump());
  // Secured within a call: the next turn tells.
  CHECK(!toy.quiet() && toy.turn() == kFilterChanged && toy.told == kFilterSecured && toy.quiet());
}

void aFlightThatDoesNotLeaveLeavesByItself() {
  ToySettings ours = role(true);
  ours.flight = 60'000;
  LoneToy toy(ours, narrow);
  toy.want(kWantFlow);
  CHECK(toy.waiting() == 1);
  toy.peer.pump();
  CHECK(toy.turn() == 0 && (toy.state() & kOutgoing) != 0 && toy.send("early") == -EAGAIN);
  // Nobody waits for it, and the loop lives for it all the same.
  toy.want(0);
  CHECK(toy.waiting() == 1);
  CHECK(toy.settle() == 0 && (toy.state() & kOutgoing) == 0 && toy.waiting() == 0);
  toy.want(kWantFlow);
  CHECK(toy.settle() == kFilterChanged && toy.told == kFilterSecured);
}

void aPauseReceivesNothingUntilItIsOver() {
  ToySettings ours = role(true);
  ours.pauses = true;
  LoneToy toy(ours);
  toy.want(kWantFlow);
  CHECK(toy.settle() == kFilterChanged && toy.told == kFilterPaused);
  const uint64_t receives = toy.world.reactor.counters().receives;
  toy.peer.sendRaw(toyRecord('?', ""));
  for (int i = 0; i < 3; i++) CHECK(toy.turn() == 0);
  CHECK(toy.quiet() && toy.world.reactor.counters().receives == receives && toy.receive(10) == -EAGAIN);
  toy.filter->resume();
  CHECK(toy.quiet());
  toy.want(kWantFlow);
  CHECK(!toy.quiet());
  // What came meanwhile is refused once the handshake has gone on.
  CHECK((toy.settle() & kFilterChanged) != 0 && (toy.told & (kFilterPaused | kFilterFailed)) == kFilterFailed);
}

// ---------------------------------------------------------------- records

void recordsAreOpenedBeforeTheyAreFramed() {
  eachRole([](const ToySettings& ours) {
    const SeparatorFramer lines = lineFramer();
    SecureToy toy(ours);
    toy.world.reactor.setFramer(toy.id, &lines);
    toy.peer.write("ab\ncde\nf");
    CHECK(toy.turn() == kArrived && toy.text == "ab\ncde\nf" && toy.told == kFilterSecured);
    const int32_t* event = toy.world.memory.event(0);
    CHECK(event[kEventRows] == 2);
    const int32_t* row = toy.world.memory.row(event, 1);
    CHECK(row[0] == event[kEventStart] + 3 && row[1] == 3 && row[2] == event[kEventStart] + 7);
    CHECK(toy.quiet() && toy.send("answer") == 6);
    toy.peer.pump();
    CHECK(toy.peer.text == "answer");
  });
}

void partsAreSealedAsOnePiece() {
  SecureToy toy(role(false));
  const std::string texts[3] = {"head", "", "and the payload"};
  const iovec parts[3] = {partOf(texts[0]), partOf(texts[1]), partOf(texts[2])};
  const size_t before = toy.peer.received;
  toy.peer.pump();
  CHECK(toy.world.reactor.send(toy.id, parts, 3) == 19);
  toy.peer.pump();
  CHECK(toy.peer.text == "headand the payload" && toy.peer.received - before == 3 + 19);
}

void aPartOfARecordTellsNothing() {
  SecureToy toy(role(true));
  const std::string record = toyRecord(kToyData, "in crumbs");
  for (size_t i = 0; i < record.size(); i++) {
    toy.peer.sendRaw(record.substr(i, 1));
    CHECK(toy.turn() == (i + 1 < record.size() ? 0 : kArrived));
  }
  CHECK(toy.text == "in crumbs" && toy.quiet());
}

void whatHadNoRoomComesWithoutThePeer() {
  SecureToy toy(role(true));
  toy.want(0);
  toy.peer.write("abcdefghij");
  CHECK(toy.receive(3) == 3 && toy.receive(2) == 2 && toy.text == "abcde");
  for (int i = 0; i < 2; i++) CHECK(toy.turn() == 0);
  CHECK(toy.quiet());
  toy.want(kWantRead);
  CHECK(!toy.quiet());
  CHECK(toy.turn() == kReadable && toy.receive(2) == 2);
  toy.want(kWantFlow);
  CHECK(!toy.quiet());
  CHECK(toy.turn() == kArrived && toy.text == "abcdefghij" && toy.quiet());
  CHECK(toy.receive(5) == -EAGAIN);
}

void eachConnectionIsToldOnceATurn() {
  SecureToy toy(role(true));
  toy.peer.write("abc");
  CHECK(toy.receive(1) == 1);
  toy.peer.write("def");
  toy.want(0);
  toy.want(kWantFlow);
  // On the list, and ready in epoll.
  CHECK(toy.turn() == kArrived && toy.text == "abc");
  CHECK(toy.turn() == kArrived && toy.text == "abcdef" && toy.quiet());
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
    CHECK(texts == expected && world.turn() == 0 && world.quiet());
  }
}

// ---------------------------------------------------------------- sending

void whatIsSealedLeavesBeforeAnythingElseIs() {
  eachRole([](const ToySettings& ours) {
    SecureToy toy(ours, narrow);
    const std::string bulk = lettersOf(kFilterMost + 1000);
    CHECK(toy.send(bulk) == static_cast<int64_t>(kFilterMost));
    CHECK((toy.state() & kOutgoing) != 0 && toy.send("more") == -EAGAIN);
    toy.want(kWantWrite);
    // Some has left, and nobody is told.
    for (int i = 0; i < 10; i++) {
      toy.peer.pump();
      CHECK(toy.turn() == 0);
    }
    CHECK(toy.settle() == kWritable && (toy.told & kOutgoing) == 0);
    CHECK(toy.send("more") == 4);
    toy.settle();
    CHECK(toy.peer.text == bulk.substr(0, kFilterMost) + "more" && toy.waiting() == 0);
  });
}

void twoThatWriteToEachOtherBothReceive() {
  SecureToy toy(role(true), narrow);
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
}

void aPeerThatOnlyAsksIsNotHeard() {
  SecureToy toy(role(true), narrow);
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
  CHECK(waiting >= kMostReplies && waiting < kMostReplies + 2 * 70'000 && toy.quiet());
  CHECK(asked < 4000);
  // It reads after all.
  toy.settle();
  CHECK((toy.state() & kOutgoing) == 0 && (toy.peer.filter.state() & kFilterFailed) == 0);
  toy.peer.write("data");
  toy.settle();
  CHECK(toy.text == "data");
}

/** Nobody sends then, and nobody would hear of it. */
void sendingThatFailsInAHandshakeIsTold() {
  eachRole([](const ToySettings& ours) {
    LoneToy toy(ours);
    toy.fault(SystemCall::kSend, {-EPIPE});
    toy.want(kWantFlow);
    CHECK(toy.settle() == kFilterChanged && (toy.told & kSendFailed) != 0);
    const iovec nothing{nullptr, 0};
    CHECK(toy.world.reactor.send(toy.id, &nothing, 1) == -EPIPE);
  });
}

void sendingThatFailsIsToldToWhoSends() {
  SecureToy toy(role(false));
  toy.fault(SystemCall::kSend, {-ECONNRESET});
  CHECK(toy.send("lost") == -ECONNRESET && toy.send("lost") == -ECONNRESET);
  CHECK((toy.state() & (kOutgoing | kSendFailed)) == kSendFailed && toy.waiting() == 1);
  CHECK(toy.turn() == kFilterChanged && toy.told == (kFilterSecured | kSendFailed) && toy.quiet());
  toy.peer.write("still heard");
  CHECK(toy.turn() == kArrived && toy.text == "still heard" && toy.quiet());
}

/** A ticket, for example; and nobody waits for it if there is no answer. */
void aLittleThatIsSaidLeavesWithTheAnswer() {
  SecureToy toy(role(true));
  Reactor& reactor = toy.world.reactor;
  const auto ask = [&] {
    toy.peer.filter.say(kToyAsk, "ticket");
    toy.peer.write("question");
    toy.world.memory.forget();
    CHECK(reactor.turn(toy.world.memory.turn()) == 1);
    CHECK(toy.state() == kFilterSecured && !toy.filter->outgoing().empty() && !toy.peer.pump());
    return reactor.counters().sends;
  };
  for (const bool answers : {true, false}) {
    const uint64_t sends = ask();
    if (answers) CHECK(toy.send("answer") == 6 && reactor.counters().sends == sends + 1);
    reactor.endTurn();
    CHECK(reactor.counters().sends == sends + 1 && toy.filter->outgoing().empty());
    CHECK(toy.peer.pump() && toy.peer.text == "answer");
  }
  const uint64_t sends = ask();
  CHECK(toy.turn() == 0 && reactor.counters().sends == sends + 1 && toy.peer.pump());
  ask();
  const size_t received = toy.peer.received;
  reactor.remove(toy.id);
  reactor.endTurn();
  CHECK(toy.peer.pump() && toy.peer.ended && toy.peer.received == received + 9);
}

void whatIsSaidToNobodyLeavesAtOnce() {
  SecureToy toy(role(true));
  Reactor& reactor = toy.world.reactor;
  const uint64_t sends = reactor.counters().sends;
  toy.peer.filter.say(kToyAsk, "alone");
  toy.peer.send();
  CHECK(reactor.turn(toy.world.memory.turn()) == 0 && reactor.counters().sends == sends + 1);
}

// ---------------------------------------------------------------- ends

void ourEndComesWithTheWordOfIt() {
  SecureToy toy(role(true), overTcp);
  CHECK(toy.world.reactor.shutdown(toy.id, false) == 0);
  // The end lets nothing wait that the system kept for it.
  while (!toy.peer.ended) {
    pollfd one{toy.peer.descriptor, POLLIN, 0};
    CHECK(::poll(&one, 1, -1) == 1);
    toy.peer.pump();
  }
  CHECK((toy.peer.filter.state() & kFilterEnded) != 0);
}

void theEndIsToldBehindTheLastByte() {
  eachRole([](const ToySettings& ours) {
    SecureToy toy(ours);
    toy.peer.write("last");
    toy.peer.end();
    CHECK(toy.turn() == (kArrived | kPeerEnded | kFilterChanged) && toy.text == "last");
    CHECK(toy.told == (kFilterSecured | kFilterEnded) && toy.waiting() == 0);
    CHECK(toy.receive(10) == 0 && toy.send("after") == 5);
    for (int i = 0; i < 2; i++) CHECK(toy.turn() == 0);
    CHECK(toy.quiet());
    // Not TLS any more, so it is not received.
    toy.peer.sendRaw("x");
    CHECK(toy.turn() == 0 && toy.quiet());
  });
}

void theEndIsToldBehindWhatHadNoRoom() {
  SecureToy toy(role(true));
  toy.want(0);
  toy.peer.write("last");
  toy.peer.end();
  CHECK(toy.receive(2) == 2 && toy.receive(10) == 2 && toy.receive(10) == 0 && toy.text == "last");
  CHECK(toy.turn() == (kPeerEnded | kFilterChanged) && toy.turn() == 0 && toy.quiet());
}

void anEndThatThePeerDidNotSayIsToldApart() {
  eachStage([](Toy& toy, bool) {
    CHECK(::shutdown(toy.peer.descriptor, SHUT_WR) == 0);
    CHECK(toy.turn() == kPeerEnded && (toy.told & kFilterEnded) == 0);
    CHECK(toy.receive(10) == 0 && (toy.state() & kFilterEnded) == 0);
    CHECK(toy.turn() == 0 && toy.quiet());
  });
}

void aResetIsAFailureOfTheConnection() {
  SecureToy toy(role(true));
  toy.fault(SystemCall::kReceive, {-ECONNRESET});
  toy.peer.write("lost");
  CHECK(toy.turn() == kConnectionFailed && toy.world.memory.event(0)[kEventError] == -ECONNRESET);
  toy.want(0);
}

void receivingKeepsAFailureBehindBytes() {
  SecureToy toy(role(true));
  toy.want(0);
  toy.fault(SystemCall::kReceive, {0, -ECONNRESET});
  toy.peer.write(lettersOf(16'384));
  toy.peer.write(lettersOf(100));
  CHECK(toy.receive(16'387) == 16'384 && toy.receive(10) == -ECONNRESET && toy.receive(10) == -ECONNRESET);
}

void aFailureSaysItsAlertAndNothingElse() {
  eachStage([](Toy& toy, bool secured) {
    const std::string first = secured ? toyRecord(kToyData, "whole") : "";
    toy.peer.sendRaw(first + toyRecord('?', "") + "plain text");
    CHECK(toy.turn() == (kFilterChanged | (secured ? kArrived : 0)) && (toy.told & kFilterFailed) != 0);
    CHECK(toy.text == (secured ? "whole" : "") && toy.waiting() == 0);
    CHECK(toy.receive(10) == -EPROTO && toy.send("x") == -EPROTO);
    toy.peer.pump();
    CHECK((toy.peer.filter.state() & kFilterFailed) != 0);
  });
}

/** Over TCP: with unread input a close would be a reset, and the alert lost. */
void anAlertReachesAPeerThatGoesOnSending() {
  LoneToy toy(role(true), overTcp);
  toy.fault(SystemCall::kSend, {-EAGAIN, 0});
  toy.want(kWantFlow);
  toy.peer.sendRaw(toyRecord('?', ""));
  CHECK((toy.turn() & kFilterChanged) != 0 && (toy.told & (kFilterFailed | kOutgoing)) != 0);
  toy.peer.sendRaw("unread");
  toy.world.reactor.remove(toy.id);
  toy.peer.pump();
  CHECK((toy.peer.filter.state() & kFilterFailed) != 0 && toy.peer.ended);
}

void ourEndFollowsWhatWaits() {
  SecureToy toy(role(false), narrow);
  const std::string bulk = lettersOf(100'000);
  CHECK(toy.send(bulk) == 100'000 && toy.world.reactor.shutdown(toy.id, false) == 0);
  CHECK(toy.send("after") < 0 && (toy.state() & (kOutgoing | kFilterClosed)) == (kOutgoing | kFilterClosed));
  toy.peer.pump();
  CHECK(!toy.peer.ended);
  toy.settle();
  toy.peer.pump();
  CHECK(toy.peer.text == bulk && toy.peer.ended && (toy.peer.filter.state() & kFilterEnded) != 0);
  CHECK(toy.send("after") == -EPIPE && toy.world.reactor.shutdown(toy.id, false) == 0);
  toy.peer.write("still heard");
  toy.settle();
  CHECK(toy.text == "still heard");
}

void newsAreToldUntilTheyAreFetched() {
  SecureToy toy(role(false));
  toy.filter->setNews();
  for (int i = 0; i < 2; i++) {
    toy.peer.write("x");
    CHECK(toy.turn() == (kArrived | kFilterChanged) && (toy.told & kFilterNews) != 0);
  }
  toy.filter->takeNews();
  toy.peer.write("x");
  CHECK(toy.turn() == kArrived && toy.told == kFilterSecured);
}

// ---------------------------------------------------------------- life

void filtersAreGoneWithTheirConnections() {
  const size_t open = openDescriptors();
  std::vector<std::weak_ptr<Filter>> filters;
  {
    World world;
    std::vector<std::unique_ptr<Toy>> toys;
    for (int i = 0; i < 5; i++) {
      toys.push_back(std::make_unique<Toy>(world, role(false)));
      if (i > 0) toys.back()->secure();
      filters.push_back(toys.back()->filter);
      toys.back()->filter.reset();
    }
    const Peer plain = world.connect();
    Toy removed(world, role(true));
    // On the list when it goes.
    removed.secure();
    removed.peer.write("abc");
    removed.want(0);
    CHECK(removed.receive(1) == 1);
    removed.want(kWantFlow);
    CHECK(!world.quiet());
    filters.push_back(removed.filter);
    removed.filter.reset();
    world.reactor.remove(removed.id);
    CHECK(filters.back().expired() && world.turn() == 0 && world.quiet());
    ExactBuffer bytes(4);
    CHECK(world.reactor.receive(plain.id, bytes.data(), 4, true) == -EAGAIN);
    world.reactor.removeFiltered();
    for (const auto& filter : filters) CHECK(filter.expired());
    CHECK(world.reactor.counters().connections == 1 && world.reactor.has(plain.id) && world.reactor.waiting() == 0);
    for (const auto& toy : toys) {
      toy->peer.pump();
      CHECK(toy->peer.ended);
    }
    plain.close();
  }
  CHECK(openDescriptors() == open);
}

void peekingIsRefused() {
  LoneToy toy(role(true));
  ExactBuffer bytes(4);
  CHECK(toy.world.reactor.receive(toy.id, bytes.data(), 4, true) == -EOPNOTSUPP);
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
      toys.push_back(std::make_unique<Toy>(world, ours, peer));
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
          toy.want(static_cast<uint8_t>(random.below(8)));
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
    for (const auto& toy : toys) toy->want(kWantFlow);
    for (int still = 0; still < 2; still++) {
      for (const auto& toy : toys) still = toy->peer.pump() ? 0 : still;
      if (!world.quiet() || world.reactor.hasMore()) still = 0;
      turn();
    }
    for (const auto& toy : toys) CHECK(toy->text == sent[toy->id] && toy->peer.text == answered[toy->id]);
    toys.clear();
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
  aLittleThatIsSaidLeavesWithTheAnswer();
  whatIsSaidToNobodyLeavesAtOnce();
  ourEndComesWithTheWordOfIt();
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
