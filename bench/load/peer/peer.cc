/** Reading, unmasking in place and sending back. See peer.h. */
#include "peer.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "../websocket/accept_key.h"
#include "../websocket/masked_messages.h"

namespace miniproto::load {

namespace {

constexpr size_t kMaskBytes = 4;
constexpr uint8_t kCloseFrame = 8;
constexpr char kSubscribe[] = "subscribe";
/** In small letters. */
constexpr char kKeyHeader[] = "\r\nsec-websocket-key:";

/** @returns bytes of the header without its key; 0: more is needed */
size_t headerOf(const char* data, size_t size, size_t& length) {
  if (size < 2) return 0;
  const auto byteAt = [data](size_t at) { return size_t{static_cast<uint8_t>(data[at])}; };
  length = byteAt(1) & 0x7f;
  const size_t header = length < 126 ? 2 : length == 126 ? 4 : 10;
  if (size < header + kMaskBytes) return 0;
  for (size_t at = 2, value = 0; at < header; at++) length = value = value << 8 | byteAt(at);
  return header;
}

}  // namespace

Peer::~Peer() {
  if (subscribed_) {
    auto& all = hub_.subscribers;
    all.erase(std::find(all.begin(), all.end(), fd_));
  }
  close(fd_);
}

bool Peer::serve() {
  if (unsent_.empty()) return read();
  const std::string unsent = std::move(unsent_);
  unsent_.clear();
  return send(unsent.data(), unsent.size());
}

bool Peer::read() {
  auto& scratch = hub_.scratch;
  const size_t kept = partial_.size();
  if (scratch.size() < kept + 256 * 1024) scratch.resize(2 * scratch.size());
  std::memcpy(scratch.data(), partial_.data(), kept);
  const ssize_t got = recv(fd_, scratch.data() + kept, scratch.size() - kept, 0);
  if (got < 0 && errno == EAGAIN) return true;
  if (got <= 0) return false;
  const size_t size = kept + static_cast<size_t>(got);
  if (!open_) {
    partial_.assign(scratch.data(), size);
    return upgrade();
  }
  size_t answers = 0;
  const size_t done = frames(scratch.data(), size, answers);
  partial_.assign(scratch.data() + done, size - done);
  return (answers == 0 || send(scratch.data(), answers)) && !over_;
}

bool Peer::upgrade() {
  const size_t end = partial_.find("\r\n\r\n");
  if (end == std::string::npos) return true;
  std::string small = partial_;
  std::transform(small.begin(), small.end(), small.begin(), [](unsigned char c) { return std::tolower(c); });
  size_t from = small.find(kKeyHeader);
  if (from == std::string::npos) return false;
  from = partial_.find_first_not_of(' ', from + sizeof kKeyHeader - 1);
  const std::string key = partial_.substr(from, partial_.find("\r\n", from) - from);
  const std::string answer =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: " +
      acceptKey(key) + "\r\n\r\n";
  open_ = true;
  // A client says nothing before it has the answer.
  partial_.clear();
  return send(answer.data(), answer.size());
}

size_t Peer::frames(char* data, size_t size, size_t& answers) {
  size_t from = 0;
  for (;;) {
    size_t length = 0;
    const size_t header = headerOf(data + from, size - from, length);
    if (header == 0 || size - from - header - kMaskBytes < length) return from;
    uint8_t key[kMaskBytes];
    std::memcpy(key, data + from + header, kMaskBytes);
    char* const to = data + answers;
    std::memmove(to, data + from, header);
    to[1] = static_cast<char>(to[1] & 0x7f);
    mask(to + header, data + from + header + kMaskBytes, length, key);
    from += header + kMaskBytes + length;
    if (!consumed(to, header, length)) answers += header + length;
  }
}

bool Peer::consumed(const char* frame, size_t header, size_t size) {
  over_ = over_ || (frame[0] & 0xf) == kCloseFrame;
  const bool subscribes = size == sizeof kSubscribe - 1 && std::memcmp(frame + header, kSubscribe, size) == 0;
  if (subscribes && !subscribed_) {
    subscribed_ = true;
    hub_.subscribers.push_back(fd_);
  }
  if (subscribes || subscribed_ || over_ || hub_.subscribers.empty()) return false;
  // Nobody here is so slow that a small message would not be taken; who were, would be told apart by the load.
  for (const int fd : hub_.subscribers) ::send(fd, frame, header + size, MSG_NOSIGNAL);
  return true;
}

bool Peer::send(const char* data, size_t size) {
  ssize_t gone = ::send(fd_, data, size, MSG_NOSIGNAL);
  if (gone < 0 && errno != EAGAIN) return false;
  if (gone < 0) gone = 0;
  unsent_.assign(data + gone, size - static_cast<size_t>(gone));
  return true;
}

}  // namespace miniproto::load
