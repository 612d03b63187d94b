/**
 * The system calls that sockets are made of, behind one class, so that tests can make any of them fail.
 *
 * Every call answers a count, 0, or a negative errno; EINTR is repeated here and seen by nobody. A fault plan says for
 * the first, second, third … call of a kind what happens instead: pass, at most so many bytes, or an error. That is how
 * every suite of the stream contract runs over short reads and writes, EAGAIN and failures at operation 0, 1, 2, …
 * Without a plan a call costs one comparison more than the system call itself.
 */
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace miniproto {

/** What comes behind what is sent. */
enum class SendEnd : uint8_t {
  kMayFollow,
  /** The end of our side, at once: the system may wait for it. */
  kFollows,
};

/** What a fault plan is about. */
enum class SystemCall : uint8_t { kReceive = 0, kSend = 1, kDuplicate = 2, kAccept = 3 };
constexpr size_t kSystemCallKinds = 4;

/** What happens instead of the next calls of one kind. */
struct FaultPlan {
  /** Per call: 0 passes, a positive number is the most bytes that it moves, a negative one is its errno, negated. */
  std::vector<int32_t> steps;
  /** After the last step: from the first again, or no faults any more. */
  bool repeats = false;
};

class SystemCalls {
 public:
  /** @param peek the bytes stay in the kernel. @returns bytes; 0 at the peer's end; a negative errno. */
  int64_t receive(int descriptor, uint8_t* bytes, size_t size, bool peek);

  /** One gather write, without SIGPIPE. Pre: at most IOV_MAX parts, not all empty. @returns bytes or a negative errno.
   */
  int64_t send(int descriptor, const iovec* parts, size_t count, SendEnd end = SendEnd::kMayFollow);

  /** A second, close-on-exec descriptor of the same socket, without waiting mode. @returns it or a negative errno. */
  int duplicate(int descriptor);

  /** The next connection of a listening socket, as `duplicate` leaves one. @returns its descriptor or a negative errno.
   */
  int accept(int descriptor, sockaddr_storage& peer);

  void setFaults(SystemCall call, FaultPlan plan);
  /** The last call was not the system's alone: what it answered says nothing about the socket. */
  bool faulted() const { return faulted_; }

 private:
  struct Kind {
    FaultPlan plan;
    size_t next = 0;
    bool armed = false;
  };

  /** @returns 0, the most bytes, or a negative errno. */
  int32_t nextFault(SystemCall call);

  Kind kinds_[kSystemCallKinds];
  bool faulted_ = false;
};

}  // namespace miniproto
