/** The handshake, unmasking in place, and publishing. See web_socket.h. */
#include "web_socket.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <string>

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

WebSocket::~WebSocket() {
  if (!subscribed_) return;
  subscribers_.erase(std::find(subscribers_.begin(), subscribers_.end(), &transport_));
}

size_t WebSocket::answer(char* data, size_t size, size_t& answers) {
  return open_ ? frames(data, size, answers) : upgrade(data, size, answers);
}

size_t WebSocket::upgrade(char* data, size_t size, size_t& answers) {
  const std::string request(data, size);
  if (request.find("\r\n\r\n") == std::string::npos) return 0;
  std::string small = request;
  std::transform(small.begin(), small.end(), small.begin(), [](unsigned char c) { return std::tolower(c); });
  size_t from = small.find(kKeyHeader);
  over_ = from == std::string::npos;
  if (over_) return size;
  from = request.find_first_not_of(' ', from + sizeof kKeyHeader - 1);
  const std::string key = request.substr(from, request.find("\r\n", from) - from);
  const std::string answer =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: " +
      acceptKey(key) + "\r\n\r\n";
  // What asks for that in HTTP/1.1, with a host, is longer than it.
  over_ = answer.size() > size;
  if (over_) return size;
  open_ = true;
  std::memcpy(data, answer.data(), answer.size());
  answers = answer.size();
  // A client says nothing before it has the answer.
  return size;
}

size_t WebSocket::frames(char* data, size_t size, size_t& answers) {
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

bool WebSocket::consumed(const char* frame, size_t header, size_t size) {
  over_ = over_ || (frame[0] & 0xf) == kCloseFrame;
  const bool subscribes = size == sizeof kSubscribe - 1 && std::memcmp(frame + header, kSubscribe, size) == 0;
  if (subscribes && !subscribed_) {
    subscribed_ = true;
    subscribers_.push_back(&transport_);
  }
  if (subscribes || subscribed_ || over_ || subscribers_.empty()) return false;
  // Nobody here is so slow that a small message would not be taken; who were, would be told apart by the load.
  for (Transport* const one : subscribers_) one->send(frame, header + size);
  return true;
}

}  // namespace miniproto::load
