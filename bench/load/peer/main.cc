/**
 * A WebSocket server by hand, the least that answers: what the others of the benches are held against, and what the
 * clients under test talk to. miniproto_peer [--port N]
 *
 * One thread, epoll, Linux; no limits, no UTF-8 check, no extensions, no timeouts. It sends frames back as they came,
 * all that a read brought in one send; a text `subscribe` makes the connection a subscriber and is sent back, and once
 * there are any, what others send goes to each of them with a bare send(2). It prints `up PORT` when it listens.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "peer.h"

using namespace miniproto::load;

namespace {

constexpr int kEventsPerWait = 512;

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

void watch(int epoll, int operation, const Peer& peer) {
  epoll_event event{};
  // Who does not take what is sent to him is not read.
  event.events = peer.wantsWrite() ? EPOLLOUT : EPOLLIN;
  event.data.ptr = const_cast<Peer*>(&peer);
  epoll_ctl(epoll, operation, peer.fd(), &event);
}

void acceptAll(int listener, int epoll, Hub& hub) {
  const int on = 1;
  for (int fd; (fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(epoll, EPOLL_CTL_ADD, *new Peer(fd, hub));
  }
}

void serve(int epoll, Peer* peer) {
  const bool wanted = peer->wantsWrite();
  if (!peer->serve()) {
    delete peer;
  } else if (peer->wantsWrite() != wanted) {
    watch(epoll, EPOLL_CTL_MOD, *peer);
  }
}

}  // namespace

int main(int count, char** words) {
  const bool named = count == 3 && std::strcmp(words[1], "--port") == 0;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  const int listener = listenOn(named ? std::atoi(words[2]) : 0);
  epoll_event event{};
  event.events = EPOLLIN;
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  Hub hub;
  for (;;) {
    epoll_event events[kEventsPerWait];
    const int ready = epoll_wait(epoll, events, kEventsPerWait, -1);
    for (int i = 0; i < ready; i++) {
      auto* const peer = static_cast<Peer*>(events[i].data.ptr);
      peer == nullptr ? acceptAll(listener, epoll, hub) : serve(epoll, peer);
    }
  }
}
