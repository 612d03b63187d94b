/**
 * The header of a WebSocket frame: its twin in TypeScript is lib/reference/websocket-header.ts, which shows the bytes.
 *
 * Rules are checked in the order in which their bytes arrive, and each as soon as they do. RFC 6455 §5.2.
 */
#pragma once

#include <cstddef>
#include <cstdint>

#include "framing/frame_table.h"

namespace miniproto {

enum class WebSocketRole { kServer, kClient };

/** How to cut; the fields of WebSocketFraming in lib/native-interface.ts. */
struct WebSocketSettings {
  /** Who receives: a server takes masked frames, a client others. */
  WebSocketRole role = WebSocketRole::kServer;
  /** Of data frames; 0 to 2^30. */
  size_t maxLength = 0;
  bool compression = false;
  bool utf8 = true;
};

enum WebSocketOpcode : uint8_t {
  kWsContinuation = 0,
  kWsText = 1,
  kWsBinary = 2,
  kWsClose = 8,
  kWsPing = 9,
  kWsPong = 10,
};
constexpr uint8_t kWsFin = 0x80;
constexpr uint8_t kWsRsv1 = 0x40;
constexpr size_t kWsLongestControl = 125;

/** A key, its four bytes read as a little-endian number. */
inline uint32_t loadKey(const uint8_t* bytes) {
  return static_cast<uint32_t>(bytes[0]) | static_cast<uint32_t>(bytes[1]) << 8 |
         static_cast<uint32_t>(bytes[2]) << 16 | static_cast<uint32_t>(bytes[3]) << 24;
}

/** A header as far as it was read. */
struct WebSocketHeader {
  uint8_t first = 0;
  uint8_t opcode = 0;
  bool masked = false;
  uint32_t key = 0;
  size_t length = 0;
  /** Bytes of the header, the key included. */
  size_t size = 0;
  /** Bytes from the frame's start that the next try wants. */
  size_t need = 0;
  FrameFault fault = FrameFault::kNone;
  uint64_t detail = 0;

  /** Bytes of the header without the key. */
  size_t plainSize() const { return masked ? size - 4 : size; }
  bool isFinal() const { return (first & kWsFin) != 0; }

  /** Says what is wrong. @returns false */
  bool fail(FrameFault what, uint64_t value) {
    fault = what;
    detail = value;
    return false;
  }
};

/**
 * Reads the header at the front of `bytes`.
 * @param isOpen a message is unfinished, and this frame may continue it.
 * @returns false when it is short, `need` says of what, or at fault.
 */
bool readWebSocketHeader(const WebSocketSettings& settings, const uint8_t* bytes, size_t available, bool isOpen,
                         WebSocketHeader& header);

/** Writes the header as a server sends it: header.plainSize() bytes. */
void writePlainHeader(const WebSocketHeader& header, uint8_t* bytes);
/** Writes a masked header as it came: header.size bytes. */
void writeMaskedHeader(const WebSocketHeader& header, uint8_t* bytes);

}  // namespace miniproto
