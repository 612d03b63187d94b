/** recv, send, and what send has left. See transport.h. */
#include "transport.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace miniproto::load {

Transport::~Transport() {
  close(fd_);
}

ssize_t Transport::receive(char* bytes, size_t size) {
  const ssize_t got = recv(fd_, bytes, size, 0);
  drained_ = got < static_cast<ssize_t>(size);
  return got;
}

bool Transport::send(const char* bytes, size_t size) {
  if (!unsent_.empty()) {
    unsent_.append(bytes, size);
    return writeOn();
  }
  const ssize_t gone = ::send(fd_, bytes, size, MSG_NOSIGNAL);
  if (gone < 0 && errno != EAGAIN) return false;
  const size_t taken = gone < 0 ? 0 : static_cast<size_t>(gone);
  if (taken < size) unsent_.assign(bytes + taken, size - taken);
  return true;
}

bool Transport::writeOn() {
  const ssize_t gone = ::send(fd_, unsent_.data() + sent_, unsent_.size() - sent_, MSG_NOSIGNAL);
  if (gone < 0) return errno == EAGAIN;
  sent_ += static_cast<size_t>(gone);
  if (sent_ < unsent_.size()) return true;
  // Its memory goes, too.
  std::string().swap(unsent_);
  sent_ = 0;
  return true;
}

}  // namespace miniproto::load
