/**
 * Scanning by dispatch. What the kernels leave open is settled here: sequences of one byte, sequences longer than the
 * range, and the exact ASCII verdict when a kernel looked further than the range that counts.
 */
#include "simd/scan.h"

#include "simd/kernels.h"

namespace miniproto {

size_t indexOfByte(const uint8_t* bytes, size_t size, uint8_t byte) {
  return kernels().indexOfByte(bytes, size, byte);
}

size_t indexOfAny(const uint8_t* bytes, size_t size, uint8_t a, uint8_t b, uint8_t c) {
  return kernels().indexOfAny(bytes, size, a, b, c);
}

size_t indexOfMember(const uint8_t* bytes, size_t size, const uint8_t (&table)[256]) {
  for (size_t i = 0; i < size; i++) {
    if (table[bytes[i]] != 0) return i;
  }
  return size;
}

size_t indexOfSequence(const uint8_t* bytes, size_t size, const uint8_t* sequence, size_t length) {
  if (length > size) return size;
  if (length == 1) return kernels().indexOfByte(bytes, size, sequence[0]);
  return kernels().indexOfSequence(bytes, size, sequence, length);
}

IndexResult indexAll(const uint8_t* bytes, size_t size, uint8_t byte, int32_t base, int32_t* positions,
                     size_t capacity) {
  bool ascii = true;
  const size_t count = kernels().indexAll(bytes, size, byte, base, positions, capacity, &ascii);
  if (ascii || count < capacity) return {count, ascii};
  const size_t looked = count == 0 ? 0 : static_cast<size_t>(positions[count - 1] - base) + 1;
  return {count, isAscii(bytes, looked)};
}

bool isAscii(const uint8_t* bytes, size_t size) {
  return kernels().isAscii(bytes, size);
}

}  // namespace miniproto
