/**
 * A filter for tests, with everything that TLS has and nothing that is secure: a handshake of two flights, records with
 * a length whose bytes are changed, control answers, an end, a failure with an alert, a pause.
 *
 *   record:  kind (1) | length (2, big endian) | payload, each byte XOR kKey where it is data
 *
 *   client                        server
 *   hello            -------->
 *                    <--------    answer   (may pause before it)
 *   finish           -------->             secured here, there when it has come
 */
#pragma once

#include <algorithm>
#include <string>

#include "io/filter.h"

namespace miniproto::test {

enum ToyKind : char {
  kToyHello = 'h',
  kToyAnswer = 'a',
  kToyFinish = 'f',
  kToyData = 'd',
  kToyEnd = 'e',
  /** Is answered with as many bytes as it has. */
  kToyAsk = 'q',
  kToyReply = 'r',
  kToyAlert = '!',
};

struct ToySettings {
  bool server = false;
  bool pauses = false;
  /** Bytes of the server's flight. */
  size_t flight = 3000;
};

inline std::string toyRecord(char kind, const std::string& payload) {
  std::string record{kind, static_cast<char>(payload.size() >> 8), static_cast<char>(payload.size() & 255)};
  for (const char c : payload) record += kind == kToyData ? static_cast<char>(c ^ 0x5a) : c;
  return record;
}

class ToyFilter final : public Filter {
 public:
  ToyFilter(BlockPool& pool, const ToySettings& settings) : settings_(settings), outgoing_(pool) {}

  size_t open(const uint8_t* bytes, size_t size, uint8_t* out, size_t room) noexcept override {
    if (!begun_ && !settings_.server) say(kToyHello, "hello");
    begun_ = true;
    if (size > 0) received_.append(reinterpret_cast<const char*>(bytes), size);
    size_t written = give(out, room);
    while (plain_.empty() && step()) written += give(out + written, room - written);
    return written;
  }
  bool hasMore() const noexcept override { return !plain_.empty() || (!stuck() && whole()); }

  size_t seal(const Part* parts, size_t count) noexcept override {
    if ((state_ & kFilterSecured) == 0 || (state_ & (kFilterFailed | kFilterClosed)) != 0) return 0;
    std::string text;
    for (size_t i = 0; i < count; i++) text.append(reinterpret_cast<const char*>(parts[i].data), parts[i].size);
    if (text.size() > kFilterMost) text.resize(kFilterMost);
    for (size_t at = 0; at < text.size(); at += 16384) say(kToyData, text.substr(at, 16384));
    return text.size();
  }
  void close() noexcept override {
    if ((state_ & (kFilterClosed | kFilterFailed)) == 0) say(kToyEnd, "");
    state_ |= kFilterClosed;
  }
  ByteQueue& outgoing() noexcept override { return outgoing_; }
  uint32_t state() const noexcept override { return state_; }

  /** Says something by itself. */
  void say(char kind, const std::string& payload) {
    const std::string record = toyRecord(kind, payload);
    outgoing_.append(reinterpret_cast<const uint8_t*>(record.data()), record.size());
  }
  /** After a pause. */
  void resume() {
    state_ &= ~static_cast<uint32_t>(kFilterPaused);
    settings_.pauses = false;
  }
  void setNews() { state_ |= kFilterNews; }
  void takeNews() { state_ &= ~static_cast<uint32_t>(kFilterNews); }
  /** Bytes behind the end. */
  const std::string& rest() const { return received_; }

 private:
  bool stuck() const { return (state_ & (kFilterFailed | kFilterEnded | kFilterPaused)) != 0; }
  size_t length() const {
    return 3 + static_cast<size_t>(static_cast<uint8_t>(received_[1])) * 256 + static_cast<uint8_t>(received_[2]);
  }
  bool whole() const { return received_.size() >= 3 && received_.size() >= length(); }
  size_t give(uint8_t* out, size_t room) {
    const size_t size = std::min(room, plain_.size());
    std::copy_n(plain_.data(), size, out);
    plain_.erase(0, size);
    return size;
  }

  /** One record. @returns false when there is none, or it has to wait. */
  bool step() {
    if (stuck() || !whole()) return false;
    const char kind = received_[0];
    if (kind == kToyHello && settings_.pauses) {
      state_ |= kFilterPaused;
      return false;
    }
    const std::string payload = received_.substr(3, length() - 3);
    received_.erase(0, length());
    const bool secured = (state_ & kFilterSecured) != 0;
    if (kind == kToyHello && settings_.server && !secured) {
      say(kToyAnswer, std::string(settings_.flight, 'c'));
    } else if (kind == kToyAnswer && !settings_.server && !secured) {
      say(kToyFinish, "");
      state_ |= kFilterSecured;
    } else if (kind == kToyFinish && settings_.server && !secured) {
      state_ |= kFilterSecured;
    } else if (kind == kToyData && secured) {
      for (const char c : payload) plain_ += static_cast<char>(c ^ 0x5a);
    } else if (kind == kToyAsk && secured) {
      say(kToyReply, payload);
    } else if (kind == kToyEnd) {
      state_ |= kFilterEnded;
    } else if (kind != kToyReply) {
      if (kind != kToyAlert) say(kToyAlert, "refused");
      state_ |= kFilterFailed;
    }
    return true;
  }

  ToySettings settings_;
  ByteQueue outgoing_;
  std::string received_;
  std::string plain_;
  uint32_t state_ = 0;
  bool begun_ = false;
};

}  // namespace miniproto::test
