/** Reading, answering, and what is left. See peer.h. */
#include "peer.h"

#include <cerrno>
#include <cstring>
#include <utility>

namespace miniproto::load {

namespace {

constexpr size_t kRoomBytes = 512 * 1024;
constexpr size_t kLeastRead = 256 * 1024;
static_assert(kLeastRead >= Transport::kLeastReceive, "");

}  // namespace

std::vector<char> Rooms::take() {
  if (free_.empty()) return std::vector<char>(kRoomBytes);
  std::vector<char> room = std::move(free_.back());
  free_.pop_back();
  return room;
}

Peer::~Peer() {
  if (!room_.empty()) rooms_.give(std::move(room_));
}

bool Peer::read() {
  if (room_.empty()) room_ = rooms_.take();
  // For a record of any size.
  if (room_.size() - held_ < kLeastRead) room_.resize(2 * room_.size());
  const ssize_t got = transport_->receive(room_.data() + held_, room_.size() - held_);
  const bool open = got > 0 ? answer(held_ + static_cast<size_t>(got)) : got < 0 && errno == EAGAIN;
  if (held_ == 0) rooms_.give(std::exchange(room_, {}));
  return open;
}

bool Peer::answer(size_t size) {
  size_t answers = 0;
  const size_t done = responder_->answer(room_.data(), size, answers);
  const bool sent = answers == 0 || transport_->send(room_.data(), answers);
  held_ = size - done;
  if (done > 0 && held_ > 0) std::memmove(room_.data(), room_.data() + done, held_);
  return sent && !responder_->over();
}

}  // namespace miniproto::load
