/** Making, lending and choosing streams; streams.h says why they are shared. */
#include "deflate/streams.h"

#include <utility>

namespace miniproto {

namespace {

/** Streams of a kind that a thread keeps: with all of them deflating, 2 MB. */
constexpr size_t kIdleStreams = 8;

/**
 * Loans for which a stream stays its last user's. Where more connections than there are streams take turns, nobody
 * would find his own again, and going through all streams would only cost the cache: then they all use the latest one.
 */
constexpr uint64_t kKeptForLoans = 256;

constexpr size_t kNone = SIZE_MAX;

void* allocateForZlib(void* memory, unsigned count, unsigned size) {
  return static_cast<DeflateMemory*>(memory)->allocate(static_cast<size_t>(count) * size);
}

void releaseForZlib(void* memory, void* block) {
  static_cast<DeflateMemory*>(memory)->release(block);
}

}  // namespace

ZlibStream::ZlibStream(StreamKind theKind, const StreamSettings& theSettings, DeflateMemory& memory)
    : kind(theKind), settings(theSettings) {
  z.zalloc = allocateForZlib;
  z.zfree = releaseForZlib;
  z.opaque = &memory;
  // Negative: raw, without zlib's header and checksum.
  const int windowBits = -settings.windowBits;
  ready_ = kind == StreamKind::kInflate ? inflateInit2(&z, windowBits) == Z_OK
                                        : deflateInit2(&z, settings.level, Z_DEFLATED, windowBits, settings.memLevel,
                                                       Z_DEFAULT_STRATEGY) == Z_OK;
}

ZlibStream::~ZlibStream() {
  if (!ready_) return;
  if (kind == StreamKind::kInflate) {
    inflateEnd(&z);
  } else {
    deflateEnd(&z);
  }
}

void ZlibStream::reset() {
  if (kind == StreamKind::kInflate) {
    inflateReset(&z);
  } else {
    deflateReset(&z);
  }
  owner = 0;
}

std::unique_ptr<ZlibStream> StreamPool::lend(uint32_t owner, const StreamSettings& settings) {
  size_t chosen = kNone;
  for (size_t i = 0; owner != 0 && i < idle_.size(); i++) {
    if (idle_[i]->owner == owner) chosen = i;
  }
  const bool warm = chosen != kNone;
  if (!warm) chosen = choose(settings);
  std::unique_ptr<ZlibStream> stream;
  if (chosen != kNone) {
    std::swap(idle_[chosen], idle_.back());
    stream = std::move(idle_.back());
    idle_.pop_back();
    if (!(stream->settings == settings)) stream = nullptr;
  }
  if (stream == nullptr) {
    stream = std::make_unique<ZlibStream>(kind_, settings, memory_);
    if (!stream->ready()) return nullptr;
  } else if (!warm) {
    stream->reset();
  }
  stream->lentAt = ++clock_;
  return stream;
}

/** The stream to take where none is warm, kNone to make one. One with other settings is given up for it. */
size_t StreamPool::choose(const StreamSettings& settings) const {
  size_t oldest = kNone;
  size_t latest = kNone;
  for (size_t i = 0; i < idle_.size(); i++) {
    if (!(idle_[i]->settings == settings)) continue;
    if (idle_[i]->owner == 0) return i;
    if (oldest == kNone || idle_[i]->lentAt < idle_[oldest]->lentAt) oldest = i;
    if (latest == kNone || idle_[i]->lentAt > idle_[latest]->lentAt) latest = i;
  }
  if (idle_.size() < kIdleStreams) return kNone;
  if (oldest != kNone) return clock_ - idle_[oldest]->lentAt < kKeptForLoans ? latest : oldest;
  size_t stalest = 0;
  for (size_t i = 1; i < idle_.size(); i++) {
    if (idle_[i]->lentAt < idle_[stalest]->lentAt) stalest = i;
  }
  return stalest;
}

void StreamPool::giveBack(std::unique_ptr<ZlibStream> stream) {
  if (idle_.size() < kIdleStreams) idle_.push_back(std::move(stream));
}

void StreamPool::forget(uint32_t owner) {
  for (const std::unique_ptr<ZlibStream>& stream : idle_) {
    if (stream->owner == owner) stream->owner = 0;
  }
}

}  // namespace miniproto
