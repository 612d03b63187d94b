/** Making, lending and choosing streams; streams.h says why they are shared. */
#include "deflate/streams.h"

#include <algorithm>
#include <cstddef>
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

void* allocateForZlib(void* stream, unsigned count, unsigned size) {
  return static_cast<ZlibStream*>(stream)->allocate(static_cast<size_t>(count) * size);
}

void releaseForZlib(void* stream, void* memory) {
  static_cast<ZlibStream*>(stream)->release(memory);
}

/**
 * Bytes that a compressing stream asks for, at most, as far as its zlib is known (zconf.h; that of Chromium, which Node
 * has, takes a larger table of hashes). Of one that asks for more the rest is allocated as it asks.
 */
size_t deflateBytes(const StreamSettings& settings) {
  constexpr size_t kState = 16 * 1024;
  constexpr int kLeastHashBits = 15;
  const size_t window = size_t{1} << settings.windowBits;
  const size_t hashes = size_t{1} << std::max(settings.memLevel + 7, kLeastHashBits);
  const size_t symbols = size_t{1} << (settings.memLevel + 6);
  return kState + 4 * window + 2 * hashes + 5 * symbols;
}

}  // namespace

ZlibStream::ZlibStream(StreamKind theKind, const StreamSettings& theSettings, DeflateMemory& memory)
    : kind(theKind), settings(theSettings), memory_(memory) {
  z.zalloc = allocateForZlib;
  z.zfree = releaseForZlib;
  z.opaque = this;
  ready_ = initialize();
}

bool ZlibStream::initialize() {
  // Negative: raw, without zlib's header and checksum.
  const int windowBits = -settings.windowBits;
  if (kind == StreamKind::kInflate) return inflateInit2(&z, windowBits) == Z_OK;
  blockSize_ = deflateBytes(settings);
  block_ = static_cast<uint8_t*>(memory_.allocate(blockSize_));
  if (block_ == nullptr) return false;
  return deflateInit2(&z, settings.level, Z_DEFLATED, windowBits, settings.memLevel, Z_DEFAULT_STRATEGY) == Z_OK;
}

ZlibStream::~ZlibStream() {
  if (ready_ && kind == StreamKind::kInflate) {
    inflateEnd(&z);
  } else if (ready_) {
    deflateEnd(&z);
  }
  memory_.release(block_);
}

void* ZlibStream::allocate(size_t size) {
  constexpr size_t kAlignment = alignof(std::max_align_t);
  const size_t padded = (size + kAlignment - 1) / kAlignment * kAlignment;
  if (padded < size || padded > blockSize_ - blockUsed_) return memory_.allocate(size);
  void* memory = block_ + blockUsed_;
  blockUsed_ += padded;
  return memory;
}

void ZlibStream::release(void* memory) {
  // SAFETY: as numbers, since pointers into different blocks cannot be compared.
  const auto at = reinterpret_cast<uintptr_t>(memory);
  const auto block = reinterpret_cast<uintptr_t>(block_);
  // What is in the block goes with it.
  if (block_ == nullptr || at < block || at >= block + blockSize_) memory_.release(memory);
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
