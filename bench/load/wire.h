/**
 * A connected socket, plain or with TLS on it: the same two calls, which never wait once the wire does not block.
 *
 * TLS is OpenSSL's, where its headers were found when this was built; otherwise `--tls` is a Failure that says so. The
 * server's certificate is not looked at: what is measured is what it costs the server.
 */
#ifndef MINIPROTO_LOAD_WIRE_H
#define MINIPROTO_LOAD_WIRE_H

#include <sys/types.h>

#include <cstddef>

#include "options.h"

namespace miniproto::load {

/** What OpenSSL keeps for one connection. */
class Tls;

class Wire {
 public:
  /** Takes a connected socket that blocks, and shakes hands where TLS is asked for. @throws Failure */
  Wire(int fd, const Options& options, size_t index);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  int fd() const { return fd_; }
  /** From now on nothing waits. @throws Failure */
  void stopBlocking();

  /** As recv: bytes, 0 at the end, or -1 with errno. */
  ssize_t receive(char* bytes, size_t size);
  /** As send. What was refused has to be what is sent next. */
  ssize_t send(const char* bytes, size_t size);
  /** Bytes have come that were not asked for yet, so that nobody would tell of them. */
  bool holdsMore() const;
  /** Says that nothing more is sent. */
  void shutdownWrite();

 private:
  const int fd_;
  const size_t index_;
  Tls* tls_ = nullptr;
};

}  // namespace miniproto::load

#endif
