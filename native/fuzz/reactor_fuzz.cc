/**
 * The reactor with connections of which some have a filter: wants, reads, writes, ends, resets, removals and failing
 * system calls in any order, peers that say anything. Each byte that is told is the next one of its connection, nothing
 * is told of a connection that is gone, and in the end nothing is open that was not before.
 */
#include <fcntl.h>
#include <fuzzer/FuzzedDataProvider.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "framing/length.h"
#include "test/check.h"
#include "test/reactor_world.h"
#include "test/toy_filter.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

struct Link {
  Peer peer;
  std::shared_ptr<ToyFilter> filter;
  /** The other end's bytes, and what of them was told or read. */
  std::string sent;
  std::string read;
  bool peerOpen = true;
  bool failed = false;
  uint8_t next = 0;
};

struct Scene {
  explicit Scene(const Sizes& sizes) : world(sizes) {}
  World world;
  std::map<int32_t, Link> links;
};

BlockPool& pool() {
  static BlockPool only;
  return only;
}

void addLink(Scene& scene, FuzzedDataProvider& data, const Framer* framer) {
  if (scene.links.size() >= 6) return;
  const Peer peer = scene.world.connect();
  Link& link = scene.links[peer.id];
  link.peer = peer;
  ::fcntl(peer.descriptor, F_SETFL, O_NONBLOCK);
  scene.world.reactor.setFramer(peer.id, data.ConsumeBool() ? framer : nullptr);
  if (!data.ConsumeBool()) return;
  ToySettings settings;
  settings.server = data.ConsumeBool();
  settings.pauses = data.ConsumeIntegralInRange(0, 3) == 0;
  link.filter = std::make_shared<ToyFilter>(pool(), settings);
  scene.world.reactor.setFilter(peer.id, link.filter);
}

void removeLink(Scene& scene, int32_t id) {
  if (scene.links[id].peerOpen) scene.links[id].peer.close();
  scene.world.reactor.remove(id);
  scene.links.erase(id);
}

void append(Link& link, const std::string& bytes) {
  link.read += bytes;
  // Without a filter nothing is invented, and nothing skipped; with one, what is opened depends on what it means.
  if (link.filter == nullptr) CHECK(link.sent.compare(0, link.read.size(), link.read) == 0);
}

void turn(Scene& scene) {
  const size_t count = scene.world.turn();
  for (size_t i = 0; i < count; i++) {
    const int32_t* event = scene.world.memory.event(i);
    const auto found = scene.links.find(event[kEventId]);
    CHECK(found != scene.links.end() && event[kEventFlags] != 0);
    const int32_t flags = event[kEventFlags];
    if ((flags & kArrived) != 0) append(found->second, scene.world.arrived(i));
    if ((flags & kConnectionFailed) != 0) CHECK(event[kEventError] < 0);
    if ((flags & (kConnectionFailed | kPeerEnded)) != 0) found->second.failed = true;
  }
}

void sayFromPeer(Link& link, FuzzedDataProvider& data) {
  if (!link.peerOpen) return;
  std::string text = data.ConsumeRandomLengthString(60);
  if (link.filter != nullptr && data.ConsumeIntegralInRange(0, 5) > 0) {
    text = toyRecord(data.PickValueInArray({'h', 'a', 'f', 'd', 'd', 'd', 'e', 'q', 'r', '!'}), text);
  }
  if (data.ConsumeIntegralInRange(0, 9) == 0) text += std::string(data.ConsumeIntegralInRange<size_t>(0, 80'000), 'd');
  const ssize_t count = ::send(link.peer.descriptor, text.data(), text.size(), MSG_NOSIGNAL);
  if (count > 0) link.sent.append(text, 0, static_cast<size_t>(count));
}

void hearAtPeer(Link& link) {
  char bytes[30'000];
  while (link.peerOpen && ::recv(link.peer.descriptor, bytes, sizeof(bytes), MSG_DONTWAIT) > 0) {
  }
}

void setFaults(Scene& scene, FuzzedDataProvider& data) {
  FaultPlan plan;
  plan.repeats = data.ConsumeBool();
  for (int count = data.ConsumeIntegralInRange(0, 6); count > 0; count--) {
    plan.steps.push_back(data.ConsumeBool() ? data.ConsumeIntegralInRange(0, 50)
                                            : -data.PickValueInArray({EAGAIN, EINTR, ECONNRESET, EPIPE, ENOBUFS}));
  }
  // A plan of nothing but interruptions would be repeated for ever.
  if (plan.repeats) plan.steps.push_back(0);
  scene.world.reactor.system().setFaults(data.ConsumeBool() ? SystemCall::kReceive : SystemCall::kSend, plan);
}

void sendSome(Scene& scene, int32_t id, FuzzedDataProvider& data) {
  std::string text = data.ConsumeRandomLengthString(60);
  if (data.ConsumeIntegralInRange(0, 5) == 0) text += std::string(data.ConsumeIntegralInRange<size_t>(1, 400'000), 's');
  if (text.empty()) return;
  const iovec parts[2] = {partOf(text), partOf(text)};
  const int64_t count = scene.world.reactor.send(id, parts, data.ConsumeBool() ? 2 : 1);
  CHECK(count <= static_cast<int64_t>(2 * text.size()));
}

void receiveSome(Scene& scene, int32_t id, FuzzedDataProvider& data) {
  ExactBuffer bytes(data.ConsumeIntegralInRange<size_t>(1, 3000));
  const bool peek = data.ConsumeIntegralInRange(0, 5) == 0;
  const int64_t count = scene.world.reactor.receive(id, bytes.data(), bytes.size(), peek);
  CHECK(count <= static_cast<int64_t>(bytes.size()));
  if (count > 0 && !peek) append(scene.links[id], std::string(bytes.data(), bytes.data() + count));
}

void act(Scene& scene, int32_t id, FuzzedDataProvider& data) {
  Link& link = scene.links[id];
  Reactor& reactor = scene.world.reactor;
  switch (data.ConsumeIntegralInRange(0, 13)) {
    case 0:
    case 1:
      return sayFromPeer(link, data);
    case 2:
      reactor.want(id, data.ConsumeIntegralInRange<uint8_t>(0, 7));
      return;
    case 3:
      return sendSome(scene, id, data);
    case 4:
      return receiveSome(scene, id, data);
    case 5:
      reactor.shutdown(id, data.ConsumeBool());
      return;
    case 6:
      return hearAtPeer(link);
    case 7:
      if (link.peerOpen) link.peer.close();
      link.peerOpen = false;
      return;
    case 8:
      return removeLink(scene, id);
    case 9:
      return setFaults(scene, data);
    case 10:
      if (link.filter != nullptr) link.filter->resume();
      return;
    case 11:
      if (link.peerOpen) ::shutdown(link.peer.descriptor, SHUT_WR);
      return;
    case 12:
      reactor.setReferenced(id, data.ConsumeBool());
      return;
    default:
      turn(scene);
  }
}

void finish(Scene& scene) {
  for (const SystemCall call : {SystemCall::kReceive, SystemCall::kSend}) {
    scene.world.reactor.system().setFaults(call, {});
  }
  // Whoever wants no more is told of no more, however much there is.
  for (auto& [id, link] : scene.links)
    scene.world.reactor.want(id, link.filter == nullptr && !link.failed ? kWantFlow : 0);
  for (int i = 0; i < 2000 && (!scene.world.quiet() || scene.world.reactor.hasMore()); i++) {
    for (auto& [id, link] : scene.links) hearAtPeer(link);
    turn(scene);
    for (auto& [id, link] : scene.links) {
      if (link.failed) scene.world.reactor.want(id, 0);
    }
  }
  CHECK(scene.world.quiet());
  for (auto& [id, link] : scene.links) {
    if (link.filter == nullptr && !link.failed) CHECK(link.read == link.sent);
  }
  while (!scene.links.empty()) removeLink(scene, scene.links.begin()->first);
  CHECK(scene.world.reactor.waiting() == 0 && scene.world.reactor.counters().connections == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static const LengthFramer lengths{LengthSettings()};
  const size_t before = openDescriptors();
  FuzzedDataProvider data(bytes, size);
  {
    Scene scene(Sizes{(20u + data.ConsumeIntegralInRange(0u, 100u)) * 1024,
                      data.ConsumeIntegralInRange<size_t>(300, 1500), data.ConsumeIntegralInRange<size_t>(1, 6)});
    for (int steps = 0; steps < 400 && data.remaining_bytes() > 0; steps++) {
      if (scene.links.empty() || data.ConsumeIntegralInRange(0, 9) == 0) {
        addLink(scene, data, &lengths);
      } else {
        auto it = scene.links.begin();
        std::advance(it, data.ConsumeIntegralInRange<ptrdiff_t>(0, static_cast<ptrdiff_t>(scene.links.size()) - 1));
        act(scene, it->first, data);
      }
    }
    finish(scene);
  }
  CHECK(openDescriptors() == before);
  return 0;
}
