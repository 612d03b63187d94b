/**
 * A WebSocket client by hand, the least that asks: the bound of the clients under test, with their words and their
 * answer (clients/window.mjs).
 *
 *     miniproto_client --port N --connections C --in-flight N --bytes B --warmup S --seconds S
 *
 * One thread, epoll, Linux; no limits, no timeouts, no control frames, and keys of a generator that anybody could
 * guess. It prints how many echoes came in how much of its own processor time, and exits with 1 when one is wrong.
 */
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <map>
#include <string>

#include "../connect.h"
#include "conversation.h"

using namespace miniproto::load;

namespace {

constexpr int kEventsPerWait = 512;

struct Plan {
  Options options;
  double warmup = 1;
  double seconds = 3;
};

Plan parsePlan(int count, char** words) {
  std::map<std::string, double> numbers = {{"--port", 0},   {"--connections", 1}, {"--in-flight", 1},
                                           {"--bytes", 64}, {"--warmup", 1},      {"--seconds", 3}};
  for (int i = 1; i < count; i += 2) {
    const auto found = numbers.find(words[i]);
    char* end = nullptr;
    const double value = i + 1 < count ? std::strtod(words[i + 1], &end) : 0;
    if (found == numbers.end() || end == nullptr || *end != '\0' || !(value >= 0)) {
      throw Failure(std::string("'") + words[i] + "' is not known, or lacks its number");
    }
    found->second = value;
  }
  Plan plan;
  plan.options.protocol = Protocol::kWebSocket;
  plan.options.port = static_cast<int>(numbers["--port"]);
  plan.options.connections = static_cast<size_t>(numbers["--connections"]);
  plan.options.inFlight = static_cast<size_t>(numbers["--in-flight"]);
  plan.options.bytes = static_cast<size_t>(numbers["--bytes"]);
  plan.warmup = numbers["--warmup"];
  plan.seconds = numbers["--seconds"];
  // Two bytes are the number.
  if (plan.options.bytes < 2 || plan.options.inFlight == 0) throw Failure("there is nothing to send");
  return plan;
}

double wallSeconds() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

double cpuSeconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

class Client {
 public:
  explicit Client(const Options& options) : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    together_.inFlight = options.inFlight;
    together_.bytes = options.bytes;
    for (size_t i = 0; i < options.connections; i++) {
      // A copy of the descriptor: what shook hands goes.
      const int fd = dup(connectTo(options, i)->fd());
      conversations_.push_back(std::make_unique<Conversation>(std::make_unique<Transport>(fd), together_));
    }
    for (const auto& one : conversations_) {
      one->begin();
      watch(EPOLL_CTL_ADD, *one);
    }
  }
  ~Client() { close(epoll_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  uint64_t echoes() const { return together_.echoes; }
  void checksAll(bool checks) { together_.checksAll = checks; }

  void runFor(double seconds) {
    const double end = wallSeconds() + seconds;
    for (double left = seconds; left > 0; left = end - wallSeconds()) {
      epoll_event events[kEventsPerWait];
      const int ready = epoll_wait(epoll_, events, kEventsPerWait, static_cast<int>(left * 1000) + 1);
      for (int i = 0; i < ready; i++) serve(*static_cast<Conversation*>(events[i].data.ptr), events[i].events);
    }
  }

 private:
  void serve(Conversation& one, uint32_t events) const {
    const bool wanted = one.transport().wantsWrite();
    if ((events & EPOLLOUT) != 0 && wanted) one.writeOn();
    // It reads although it has not sent all: a server may read no more before its answers are taken.
    if ((events & ~uint32_t{EPOLLOUT}) != 0) one.read();
    if (one.transport().wantsWrite() != wanted) watch(EPOLL_CTL_MOD, one);
  }

  void watch(int operation, Conversation& one) const {
    epoll_event event{};
    event.events = one.transport().wantsWrite() ? EPOLLIN | EPOLLOUT : EPOLLIN;
    event.data.ptr = &one;
    epoll_ctl(epoll_, operation, one.transport().fd(), &event);
  }

  int epoll_;
  Together together_;
  std::vector<std::unique_ptr<Conversation>> conversations_;
};

void run(const Plan& plan) {
  Client client(plan.options);
  client.runFor(plan.warmup / 2);
  client.checksAll(false);
  client.runFor(plan.warmup / 2);
  const uint64_t before = client.echoes();
  const double wallBefore = wallSeconds();
  const double cpuBefore = cpuSeconds();
  client.runFor(plan.seconds);
  const double cpu = cpuSeconds() - cpuBefore;
  const double wall = wallSeconds() - wallBefore;
  const auto messages = static_cast<double>(client.echoes() - before);
  std::printf(
      "{\"messages\":%.0f,\"seconds\":%.6f,\"serverCpuSeconds\":%.6f,\"messagesPerSecond\":%.3f,"
      "\"messagesPerCpuSecond\":%.3f}\n",
      messages, wall, cpu, messages / wall, messages / cpu);
}

}  // namespace

int main(int count, char** words) {
  try {
    run(parsePlan(count, words));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "miniproto_client: %s\n", error.what());
    return 1;
  }
}
