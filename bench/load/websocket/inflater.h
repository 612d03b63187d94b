/**
 * Inflates the messages of permessage-deflate (RFC 1951, RFC 7692 §7.2.2), to check what a server has deflated.
 *
 * Its own, and not zlib: so the load generator builds where there is only a compiler, and a mistake that is zlib's, or
 * the server's in using it, does not cancel out. One table per code, as wide as the code's longest word.
 */
#ifndef MINIPROTO_LOAD_WEBSOCKET_INFLATER_H
#define MINIPROTO_LOAD_WEBSOCKET_INFLATER_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "../traffic.h"

namespace miniproto::load {

/** Whether a message may refer to those before it. */
enum class Window { kKeep, kForget };

class Inflater {
 public:
  /**
   * @param data a message's payload, without the 00 00 ff ff at its end
   * @returns what it held, valid until the next call; nothing when it is not deflate
   */
  Span message(const char* data, size_t size, Window window);

 private:
  /** A code: for the next `bits` bits, the symbol times 16 plus the length of its word; 0 where no word fits. */
  struct Code {
    int bits = 0;
    std::vector<uint16_t> entries;
    bool build(const uint8_t* lengths, size_t count);
  };

  /** @returns false when it is not deflate */
  bool block();
  bool stored();
  bool dynamicCodes();
  void fixedCodes();
  bool compressed();
  bool copy(size_t length, size_t distance);
  uint32_t take(int count);
  /** @returns a symbol, or -1 */
  int symbol(const Code& code);
  void refill();

  /** The message, with its end put back. */
  std::string input_;
  size_t at_ = 0;
  uint64_t bits_ = 0;
  int bitCount_ = 0;
  /** More was taken than there is. */
  bool overrun_ = false;
  /** The window, and behind it what the message gives. */
  std::string output_;
  Code literals_;
  Code distances_;
  Code lengths_;
};

}  // namespace miniproto::load

#endif
