/**
 * UTF-8 to UTF-16 for the rows of a frame table: all payloads of a batch in one pass, one behind the other.
 *
 * JavaScript then makes one string of the units and slices it by the ends. What is no UTF-8 becomes U+FFFD per maximal
 * subpart, as the WHATWG Encoding Standard's decoder has it (https://encoding.spec.whatwg.org/#utf-8-decoder), so the
 * result is what TextDecoder or Buffer give for each row on its own. A byte order mark is kept.
 */
#pragma once

#include <cstddef>
#include <cstdint>

namespace miniproto {

/** What came of a row or of many. */
struct Utf8Outcome {
  /** UTF-16 units written. */
  size_t units = 0;
  /** Index of the first row that is not valid UTF-8, or -1. */
  int32_t malformed = -1;
  /** False when a row lies outside of the bytes or has no room: decoding stopped there. */
  bool inside = true;
};

/** Where the rows come from and where they go. */
struct Utf8Rows {
  const uint8_t* bytes;
  size_t length;
  /** The first row's words, see frame_table.h. */
  const int32_t* rows;
  size_t count;
  char16_t* units;
  /** Units that there is room for. */
  size_t room;
  /** Room for `count` words: where each row's units end. */
  int32_t* ends;
};

/**
 * Decodes the payloads of `count` rows. Each row is read once and checked as it is read: rows may be overwritten
 * meanwhile, by another thread or by units that lie over them, and then only the result is wrong.
 * Pre: `room` fits in an int32.
 */
Utf8Outcome decodeUtf8Rows(const Utf8Rows& call) noexcept;

/** Where the rows of `serializeTexts` come from and where they go. */
struct TextRows {
  const uint8_t* bytes;
  size_t length;
  const int32_t* rows;
  size_t count;
  /** Each byte is a character; otherwise the payloads are UTF-8. */
  bool latin1;
  /** At an even address. */
  uint8_t* target;
  size_t room;
};

/** What `serializeTexts` says of itself. */
struct TextOutcome {
  size_t size = 0;
  bool malformed = false;
  /** False when a row lies outside of the bytes, or there is no room for it. */
  bool inside = true;
};

/** Bytes that `serializeTexts` needs beside the payloads: once, and for each row. */
constexpr size_t kSerializedFrame = 32;
constexpr size_t kSerializedRow = 8;

/**
 * Writes the payloads as V8's serialization of an array of strings (v8/src/objects/value-serializer.cc, version 15, a
 * format that later versions read): one call of `v8.Deserializer` then makes all strings, each in memory of its own,
 * where making them one by one takes a call each.
 * Pre: every payload is shorter than 2^20 bytes.
 * Post: size <= kSerializedFrame + count * kSerializedRow + 2 * payload bytes.
 */
TextOutcome serializeTexts(const TextRows& call) noexcept;

}  // namespace miniproto
