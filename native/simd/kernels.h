/**
 * The kernels: the few loops that run over every byte, once per instruction set, and the choice among them.
 *
 * A KernelSet is a table of functions. dispatch.cc picks the best set that the processor runs, on first use, and keeps
 * it in one atomic pointer; selectKernel() forces another for tests and benches. Results never depend on the set.
 * Nothing here reads or writes a byte outside the range it is given, not even one that is masked off afterwards.
 */
#pragma once

#include <cstddef>
#include <cstdint>

namespace miniproto {

/** How scanLines recognises the end of a record. */
enum class LineEnd {
  /** `last` alone. */
  kByte,
  /** `last`, and a CR right before it belongs to the separator. */
  kStripCr,
  /** `first` and `last`, two different bytes in a row. */
  kPair,
  /** CR LF; the scan stops in front of a CR or LF on its own. */
  kStrictCrlf,
};

/** A run of scanLines: settings, then the state it advances. Positions are indices into `bytes`. */
struct LineScan {
  const uint8_t* bytes;
  size_t to;
  /** The first row's words; rows follow each other, four words each. */
  int32_t* rows;
  size_t maxRows;
  size_t maxLength;
  LineEnd end;
  uint8_t first;
  uint8_t last;
  bool keep;

  /** In: where the record at the front starts. Out: where the first record without a row starts. */
  size_t start;
  /** In: where to search on; start <= position <= to. Out: `to` when the whole span was searched, else unspecified. */
  size_t position;
  /** In and out: rows written; 0 <= rowCount <= maxRows. */
  size_t rowCount;
  /** Out: false when a byte over 0x7f was seen, perhaps behind the last row. */
  bool ascii;
};

/**
 * A run of takeMessages over WebSocket frames: settings, then the state it advances. Positions are indices into
 * `bytes`.
 */
struct MessageRun {
  uint8_t* bytes;
  size_t to;
  /** The first row's words; rows follow each other, four words each. */
  int32_t* rows;
  size_t maxRows;
  size_t maxLength;
  /** Frames have keys; else they are only read. */
  bool masked;
  /** Flag of rows with text that is ASCII; 0 where text is not looked at. */
  int32_t asciiFlag;

  /** In: where the next frame begins. Out: where the first without a row does. */
  size_t start;
  /** In and out: where the next frame goes in its form without a key; target <= start. */
  size_t target;
  /** In and out: rows written; 0 <= rowCount <= maxRows. */
  size_t rowCount;
  /** Out, where `unchecked`: the last row's key and payload length; the payload ends at `target`. */
  uint32_t key;
  size_t length;
  /** Out: the last row is text that is not ASCII, and has to be checked. */
  bool unchecked;
};

struct KernelSet {
  const char* name;
  /** First index of `byte`, or `size`. */
  size_t (*indexOfByte)(const uint8_t* bytes, size_t size, uint8_t byte);
  /** First index of any of three bytes, or `size`. */
  size_t (*indexOfAny)(const uint8_t* bytes, size_t size, uint8_t a, uint8_t b, uint8_t c);
  /** First index where the whole sequence lies, or `size`. Pre: 2 <= length <= size. */
  size_t (*indexOfSequence)(const uint8_t* bytes, size_t size, const uint8_t* sequence, size_t length);
  /**
   * Writes `base` plus the index of every `byte` until `capacity` are written. Post: *ascii is false when a byte over
   * 0x7f was seen, perhaps behind the last position. @returns the count written.
   */
  size_t (*indexAll)(const uint8_t* bytes, size_t size, uint8_t byte, int32_t base, int32_t* positions, size_t capacity,
                     bool* ascii);
  /** True when no byte is over 0x7f. */
  bool (*isAscii)(const uint8_t* bytes, size_t size);
  /**
   * Bytes from the front that are valid UTF-8 and whole characters. Where it stops, fewer than four bytes are left, or
   * the next 64 hold one that cannot be there.
   */
  size_t (*passUtf8)(const uint8_t* bytes, size_t size);
  /**
   * target[i] = source[i] ^ byte i % 4 of `key`, lowest first. Pre: target <= source, or the two do not overlap.
   * @returns whether no byte written is over 0x7f.
   */
  bool (*mask)(uint8_t* target, const uint8_t* source, size_t size, uint32_t key);
  /**
   * Takes whole frames as long as each is a whole message of text or bytes, of at most maxLength and less than 64 KiB:
   * writes their rows and, where they are masked, the frames as a server sends them, one behind the other from `target`
   * on.
   */
  void (*takeMessages)(MessageRun& run);
  /**
   * Writes a row per record until maxRows, the end, a payload over maxLength, or what kStrictCrlf forbids.
   * Pre: rowCount < maxRows. Post: `start` is behind the last row's record.
   */
  void (*scanLines)(LineScan& scan);
};

/** The set in use. Cheap: one atomic load. */
const KernelSet& kernels();

/** Sets that this processor runs, best first. Post: `names` filled from the front. @returns the count, at most 4. */
size_t availableKernels(const char* (&names)[4]);

/** Makes the named set the one in use, in the whole process. @returns false, and changes nothing, when it is not
 * available. */
bool selectKernel(const char* name);

}  // namespace miniproto
