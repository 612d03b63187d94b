/** The BIO over a session's bytes; pipe.h. */
#include "tls/pipe.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace miniproto {
namespace {

/** Bytes of answers that may wait before the peer has to take some: 2400 KeyUpdates. */
constexpr size_t kMostAnswers = 64 * 1024;

long controlPipe(BIO*, int command, long, void*) {
  // OpenSSL flushes after each flight; everything else it asks for is optional.
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

int createPipe(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

}  // namespace

int readPipe(BIO* bio, char* target, size_t size, size_t* given) {
  BIO_clear_retry_flags(bio);
  *given = static_cast<TlsPipe*>(BIO_get_data(bio))->read(reinterpret_cast<uint8_t*>(target), size);
  if (*given > 0) return 1;
  BIO_set_retry_read(bio);
  return 0;
}

int writePipe(BIO* bio, const char* bytes, size_t size, size_t* taken) {
  TlsPipe& pipe = *static_cast<TlsPipe*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  *taken = 0;
  try {
    pipe.append(reinterpret_cast<const uint8_t*>(bytes), size);
  } catch (const std::bad_alloc&) {
    pipe.broken_ = true;
    return 0;
  }
  *taken = size;
  return 1;
}

BIO_METHOD* makePipeMethod() {
  BIO_METHOD* method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "miniproto");
  if (method == nullptr) return nullptr;
  BIO_meth_set_read_ex(method, readPipe);
  BIO_meth_set_write_ex(method, writePipe);
  BIO_meth_set_ctrl(method, controlPipe);
  BIO_meth_set_create(method, createPipe);
  return method;
}

BIO* makePipeBio(const BIO_METHOD* method, TlsPipe& pipe) {
  BIO* bio = BIO_new(method);
  if (bio != nullptr) BIO_set_data(bio, &pipe);
  return bio;
}

void TlsPipe::beginCall(const uint8_t* bytes, size_t size) {
  at_ = bytes;
  end_ = bytes + size;
  reading_ = true;
  reads_ = 0;
}

void TlsPipe::endCall() {
  const uint8_t* from = at_;
  const auto left = static_cast<size_t>(end_ - at_);
  abandonCall();
  held_.append(from, left);
}

void TlsPipe::abandonCall() {
  reading_ = false;
  at_ = end_ = nullptr;
}

size_t TlsPipe::read(uint8_t* target, size_t size) {
  if (!reading_ || flooded() || stuck()) return 0;
  if (limited_) reads_++;
  if (!held_.empty()) {
    const size_t part = std::min(size, held_.size());
    std::memcpy(target, held_.data(), part);
    held_.consume(part);
    return part;
  }
  const size_t part = std::min(size, static_cast<size_t>(end_ - at_));
  if (part > 0) std::memcpy(target, at_, part);
  at_ += part;
  return part;
}

void TlsPipe::append(const uint8_t* bytes, size_t size) {
  if (outgoing_.empty() && size > 0 && size <= static_cast<size_t>(lentEnd_ - lentAt_)) {
    std::memcpy(lentAt_, bytes, size);
    lentAt_ += size;
  } else {
    outgoing_.append(bytes, size);
  }
  const uint64_t sent = appended_ + size - outgoing_.size();
  appended_ += size;
  if (!reading_) return;
  if (sent >= answersEnd_) answers_ = 0;
  answers_ += size;
  answersEnd_ = appended_;
}

void TlsPipe::lend(uint8_t* target, size_t room) noexcept {
  lent_ = lentAt_ = target;
  lentEnd_ = target + room;
  fillLent();
}

void TlsPipe::fillLent() noexcept {
  const size_t size = std::min(static_cast<size_t>(lentEnd_ - lentAt_), outgoing_.size());
  if (size == 0) return;
  std::memcpy(lentAt_, outgoing_.data(), size);
  lentAt_ += size;
  outgoing_.consume(size);
}

size_t TlsPipe::takeBack() noexcept {
  // A record that did not fit as a whole.
  fillLent();
  const auto size = static_cast<size_t>(lentAt_ - lent_);
  lent_ = lentAt_ = lentEnd_ = nullptr;
  return size;
}

bool TlsPipe::stuck() const {
  return limited_ && answers_ > kMostAnswers && appended_ - outgoing_.size() < answersEnd_;
}

}  // namespace miniproto
