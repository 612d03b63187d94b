/**
 * The two modes in which messages go round: echo, and quiet connections beside a flood.
 *
 * The loop is closed: a message is sent when an echo has come, so latency is what a server at its limit shows, and not
 * what users of a server with time to spare would see.
 */
#include <algorithm>
#include <memory>
#include <vector>

#include "connection.h"
#include "json.h"
#include "loop.h"
#include "modes.h"
#include "server_process.h"

namespace miniproto::load {

namespace {

using Connections = std::vector<std::unique_ptr<Connection>>;

constexpr uint64_t kDrainNanoseconds = 10'000'000'000;
/** On a busy machine warming up may last so many times longer. */
constexpr double kMostWarmups = 5;
/** A flood has so many bytes on their way, and is read in parts, so that the others have their turn with us. */
constexpr size_t kFloodBytes = 1 << 20;
constexpr size_t kFloodReadBytes = 64 * 1024;

uint64_t nanoseconds(double seconds) {
  return static_cast<uint64_t>(seconds * 1e9);
}

Connections connectAll(const Options& options, Loop& loop) {
  Connections connections;
  for (size_t i = 0; i < options.connections; i++) {
    connections.push_back(std::make_unique<Connection>(options, i, options.inFlight));
    loop.add(*connections.back());
  }
  return connections;
}

/** For the time asked for, and until the server has worked for most of it: what else runs here must not leave it cold.
 */
void warmUp(const Options& options, Loop& loop, const ServerProcess& server) {
  const double enough = options.serverPid == 0 ? 0 : server.cpuSeconds() + 0.7 * options.warmupSeconds;
  const uint64_t begin = now();
  loop.run(begin + nanoseconds(options.warmupSeconds));
  while (server.cpuSeconds() < enough && now() < begin + nanoseconds(kMostWarmups * options.warmupSeconds)) {
    loop.run(now() + nanoseconds(options.warmupSeconds / 10));
  }
}

/** A window of time in which echoes are counted. */
struct Window {
  Tally tally;
  double seconds = 0;
  double cpuSeconds = 0;
};

Window measure(const Options& options, const Connections& connections, Loop& loop, const ServerProcess& server) {
  Window window;
  for (const auto& connection : connections) connection->countInto(&window.tally);
  const double cpuBefore = server.cpuSeconds();
  const uint64_t begin = now();
  loop.run(begin + nanoseconds(options.seconds));
  window.seconds = static_cast<double>(now() - begin) / 1e9;
  window.cpuSeconds = server.cpuSeconds() - cpuBefore;
  for (const auto& connection : connections) connection->countInto(nullptr);
  return window;
}

/** Sends nothing new and waits for the echoes that are still to come. */
void drain(const Connections& connections, Loop& loop) {
  for (const auto& connection : connections) connection->stopAfter(0);
  const auto missing = [&connections] {
    uint64_t sum = 0;
    for (const auto& connection : connections) sum += connection->outstanding();
    return sum;
  };
  loop.run(now() + kDrainNanoseconds, [&missing] { return missing() == 0; });
  if (missing() > 0) throw Failure("mismatch: " + std::to_string(missing()) + " echoes never came");
}

void addRates(Json& json, const Window& window) {
  const auto messages = static_cast<double>(window.tally.messages);
  json.add("messages", window.tally.messages);
  json.add("bytesPerEcho", static_cast<double>(window.tally.bytes) / std::max(messages, 1.0));
  json.add("seconds", window.seconds);
  json.add("messagesPerSecond", messages / window.seconds);
  json.add("serverCpuSeconds", window.cpuSeconds);
  json.add("messagesPerCpuSecond", window.cpuSeconds > 0 ? messages / window.cpuSeconds : 0);
}

}  // namespace

std::string runEcho(const Options& options) {
  const ServerProcess server(options.serverPid, options.withChildren);
  Loop loop;
  const Connections connections = connectAll(options, loop);
  warmUp(options, loop, server);
  const Window window = measure(options, connections, loop, server);
  drain(connections, loop);
  Json json(options);
  addRates(json, window);
  json.addRaw("latencyUs", window.tally.latency.json());
  json.add("mismatches", uint64_t{0});
  return json.text();
}

std::string runFlood(const Options& options) {
  const ServerProcess server(options.serverPid, options.withChildren);
  Loop loop;
  Options one = options;
  one.inFlight = 1;
  Connections connections = connectAll(one, loop);
  warmUp(options, loop, server);
  const Window quiet = measure(one, connections, loop, server);
  Connection flood(options, options.connections, std::max<size_t>(kFloodBytes / (options.bytes + 4), 1));
  flood.limitRead(kFloodReadBytes);
  loop.add(flood);
  // The server meets the flood for the first time: that is its warm-up.
  warmUp(options, loop, server);
  Tally flooded;
  flood.countInto(&flooded);
  const Window beside = measure(one, connections, loop, server);
  flood.countInto(nullptr);
  flood.stopAfter(0);
  drain(connections, loop);
  loop.run(now() + kDrainNanoseconds, [&flood] { return flood.outstanding() == 0; });
  if (flood.outstanding() > 0) throw Failure("mismatch: echoes of the flood never came");
  Json json(one);
  addRates(json, beside);
  json.addRaw("latencyUs", quiet.tally.latency.json());
  json.addRaw("latencyUsBesideFlood", beside.tally.latency.json());
  json.add("quietMessagesPerSecondAlone", static_cast<double>(quiet.tally.messages) / quiet.seconds);
  json.add("floodMessagesPerSecond", static_cast<double>(flooded.messages) / beside.seconds);
  json.add("mismatches", uint64_t{0});
  return json.text();
}

}  // namespace miniproto::load
