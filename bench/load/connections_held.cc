/**
 * The two modes that ask what connections cost the server: idle ones that stay, and ones that come and go, perhaps
 * beside such that stay.
 *
 * Resident memory of a runtime with a garbage collector moves by itself. So the server is looked at when it has had
 * connections before, and long after, and there should be thousands of them.
 */
#include <sys/resource.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "connection.h"
#include "json.h"
#include "loop.h"
#include "modes.h"
#include "server_process.h"

namespace miniproto::load {

namespace {

constexpr uint64_t kSecond = 1'000'000'000;
/** Until a server has taken or released what it should. */
constexpr uint64_t kPatience = 10 * kSecond;
/** Connects that may wait to be accepted, below any server's backlog. */
constexpr size_t kUnaccepted = 200;
/** One in so many connections of a churn ends with a reset, and another one with a reset behind its half-close. */
constexpr size_t kResetEvery = 8;

/** One message there and back, so that the server has surely taken the connection in. */
void echoOnce(Connection& connection, Loop& loop) {
  connection.stopAfter(connection.completed() + 1);
  const uint64_t wanted = connection.completed() + 1;
  connection.transmit(loop.scratch());
  loop.run(now() + kPatience, [&connection, wanted] { return connection.completed() >= wanted; });
  if (connection.completed() < wanted) throw Failure("mismatch: an echo never came");
}

/** Connections that stay, without a message under way. */
class Held {
 public:
  Held(const Options& options, Loop& loop) : options_(options), loop_(loop) {}

  void open() {
    connections_.push_back(std::make_unique<Connection>(options_, connections_.size(), 1));
    connections_.back()->stopAfter(0);
    loop_.add(*connections_.back());
    // Connections are accepted in order: when the newest is answered, all are.
    if (connections_.size() % kUnaccepted == 0) echoOnce(*connections_.back(), loop_);
  }

  void openUpTo(size_t count) {
    while (connections_.size() < count) open();
    if (count > 0) echoOnce(*connections_.back(), loop_);
  }

  void echoAll() {
    for (const auto& connection : connections_) echoOnce(*connection, loop_);
  }

 private:
  const Options& options_;
  Loop& loop_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

/** `count` connections, each of which ends when its one echo has come; at most `options.connections` at a time. */
class Churn {
 public:
  explicit Churn(const Options& options) : options_(options) {
    loop_.onRead = [this](Connection& connection) { echoed(connection); };
    loop_.onEnd = [this](Connection& connection) { replace(connection); };
  }

  void run(size_t count, Tally* tally) {
    tally_ = tally;
    waiting_ = count;
    left_ = count;
    slots_.resize(options_.connections);
    for (size_t slot = 0; slot < slots_.size(); slot++) connectAt(slot);
    uint64_t last = now();
    // The patience is for progress, not for the whole.
    for (size_t before = left_; left_ > 0; before = left_, last = now()) {
      loop_.run(last + kPatience, [this, before] { return left_ != before; });
      if (left_ == before) throw Failure("mismatch: the server neither answers nor ends a connection");
    }
  }

 private:
  void connectAt(size_t slot) {
    slots_[slot].reset();
    if (waiting_ == 0) return;
    waiting_--;
    slots_[slot] = std::make_unique<Connection>(options_, slot, 1);
    slots_[slot]->stopAfter(1);
    slots_[slot]->countInto(tally_);
    loop_.add(*slots_[slot]);
  }

  void echoed(Connection& connection) {
    if (connection.completed() == 0) return;
    const size_t kind = left_ % kResetEvery;
    if (kind != 0) connection.shutdownWrite();
    if (kind > 1) return;
    connection.resetOnClose();
    replace(connection);
  }

  void replace(Connection& connection) {
    loop_.remove(connection);
    left_--;
    connectAt(connection.index());
  }

  const Options& options_;
  Loop loop_;
  std::vector<std::unique_ptr<Connection>> slots_;
  Tally* tally_ = nullptr;
  /** Not connected yet. */
  size_t waiting_ = 0;
  /** Not ended yet. */
  size_t left_ = 0;
};

void sleepSeconds(double seconds) {
  usleep(static_cast<useconds_t>(seconds * 1e6));
}

}  // namespace

void raiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

std::string runIdle(const Options& options) {
  raiseDescriptorLimit();
  const ServerProcess server(options.serverPid, options.withChildren);
  Loop loop;
  Held connections(options, loop);
  // The first ones make the server load and compile what it needs; they stay, and are not counted.
  connections.openUpTo(kUnaccepted);
  sleepSeconds(options.warmupSeconds);
  const uint64_t before = server.residentBytes();
  connections.openUpTo(kUnaccepted + options.count);
  const uint64_t connected = server.residentBytes();
  connections.echoAll();
  const uint64_t echoed = server.residentBytes();
  loop.run(now() + static_cast<uint64_t>(options.seconds * 1e9));
  const uint64_t held = server.residentBytes();
  const auto each = [&](uint64_t bytes) {
    return (static_cast<double>(bytes) - static_cast<double>(before)) / static_cast<double>(options.count);
  };
  Json json(options);
  json.add("idle", uint64_t{options.count});
  json.add("rssBefore", before);
  json.add("rssConnected", connected);
  json.add("rssEchoed", echoed);
  json.add("rssHeld", held);
  json.add("bytesPerConnection", each(connected));
  json.add("bytesPerConnectionEchoed", each(echoed));
  json.add("bytesPerConnectionHeld", each(held));
  json.add("descriptors", uint64_t{server.descriptors()});
  json.add("mismatches", uint64_t{0});
  return json.text();
}

std::string runChurn(const Options& options) {
  raiseDescriptorLimit();
  const ServerProcess server(options.serverPid, options.withChildren);
  Loop loop;
  Held held(options, loop);
  held.openUpTo(options.held);
  const size_t descriptorsAtFirst = server.descriptors();
  Churn churn(options);
  churn.run(options.count / 4 + 1, nullptr);
  sleepSeconds(options.warmupSeconds);
  const uint64_t rssBefore = server.residentBytes();
  const size_t descriptorsBefore = server.descriptors();
  Tally tally;
  const double cpuBefore = server.cpuSeconds();
  const uint64_t begin = now();
  churn.run(options.count, &tally);
  const double seconds = static_cast<double>(now() - begin) / 1e9;
  const double cpuSeconds = server.cpuSeconds() - cpuBefore;
  // Closing may take the server another turn or two.
  for (const uint64_t end = now() + kPatience; now() < end && server.descriptors() > descriptorsAtFirst;) {
    sleepSeconds(0.05);
  }
  sleepSeconds(options.warmupSeconds);
  const auto count = static_cast<double>(options.count);
  const uint64_t rssAfter = server.residentBytes();
  const size_t descriptorsAfter = server.descriptors();
  // Those that stayed are served as ever.
  held.echoAll();
  Json json(options);
  json.add("churn", uint64_t{options.count});
  json.add("held", uint64_t{options.held});
  json.add("seconds", seconds);
  json.add("connectionsPerSecond", count / seconds);
  json.add("serverCpuSeconds", cpuSeconds);
  json.add("connectionsPerCpuSecond", cpuSeconds > 0 ? count / cpuSeconds : 0);
  json.addRaw("latencyUs", tally.latency.json());
  json.add("rssBefore", rssBefore);
  json.add("rssAfter", rssAfter);
  json.add("descriptorsAtFirst", uint64_t{descriptorsAtFirst});
  json.add("descriptorsBefore", uint64_t{descriptorsBefore});
  json.add("descriptorsAfter", uint64_t{descriptorsAfter});
  json.add("mismatches", uint64_t{0});
  return json.text();
}

}  // namespace miniproto::load
