/** Making, numbering and comparing messages. See messages.h. */
#include "messages.h"

#include <algorithm>
#include <cstring>

#include "websocket/masked_messages.h"

namespace miniproto::load {

namespace {

constexpr size_t kMostStampBytes = 16;
constexpr size_t kConnectionDigits = 4;
/** Messages from this size on are sent from where they are. */
constexpr size_t kDirectBytes = 32 * 1024;
constexpr char kDigits[] = "0123456789abcdef";

std::string headerOf(const Options& options, size_t size) {
  const Protocol protocol = options.protocol;
  std::string header;
  if (protocol == Protocol::kWebSocket) {
    return frameHeader(kFinalFrame | (options.text ? kTextFrame : kBinaryFrame), size, nullptr);
  }
  if (protocol == Protocol::kLen32) {
    for (int shift = 24; shift >= 0; shift -= 8) header += static_cast<char>(size >> shift);
  } else if (protocol == Protocol::kVarint) {
    for (; size >= 0x80; size >>= 7) header += static_cast<char>(size | 0x80);
    header += static_cast<char>(size);
  }
  return header;
}

/** Fixed content; xorshift, seeded with the connection. */
void fill(char* payload, size_t size, bool printable, uint32_t connection) {
  uint32_t state = (connection + 1) * 2654435761u;
  for (size_t i = 0; i < size; i++) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    payload[i] = static_cast<char>(printable ? ' ' + (state >> 8) % 95 : state >> 8);
  }
}

}  // namespace

MessageStream::MessageStream(const Options& options, uint32_t connection)
    : wire_(headerOf(options, options.bytes)),
      stampAt_(wire_.size()),
      stampBytes_(std::min(options.bytes, kMostStampBytes)),
      payloadBytes_(options.bytes),
      connection_(connection) {
  const bool line = options.protocol == Protocol::kLine;
  wire_.resize(stampAt_ + payloadBytes_);
  fill(&wire_[stampAt_], payloadBytes_, line || options.text, connection);
  if (line) wire_ += '\n';
  stamp(0);
}

Span MessageStream::payload(uint64_t number) {
  stamp(number);
  return {&wire_[stampAt_], payloadBytes_};
}

void MessageStream::stamp(uint64_t number) {
  if (number == stamped_) return;
  char* const digits = &wire_[stampAt_];
  size_t at = stampBytes_;
  if (number == stamped_ + 1 && number != 0) {
    // Counting up: only the last digit changes, and those before it while they overflow.
    for (; at > 0 && digits[at - 1] == 'f'; at--) digits[at - 1] = '0';
    if (at > 0) digits[at - 1] = digits[at - 1] == '9' ? 'a' : static_cast<char>(digits[at - 1] + 1);
  } else {
    uint64_t rest = number | uint64_t{connection_} << 4 * (kMostStampBytes - kConnectionDigits);
    for (; at > 0; rest >>= 4) digits[--at] = kDigits[rest & 15];
  }
  stamped_ = number;
}

Span MessageStream::peek(uint64_t limit, char* scratch, size_t scratchBytes) {
  if (number_ >= limit) return {scratch, 0};
  stamp(number_);
  if (wire_.size() - offset_ >= kDirectBytes) return {wire_.data() + offset_, wire_.size() - offset_};
  size_t size = 0;
  uint64_t number = number_;
  for (size_t offset = offset_; number < limit; number++, offset = 0) {
    stamp(number);
    const size_t part = std::min(wire_.size() - offset, scratchBytes - size);
    std::memcpy(scratch + size, wire_.data() + offset, part);
    size += part;
    if (size == scratchBytes) break;
  }
  return {scratch, size};
}

void MessageStream::skip(size_t bytes) {
  const size_t at = offset_ + bytes;
  number_ += at / wire_.size();
  offset_ = at % wire_.size();
}

size_t MessageStream::match(const char* data, size_t size) {
  size_t done = 0;
  while (done < size) {
    stamp(number_);
    const size_t part = std::min(wire_.size() - offset_, size - done);
    if (std::memcmp(data + done, wire_.data() + offset_, part) != 0) break;
    done += part;
    offset_ += part;
    if (offset_ < wire_.size()) continue;
    offset_ = 0;
    number_++;
  }
  if (done == size) return done;
  for (; data[done] == wire_[offset_]; offset_++) done++;
  return done;
}

}  // namespace miniproto::load
