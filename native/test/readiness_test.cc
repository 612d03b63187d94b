/**
 * What the reactor tells of a socket that is ready, how often, and that nothing which is left unread is forgotten:
 * epoll tells of changes only. Over Unix sockets and TCP, whose receives end for different reasons.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <string>

#include "check.h"
#include "net/reactor.h"
#include "reactor_world.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

void aReadIsToldOnceAndThenForgottenWithoutAPoll() {
  for (const Kind kind : {Kind::kUnix, Kind::kTcp}) {
    World world;
    const Peer peer = world.connect(kind);
    CHECK(world.quiet() && world.turn() == 0);
    peer.write("abc");
    // Nobody has asked, so it is not in epoll at all.
    CHECK(world.quiet() && world.reactor.counters().arms == 0);
    CHECK(world.reactor.want(peer.id, kWantRead) == 0 && world.reactor.waiting() == 1);
    CHECK(world.turnOf(peer.id) == kReadable && world.reactor.waiting() == 0 && world.quiet());
    // Left in epoll, since who was told mostly asks again; one visit later it is out.
    peer.write("d");
    CHECK(world.wakes(1000) && world.turn() == 0);
    peer.write("e");
    CHECK(world.quiet());
    // What was not read is told again, however often somebody asks.
    for (int i = 0; i < 3; i++) {
      CHECK(world.reactor.want(peer.id, kWantRead) == 0);
      CHECK(world.turnOf(peer.id) == kReadable && world.quiet());
    }
    peer.close();
  }
}

void askingAgainNeedsNoCallWhereAllWasRead() {
  World world;
  const Peer peer = world.connect(Kind::kTcp);
  CHECK(world.reactor.want(peer.id, kWantRead) == 0);
  const uint64_t arms = world.reactor.counters().arms;
  ExactBuffer bytes(4);
  for (int round = 0; round < 3; round++) {
    peer.write("abc");
    CHECK(world.wakes(1000) && world.turnOf(peer.id) == kReadable);
    CHECK(world.reactor.receive(peer.id, bytes.data(), 4, false) == 3);
    CHECK(world.reactor.want(peer.id, kWantRead) == 0 && world.quiet());
  }
  CHECK(world.reactor.counters().arms == arms);
  // Peeking takes nothing, and a full buffer may not have been all.
  for (const bool peek : {true, false}) {
    peer.write("abcd");
    CHECK(world.wakes(1000) && world.turnOf(peer.id) == kReadable);
    CHECK(world.reactor.receive(peer.id, bytes.data(), 4, peek) == 4);
    CHECK(world.reactor.want(peer.id, kWantRead) == 0);
    CHECK(world.turnOf(peer.id) == (peek ? kReadable : 0));
    while (world.reactor.receive(peer.id, bytes.data(), 4, false) > 0) continue;
    CHECK(world.reactor.want(peer.id, kWantRead) == 0 && world.turn() == 0);
  }
  peer.close();
}

void whatStopsAReceiveHidesNothing() {
  for (const uint8_t wants : {kWantRead, kWantFlow}) {
    World world;
    // Urgent data: a receive ends before it, and leaves it out.
    const Peer urgent = world.connect(Kind::kTcp);
    CHECK(world.reactor.want(urgent.id, wants) == 0);
    urgent.write("ab");
    CHECK(::send(urgent.descriptor, "!", 1, MSG_OOB) == 1);
    urgent.write("cd");
    // A descriptor that is passed: a receive ends behind it.
    const Peer passing = world.connect(Kind::kUnix);
    CHECK(world.reactor.want(passing.id, wants) == 0);
    char control[CMSG_SPACE(sizeof(int))] = {};
    iovec part{const_cast<char*>("ab"), 2};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &passing.descriptor, sizeof(int));
    CHECK(::sendmsg(passing.descriptor, &message, MSG_NOSIGNAL) == 2);
    passing.write("cd");

    std::map<int32_t, std::string> texts;
    while (world.wakes(200)) {
      const size_t count = world.turn();
      for (size_t i = 0; i < count; i++) {
        const int32_t* event = world.memory.event(i);
        std::string& text = texts[event[kEventId]];
        if ((event[kEventFlags] & kArrived) != 0) text += world.arrived(i);
        if ((event[kEventFlags] & kReadable) == 0) continue;
        // One receive for each word of it.
        ExactBuffer bytes(100);
        const int64_t read = world.reactor.receive(event[kEventId], bytes.data(), 100, false);
        if (read > 0) text.append(reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(read));
        CHECK(world.reactor.want(event[kEventId], kWantRead) == 0);
      }
    }
    CHECK(texts[urgent.id] == "abcd" && texts[passing.id] == "abcd");
    urgent.close();
    passing.close();
  }
}

void theEndBehindDataIsTold() {
  for (const Kind kind : {Kind::kUnix, Kind::kTcp}) {
    World world;
    const Peer peer = world.connect(kind);
    CHECK(world.reactor.want(peer.id, kWantFlow) == 0);
    peer.write("abc");
    CHECK(::shutdown(peer.descriptor, SHUT_WR) == 0);
    std::string text;
    int32_t flags = 0;
    while ((flags & kPeerEnded) == 0 && world.wakes(1000)) {
      flags = world.turnOf(peer.id);
      if ((flags & kArrived) != 0) text += world.arrived();
    }
    CHECK(text == "abc" && (flags & kPeerEnded) != 0 && world.quiet());
    peer.close();
  }
}

void anInterestThatIsTakenBackIsNotTold() {
  World world;
  const Peer peer = world.connect();
  CHECK(world.reactor.want(peer.id, kWantFlow | kWantWrite) == 0);
  CHECK(world.reactor.want(peer.id, 0) == 0 && world.reactor.waiting() == 0);
  peer.write("abc");
  for (int i = 0; i < 3 && !world.quiet(); i++) CHECK(world.turn() == 0);
  CHECK(world.quiet());
  ExactBuffer bytes(3);
  CHECK(world.reactor.receive(peer.id, bytes.data(), 3, false) == 3);
  peer.close();
}

void aWriteIsToldWhenThereIsRoomAgain() {
  World world;
  const Peer peer = world.connect();
  const std::string bulk(64 * 1024, 'x');
  const iovec part = partOf(bulk);
  size_t sent = 0;
  for (int64_t count = 0; (count = world.reactor.send(peer.id, &part, 1)) > 0;) sent += static_cast<size_t>(count);
  CHECK(world.reactor.send(peer.id, &part, 1) == -EAGAIN && world.reactor.counters().stalls >= 2);
  CHECK(world.reactor.want(peer.id, kWantWrite) == 0);
  CHECK(world.quiet() && world.turn() == 0);
  std::string read(sent, ' ');
  for (size_t at = 0; at < sent;) {
    const ssize_t count = ::recv(peer.descriptor, &read[at], sent - at, 0);
    CHECK(count > 0);
    at += static_cast<size_t>(count);
  }
  CHECK(world.turnOf(peer.id) == kWritable && world.reactor.waiting() == 0);
  // Room is there for ever, and nobody asks.
  CHECK(world.turn() == 0 && world.quiet());
  peer.close();
}

void aResetThatNobodyReadsWakesTheLoopOnce() {
  for (const uint8_t before : {0, 1, 2, 3, 4, 6}) {
    World world;
    say("reset, wanted before: " + std::to_string(before));
    const Peer peer = world.connect();
    CHECK(world.reactor.want(peer.id, before) == 0);
    for (int i = 0; i < 3 && !world.quiet(); i++) world.turn();
    CHECK(world.reactor.want(peer.id, 0) == 0);
    // Closing with unread input resets the connection.
    const std::string text = "unread";
    const iovec part = partOf(text);
    CHECK(world.reactor.send(peer.id, &part, 1) == 6);
    peer.close();
    for (int i = 0; i < 2 && !world.quiet(); i++) CHECK(world.turn() == 0);
    CHECK(world.quiet());
    // Whoever reads later is told, once for each time that he asks.
    for (int i = 0; i < 3; i++) {
      CHECK(world.reactor.want(peer.id, kWantRead) == 0);
      CHECK(world.turnOf(peer.id) == kReadable);
      for (int k = 0; k < 2 && !world.quiet(); k++) CHECK(world.turn() == 0);
      CHECK(world.quiet());
    }
    CHECK(world.reactor.want(peer.id, kWantFlow) == 0);
    CHECK(world.turnOf(peer.id) == kConnectionFailed && world.memory.event(0)[kEventError] == -ECONNRESET);
    for (int k = 0; k < 2 && !world.quiet(); k++) CHECK(world.turn() == 0);
    CHECK(world.quiet());
  }
}

}  // namespace

int main() {
  aReadIsToldOnceAndThenForgottenWithoutAPoll();
  askingAgainNeedsNoCallWhereAllWasRead();
  whatStopsAReceiveHidesNothing();
  theEndBehindDataIsTold();
  anInterestThatIsTakenBackIsNotTold();
  aWriteIsToldWhenThereIsRoomAgain();
  aResetThatNobodyReadsWakesTheLoopOnce();
  return 0;
}
