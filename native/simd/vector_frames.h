/**
 * WebSocket frames over any vector type: the loop for what most frames are, whole messages that lie there whole.
 *
 * A masked frame costs its header, and its payload one pass: unmasked, moved forward by the keys that are gone, and
 * looked at for bytes over 0x7f. One without mask is only looked at, where it is text. Everything else ends the run at
 * the frame's start: other opcodes, fragments, compressed messages, lengths in eight bytes, faults, the end. Whoever
 * called goes on from there.
 */
#pragma once

#include "simd/kernels.h"
#include "simd/vector_mask.h"
#include "simd/vector_scan.h"

namespace miniproto {
namespace {

/** FIN and an opcode. */
constexpr uint32_t kWholeText = 0x81;
constexpr uint32_t kWholeBinary = 0x82;
constexpr size_t kMaskBit = 0x80;
/** Bytes that are looked at of a frame at once: its header, with the key where the length is short. */
constexpr size_t kFrontSize = 8;

/** The length in a header of kHeader bytes, or more than a frame has where the header is another. */
template <size_t kHeader, bool kMasked>
MINIPROTO_INLINE size_t lengthIn(uint64_t front) {
  // With another mask bit it is over 127.
  const size_t first = (front >> 8 & 0xff) ^ (kMasked ? kMaskBit : 0);
  if (kHeader == 2) return first < 126 ? first : SIZE_MAX;
  const size_t length = (front >> 16 & 0xff) << 8 | (front >> 24 & 0xff);
  return first == 126 && length >= 126 ? length : SIZE_MAX;
}

/** True when no byte is over 0x7f. */
template <class V>
MINIPROTO_INLINE bool isAsciiSmall(const uint8_t* bytes, size_t size) {
  if (size < V::kWidth || size >= 8 * V::kWidth) return isAscii<V>(bytes, size);
  const size_t last = size - V::kWidth;
  typename V::Vector seen = V::load(bytes + last);
  for (size_t i = 0; i < last; i += V::kWidth) seen = V::either(seen, V::load(bytes + i));
  return !V::any(seen);
}

/** Takes frames with headers of kHeader bytes, 2 or 4 without the key, until there is another frame. */
template <class V, size_t kHeader, bool kMasked>
void takeHeaders(MessageRun& run) {
  // What a loop that stores bytes needs is kept apart from what bytes may alias.
  uint8_t* const bytes = run.bytes;
  const size_t to = run.to;
  const size_t maxLength = run.maxLength;
  const int32_t flags[2] = {static_cast<int32_t>(kWholeText << 8) | run.asciiFlag, kWholeBinary << 8};
  const bool checksText = run.asciiFlag != 0;
  size_t start = run.start;
  size_t target = run.target;
  int32_t* row = run.rows + 4 * run.rowCount;
  int32_t* const rowsEnd = run.rows + 4 * run.maxRows;
  for (; row < rowsEnd && to - start >= kFrontSize; row += 4) {
    const uint64_t front = Swar::load(bytes + start);
    const size_t kind = (front & 0xff) - kWholeText;
    const size_t length = lengthIn<kHeader, kMasked>(front);
    const size_t received = start + kHeader + (kMasked ? 4 : 0);
    if (kind > 1 || length > maxLength || length > to - received) break;
    const auto key = static_cast<uint32_t>(front >> (8 * kHeader));
    size_t payload = received;
    bool ascii = true;
    if (kMasked) {
      // The header as it came, without the mask bit.
      const auto plain = static_cast<uint32_t>(front ^ (kMaskBit << 8));
      if (kHeader == 2) storeTwo(bytes + target, plain);
      if (kHeader == 4) storeFour(bytes + target, plain);
      payload = target + kHeader;
      ascii = kHeader == 2 ? maskSmall<V>(bytes + payload, bytes + received, length, key)
                           : maskAny<V>(bytes + payload, bytes + received, length, key);
    } else if (kind == 0 && checksText) {
      ascii = isAsciiSmall<V>(bytes + payload, length);
    }
    start = received + length;
    target = payload + length;
    row[0] = static_cast<int32_t>(payload);
    row[1] = static_cast<int32_t>(length);
    row[2] = static_cast<int32_t>(start);
    row[3] = flags[kind];
    if (!ascii && kind == 0 && checksText) {
      row[3] = kWholeText << 8;
      run.unchecked = true;
      run.key = key;
      run.length = length;
      row += 4;
      break;
    }
  }
  run.start = start;
  run.target = target;
  run.rowCount = static_cast<size_t>(row - run.rows) / 4;
}

template <class V, bool kMasked>
void takeLengths(MessageRun& run) {
  for (size_t before = SIZE_MAX; before != run.rowCount && !run.unchecked;) {
    before = run.rowCount;
    takeHeaders<V, 2, kMasked>(run);
    if (!run.unchecked) takeHeaders<V, 4, kMasked>(run);
  }
}

template <class V>
void takeMessages(MessageRun& run) {
  run.unchecked = false;
  if (run.masked) {
    takeLengths<V, true>(run);
  } else {
    takeLengths<V, false>(run);
  }
}

}  // namespace
}  // namespace miniproto
