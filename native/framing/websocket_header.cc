/**
 * Headers of WebSocket frames, read and written.
 */
#include "framing/websocket_header.h"

#include <algorithm>

namespace miniproto {
namespace {

constexpr uint64_t kMaxSafeInteger = (uint64_t{1} << 53) - 1;
constexpr uint8_t kReservedBits = 0x70;
constexpr uint8_t kMaskBit = 0x80;

bool checkFirst(const WebSocketSettings& settings, bool isOpen, WebSocketHeader& header) {
  const uint8_t opcode = header.opcode;
  const bool isData = opcode == kWsText || opcode == kWsBinary;
  const uint8_t agreed = settings.compression && isData ? kWsRsv1 : 0;
  if ((header.first & kReservedBits & ~agreed) != 0) return header.fail(FrameFault::kWsReservedBits, header.first);
  if ((opcode > kWsBinary && opcode < kWsClose) || opcode > kWsPong)
    return header.fail(FrameFault::kWsReservedOpcode, opcode);
  if (opcode >= kWsClose && !header.isFinal()) return header.fail(FrameFault::kWsControlFragmented, opcode);
  if (opcode == kWsContinuation && !isOpen) return header.fail(FrameFault::kWsContinuationUnexpected, 0);
  if (isData && isOpen) return header.fail(FrameFault::kWsContinuationExpected, opcode);
  return true;
}

bool checkSecond(const WebSocketSettings& settings, uint8_t second, WebSocketHeader& header) {
  const size_t length = second & 0x7f;
  const bool wantsMask = settings.role == WebSocketRole::kServer;
  header.masked = (second & kMaskBit) != 0;
  if (header.masked != wantsMask)
    return header.fail(wantsMask ? FrameFault::kWsMaskMissing : FrameFault::kWsMaskUnexpected, 0);
  if (header.opcode >= kWsClose && length > kWsLongestControl)
    return header.fail(FrameFault::kWsControlTooLong, length);
  if (header.opcode == kWsClose && length == 1) return header.fail(FrameFault::kWsCloseLength, 1);
  header.length = length;
  return true;
}

/** Reads a length of `more` bytes, of which `present` are there. What is too large may be so from its first bytes. */
bool readLength(const uint8_t* bytes, size_t present, size_t more, WebSocketHeader& header) {
  uint64_t length = 0;
  for (size_t i = 0; i < more; i++) length = length << 8 | (i < present ? bytes[i] : 0);
  if (length > kMaxSafeInteger) return header.fail(FrameFault::kLengthOverflow, 0);
  if (present < more) {
    header.need = 2 + more;
    return false;
  }
  if (length < (more == 2 ? 126 : 65536)) return header.fail(FrameFault::kWsLengthNotMinimal, length);
  header.length = static_cast<size_t>(length);
  return true;
}

void writeHeader(const WebSocketHeader& header, uint8_t maskBit, uint8_t* bytes) {
  const size_t more = header.plainSize() - 2;
  const size_t length = header.length;
  bytes[0] = header.first;
  bytes[1] = static_cast<uint8_t>(maskBit | (more == 0 ? length : more == 2 ? 126 : 127));
  for (size_t i = 0; i < more; i++) bytes[2 + i] = static_cast<uint8_t>(uint64_t{length} >> (8 * (more - 1 - i)));
}

}  // namespace

bool readWebSocketHeader(const WebSocketSettings& settings, const uint8_t* bytes, size_t available, bool isOpen,
                         WebSocketHeader& header) {
  header.need = 2;
  if (available == 0) return false;
  header.first = bytes[0];
  header.opcode = bytes[0] & 0x0f;
  if (!checkFirst(settings, isOpen, header) || available == 1) return false;
  if (!checkSecond(settings, bytes[1], header)) return false;
  const size_t more = header.length < 126 ? 0 : header.length == 126 ? 2 : 8;
  if (more > 0 && !readLength(bytes + 2, std::min(more, available - 2), more, header)) return false;
  if (header.length > settings.maxLength && header.opcode < kWsClose)
    return header.fail(FrameFault::kRecordTooLarge, header.length);
  header.size = 2 + more + (header.masked ? 4 : 0);
  header.need = header.size + header.length;
  if (available < header.size) return false;
  header.key = header.masked ? loadKey(bytes + header.size - 4) : 0;
  return true;
}

void writePlainHeader(const WebSocketHeader& header, uint8_t* bytes) {
  writeHeader(header, 0, bytes);
}

void writeMaskedHeader(const WebSocketHeader& header, uint8_t* bytes) {
  writeHeader(header, kMaskBit, bytes);
  for (size_t i = 0; i < 4; i++) bytes[header.size - 4 + i] = static_cast<uint8_t>(header.key >> (8 * i));
}

}  // namespace miniproto
