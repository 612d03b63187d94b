/** Sockets, without waiting. See connection.h. */
#include "connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "connect.h"

namespace miniproto::load {

namespace {

[[noreturn]] void fail(size_t index, const std::string& what) {
  throw Failure("connection " + std::to_string(index) + ": " + what);
}

[[noreturn]] void failWithErrno(size_t index, const char* call) {
  fail(index, std::string(call) + ": " + std::strerror(errno));
}

}  // namespace

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
