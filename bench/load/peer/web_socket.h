/**
 * WebSockets for the server by hand: no limits, no UTF-8 check, no extensions. Frames go back as they came, unmasked; a
 * text `subscribe` makes the connection a subscriber and is sent back, and once there are any, what others send goes to
 * each of them.
 */
#ifndef MINIPROTO_LOAD_PEER_WEB_SOCKET_H
#define MINIPROTO_LOAD_PEER_WEB_SOCKET_H

#include <vector>

#include "responder.h"
#include "transport.h"

namespace miniproto::load {

class WebSocket : public Responder {
 public:
  using Subscribers = std::vector<Transport*>;

  WebSocket(Transport& transport, Subscribers& subscribers) : transport_(transport), subscribers_(subscribers) {}
  ~WebSocket() override;

  size_t answer(char* data, size_t size, size_t& answers) override;
  bool over() const override { return over_; }

 private:
  /** Puts the answer to a request in its place, which is longer. */
  size_t upgrade(char* data, size_t size, size_t& answers);
  /** Unmasks the whole frames and moves them together, as frames of a server. */
  size_t frames(char* data, size_t size, size_t& answers);
  /** One frame as a server sends it. @returns true when it is not to be sent back */
  bool consumed(const char* frame, size_t header, size_t size);

  Transport& transport_;
  Subscribers& subscribers_;
  bool open_ = false;
  bool subscribed_ = false;
  bool over_ = false;
};

}  // namespace miniproto::load

#endif
