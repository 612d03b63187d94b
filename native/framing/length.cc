/**
 * The length framer: readers for each kind of length field, and the one loop that is built around each of them.
 *
 * Faults in order: a field that is too long or holds no digit (while it is read), overlong, overflow, negative, record
 * too large, and last a wrong trailer.
 */
#include "framing/length.h"

#include <algorithm>

namespace miniproto {
namespace {

constexpr uint64_t kMaxSafeInteger = (uint64_t{1} << 53) - 1;

/**
 * Bytes. Where the next record starts is known only once this one's length has arrived from memory, so the processor
 * would wait for nearly every header; it is asked this far ahead for what small records will need.
 */
constexpr size_t kFetchAhead = 2048;

inline void fetch(const uint8_t* at) {
#if defined(__GNUC__) || defined(__clang__)
  __builtin_prefetch(at);
#else
  static_cast<void>(at);
#endif
}

/** A length field as far as it was read. */
struct LengthField {
  /** Bytes of the field, terminator included; when it is short, bytes of it that the next try wants at least. */
  size_t size = 0;
  /** The number; over kMaxSafeInteger it is only known to be so. */
  uint64_t value = 0;
  FrameFault fault = FrameFault::kNone;
  uint64_t detail = 0;
};

/** Readers answer false when the field is short or at fault. Pre: `available` >= 1 bytes at `bytes`. */
template <size_t kWidth, bool kBigEndian>
struct FixedReader {
  static bool read(const LengthSettings& /*settings*/, const uint8_t* bytes, size_t available, LengthField& field) {
    field.size = kWidth;
    if (available < kWidth) return false;
    uint64_t value = 0;
    for (size_t i = 0; i < kWidth; i++) {
      value |= uint64_t{bytes[i]} << (8 * (kBigEndian ? kWidth - 1 - i : i));
    }
    field.value = value;
    return true;
  }
};

/** Unsigned LEB128: seven bits a byte, lowest first, the top bit says that another byte follows. */
struct VarintReader {
  static bool read(const LengthSettings& settings, const uint8_t* bytes, size_t available, LengthField& field) {
    // Lengths below 2^14 are the most; a second byte of zero is overlong, and left to the loop as everything else is.
    if (available >= 2 && settings.lengthBytes >= 2) {
      const uint64_t first = bytes[0];
      const uint64_t second = bytes[1];
      if (first < 0x80 || (second > 0 && second < 0x80)) {
        field.size = first < 0x80 ? 1 : 2;
        field.value = first < 0x80 ? first : (first & 0x7f) | second << 7;
        return true;
      }
    }
    return readAny(settings, bytes, available, field);
  }
  static bool readAny(const LengthSettings& settings, const uint8_t* bytes, size_t available, LengthField& field) {
    uint64_t value = 0;
    for (size_t i = 0; i < available; i++) {
      const uint64_t bits = bytes[i] & 0x7f;
      // From the ninth byte on, any bit puts the number over 2^53.
      if (i < 8) {
        value |= bits << (7 * i);
      } else if (bits != 0) {
        value = UINT64_MAX;
      }
      if (bytes[i] < 0x80) return end(i + 1, bytes[i], value, field);
      if (i + 1 == settings.lengthBytes) return fail(field, FrameFault::kLengthTooLong, settings.lengthBytes);
    }
    field.size = available + 1;
    return false;
  }
  static bool end(size_t size, uint8_t last, uint64_t value, LengthField& field) {
    if (size > 1 && last == 0) return fail(field, FrameFault::kLengthOverlong, size);
    field.size = size;
    field.value = value;
    return true;
  }
  static bool fail(LengthField& field, FrameFault fault, uint64_t detail) {
    field.fault = fault;
    field.detail = detail;
    return false;
  }
};

/** ASCII digits and a terminator. */
struct DecimalReader {
  static bool read(const LengthSettings& settings, const uint8_t* bytes, size_t available, LengthField& field) {
    uint64_t value = 0;
    for (size_t i = 0; i < available; i++) {
      const uint8_t byte = bytes[i];
      if (byte == settings.terminator) return end(i, bytes, value, field);
      if (byte < '0' || byte > '9') return VarintReader::fail(field, FrameFault::kLengthNotDigit, byte);
      if (i == settings.lengthBytes) return VarintReader::fail(field, FrameFault::kLengthTooLong, i);
      // Once over 2^53 the number stays where it is, which cannot overflow.
      if (value <= kMaxSafeInteger) value = value * 10 + (byte - '0');
    }
    field.size = available + 1;
    return false;
  }
  static bool end(size_t digits, const uint8_t* bytes, uint64_t value, LengthField& field) {
    if (digits == 0) return VarintReader::fail(field, FrameFault::kLengthNotDigit, bytes[0]);
    if (digits > 1 && bytes[0] == '0') return VarintReader::fail(field, FrameFault::kLengthOverlong, digits);
    field.size = digits + 1;
    field.value = value;
    return true;
  }
};

/** Says what is wrong with a length that is not in 0..maxLength. */
void refuseLength(const LengthSettings& settings, uint64_t value, FrameOutcome& outcome) {
  outcome.status = kFrameError;
  outcome.fault = FrameFault::kLengthOverflow;
  if (value > kMaxSafeInteger) return;
  const int64_t length = static_cast<int64_t>(value) + settings.adjustment;
  if (length < 0) {
    outcome.fault = FrameFault::kLengthNegative;
    outcome.detail = value;
  } else if (static_cast<uint64_t>(length) <= kMaxSafeInteger) {
    outcome.fault = FrameFault::kRecordTooLarge;
    outcome.detail = static_cast<uint64_t>(length);
  }
}

/** Bytes of a record whose header is not whole; its length field begins at `offset`. */
template <class Reader>
size_t minimalHeader(const LengthSettings& settings) {
  LengthField field;
  Reader::read(settings, nullptr, 0, field);
  return settings.offset + field.size;
}

/** Cuts records until the limit, the end or a fault. Post: `start` is behind the last row; outcome lacks the rest. */
template <class Reader>
void cutRecords(const LengthSettings& settings, const FrameCall& call, size_t maxRows, size_t& start,
                FrameOutcome& outcome) {
  const size_t trailerBytes = settings.trailer >= 0 ? 1 : 0;
  while (outcome.rows < maxRows) {
    const uint8_t* const record = call.bytes + start;
    const size_t available = call.to - start;
    fetch(record + std::min(kFetchAhead, available));
    if (available <= settings.offset) {
      outcome.need = minimalHeader<Reader>(settings);
      return;
    }
    LengthField field;
    if (!Reader::read(settings, record + settings.offset, available - settings.offset, field)) {
      outcome.need = settings.offset + field.size;
      outcome.fault = field.fault;
      outcome.detail = field.detail;
      if (field.fault != FrameFault::kNone) outcome.status = kFrameError;
      return;
    }
    // Unsigned: what is negative, or wraps around, is over maxLength too.
    const uint64_t length = field.value + static_cast<uint64_t>(settings.adjustment);
    if (field.value > kMaxSafeInteger || length > settings.maxLength)
      return refuseLength(settings, field.value, outcome);
    const size_t header = settings.offset + field.size;
    const size_t end = header + static_cast<size_t>(length);
    if (available < end + trailerBytes) {
      outcome.need = end + trailerBytes;
      return;
    }
    if (trailerBytes != 0 && record[end] != settings.trailer) {
      outcome.status = kFrameError;
      outcome.fault = FrameFault::kTrailerMissing;
      outcome.detail = record[end];
      return;
    }
    const size_t payload = settings.keepHeader ? 0 : header;
    writeRow(call.table, outcome.rows++, start + payload, end - payload, start + end + trailerBytes, 0);
    start += end + trailerBytes;
  }
  outcome.status = kFrameFull;
}

template <class Reader>
size_t frameLengths(const LengthSettings& settings, const FrameCall& call) noexcept {
  const bool final = call.table[kFinal] != 0;
  FrameOutcome outcome;
  size_t start = call.from;
  cutRecords<Reader>(settings, call, rowLimit(call), start, outcome);
  outcome.consumed = start - call.from;
  if (final && outcome.status == kFrameMore) {
    outcome.need = 0;
    outcome.detail = call.to - start;
    if (outcome.detail > 0) {
      outcome.status = kFrameError;
      outcome.fault = FrameFault::kUnexpectedEof;
    }
  }
  return writeOutcome(call.table, outcome);
}

template <bool kBigEndian>
auto fixedLoop(size_t width) {
  switch (width) {
    case 1:
      return frameLengths<FixedReader<1, kBigEndian>>;
    case 2:
      return frameLengths<FixedReader<2, kBigEndian>>;
    case 3:
      return frameLengths<FixedReader<3, kBigEndian>>;
    case 4:
      return frameLengths<FixedReader<4, kBigEndian>>;
    case 5:
      return frameLengths<FixedReader<5, kBigEndian>>;
    case 6:
      return frameLengths<FixedReader<6, kBigEndian>>;
    case 7:
      return frameLengths<FixedReader<7, kBigEndian>>;
    default:
      return frameLengths<FixedReader<8, kBigEndian>>;
  }
}

auto loopFor(const LengthSettings& settings) {
  switch (settings.encoding) {
    case LengthEncoding::kBig:
      return fixedLoop<true>(settings.lengthBytes);
    case LengthEncoding::kLittle:
      return fixedLoop<false>(settings.lengthBytes);
    case LengthEncoding::kVarint:
      return frameLengths<VarintReader>;
    default:
      return frameLengths<DecimalReader>;
  }
}

}  // namespace

LengthFramer::LengthFramer(const LengthSettings& settings) : settings_(settings), loop_(loopFor(settings)) {}

}  // namespace miniproto
