/** Reading echoes, and masking what follows them. See conversation.h. */
#include "conversation.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "../options.h"
#include "../websocket/masked_messages.h"

namespace miniproto::load {

namespace {

constexpr size_t kKeyBytes = 4;
constexpr size_t kLongestHeader = 14;
/** Bytes that a read has room for at least. */
constexpr size_t kLeastRead = 256 * 1024;
/** Masked at once; a multiple of a key, so that the next piece begins with it anew. */
constexpr size_t kPieceBytes = 32 * 1024;

/** xorshift */
uint64_t following(uint64_t state) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^ state << 17;
}

/** @returns bytes of an unmasked header; 0: more is needed */
size_t headerOf(const char* data, size_t size, uint64_t& length) {
  if (size < 2) return 0;
  const auto byteAt = [data](size_t at) { return uint64_t{static_cast<uint8_t>(data[at])}; };
  length = byteAt(1);
  const size_t header = length < 126 ? 2 : length == 126 ? 4 : 10;
  if (size < header) return 0;
  for (size_t at = 2, value = 0; at < header; at++) length = value = value << 8 | byteAt(at);
  return header;
}

}  // namespace

Conversation::Conversation(std::unique_ptr<Transport> transport, Together& together)
    : transport_(std::move(transport)), together_(together), messages_(together.inFlight * together.bytes) {
  for (size_t at = 0; at < messages_.size(); at++) messages_[at] = static_cast<char>(at / together.bytes + 1);
}

void Conversation::begin() {
  for (size_t i = 0; i < together_.inFlight; i++) next();
  flush();
}

void Conversation::read() {
  if (room_.empty()) room_ = together_.rooms.take();
  if (room_.size() - held_ < kLeastRead) room_.resize(2 * room_.size());
  const ssize_t got = transport_->receive(room_.data() + held_, room_.size() - held_);
  if (got == 0 || (got < 0 && errno != EAGAIN)) throw Failure("the server has ended a connection");
  const size_t size = held_ + (got > 0 ? static_cast<size_t>(got) : 0);
  const size_t done = echoes(size);
  flush();
  held_ = size - done;
  if (held_ == 0) return together_.rooms.give(std::exchange(room_, {}));
  if (done > 0) std::memmove(room_.data(), room_.data() + done, held_);
}

size_t Conversation::echoes(size_t size) {
  size_t done = 0;
  for (;;) {
    const char* const frame = room_.data() + done;
    uint64_t length = 0;
    const size_t header = headerOf(frame, size - done, length);
    if (header == 0 || size - done - header < length) return done;
    if (static_cast<uint8_t>(frame[0]) != (kFinalFrame | kBinaryFrame)) throw Failure("what comes is no echo");
    check(frame + header, static_cast<size_t>(length));
    done += header + static_cast<size_t>(length);
    together_.echoes++;
    next();
  }
}

void Conversation::check(const char* payload, size_t size) {
  const uint64_t number = received_++;
  const bool right = size == together_.bytes && static_cast<uint8_t>(payload[0]) == (number >> 8 & 0xff) &&
                     static_cast<uint8_t>(payload[1]) == (number & 0xff);
  const char* const message = messages_.data() + number % together_.inFlight * together_.bytes;
  if (right && !(together_.checksAll && std::memcmp(payload, message, size) != 0)) return;
  throw Failure("echo " + std::to_string(number) + ", of " + std::to_string(size) + " bytes, is not what was sent");
}

void Conversation::next() {
  const uint64_t number = sent_++;
  char* const message = messages_.data() + number % together_.inFlight * together_.bytes;
  message[0] = static_cast<char>(number >> 8);
  message[1] = static_cast<char>(number);
  std::vector<char>& to = together_.sending;
  uint8_t key[kKeyBytes];
  if (to.size() - filled_ < kLongestHeader + std::min(together_.bytes, kPieceBytes)) flush();
  putHeader(key);
  for (size_t at = 0; at < together_.bytes;) {
    const size_t part = std::min(together_.bytes - at, kPieceBytes);
    if (to.size() - filled_ < part) flush();
    mask(to.data() + filled_, message + at, part, key);
    filled_ += part;
    at += part;
  }
}

void Conversation::putHeader(uint8_t* key) {
  together_.keys = following(together_.keys);
  std::memcpy(key, &together_.keys, kKeyBytes);
  char* const to = together_.sending.data() + filled_;
  filled_ += writeHeader(to, kFinalFrame | kBinaryFrame, together_.bytes, key);
}

void Conversation::flush() {
  if (filled_ == 0) return;
  if (!transport_->send(together_.sending.data(), filled_)) throw Failure("the server takes nothing any more");
  filled_ = 0;
}

void Conversation::writeOn() {
  if (!transport_->writeOn()) throw Failure("the server takes nothing any more");
}

}  // namespace miniproto::load
