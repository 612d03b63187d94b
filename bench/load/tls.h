/** TLS of one connection, for wire.cc: over a socket that may block or not. */
#ifndef MINIPROTO_LOAD_TLS_H
#define MINIPROTO_LOAD_TLS_H

#include <sys/types.h>

#include <cstddef>

#include "options.h"

namespace miniproto::load {

class Tls {
 public:
  virtual ~Tls() = default;
  virtual ssize_t receive(char* bytes, size_t size) = 0;
  virtual ssize_t send(const char* bytes, size_t size) = 0;
  virtual bool holdsMore() const = 0;
  /** From now on the socket does not block: one call takes all that has come. */
  virtual void stopBlocking() = 0;
  virtual void shutdown() = 0;
};

/**
 * A client's handshake, to its end; with `options.resume` with the session of an earlier connection, once there is one.
 * @throws Failure when it fails, when a session was offered and not resumed, and where OpenSSL is missing.
 */
Tls* handshakeOf(int fd, const Options& options, size_t index);

}  // namespace miniproto::load

#endif
