/**
 * A connected socket that does not block, of the server by hand: plain here, with TLS on it in tls.h.
 *
 * What the kernel does not take is kept and sent when it does; until then its owner should read nothing, so that a
 * client that sends without reading is held by its own answers.
 */
#ifndef MINIPROTO_LOAD_PEER_TRANSPORT_H
#define MINIPROTO_LOAD_PEER_TRANSPORT_H

#include <sys/types.h>

#include <cstddef>
#include <string>

namespace miniproto::load {

class Transport {
 public:
  explicit Transport(int fd) : fd_(fd) {}
  virtual ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  int fd() const { return fd_; }

  /**
   * As recv, of at least kLeastReceive bytes: what is there afterwards is in the kernel.
   * @returns bytes, 0 at the end, or -1 with errno
   */
  virtual ssize_t receive(char* bytes, size_t size);

  /** The last receive has left nothing in the kernel. */
  bool drained() const { return drained_; }

  /** Takes all. @returns false when the connection is broken */
  virtual bool send(const char* bytes, size_t size);

  /** Something was not taken by the kernel. */
  bool wantsWrite() const { return !unsent_.empty(); }
  /** Sends what was not taken. @returns false when the connection is broken */
  bool writeOn();

  static constexpr size_t kLeastReceive = 64 * 1024;

 private:
  int fd_;
  bool drained_ = true;
  std::string unsent_;
  /** Of unsent_, sent already. */
  size_t sent_ = 0;
};

}  // namespace miniproto::load

#endif
