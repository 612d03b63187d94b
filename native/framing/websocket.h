/**
 * WebSocket frames: one row per frame, the payload unmasked. RFC 6455 §5.
 *
 *     | header | key | payload | header | key | payload |      as a server receives them
 *     | header | payload | header | payload |                  as it finds them after the call
 *
 * The one framer that writes to the bytes. Unmasking passes over every byte anyway, so in the same pass a payload moves
 * forward by the keys that are gone, and a frame can be sent on from where it lies. A frame that is not whole keeps its
 * place; of text, and of more than 64 KiB, what is there is unmasked and checked at once, and counted in kSearched.
 * A frame at fault is left, or made again, as it came, with the state in which it was met: trying again finds the same.
 */
#pragma once

#include "framing/framer.h"
#include "framing/websocket_header.h"

namespace miniproto {

class WebSocketFramer final : public Framer {
 public:
  /** Pre: the ranges that WebSocketSettings states. */
  explicit WebSocketFramer(const WebSocketSettings& settings) : settings_(settings) {}

  size_t frame(const FrameCall& call) const noexcept override;

 private:
  WebSocketSettings settings_;
};

}  // namespace miniproto
