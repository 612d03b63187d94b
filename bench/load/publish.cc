/**
 * One message to many subscribers, again and again: what it costs the server, user and system time apart.
 *
 * A connection that sends the text `subscribe` becomes a subscriber and gets that text back; what any other connection
 * sends goes to all subscribers, and the next goes out when all have it. Every delivery is checked like an echo.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "connect.h"
#include "connection.h"
#include "json.h"
#include "modes.h"
#include "server_process.h"
#include "websocket/masked_messages.h"

namespace miniproto::load {

namespace {

constexpr uint64_t kPatience = 30'000'000'000;
constexpr int kEventsPerWait = 512;
constexpr char kSubscribe[] = "subscribe";

/** Closed with the object. */
struct Epoll {
  Epoll() : fd(epoll_create1(EPOLL_CLOEXEC)) {}
  ~Epoll() { close(fd); }
  Epoll(const Epoll&) = delete;
  Epoll& operator=(const Epoll&) = delete;
  const int fd;
};

class Subscriber {
 public:
  Subscriber(const Options& options, size_t index)
      : wire_(connectTo(options, index)), index_(index), received_(incomingOf(options, 0)) {}

  int fd() const { return wire_->fd(); }

  /** Waits for the answer: who has it is surely among the subscribers. */
  void subscribe() const {
    const uint8_t key[] = {1, 2, 3, 4};
    std::string frame = frameHeader(kFinalFrame | kTextFrame, sizeof kSubscribe - 1, key);
    const size_t at = frame.size();
    frame.resize(at + sizeof kSubscribe - 1);
    mask(&frame[at], kSubscribe, sizeof kSubscribe - 1, key);
    if (wire_->send(frame.data(), frame.size()) < 0) fail("send");
    const std::string expected = frameHeader(kFinalFrame | kTextFrame, sizeof kSubscribe - 1, nullptr) + kSubscribe;
    std::string answer;
    while (answer.size() < expected.size()) {
      char part[64];
      const ssize_t got = wire_->receive(part, sizeof part);
      if (got > 0) answer.append(part, static_cast<size_t>(got));
      if (got > 0) continue;
      if (got == 0 || errno != EAGAIN) fail("its end before it was subscribed");
      waitReadable();
    }
    if (answer != expected) fail("mismatch: another answer than 'subscribe'");
  }

  /** @returns messages that have come with this */
  uint64_t receive(Scratch& scratch) {
    const ssize_t got = wire_->receive(scratch.input.data(), Scratch::kBytes);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (got <= 0) fail("ended by the server");
    const uint64_t before = received_->passed();
    if (received_->match(scratch.input.data(), static_cast<size_t>(got)) != static_cast<size_t>(got)) {
      fail("mismatch: message " + std::to_string(received_->passed()) + " is not what was published");
    }
    return received_->passed() - before;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Failure("subscriber " + std::to_string(index_) + ": " + what);
  }

  void waitReadable() const {
    pollfd waiting{fd(), POLLIN, 0};
    if (poll(&waiting, 1, static_cast<int>(kPatience / 1000000)) != 1) fail("never subscribed");
  }

  std::unique_ptr<Wire> wire_;
  size_t index_;
  std::unique_ptr<Incoming> received_;
};

class Audience {
 public:
  explicit Audience(const Options& options) : publisher_(connectTo(options, 0)), sent_(outgoingOf(options, 0)) {
    for (size_t i = 0; i < options.count; i++) {
      subscribers_.push_back(std::make_unique<Subscriber>(options, i));
      subscribers_.back()->subscribe();
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.ptr = subscribers_.back().get();
      epoll_ctl(epoll_.fd, EPOLL_CTL_ADD, subscribers_.back()->fd(), &event);
    }
  }

  uint64_t published() const { return sent_->begun(); }

  /** Until all have it. */
  void publish() {
    const Span span = sent_->peek(sent_->begun() + 1, scratch_.output.data(), Scratch::kBytes);
    if (publisher_->send(span.data, span.size) != static_cast<ssize_t>(span.size)) {
      throw Failure("the server does not take what is to be published");
    }
    sent_->skip(span.size);
    const uint64_t end = now() + kPatience;
    for (uint64_t missing = subscribers_.size(); missing > 0;) {
      epoll_event events[kEventsPerWait];
      const int count = epoll_wait(epoll_.fd, events, kEventsPerWait, 100);
      for (int i = 0; i < count; i++) missing -= static_cast<Subscriber*>(events[i].data.ptr)->receive(scratch_);
      if (now() > end) throw Failure("mismatch: " + std::to_string(missing) + " subscribers did not get a message");
    }
  }

  void publishFor(double seconds) {
    for (const uint64_t end = now() + static_cast<uint64_t>(seconds * 1e9); now() < end;) publish();
  }

 private:
  std::unique_ptr<Wire> publisher_;
  std::unique_ptr<Outgoing> sent_;
  Epoll epoll_;
  Scratch scratch_;
  std::vector<std::unique_ptr<Subscriber>> subscribers_;
};

}  // namespace

std::string runPublish(const Options& options) {
  raiseDescriptorLimit();
  const ServerProcess server(options.serverPid, options.withChildren);
  Audience audience(options);
  audience.publishFor(options.warmupSeconds);
  const double cpuBefore = server.cpuSeconds();
  const double userBefore = server.userSeconds();
  const uint64_t publishedBefore = audience.published();
  const uint64_t begin = now();
  audience.publishFor(options.seconds);
  const double seconds = static_cast<double>(now() - begin) / 1e9;
  const double cpuSeconds = server.cpuSeconds() - cpuBefore;
  const double userSeconds = server.userSeconds() - userBefore;
  const auto publishes = static_cast<double>(audience.published() - publishedBefore);
  Json json(options);
  json.add("subscribers", uint64_t{options.count});
  json.add("publishes", publishes);
  json.add("seconds", seconds);
  json.add("serverCpuSeconds", cpuSeconds);
  json.add("cpuMsPerPublish", 1e3 * cpuSeconds / publishes);
  json.add("userMsPerPublish", 1e3 * userSeconds / publishes);
  json.add("systemMsPerPublish", 1e3 * (cpuSeconds - userSeconds) / publishes);
  json.add("deliveriesPerSecond", publishes * static_cast<double>(options.count) / seconds);
  json.add("mismatches", uint64_t{0});
  return json.text();
}

}  // namespace miniproto::load
