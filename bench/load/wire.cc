/** Plain sockets here, TLS in tls.cc. See wire.h. */
#include "wire.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "tls.h"

namespace miniproto::load {

Wire::Wire(int fd, const Options& options, size_t index) : fd_(fd), index_(index) {
  if (options.tls == TlsVersion::kNone) return;
  try {
    tls_ = handshakeOf(fd, options, index);
  } catch (const Failure&) {
    close(fd);
    throw;
  }
}

Wire::~Wire() {
  delete tls_;
  close(fd_);
}

void Wire::stopBlocking() {
  if (tls_ != nullptr) tls_->stopBlocking();
  if (fcntl(fd_, F_SETFL, O_NONBLOCK) == 0) return;
  throw Failure("connection " + std::to_string(index_) + ": fcntl: " + std::strerror(errno));
}

ssize_t Wire::receive(char* bytes, size_t size) {
  return tls_ == nullptr ? recv(fd_, bytes, size, 0) : tls_->receive(bytes, size);
}

ssize_t Wire::send(const char* bytes, size_t size) {
  return tls_ == nullptr ? ::send(fd_, bytes, size, MSG_NOSIGNAL) : tls_->send(bytes, size);
}

bool Wire::holdsMore() const {
  return tls_ != nullptr && tls_->holdsMore();
}

void Wire::shutdownWrite() {
  if (tls_ != nullptr) tls_->shutdown();
  if (shutdown(fd_, SHUT_WR) == 0) return;
  throw Failure("connection " + std::to_string(index_) + ": shutdown: " + std::strerror(errno));
}

}  // namespace miniproto::load
