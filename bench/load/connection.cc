/** Sockets, without waiting. See connection.h. */
#include "connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "websocket/handshake.h"

namespace miniproto::load {

namespace {

[[noreturn]] void fail(size_t index, const std::string& what) {
  throw Failure("connection " + std::to_string(index) + ": " + what);
}

[[noreturn]] void failWithErrno(size_t index, const char* call) {
  fail(index, std::string(call) + ": " + std::strerror(errno));
}

void connectTcp(int fd, int port, size_t index) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) failWithErrno(index, "connect");
  const int on = 1;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) failWithErrno(index, "TCP_NODELAY");
}

void connectUnix(int fd, const std::string& path, size_t index) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) fail(index, "the path of the socket is too long");
  std::memcpy(address.sun_path, path.data(), path.size());
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) failWithErrno(index, "connect");
}

}  // namespace

std::unique_ptr<Wire> connectTo(const Options& options, size_t index) {
  const bool local = !options.unixPath.empty();
  const int fd = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) failWithErrno(index, "socket");
  try {
    local ? connectUnix(fd, options.unixPath, index) : connectTcp(fd, options.port, index);
  } catch (const Failure&) {
    close(fd);
    throw;
  }
  auto wire = std::make_unique<Wire>(fd, options, index);
  if (options.protocol == Protocol::kWebSocket) upgradeToWebSocket(*wire, options, index);
  wire->stopBlocking();
  return wire;
}

uint64_t now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1000000000 + static_cast<uint64_t>(time.tv_nsec);
}

Connection::Connection(const Options& options, size_t index, size_t window)
    : wire_(connectTo(options, index)),
      index_(index),
      window_(window),
      sent_(outgoingOf(options, index)),
      received_(incomingOf(options, index)),
      sentAt_(window) {}

bool Connection::receive(Scratch& scratch) {
  do {
    if (!receiveOnce(scratch)) return false;
  } while (wire_->holdsMore());
  return true;
}

bool Connection::receiveOnce(Scratch& scratch) {
  const ssize_t got = wire_->receive(scratch.input.data(), readBytes_);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (got < 0) failWithErrno(index_, "recv");
  if (got == 0 && outstanding() > 0) fail(index_, std::to_string(outstanding()) + " echoes are missing at its end");
  if (got == 0) return false;
  const uint64_t before = received_->passed();
  const size_t right = received_->match(scratch.input.data(), static_cast<size_t>(got));
  const uint64_t after = received_->passed();
  if (right != static_cast<size_t>(got)) {
    fail(index_, "mismatch: echo " + std::to_string(after) + " is not what was sent");
  }
  if (received_->begun() > sent_->begun()) fail(index_, "mismatch: echo " + std::to_string(after) + " was never sent");
  if (tally_ == nullptr) return true;
  tally_->bytes += static_cast<uint64_t>(got);
  if (after == before) return true;
  const uint64_t time = now();
  for (uint64_t number = before; number < after; number++) tally_->latency.add(time - sentAt_[number % window_]);
  tally_->messages += after - before;
  return true;
}

void Connection::transmit(Scratch& scratch) {
  wantsWrite_ = false;
  for (;;) {
    const uint64_t limit = std::max(std::min(received_->passed() + window_, last_), sent_->begun());
    const Span span = sent_->peek(limit, scratch.output.data(), Scratch::kBytes);
    if (span.size == 0) return;
    const uint64_t begun = sent_->begun();
    const uint64_t time = now();
    const ssize_t gone = wire_->send(span.data, span.size);
    if (gone < 0 && errno != EAGAIN && errno != EINTR) failWithErrno(index_, "send");
    if (gone > 0) sent_->skip(static_cast<size_t>(gone));
    for (uint64_t number = begun; number < sent_->begun(); number++) sentAt_[number % window_] = time;
    if (gone == static_cast<ssize_t>(span.size)) continue;
    wantsWrite_ = true;
    return;
  }
}

void Connection::shutdownWrite() {
  wire_->shutdownWrite();
}

void Connection::resetOnClose() const {
  const linger none{1, 0};
  if (setsockopt(fd(), SOL_SOCKET, SO_LINGER, &none, sizeof none) != 0) failWithErrno(index_, "SO_LINGER");
}

}  // namespace miniproto::load
