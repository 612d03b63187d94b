/**
 * Indexing over any vector type: every separator of a span into a table, in one pass, with the ASCII verdict.
 *
 * Blocks of 64 bytes become one 64-bit word with a bit per byte; the loop over its bits writes a row for each. A last
 * block that is not whole is copied to the stack, padded, and its bits behind the end are cleared. For every LineEnd
 * but kStrictCrlf only the separator's last byte is compared in vectors (the byte before it is read at the few places
 * that remain). The ASCII verdict is the joined top bits of all blocks, looked at once at the end.
 */
#pragma once

#include "simd/kernels.h"
#include "simd/swar.h"

namespace miniproto {
namespace {

/** Up to 64 bytes as vectors. */
template <class V>
struct Block {
  static constexpr size_t kVectors = kBlock / V::kWidth;
  typename V::Vector vectors[kVectors];

  /** Pre: 64 bytes at `bytes`. */
  explicit Block(const uint8_t* bytes) {
    for (size_t i = 0; i < kVectors; i++) vectors[i] = V::load(bytes + i * V::kWidth);
  }
  uint64_t equal(typename V::Vector needle) const {
    typename V::Vector matches[kVectors];
    for (size_t i = 0; i < kVectors; i++) matches[i] = V::equal(vectors[i], needle);
    return V::blockBits(matches);
  }
  typename V::Vector joined() const {
    typename V::Vector all = vectors[0];
    for (size_t i = 1; i < kVectors; i++) all = V::either(all, vectors[i]);
    return all;
  }
};

/** The bytes of a block: in place when there are 64, else copied to `padded` with zeroes behind them. */
inline const uint8_t* blockAt(const uint8_t* bytes, size_t rest, uint8_t (&padded)[kBlock]) {
  if (rest >= kBlock) return bytes;
  for (size_t i = 0; i < kBlock; i += Swar::kWidth) Swar::store(padded + i, 0);
  size_t i = 0;
  for (; rest - i >= Swar::kWidth; i += Swar::kWidth) Swar::store(padded + i, Swar::load(bytes + i));
  for (; i < rest; i++) padded[i] = bytes[i];
  return padded;
}

/** Bits of the first `rest` places. */
inline uint64_t placesBefore(size_t rest) {
  return rest >= kBlock ? ~uint64_t{0} : (uint64_t{1} << rest) - 1;
}

template <class V>
size_t indexAll(const uint8_t* bytes, size_t size, uint8_t byte, int32_t base, int32_t* positions, size_t capacity,
                bool* ascii) {
  const typename V::Vector needle = V::splat(byte);
  typename V::Vector seen = V::splat(0);
  size_t count = 0;
  uint8_t padded[kBlock];
  for (size_t i = 0; i < size && count < capacity; i += kBlock) {
    const Block<V> block(blockAt(bytes + i, size - i, padded));
    seen = V::either(seen, block.joined());
    uint64_t bits = block.equal(needle) & placesBefore(size - i);
    for (; bits != 0 && count < capacity; bits &= bits - 1) {
      positions[count++] = base + static_cast<int32_t>(i + lowestBit(bits));
    }
  }
  *ascii = !V::any(seen);
  return count;
}

/** The state of one scanLines run, in registers. `floor`: places before it belong to an earlier search. */
template <LineEnd kEnd>
struct LineCursor {
  const uint8_t* bytes;
  int32_t* row;
  const int32_t* rowsEnd;
  size_t start;
  size_t floor;
  size_t maxLength;
  uint8_t first;
  bool keep;

  /** Ends the record whose separator's last byte is at `at`. @returns false when the scan has to stop. */
  bool take(size_t at) {
    size_t separator = 1;
    if (kEnd == LineEnd::kStripCr) separator += at > start && bytes[at - 1] == '\r';
    if (kEnd == LineEnd::kStrictCrlf) separator = 2;
    if (kEnd == LineEnd::kPair) {
      if (at <= floor || bytes[at - 1] != first) return true;
      separator = 2;
    }
    const size_t end = at + 1;
    const size_t length = end - start - separator;
    if (length > maxLength) return false;
    row[0] = static_cast<int32_t>(start);
    row[1] = static_cast<int32_t>(keep ? end - start : length);
    row[2] = static_cast<int32_t>(end);
    row[3] = 0;
    row += 4;
    start = end;
    floor = end;
    return row != rowsEnd;
  }
};

template <class V, LineEnd kEnd>
void scanLinesUntil(LineScan& scan) {
  const uint8_t* const bytes = scan.bytes;
  const size_t to = scan.to;
  LineCursor<kEnd> cursor{bytes,
                          scan.rows + 4 * scan.rowCount,
                          scan.rows + 4 * scan.maxRows,
                          scan.start,
                          scan.position,
                          scan.maxLength,
                          scan.first,
                          scan.keep};
  const typename V::Vector last = V::splat(scan.last);
  const typename V::Vector cr = V::splat('\r');
  typename V::Vector seen = V::splat(0);
  uint64_t afterCr = 0;
  size_t i = scan.position;
  bool going = i < to;
  uint8_t padded[kBlock];
  while (going) {
    const size_t rest = to - i;
    const Block<V> block(blockAt(bytes + i, rest, padded));
    const uint64_t places = placesBefore(rest);
    seen = V::either(seen, block.joined());
    uint64_t bits = block.equal(last) & places;
    if (kEnd == LineEnd::kStrictCrlf) {
      const uint64_t crs = block.equal(cr);
      if (((crs << 1 | afterCr) & places) != bits) break;
      afterCr = crs >> 63;
    }
    for (; bits != 0 && going; bits &= bits - 1) going = cursor.take(i + lowestBit(bits));
    if (!going) break;
    i += kBlock;
    going = i < to;
  }
  scan.start = cursor.start;
  scan.position = i < to ? i : to;
  scan.rowCount = static_cast<size_t>(cursor.row - scan.rows) / 4;
  scan.ascii = !V::any(seen);
}

template <class V>
void scanLines(LineScan& scan) {
  switch (scan.end) {
    case LineEnd::kByte:
      return scanLinesUntil<V, LineEnd::kByte>(scan);
    case LineEnd::kStripCr:
      return scanLinesUntil<V, LineEnd::kStripCr>(scan);
    case LineEnd::kPair:
      return scanLinesUntil<V, LineEnd::kPair>(scan);
    case LineEnd::kStrictCrlf:
      return scanLinesUntil<V, LineEnd::kStrictCrlf>(scan);
  }
}

}  // namespace
}  // namespace miniproto
