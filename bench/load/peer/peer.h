/** One connection of the server by hand, and what all of them share. See main.cc. */
#ifndef MINIPROTO_LOAD_PEER_PEER_H
#define MINIPROTO_LOAD_PEER_PEER_H

#include <cstddef>
#include <string>
#include <vector>

namespace miniproto::load {

/** What is shared: memory for a read, and the subscribers. */
struct Hub {
  std::vector<char> scratch = std::vector<char>(512 * 1024);
  std::vector<int> subscribers;
};

class Peer {
 public:
  Peer(int fd, Hub& hub) : fd_(fd), hub_(hub) {}
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  int fd() const { return fd_; }
  bool wantsWrite() const { return !unsent_.empty(); }

  /** Reads once, or writes on. @returns false when the connection is over */
  bool serve();

 private:
  bool read();
  /** The request, and the answer to it. @returns false when it is none */
  bool upgrade();
  /**
   * Unmasks the whole frames in `data` and moves them together, as frames of a server, to where they begin.
   * @returns bytes of `data` that were frames; `answers` gets what they have become
   */
  size_t frames(char* data, size_t size, size_t& answers);
  /** One frame as a server sends it. @returns true when it is not to be sent back */
  bool consumed(const char* frame, size_t header, size_t size);
  bool send(const char* data, size_t size);

  int fd_;
  Hub& hub_;
  bool open_ = false;
  bool subscribed_ = false;
  bool over_ = false;
  /** Part of a request, or of a frame. */
  std::string partial_;
  std::string unsent_;
};

}  // namespace miniproto::load

#endif
