/**
 * One connection of the client by hand: messages in flight, and a look at each echo, as clients/window.mjs has it.
 *
 * A message is a payload of its connection with its number in the first two bytes. It is masked on its way into the
 * memory that all connections send from, all that one read has asked for with one send; large ones by pieces that stay
 * in the processor's caches.
 */
#ifndef MINIPROTO_LOAD_CLIENT_CONVERSATION_H
#define MINIPROTO_LOAD_CLIENT_CONVERSATION_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "../peer/peer.h"
#include "../peer/transport.h"

namespace miniproto::load {

/** What all conversations have in common. */
struct Together {
  size_t inFlight = 1;
  size_t bytes = 64;
  /** Of an echo everything is compared, and not its length and number alone. */
  bool checksAll = true;
  uint64_t echoes = 0;
  /** State of the generator of keys. */
  uint64_t keys = 1;
  Rooms rooms;
  std::vector<char> sending = std::vector<char>(64 * 1024);
};

class Conversation {
 public:
  Conversation(std::unique_ptr<Transport> transport, Together& together);
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  const Transport& transport() const { return *transport_; }

  /** Sends as many messages as may be in flight. @throws Failure */
  void begin();
  /** Reads once, answers each echo with the next message. @throws Failure for an echo that is wrong, or the end. */
  void read();
  /** Sends what was not taken. @throws Failure */
  void writeOn();

 private:
  /** Takes the whole frames of `room_`. @returns their bytes */
  size_t echoes(size_t size);
  void check(const char* payload, size_t size);
  void next();
  void putHeader(uint8_t* key);
  void flush();

  std::unique_ptr<Transport> transport_;
  Together& together_;
  /** Those in flight, one behind the other. */
  std::vector<char> messages_;
  uint64_t sent_ = 0;
  uint64_t received_ = 0;
  /** Of together_.sending, to be sent. */
  size_t filled_ = 0;
  /** Only while part of an echo waits for its rest, which is read behind it. */
  std::vector<char> room_;
  /** Bytes that wait. */
  size_t held_ = 0;
};

}  // namespace miniproto::load

#endif
