/**
 * The bytes between OpenSSL and the world: what OpenSSL reads, and where it writes. A BIO of our own over both.
 *
 * OpenSSL reads what the pipe holds, then the span that it was given for this call; writing never blocks. Two things
 * are bounded here because OpenSSL itself would go on as long as there are bytes: answers that the peer makes us give
 * (KeyUpdate) without taking them, and records that carry no data.
 */
#pragma once

#include <openssl/bio.h>

#include <cstddef>
#include <cstdint>

#include "bytes/byte_queue.h"

namespace miniproto {

class TlsPipe {
 public:
  explicit TlsPipe(BlockPool& pool) : outgoing_(pool), held_(pool) {}

  ByteQueue& outgoing() { return outgoing_; }
  const ByteQueue& outgoing() const { return outgoing_; }
  /** Bytes that were received and not read: they are read before any span. */
  ByteQueue& held() { return held_; }
  const ByteQueue& held() const { return held_; }

  /** From here to `endCall` OpenSSL may read. Pre: the bytes stay until then. */
  void beginCall(const uint8_t* bytes, size_t size);
  /** Holds what was not read. Throws std::bad_alloc. */
  void endCall();
  /** Forgets what was not read. */
  void abandonCall();
  /** Bytes that could be read. Pre: between beginCall and endCall. */
  bool readable() const { return !held_.empty() || at_ != end_; }
  /** So many answers wait that nothing more is read before they have left. */
  bool stuck() const;
  /** The peer has sent one thing after the other that is no data. */
  bool flooded() const { return reads_ > kMostReads; }
  /** Data came: the count of records without any starts anew. */
  void countData() { reads_ = 0; }
  /** From now on, what the peer makes us do is bounded; a handshake is bounded by OpenSSL. */
  void limit() { limited_ = true; }
  /** There was no memory for what OpenSSL wrote. */
  bool broken() const { return broken_; }
  /** Writes behind everything else. Throws std::bad_alloc. */
  void append(const uint8_t* bytes, size_t size);
  /** Moves what waits to target[0, room); until `takeBack`, what is written follows it there as long as it has room. */
  void lend(uint8_t* target, size_t room) noexcept;
  /** @returns the bytes that are in the target. */
  size_t takeBack() noexcept;

 private:
  friend int readPipe(BIO* bio, char* target, size_t size, size_t* given);
  friend int writePipe(BIO* bio, const char* bytes, size_t size, size_t* taken);
  size_t read(uint8_t* target, size_t size);
  void fillLent() noexcept;

  /** Two reads make a record: 1024 records. A peer sends a KeyUpdate or a ticket now and then. */
  static constexpr uint32_t kMostReads = 2048;

  ByteQueue outgoing_;
  ByteQueue held_;
  const uint8_t* at_ = nullptr;
  const uint8_t* end_ = nullptr;
  /** Where what is written goes, without waiting in outgoing_: [lentAt_, lentEnd_) is free. */
  uint8_t* lent_ = nullptr;
  uint8_t* lentAt_ = nullptr;
  uint8_t* lentEnd_ = nullptr;
  /** Bytes ever appended to outgoing_, and how many those were when the last answer was. */
  uint64_t appended_ = 0;
  uint64_t answersEnd_ = 0;
  /** Bytes of answers among what waits; more than there are while outgoing_ was never sent up to the last one. */
  size_t answers_ = 0;
  uint32_t reads_ = 0;
  bool reading_ = false;
  bool limited_ = false;
  bool broken_ = false;
};

/** @returns null: no memory. */
BIO_METHOD* makePipeMethod();
/** @returns a BIO over the pipe, which has to outlive it; null: no memory. */
BIO* makePipeBio(const BIO_METHOD* method, TlsPipe& pipe);

}  // namespace miniproto
