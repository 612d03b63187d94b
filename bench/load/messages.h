/**
 * The messages of a connection as bytes on the wire, and a position in them; where both directions look alike, it is
 * either.
 *
 * Message number n is the same for whoever asks: a payload of fixed content that differs by connection, its first 16
 * bytes (or as many as there are) overwritten with the connection and n in hexadecimal digits. Sender and
 * checker have a stream of them each. Lines and texts hold printable ASCII, since some servers make strings of them;
 * the others hold every byte value. A WebSocket's stands as a server sends it, in one frame that is not masked.
 */
#ifndef MINIPROTO_LOAD_MESSAGES_H
#define MINIPROTO_LOAD_MESSAGES_H

#include <cstddef>
#include <cstdint>
#include <string>

#include "traffic.h"

namespace miniproto::load {

class MessageStream : public Outgoing, public Incoming {
 public:
  MessageStream(const Options& options, uint32_t connection);

  uint64_t passed() const override { return number_; }
  uint64_t begun() const override { return number_ + (offset_ > 0 ? 1 : 0); }
  Span peek(uint64_t limit, char* scratch, size_t scratchBytes) override;
  void skip(size_t bytes) override;
  size_t match(const char* data, size_t size) override;

  /** Message number n without what is around it. Post: valid until the next call of anything here. */
  Span payload(uint64_t number);

 private:
  /** Writes `number` into the message. The next number, by far the most frequent, is counted up in place. */
  void stamp(uint64_t number);

  std::string wire_;
  /** Where the stamp is. */
  size_t stampAt_;
  size_t stampBytes_;
  size_t payloadBytes_;
  uint32_t connection_;
  /** The number in the message now. */
  uint64_t stamped_ = UINT64_MAX;
  uint64_t number_ = 0;
  /** Within message number_; 0 <= offset_ < wireBytes(). */
  size_t offset_ = 0;
};

}  // namespace miniproto::load

#endif
