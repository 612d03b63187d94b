/**
 * An echo server by hand, the least that answers: the bound that the others of the benches are held against, and what
 * WebSocket clients under test talk to. See settings.h for its words.
 *
 * One thread, epoll, Linux; no limits, no timeouts. It looks whether records are whole and sends them back as they
 * came, all that a read brought in one send; whoever does not take it is not read. It prints `up PORT` when it listens.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>

#include "peer.h"
#include "settings.h"
#include "tls.h"
#include "web_socket.h"

using namespace miniproto::load;

namespace {

constexpr int kEventsPerWait = 512;

using MakeResponder = std::function<std::unique_ptr<Responder>(Transport& transport)>;

[[noreturn]] void stop(const char* call) {
  std::perror(call);
  std::exit(1);
}

int listenOn(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) stop("bind");
  if (listen(fd, SOMAXCONN) != 0) stop("listen");
  socklen_t size = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  std::printf("up %d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return fd;
}

MakeResponder respondersOf(const std::string& name) {
  if (name == "line") return [](Transport&) { return std::make_unique<Lines>(); };
  if (name == "len32") return [](Transport&) { return std::make_unique<Len32>(); };
  if (name != "ws") throw std::runtime_error("there is no protocol '" + name + "'; there are ws, line, len32");
  return [subscribers = std::make_shared<WebSocket::Subscribers>()](Transport& transport) {
    return std::make_unique<WebSocket>(transport, *subscribers);
  };
}

MakeTransport transportsOf(const Settings& settings) {
  if (settings.tls) return tlsTransports(settings.cert, settings.key);
  return [](int fd) { return std::make_unique<Transport>(fd); };
}

/** The connections, by what epoll tells of them. */
class Server {
 public:
  explicit Server(const Settings& settings)
      : makeResponder_(respondersOf(settings.protocol)),
        makeTransport_(transportsOf(settings)),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        listener_(listenOn(settings.port)) {
    epoll_event event{};
    event.events = EPOLLIN;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event);
  }

  [[noreturn]] void run() {
    for (;;) {
      epoll_event events[kEventsPerWait];
      const int ready = epoll_wait(epoll_, events, kEventsPerWait, -1);
      for (int i = 0; i < ready; i++) {
        auto* const peer = static_cast<Peer*>(events[i].data.ptr);
        peer == nullptr ? acceptAll() : serve(peer, events[i].events);
      }
    }
  }

 private:
  void acceptAll() {
    const int on = 1;
    for (int fd; (fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      auto transport = makeTransport_(fd);
      auto responder = makeResponder_(*transport);
      watch(EPOLL_CTL_ADD, new Peer(std::move(transport), std::move(responder), rooms_));
    }
  }

  void serve(Peer* peer, uint32_t events) {
    const bool wanted = peer->transport().wantsWrite();
    if (!peer->serve()) {
      delete peer;
      return;
    }
    // Edges cost epoll one look at a socket, levels two. What it has told of and is still there it tells of again.
    const bool drained = peer->transport().drained() && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0;
    if (peer->transport().wantsWrite() != wanted || !drained) watch(EPOLL_CTL_MOD, peer);
  }

  void watch(int operation, Peer* peer) const {
    epoll_event event{};
    // Who does not take what is sent to him is not read.
    event.events = (peer->transport().wantsWrite() ? EPOLLOUT : EPOLLIN | EPOLLRDHUP) | EPOLLET;
    event.data.ptr = peer;
    epoll_ctl(epoll_, operation, peer->transport().fd(), &event);
  }

  MakeResponder makeResponder_;
  MakeTransport makeTransport_;
  int epoll_;
  int listener_;
  Rooms rooms_;
};

void raiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int count, char** words) {
  try {
    raiseDescriptorLimit();
    Server(parseSettings(count, words)).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "miniproto_peer: %s\n", error.what());
    return 1;
  }
}
