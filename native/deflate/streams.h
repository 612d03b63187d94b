/**
 * The streams of zlib that the connections of a thread share, and who used each of them last.
 *
 * A stream of zlib's costs up to 300 KB, what it has to know to go on with a connection a few KB: its history. So a
 * connection borrows a stream for a message. If it was also the last one to use it, the stream still knows everything
 * and is "warm"; else it is reset and given the history. A few streams stay between messages, each with the connection
 * that used it last, and are chosen so that few busy connections keep theirs while many share one that stays in the
 * processor's cache.
 */
#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "deflate/memory.h"

namespace miniproto {

/** How a stream was made. Inflating streams are all alike: they take the largest window. */
struct StreamSettings {
  /** 0 to 9. */
  int level = 0;
  /** 9 to 15. */
  int windowBits = 15;
  /** 1 to 9. */
  int memLevel = 8;

  bool operator==(const StreamSettings& other) const {
    return level == other.level && windowBits == other.windowBits && memLevel == other.memLevel;
  }
};

enum class StreamKind : uint8_t { kDeflate, kInflate };

/**
 * One stream of zlib's, raw (without a header).
 *
 * What a compressing stream needs is one block, which is there before zlib is asked for anything: zlibs of some
 * versions (that of Node 22.12) clear what they were given before they look whether they were given it.
 */
class ZlibStream {
 public:
  ZlibStream(StreamKind kind, const StreamSettings& settings, DeflateMemory& memory);
  ~ZlibStream();
  ZlibStream(const ZlibStream&) = delete;
  ZlibStream& operator=(const ZlibStream&) = delete;

  /** False where there was no memory for it. */
  bool ready() const { return ready_; }
  /** Memory for zlib, of the block as long as that lasts. @returns null where there is none. */
  void* allocate(size_t size);
  /** Pre: null, or what allocate() answered. */
  void release(void* memory);
  /** Forgets everything. */
  void reset();

  z_stream z{};
  const StreamKind kind;
  const StreamSettings settings;
  /** The connection that it goes on with, 0 for none. */
  uint32_t owner = 0;
  /** When it was last lent, on the pool's own clock. */
  uint64_t lentAt = 0;

 private:
  bool initialize();

  DeflateMemory& memory_;
  /** Null without one. */
  uint8_t* block_ = nullptr;
  size_t blockSize_ = 0;
  size_t blockUsed_ = 0;
  bool ready_;
};

class StreamPool {
 public:
  /** Pre: `memory` outlives the pool. */
  StreamPool(StreamKind kind, DeflateMemory& memory) : kind_(kind), memory_(memory) {}

  /**
   * Lends a stream. Warm, where its owner is `owner`; else it is reset and has no owner.
   * @param owner who asks, 0 for somebody without a history
   * @returns null where there is no memory
   */
  std::unique_ptr<ZlibStream> lend(uint32_t owner, const StreamSettings& settings);

  /** Takes a stream back. Its owner is who may find it warm; 0 when its state is of no use. */
  void giveBack(std::unique_ptr<ZlibStream> stream);

  /** A connection is gone: nothing is warm for whoever gets its number. */
  void forget(uint32_t owner);

  /** Streams that are not lent. */
  size_t idle() const { return idle_.size(); }

 private:
  size_t choose(const StreamSettings& settings) const;

  StreamKind kind_;
  DeflateMemory& memory_;
  uint64_t clock_ = 0;
  /** At most kIdleStreams. */
  std::vector<std::unique_ptr<ZlibStream>> idle_;
};

}  // namespace miniproto
