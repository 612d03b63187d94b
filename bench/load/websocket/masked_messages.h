/**
 * Messages as a WebSocket client sends them: in masked frames, whole or in fragments (RFC 6455 §5.2 to §5.4).
 *
 * A key is a hash of connection, message and fragment: it looks random to the server, and a message that was sent in
 * part is the same when it is made again. The message at the position is kept in wire form, so that a large one is
 * masked once, however many writes it takes.
 */
#ifndef MINIPROTO_LOAD_WEBSOCKET_MASKED_MESSAGES_H
#define MINIPROTO_LOAD_WEBSOCKET_MASKED_MESSAGES_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "../traffic.h"

namespace miniproto::load {

constexpr uint8_t kFinalFrame = 0x80;
/** RSV1, which permessage-deflate took for itself (RFC 7692 §6). */
constexpr uint8_t kDeflatedFrame = 0x40;
constexpr uint8_t kTextFrame = 1;
constexpr uint8_t kBinaryFrame = 2;

/** Payloads by number, and what the first frame of each says of them. */
class Payloads {
 public:
  virtual ~Payloads() = default;
  virtual size_t size(uint64_t number) const = 0;
  /** Post: valid until the next call. */
  virtual Span payload(uint64_t number) = 0;
  /** RSV1 and opcode. */
  virtual uint8_t firstBits() const = 0;
};

/** First byte, length, and the key if there is one: 14 bytes at most. @returns the bytes written */
size_t writeHeader(char* to, uint8_t firstByte, size_t size, const uint8_t* key);

/** The same as a string. */
std::string frameHeader(uint8_t firstByte, size_t size, const uint8_t* key);

/** Changes `size` bytes by the key, which begins anew here. */
void mask(char* to, const char* from, size_t size, const uint8_t* key);

class MaskedMessages : public Outgoing {
 public:
  /** @param fragmentBytes 0: whole messages */
  MaskedMessages(std::unique_ptr<Payloads> payloads, uint32_t connection, size_t fragmentBytes);

  uint64_t begun() const override { return number_ + (offset_ > 0 ? 1 : 0); }
  Span peek(uint64_t limit, char* scratch, size_t scratchBytes) override;
  void skip(size_t bytes) override;

 private:
  size_t wireBytes(uint64_t number) const;
  /** Makes `wire_` the message. */
  void build(uint64_t number);

  std::unique_ptr<Payloads> payloads_;
  uint32_t connection_;
  size_t fragmentBytes_;
  std::string wire_;
  /** The message in `wire_`. */
  uint64_t built_ = UINT64_MAX;
  uint64_t number_ = 0;
  /** Within message number_; 0 <= offset_ < wireBytes(number_). */
  size_t offset_ = 0;
};

}  // namespace miniproto::load

#endif
