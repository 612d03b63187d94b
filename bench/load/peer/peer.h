/** One connection of the server by hand, and the memory for reads that all of them share. See main.cc. */
#ifndef MINIPROTO_LOAD_PEER_PEER_H
#define MINIPROTO_LOAD_PEER_PEER_H

#include <cstddef>
#include <memory>
#include <vector>

#include "responder.h"
#include "transport.h"

namespace miniproto::load {

/** Memory for reads: the one that was used last comes first, since it is what the processor's cache holds. */
class Rooms {
 public:
  std::vector<char> take();
  void give(std::vector<char> room) { free_.push_back(std::move(room)); }

 private:
  std::vector<std::vector<char>> free_;
};

class Peer {
 public:
  Peer(std::unique_ptr<Transport> transport, std::unique_ptr<Responder> responder, Rooms& rooms)
      : transport_(std::move(transport)), responder_(std::move(responder)), rooms_(rooms) {}
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  const Transport& transport() const { return *transport_; }

  /** Reads once, or writes on. @returns false when the connection is over */
  bool serve() { return transport_->wantsWrite() ? transport_->writeOn() : read(); }

 private:
  bool read();
  /** Sends the answers to the records of `room_` and keeps what is behind them. @returns false: it is over */
  bool answer(size_t size);

  std::unique_ptr<Transport> transport_;
  /** Goes before what it sends with. */
  std::unique_ptr<Responder> responder_;
  Rooms& rooms_;
  /** Only while part of a record waits for its rest, which is read behind it. */
  std::vector<char> room_;
  /** Bytes that wait. */
  size_t held_ = 0;
};

}  // namespace miniproto::load

#endif
