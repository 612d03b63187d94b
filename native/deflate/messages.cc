/** Compressing and decompressing with borrowed streams; messages.h has the states. */
#include "deflate/messages.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace miniproto {

namespace {

constexpr const char* kNoMemoryReason = "out of memory";
constexpr const char* kUnfinishedReason = "the message ends inside a block";

/** Inflating needs nothing of StreamSettings but the window. */
constexpr StreamSettings kInflateSettings = {};

/** zlib's pointers are not const, but it only reads here. */
Bytef* inputOf(const uint8_t* bytes) {
  return const_cast<Bytef*>(bytes);
}

/** zlib has counted down to 0 or stands at the first bit of a block header, with no bit left over. */
bool standsBetweenBlocks(const z_stream& z) {
  constexpr int kBetweenBlocks = 128;
  constexpr int kUnusedBits = 63;
  return (z.data_type & kBetweenBlocks) != 0 && (z.data_type & kUnusedBits) == 0;
}

/** Pre: `size` is a power of two. */
int bitsOf(size_t size) {
  int bits = 0;
  while ((size_t{1} << bits) < size) bits++;
  return bits;
}

DeflateResult failure(DeflateStatus status, const char* reason) {
  return {status, 0, 0, reason};
}

}  // namespace

DeflateContext::DeflateContext(uint32_t owner, const DeflateSettings& settings, DeflateRoom& room)
    : owner_(owner),
      room_(room),
      settings_(settings.own),
      ownInflaterBits_(settings.ownInflater ? bitsOf(settings.peerHistory) : 0),
      sent_(settings.ownHistory, room.memory),
      received_(settings.ownInflater ? 0 : settings.peerHistory, room.memory) {}

DeflateContext::~DeflateContext() {
  room_.deflaters.forget(owner_);
  room_.inflaters.forget(owner_);
  if (deflater_ != nullptr) room_.deflaters.giveBack(std::move(deflater_));
  if (inflater_ != nullptr && ownInflaterBits_ == 0) room_.inflaters.giveBack(std::move(inflater_));
}

bool DeflateContext::beginDeflate() {
  deflater_ = room_.deflaters.lend(sent_.keeps() ? owner_ : 0, settings_);
  if (deflater_ == nullptr) return false;
  heldLength_ = 0;
  if (deflater_->owner != owner_) {
    sent_.visit(
        [&](const uint8_t* part, size_t size) { deflateSetDictionary(&deflater_->z, part, static_cast<uInt>(size)); });
  }
  // Until the message is whole nobody could go on with it.
  deflater_->owner = 0;
  return true;
}

DeflateResult DeflateContext::deflate(const uint8_t* bytes, size_t size, MessagePart part, uint8_t* target,
                                      size_t room) {
  if (deflater_ == nullptr) {
    if (size == 0 && part != MessagePart::kEnd) return {DeflateStatus::kDone, 0, 0, nullptr};
    if (size == 0) {
      // An empty message is an empty block without its tail. RFC 7692 §7.2.3.6
      target[0] = 0;
      return {DeflateStatus::kDone, 0, 1, nullptr};
    }
    if (!beginDeflate()) return failure(DeflateStatus::kNoMemory, kNoMemoryReason);
  }
  std::memcpy(target, held_, heldLength_);
  z_stream& z = deflater_->z;
  z.next_in = inputOf(bytes);
  z.avail_in = static_cast<uInt>(size);
  z.next_out = target + heldLength_;
  z.avail_out = static_cast<uInt>(room - heldLength_);
  // Z_BUF_ERROR means that there was nothing to do, which is no error.
  ::deflate(&z, part == MessagePart::kMore ? Z_NO_FLUSH : Z_SYNC_FLUSH);
  const size_t taken = size - z.avail_in;
  const size_t written = room - z.avail_out;
  const bool full = z.avail_out == 0;
  heldLength_ = static_cast<uint8_t>(std::min(written, kTailLength));
  std::memcpy(held_, target + written - heldLength_, heldLength_);
  const size_t given = written - heldLength_;
  const bool kept = sent_.append(bytes, taken);
  if (!kept || (!full && part == MessagePart::kEnd)) {
    deflater_->owner = kept && sent_.keeps() ? owner_ : 0;
    room_.deflaters.giveBack(std::move(deflater_));
  }
  if (!kept) return failure(DeflateStatus::kNoMemory, kNoMemoryReason);
  return {full ? DeflateStatus::kFull : DeflateStatus::kDone, taken, given, nullptr};
}

void DeflateContext::forgetSent() {
  sent_.clear();
  room_.deflaters.forget(owner_);
}

bool DeflateContext::beginOwnInflate() {
  inflater_ = std::move(parkedInflater_);
  if (inflater_ == nullptr) {
    const StreamSettings settings = {0, ownInflaterBits_, 8};
    inflater_ = std::make_unique<ZlibStream>(StreamKind::kInflate, settings, room_.memory);
    if (!inflater_->ready()) inflater_ = nullptr;
  } else if (finalBlockSeen_) {
    inflateResetKeep(&inflater_->z);
  }
  finalBlockSeen_ = false;
  tailTaken_ = 0;
  return inflater_ != nullptr;
}

bool DeflateContext::beginInflate() {
  if (ownInflaterBits_ != 0) return beginOwnInflate();
  inflater_ = room_.inflaters.lend(received_.keeps() ? owner_ : 0, kInflateSettings);
  if (inflater_ == nullptr) return false;
  tailTaken_ = 0;
  finalBlockSeen_ = false;
  bool known = true;
  if (inflater_->owner != owner_) {
    received_.visit([&](const uint8_t* part, size_t size) {
      known = known && inflateSetDictionary(&inflater_->z, part, static_cast<uInt>(size)) == Z_OK;
    });
  }
  inflater_->owner = 0;
  if (!known) room_.inflaters.giveBack(std::move(inflater_));
  return known;
}

DeflateResult DeflateContext::inflate(const uint8_t* bytes, size_t size, MessagePart part, uint8_t* target,
                                      size_t room) {
  if (inflater_ == nullptr) {
    if (size == 0 && part != MessagePart::kEnd) return {DeflateStatus::kDone, 0, 0, nullptr};
    if (!beginInflate()) return failure(DeflateStatus::kNoMemory, kNoMemoryReason);
  }
  z_stream& z = inflater_->z;
  z.next_out = target;
  z.avail_out = static_cast<uInt>(room);
  const DeflateStatus status = runInflate(bytes, size);
  DeflateResult result = {status, size - z.avail_in, 0, nullptr};
  const bool last = part == MessagePart::kEnd && status == DeflateStatus::kDone;
  if (last) result.status = inflateTail();
  result.given = room - z.avail_out;
  if (!received_.append(target, result.given)) result.status = DeflateStatus::kNoMemory;
  const bool goesOn = result.status == DeflateStatus::kFull || (result.status == DeflateStatus::kDone && !last);
  return goesOn ? result : endInflate(result);
}

/** Inflates until the input or the room is used up. Post: kDone with all input taken and room left, or another. */
DeflateStatus DeflateContext::runInflate(const uint8_t* bytes, size_t size) {
  z_stream& z = inflater_->z;
  z.next_in = inputOf(bytes);
  z.avail_in = static_cast<uInt>(size);
  z.msg = nullptr;
  for (;;) {
    if (finalBlockSeen_ && z.avail_in == 0) return DeflateStatus::kDone;
    // What follows a final block is more blocks, which may refer to what is before it.
    if (finalBlockSeen_) inflateResetKeep(&z);
    finalBlockSeen_ = false;
    const int answer = ::inflate(&z, Z_SYNC_FLUSH);
    if (answer == Z_MEM_ERROR) return DeflateStatus::kNoMemory;
    finalBlockSeen_ = answer == Z_STREAM_END;
    // Z_BUF_ERROR means that there was nothing to do.
    if (!finalBlockSeen_ && answer != Z_OK && answer != Z_BUF_ERROR) return DeflateStatus::kCorrupt;
    if (z.avail_out == 0) return DeflateStatus::kFull;
    if (z.avail_in == 0) return DeflateStatus::kDone;
  }
}

/** Inflates what the sender left out. RFC 7692 §7.2.2 */
DeflateStatus DeflateContext::inflateTail() {
  // Nothing is missing behind a final block that nothing follows, as the rest of a tail does that it ended in.
  if (finalBlockSeen_ && tailTaken_ % kTailLength == 0) return DeflateStatus::kDone;
  z_stream& z = inflater_->z;
  const DeflateStatus status = runInflate(kTail + tailTaken_, kTailLength - tailTaken_);
  tailTaken_ = static_cast<uint8_t>(kTailLength - z.avail_in);
  if (status != DeflateStatus::kDone) return status;
  if (finalBlockSeen_ || standsBetweenBlocks(z)) return DeflateStatus::kDone;
  z.msg = nullptr;
  return DeflateStatus::kCorrupt;
}

/** Gives the stream back, and says why when that is not because the message is whole. */
DeflateResult DeflateContext::endInflate(DeflateResult result) {
  const char* reason = inflater_->z.msg;
  const bool whole = result.status == DeflateStatus::kDone;
  if (ownInflaterBits_ != 0) {
    if (whole) parkedInflater_ = std::move(inflater_);
    inflater_ = nullptr;
  } else {
    // A stream that saw a final block would go on with the next message as if it were more of this one.
    inflater_->owner = whole && !finalBlockSeen_ && received_.keeps() ? owner_ : 0;
    room_.inflaters.giveBack(std::move(inflater_));
  }
  if (whole) return result;
  if (result.status == DeflateStatus::kNoMemory) return failure(DeflateStatus::kNoMemory, kNoMemoryReason);
  return failure(DeflateStatus::kCorrupt, reason == nullptr ? kUnfinishedReason : reason);
}

}  // namespace miniproto
