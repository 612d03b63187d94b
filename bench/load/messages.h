/**
 * The messages of a connection as bytes on the wire, and a position in them.
 *
 * Message number n is the same for whoever asks: a payload of fixed content that differs by connection, its first 16
 * bytes (or as many as there are) overwritten with the connection and n in hexadecimal digits. So nothing that was sent
 * has to be kept to check its echo: the sender has one stream of them and the checker another, and each moves on its
 * own. Lines hold printable ASCII, since some servers make strings of them; the others hold every byte value.
 */
#ifndef MINIPROTO_LOAD_MESSAGES_H
#define MINIPROTO_LOAD_MESSAGES_H

#include <cstddef>
#include <cstdint>
#include <string>

#include "options.h"

namespace miniproto::load {

struct Span {
  const char* data;
  size_t size;
};

class MessageStream {
 public:
  MessageStream(Protocol protocol, size_t payloadBytes, uint32_t connection);

  /** Messages that are behind the position, whole. */
  uint64_t passed() const { return number_; }

  /** Messages of which at least a byte is behind the position. */
  uint64_t begun() const { return number_ + (offset_ > 0 ? 1 : 0); }

  size_t wireBytes() const { return wire_.size(); }

  /**
   * The bytes at the position, up to the end of message `limit - 1`: either those of the message itself, or copied
   * together into `scratch` where messages are small. Does not move.
   * Post: the span is valid until the next call of anything here.
   */
  Span peek(uint64_t limit, char* scratch, size_t scratchBytes);

  /** Moves on. */
  void skip(size_t bytes);

  /**
   * Moves on over bytes that are what they should be.
   * @returns how many were; fewer than `size` means that the next one is wrong.
   */
  size_t match(const char* data, size_t size);

 private:
  /** Writes `number` into the message. The next number, by far the most frequent, is counted up in place. */
  void stamp(uint64_t number);

  std::string wire_;
  /** Where the stamp is. */
  size_t stampAt_;
  size_t stampBytes_;
  uint32_t connection_;
  /** The number in the message now. */
  uint64_t stamped_ = UINT64_MAX;
  uint64_t number_ = 0;
  /** Within message number_; 0 <= offset_ < wireBytes(). */
  size_t offset_ = 0;
};

}  // namespace miniproto::load

#endif
