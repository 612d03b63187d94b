/**
 * One connection to the server under load: sends numbered messages as its window allows and checks what comes back.
 *
 * It never waits: a read and a write are tried each time the socket is ready, and a write that is refused is tried
 * again when the kernel says so. Reading goes on meanwhile, so a server that answers before it reads on cannot be
 * locked up with large messages. It knows no epoll; see loop.h.
 */
#ifndef MINIPROTO_LOAD_CONNECTION_H
#define MINIPROTO_LOAD_CONNECTION_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "histogram.h"
#include "options.h"
#include "traffic.h"
#include "wire.h"

namespace miniproto::load {

/** Nanoseconds of a clock that only goes forward. */
uint64_t now();

/** What came back while somebody counted. */
struct Tally {
  Histogram latency;
  uint64_t messages = 0;
  /** On the wire. */
  uint64_t bytes = 0;
};

/** Memory for one read or write; one for all connections. */
struct Scratch {
  static constexpr size_t kBytes = 256 * 1024;
  std::vector<char> input = std::vector<char>(kBytes);
  std::vector<char> output = std::vector<char>(kBytes);
};

class Connection {
 public:
  /**
   * Connects, which waits for the handshake; after that nothing does.
   * @param window messages in flight
   * @throws Failure
   */
  Connection(const Options& options, size_t index, size_t window);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return wire_->fd(); }
  size_t index() const { return index_; }
  /** Messages whose echo is missing. */
  uint64_t outstanding() const { return sent_->begun() - received_->passed(); }
  uint64_t completed() const { return received_->passed(); }
  /** The socket takes nothing more now, and something is to be sent. */
  bool wantsWrite() const { return wantsWrite_; }
  /** Most bytes of one read: what a greedy connection must not take from the others. */
  void limitRead(size_t bytes) { readBytes_ = bytes; }

  /** Where echoes are counted; nullptr: nowhere, as while warming up. */
  void countInto(Tally* tally) { tally_ = tally; }

  /** Sends no message after this many; those begun are still finished. */
  void stopAfter(uint64_t messages) { last_ = messages; }

  /**
   * Reads once, or what has come already, and checks.
   * @returns false when the server has ended the connection.
   * @throws Failure when an echo is wrong, or when it is lost since the server has ended too early.
   */
  bool receive(Scratch& scratch);

  /** Sends what the window allows. @throws Failure */
  void transmit(Scratch& scratch);

  /** Says that nothing more is sent, and lets the server end. */
  void shutdownWrite();

  /** The close will be a reset, as of a peer that has crashed. */
  void resetOnClose() const;

 private:
  bool receiveOnce(Scratch& scratch);

  std::unique_ptr<Wire> wire_;
  size_t index_;
  size_t window_;
  uint64_t last_ = UINT64_MAX;
  std::unique_ptr<Outgoing> sent_;
  std::unique_ptr<Incoming> received_;
  /** When the message of a number began to be sent; message n is at n % window_. */
  std::vector<uint64_t> sentAt_;
  size_t readBytes_ = Scratch::kBytes;
  bool wantsWrite_ = false;
  Tally* tally_ = nullptr;
};

}  // namespace miniproto::load

#endif
