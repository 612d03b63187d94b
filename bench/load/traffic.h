/**
 * The two directions of a connection as bytes: what it sends, and what has to come back.
 *
 * Message number n is the same for whoever asks, so nothing that was sent has to be kept to check its echo: each
 * direction is a position in messages that it can make again. Where both are the same on the wire, one class is both
 * (messages.h); a WebSocket masks what a client sends and not what it gets (websocket/).
 */
#ifndef MINIPROTO_LOAD_TRAFFIC_H
#define MINIPROTO_LOAD_TRAFFIC_H

#include <cstddef>
#include <cstdint>
#include <memory>

#include "options.h"

namespace miniproto::load {

struct Span {
  const char* data;
  size_t size;
};

class Outgoing {
 public:
  virtual ~Outgoing() = default;

  /** Messages of which at least a byte is behind the position. */
  virtual uint64_t begun() const = 0;

  /**
   * The bytes at the position, up to the end of message `limit - 1`: either those of the message itself, or copied
   * together into `scratch` where messages are small. Does not move.
   * Post: the span is valid until the next call of anything here.
   */
  virtual Span peek(uint64_t limit, char* scratch, size_t scratchBytes) = 0;

  /** Moves on. */
  virtual void skip(size_t bytes) = 0;
};

class Incoming {
 public:
  virtual ~Incoming() = default;

  /** Messages that have come, whole. */
  virtual uint64_t passed() const = 0;

  /** Messages of which at least a byte has come. */
  virtual uint64_t begun() const = 0;

  /**
   * Moves on over bytes that are what they should be.
   * @returns how many were; fewer than `size` means that something behind them is wrong.
   */
  virtual size_t match(const char* data, size_t size) = 0;
};

/** @param connection makes the content differ; who gets another's messages asks for that one's. */
std::unique_ptr<Outgoing> outgoingOf(const Options& options, size_t connection);

std::unique_ptr<Incoming> incomingOf(const Options& options, size_t connection);

}  // namespace miniproto::load

#endif
