/**
 * Messages of permessage-deflate (RFC 7692 §7.2): compressed and decompressed whole or in pieces, within given memory.
 *
 * A DeflateContext is one connection's: what was sent and received before, as far as the next message may refer to it.
 * Streams of zlib's it borrows from its DeflateRoom, of which a thread has one, for as long as a message lasts. A call
 * never writes more than it is given room for: where that is too little it answers kFull and goes on at the next call,
 * so neither a bomb nor a long message takes memory here.
 *
 *   state of a direction    call                                         next
 *   between messages        the first bytes, or the end                  in a message, with a borrowed stream
 *   in a message            bytes, not the end; or the answer is kFull   in a message
 *   in a message            the end, and the answer is kDone             between messages; the stream is given back
 *   either                  the answer is kCorrupt or kNoMemory          between messages, of no use to the connection
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "deflate/history.h"
#include "deflate/memory.h"
#include "deflate/streams.h"

namespace miniproto {

enum class DeflateStatus : uint8_t {
  /** All input was taken, and everything that it gives was written. */
  kDone,
  /** No room is left; call again with what was not taken, even if that is nothing. */
  kFull,
  kCorrupt,
  kNoMemory,
};

struct DeflateResult {
  DeflateStatus status;
  /** Bytes of input. */
  size_t taken;
  /** Bytes of output. */
  size_t given;
  /** What is wrong, where something is; lives for ever. */
  const char* reason;
};

/** What is behind the bytes of a call. */
enum class MessagePart : uint8_t {
  /** More of the message; output may be held back. */
  kMore,
  /** More of the message; everything so far becomes readable for the peer. */
  kFlush,
  kEnd,
};

struct DeflateSettings {
  StreamSettings own;
  /** Bytes of what was sent that are kept, 0 without context takeover, else a power of two. */
  size_t ownHistory = 0;
  /** The same of what was received: the peer's whole window. */
  size_t peerHistory = 0;
  /** Whether the context keeps an inflating stream, which is that window and 10 KB, or copies the window in and out. */
  bool ownInflater = false;
};

/** What the contexts of a thread share. */
struct DeflateRoom {
  DeflateMemory memory;
  StreamPool deflaters{StreamKind::kDeflate, memory};
  StreamPool inflaters{StreamKind::kInflate, memory};
};

/** The end of a flushed block, which messages go without. RFC 7692 §7.2.1 */
constexpr size_t kTailLength = 4;
constexpr uint8_t kTail[kTailLength] = {0x00, 0x00, 0xff, 0xff};
/** Below this zlib could repeat a flush for ever. */
constexpr size_t kLeastRoom = 16;

class DeflateContext {
 public:
  /** Pre: `owner` is not 0 and no other context's of this room; `room` outlives the context. */
  DeflateContext(uint32_t owner, const DeflateSettings& settings, DeflateRoom& room);
  ~DeflateContext();
  DeflateContext(const DeflateContext&) = delete;
  DeflateContext& operator=(const DeflateContext&) = delete;

  /**
   * Compresses bytes of the message.
   * Pre: `target` has `room` bytes, at least kLeastRoom.
   * Post: with kFull, room - kTailLength bytes were given: the last ones may be the tail, which is left out.
   */
  DeflateResult deflate(const uint8_t* bytes, size_t size, MessagePart part, uint8_t* target, size_t room);

  /** Decompresses bytes of the message. Pre: `target` has `room` bytes, at least one. kFlush means the same as kMore.
   */
  DeflateResult inflate(const uint8_t* bytes, size_t size, MessagePart part, uint8_t* target, size_t room);

  /** What is compressed from now on refers to nothing before. Pre: between messages. */
  void forgetSent();

 private:
  bool beginDeflate();
  bool beginInflate();
  bool beginOwnInflate();
  DeflateStatus runInflate(const uint8_t* bytes, size_t size);
  DeflateStatus inflateTail();
  DeflateResult endInflate(DeflateResult result);

  uint32_t owner_;
  DeflateRoom& room_;
  StreamSettings settings_;
  /** 0, or the window of the context's own inflater. */
  int ownInflaterBits_;
  History sent_;
  History received_;
  std::unique_ptr<ZlibStream> deflater_;
  std::unique_ptr<ZlibStream> inflater_;
  /** The context's own inflater, between messages. */
  std::unique_ptr<ZlibStream> parkedInflater_;
  /** The last bytes of what was compressed, not given out yet; 0 <= heldLength_ <= kTailLength. */
  uint8_t held_[kTailLength] = {};
  uint8_t heldLength_ = 0;
  /** Bytes of the tail that the inflater has had. */
  uint8_t tailTaken_ = 0;
  /** The last block was marked as final, and nothing has followed it yet. RFC 7692 §7.2.3.4 */
  bool finalBlockSeen_ = false;
};

}  // namespace miniproto
