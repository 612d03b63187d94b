/**
 * Masked WebSocket frames over any vector type: the loop for what most frames are, whole messages that lie there whole.
 *
 * A frame costs its header, and its payload one pass: unmasked, moved forward by the keys that are gone, and looked at
 * for bytes over 0x7f. Everything else ends the run at the frame's start: other opcodes, fragments, compressed
 * messages, lengths in eight bytes, faults, the end. Whoever called goes on from there.
 */
#pragma once

#include "simd/kernels.h"
#include "simd/vector_mask.h"

namespace miniproto {
namespace {

/** FIN and an opcode. */
constexpr uint8_t kWholeText = 0x81;
constexpr uint8_t kWholeBinary = 0x82;

/** A header that the run takes. */
struct PlainFrame {
  uint8_t first;
  /** Bytes of the header without the key. */
  size_t header;
  size_t length;
};

/** @returns false where the run ends. */
inline bool readPlainFrame(const uint8_t* bytes, size_t available, size_t maxLength, PlainFrame& frame) {
  if (available < 6) return false;
  frame.first = bytes[0];
  if (frame.first != kWholeText && frame.first != kWholeBinary) return false;
  // Without the mask bit it is over 127, and refused below.
  const size_t length = bytes[1] ^ size_t { 0x80 };
  frame.header = 2;
  frame.length = length;
  if (length >= 126) {
    if (length != 126 || available < 8) return false;
    frame.header = 4;
    frame.length = static_cast<size_t>(bytes[2]) << 8 | bytes[3];
    if (frame.length < 126) return false;
  }
  return frame.length <= maxLength && available - frame.header - 4 >= frame.length;
}

template <class V>
void unmaskFrames(FrameRun& run) {
  uint8_t* const bytes = run.bytes;
  int32_t* row = run.rows + 4 * run.rowCount;
  size_t start = run.start;
  size_t target = run.target;
  PlainFrame frame{};
  run.unchecked = false;
  while (run.rowCount < run.maxRows && readPlainFrame(bytes + start, run.to - start, run.maxLength, frame)) {
    const uint8_t* const source = bytes + start + frame.header + 4;
    run.key = loadFour(source - 4);
    uint8_t* const header = bytes + target;
    header[0] = frame.first;
    header[1] = static_cast<uint8_t>(frame.header == 2 ? frame.length : 126);
    if (frame.header == 4) {
      header[2] = static_cast<uint8_t>(frame.length >> 8);
      header[3] = static_cast<uint8_t>(frame.length);
    }
    const bool ascii = mask<V>(header + frame.header, source, frame.length, run.key);
    const size_t payload = target + frame.header;
    start += frame.header + 4 + frame.length;
    target = payload + frame.length;
    const bool isText = frame.first == kWholeText && run.asciiFlag != 0;
    row[0] = static_cast<int32_t>(payload);
    row[1] = static_cast<int32_t>(frame.length);
    row[2] = static_cast<int32_t>(start);
    row[3] = frame.first << 8 | (isText && ascii ? run.asciiFlag : 0);
    row += 4;
    run.rowCount++;
    run.unchecked = isText && !ascii;
    if (run.unchecked) break;
  }
  run.start = start;
  run.target = target;
  run.length = frame.length;
}

}  // namespace
}  // namespace miniproto
