#include "net/system_calls.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace miniproto {
namespace {

// The C library's recv and send are points where a thread may be cancelled: in a process with threads, as every one
// with Node is, that is two locked instructions around each call. None of these calls waits, and nobody cancels the
// thread.

ssize_t receiveNow(int descriptor, void* bytes, size_t size, int flags) {
  return ::syscall(SYS_recvfrom, descriptor, bytes, size, flags, nullptr, nullptr);
}

ssize_t sendNow(int descriptor, const void* bytes, size_t size, int flags) {
  return ::syscall(SYS_sendto, descriptor, bytes, size, flags, nullptr, 0);
}

}  // namespace

int32_t SystemCalls::nextFault(SystemCall call) {
  Kind& kind = kinds_[static_cast<size_t>(call)];
  faulted_ = false;
  if (!kind.armed) return 0;
  if (kind.next >= kind.plan.steps.size()) {
    if (!kind.plan.repeats || kind.plan.steps.empty()) {
      kind.armed = false;
      return 0;
    }
    kind.next = 0;
  }
  const int32_t step = kind.plan.steps[kind.next++];
  faulted_ = step != 0;
  return step;
}

void SystemCalls::setFaults(SystemCall call, FaultPlan plan) {
  Kind& kind = kinds_[static_cast<size_t>(call)];
  kind.armed = !plan.steps.empty();
  kind.plan = std::move(plan);
  kind.next = 0;
}

int64_t SystemCalls::receive(int descriptor, uint8_t* bytes, size_t size, bool peek) {
  for (;;) {
    const int32_t fault = nextFault(SystemCall::kReceive);
    if (fault == -EINTR) continue;
    if (fault < 0) return fault;
    const size_t most = fault > 0 ? std::min(size, static_cast<size_t>(fault)) : size;
    const ssize_t count = receiveNow(descriptor, bytes, most, MSG_DONTWAIT | (peek ? MSG_PEEK : 0));
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

int64_t SystemCalls::send(int descriptor, const iovec* parts, size_t count, SendEnd end) {
  const int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (end == SendEnd::kFollows ? MSG_MORE : 0);
  for (;;) {
    const int32_t fault = nextFault(SystemCall::kSend);
    if (fault == -EINTR) continue;
    if (fault < 0) return fault;
    msghdr message{};
    iovec first{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = count;
    if (fault > 0) {
      const iovec* part = std::find_if(parts, parts + count, [](const iovec& one) { return one.iov_len > 0; });
      if (part == parts + count) return 0;
      first = *part;
      first.iov_len = std::min(first.iov_len, static_cast<size_t>(fault));
      message.msg_iov = &first;
      message.msg_iovlen = 1;
    }
    // One part is what most writes are, and costs the system less to look at.
    const ssize_t sent = message.msg_iovlen == 1
                             ? sendNow(descriptor, message.msg_iov->iov_base, message.msg_iov->iov_len, flags)
                             : ::sendmsg(descriptor, &message, flags);
    if (sent >= 0) return sent;
    if (errno != EINTR) return -errno;
  }
}

int SystemCalls::duplicate(int descriptor) {
  const int32_t fault = nextFault(SystemCall::kDuplicate);
  if (fault < 0) return fault;
  const int copy = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return -errno;
  const int flags = ::fcntl(copy, F_GETFL);
  if (flags >= 0 && (flags & O_NONBLOCK) == 0) ::fcntl(copy, F_SETFL, flags | O_NONBLOCK);
  return copy;
}

int SystemCalls::accept(int descriptor, sockaddr_storage& peer) {
  for (;;) {
    const int32_t fault = nextFault(SystemCall::kAccept);
    if (fault == -EINTR) continue;
    if (fault < 0) return fault;
    socklen_t size = sizeof(peer);
    const int made = ::accept4(descriptor, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (made >= 0) return made;
    if (errno != EINTR) return -errno;
  }
}

}  // namespace miniproto
